/*
 * JSON that is printed.  Memory does not run out (mem.h), so json-c's NULLs end the program as ours would:
 * a list that quietly lacks a member would be worse.
 */
#ifndef VZDUMP_CLI_JSON_OUT_H
#define VZDUMP_CLI_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

struct json_object *json_out_object(void);
struct json_object *json_out_array(void);
/* Takes value over. */
void json_out_append(struct json_object *array, struct json_object *value);
void json_out_add(struct json_object *o, const char *key, struct json_object *value);
void json_out_null(struct json_object *o, const char *key);
/* Of any bytes: what is no UTF-8 is read byte by byte, since a JSON text holds nothing else. */
void json_out_text(struct json_object *o, const char *key, const char *text);
void json_out_bool(struct json_object *o, const char *key, bool value);
void json_out_int(struct json_object *o, const char *key, int64_t value);
void json_out_uint(struct json_object *o, const char *key, uint64_t value);
void json_out_double(struct json_object *o, const char *key, double value);
/* On standard output, with flags of json-c and nothing in it that a terminal obeys; value (NULL: null) is freed. */
void json_out_print(struct json_object *value, int flags);

#endif

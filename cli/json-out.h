/* JSON that is printed, beside what base/json.h builds. */
#ifndef VZDUMP_CLI_JSON_OUT_H
#define VZDUMP_CLI_JSON_OUT_H

#include <stdint.h>

#include "base/json.h"

void json_out_null(struct json_object *o, const char *key);
void json_out_int(struct json_object *o, const char *key, int64_t value);
void json_out_double(struct json_object *o, const char *key, double value);
/* A string of any bytes: what is no UTF-8 is read byte by byte, since a JSON text holds nothing else. */
struct json_object *json_out_string(const char *text);
void json_out_text(struct json_object *o, const char *key, const char *text);
/* On standard output, with flags of json-c, harmless to a terminal; value (NULL: null) is freed. */
void json_out_print(struct json_object *value, int flags);

#endif

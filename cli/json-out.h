/* Building JSON for output, in addition to base/json.h, and printing it. */
#ifndef VZDUMP_CLI_JSON_OUT_H
#define VZDUMP_CLI_JSON_OUT_H

#include <stdint.h>

#include "base/json.h"

void json_out_null(struct json_object *o, const char *key);
void json_out_int(struct json_object *o, const char *key, int64_t value);
void json_out_double(struct json_object *o, const char *key, double value);
/* A string of any bytes; those that are not UTF-8 are converted one by one, since JSON must be UTF-8. */
struct json_object *json_out_string(const char *text);
void json_out_text(struct json_object *o, const char *key, const char *text);
/* On standard output, with flags of json-c, harmless to a terminal; value (NULL: null) is freed. */
void json_out_print(struct json_object *value, int flags);

#endif

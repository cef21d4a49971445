/* Printing JSON. */
#ifndef VZDUMP_CLI_JSON_OUT_H
#define VZDUMP_CLI_JSON_OUT_H

#include "base/json.h"

/* As text with flags of json-c, harmless to a terminal; value (NULL: null) is freed.  The caller frees it. */
char *json_out_text(struct json_object *value, int flags);
/* The same on standard output. */
void json_out_print(struct json_object *value, int flags);

#endif

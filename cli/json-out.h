/* Printing JSON. */
#ifndef VZDUMP_CLI_JSON_OUT_H
#define VZDUMP_CLI_JSON_OUT_H

#include "base/json.h"

/* On standard output, with flags of json-c, harmless to a terminal; value (NULL: null) is freed. */
void json_out_print(struct json_object *value, int flags);

#endif

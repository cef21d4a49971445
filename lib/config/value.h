/* Checking and describing values of any type. */
#ifndef VZDUMP_CONFIG_VALUE_H
#define VZDUMP_CONFIG_VALUE_H

#include "config/schema.h"

/*
 * Checks value and gives its kept form (booleans become "1"/"0", others stay as they are).
 * Errors (ERR_INVALID) only say what is wrong with the value: "value 'x' is not an integer"; the
 * caller puts the name in front.  *ret belongs to the caller; ret may be NULL.
 */
int value_check(const struct value_schema *s, const char *value, char **ret, struct error **err);

/* "<integer> (1 - 19)", "<0|1|gzip>", "<storage>" for help and man page.  Caller frees. */
char *value_describe(const struct value_schema *s);

#endif

/* Checking and describing values of any type. */
#ifndef VZDUMP_CONFIG_VALUE_H
#define VZDUMP_CONFIG_VALUE_H

#include "config/schema.h"

/*
 * Checks value and returns the form in which it is kept (booleans become "1" or "0", others stay as they
 * are) in *ret; ret may be NULL, caller frees.  ERR_INVALID only says what is wrong with the value ("value 'x'
 * is not an integer"); the caller adds the name.
 */
int value_check(const struct value_schema *s, const char *value, char **ret, struct error **err);

/* "<integer> (1 - 19)", "<0|1|gzip>", "<storage>" for help and man page.  Caller frees. */
char *value_describe(const struct value_schema *s);

#endif

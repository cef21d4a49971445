/* Reading a type's own keys from the section of a storage. */
#ifndef VZDUMP_STORAGE_KEY_H
#define VZDUMP_STORAGE_KEY_H

#include "storage/storage.h"

/* NULL without the key.  Borrowed. */
const char *storage_key(const struct storage *s, const char *key);
/* The value of a key that the section must have; ERR_INVALID names it.  ret may be NULL.  Borrowed. */
int storage_key_required(const struct storage *s, const char *key, const char **ret, struct error **err);
/* False without the key, or if its value is not a boolean. */
bool storage_key_flag(const struct storage *s, const char *key);

#endif

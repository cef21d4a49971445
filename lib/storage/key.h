/* The keys that a type reads from the section of a storage. */
#ifndef VZDUMP_STORAGE_KEY_H
#define VZDUMP_STORAGE_KEY_H

#include "storage/storage.h"

/* NULL without the key.  Borrowed. */
const char *storage_key(const struct storage *s, const char *key);
/* The value of a key that the section must have; ERR_INVALID names it.  ret may be NULL.  Borrowed. */
int storage_key_required(const struct storage *s, const char *key, const char **ret, struct error **err);
/* A boolean; false without the key, or if it is none. */
bool storage_key_flag(const struct storage *s, const char *key);

#endif

/* One section of storage.cfg. */
#ifndef VZDUMP_STORAGE_CONFIG_SECTION_H
#define VZDUMP_STORAGE_CONFIG_SECTION_H

#include "storage/storage.h"

/*
 * Fills the members of s from s->section; id, type, ops (NULL: unknown) and section are set already.  Warns,
 * with the name of file, about each value that cannot be used, and ignores it.
 */
void storage_read_section(struct storage *s, const char *file, const struct log *log);

#endif

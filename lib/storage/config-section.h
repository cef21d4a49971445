/* One section of storage.cfg. */
#ifndef VZDUMP_STORAGE_CONFIG_SECTION_H
#define VZDUMP_STORAGE_CONFIG_SECTION_H

#include "storage/storage.h"

/*
 * Fills s, which has its id, type, ops (NULL: unknown) and section, with what the section says.  Values that
 * cannot be used are warned about, by the name of file, and are as if they were not there.
 */
void storage_read_section(struct storage *s, const char *file, const struct log *log);

#endif

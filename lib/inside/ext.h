/*
 * ext2, ext3 and ext4 by libext2fs, which knows all of their features, in a child with no rights (child.h).
 * It does not replay a journal: inside_reader.journal tells that there is one.
 */
#ifndef VZDUMP_INSIDE_EXT_H
#define VZDUMP_INSIDE_EXT_H

#include <stdint.h>

#include "inside/reader.h"

/* The file system at offset of the disk fd, which is borrowed until *ret is freed. */
int inside_ext_open(int fd, uint64_t offset, struct inside_reader *ret, struct error **err);

#endif

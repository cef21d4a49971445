/*
 * The partitions of a disk, and what each of them holds, by libblkid: DOS and GPT and what else it knows.  It
 * runs in a child with no rights (child.h).
 */
#ifndef VZDUMP_INSIDE_TABLE_H
#define VZDUMP_INSIDE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct inside_part {
	unsigned number; /* from 1; 0: the disk itself, which has no partitions */
	uint64_t offset, size;
	char *type;  /* of the table: "0x83", or a GUID; NULL for number 0 */
	char *name;  /* of a GPT partition; NULL: none */
	char *fs;    /* "ext4", "xfs", "LVM2_member", ... as blkid(8) calls them; NULL: not known */
	char *label; /* of the file system; NULL: none */
	char *uuid;  /* the same */
};

struct inside_table {
	char *kind; /* "dos", "gpt"; NULL: there is none, and parts has the disk itself */
	struct inside_part *parts;
	size_t n;
};

/* fd is the disk, size its bytes.  Errors of inside_child(). */
int inside_table_read(int fd, uint64_t size, struct inside_table *ret, struct error **err);
/* NULL if there is no such partition. */
const struct inside_part *inside_table_find(const struct inside_table *t, unsigned number);
void inside_table_clear(struct inside_table *t);
#define _cleanup_inside_table_ _cleanup_(inside_table_clear)

#endif

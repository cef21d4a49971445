/* What a folder of a guest's file system holds. */
#ifndef VZDUMP_INSIDE_ENTRY_H
#define VZDUMP_INSIDE_ENTRY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct inside_entry {
	char *name; /* bytes that others wrote: nothing is certain of them */
	mode_t mode;
	uint64_t size;
	int64_t mtime; /* seconds since 1970 */
	uint32_t uid, gid;
	char *link; /* where a symbolic link leads to; NULL for anything else */
};

struct inside_entries {
	struct inside_entry *items;
	size_t n;
};

/* Takes name and link over. */
void inside_entries_add(struct inside_entries *l, const struct inside_entry *e);
/* By name. */
void inside_entries_sort(struct inside_entries *l);
void inside_entries_clear(struct inside_entries *l);
#define _cleanup_inside_entries_ _cleanup_(inside_entries_clear)

#endif

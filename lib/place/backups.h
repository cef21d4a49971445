/* A list of backups, which a place fills and retention marks. */
#ifndef VZDUMP_PLACE_BACKUPS_H
#define VZDUMP_PLACE_BACKUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "storage/archive-name.h"

enum prune_mark {
	PRUNE_NONE, /* not decided */
	PRUNE_KEEP,
	PRUNE_REMOVE,
	/* neither counted nor removed: */
	PRUNE_PROTECTED,
	PRUNE_RENAMED, /* its name is not a standard one */
	PRUNE_FUTURE,  /* the date in its name is in the future */
};

struct backup {
	char *path; /* place_path() */
	struct archive_name name;
	time_t ctime;  /* from the name, else the file's */
	uint64_t size; /* of the archive's file, in bytes */
	bool is_protected;
	bool is_new; /* made by this job: counts as the newest, whatever the dates in names */
	enum prune_mark mark;
};
struct backups {
	struct backup *list;
	size_t n;
};

/* Frees the members; safe on an empty list. */
void backups_clear(struct backups *b);
#define _cleanup_backups_ _cleanup_(backups_clear)

#endif

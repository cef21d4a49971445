/* What a backup in progress tells: PVE's progress lines with ours appended, and a live view. */
#ifndef VZDUMP_BACKUP_PROGRESS_H
#define VZDUMP_BACKUP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct progress_disk {
	const char *name;	/* "drive-scsi0" */
	uint64_t size, done;	/* bytes */
	bool fleecing;
	uint64_t fleecing_now, fleecing_peak; /* bytes its image takes, and took at most */
};

/* A moment of a backup; all bytes. */
struct progress {
	uint32_t vmid;
	const struct progress_disk *disks;
	size_t n_disks;
	uint64_t size, done;	/* of all disks */
	uint64_t zero;		/* of done: zeroes */
	uint64_t written;	/* of the archive */
	bool fleecing;
	uint64_t fleecing_now, fleecing_peak;
	double seconds;		/* since the start */
};

/* Decides when a line is due: the percentage changed and more than 2 s went by, as PVE. */
struct progress_lines {
	const struct log *log;
	int last_percent;	/* -1 at first */
	double last_seconds;
	uint64_t last_done, last_zero;
};

void progress_lines_init(struct progress_lines *l, const struct log *log);
/* Writes a line if one is due; `last`: the run is over, the line for its end is due if 100 % was
 * not shown yet. */
void progress_lines_update(struct progress_lines *l, const struct progress *p, bool last);
/* "backup is sparse: ...", "transferred ... in ... seconds (...)". */
void progress_summary(const struct progress *p, const struct log *log);

#endif

/* What a backup in progress tells: PVE's progress lines with ours appended, and a live view. */
#ifndef VZDUMP_BACKUP_PROGRESS_H
#define VZDUMP_BACKUP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct progress_disk {
	const char *name;       /* "drive-scsi0" */
	uint64_t to_read, read; /* bytes, without the zeroes that nobody reads; see copy.h */
	bool fleecing;
	uint64_t fleecing_now, fleecing_peak; /* bytes its image takes, and took at most */
};

/*
 * A moment of a backup; all bytes.  How far it is goes by what must be read: a disk of 1 TiB with 3 GiB of
 * data is half done when 1.5 GiB of them are.
 */
struct progress {
	uint32_t vmid;
	const struct progress_disk *disks;
	size_t n_disks;
	uint64_t size, done;    /* of all disks, zeroes included */
	uint64_t to_read, read; /* without the zeroes that nobody reads; to_read: an estimate at first */
	uint64_t zero;          /* of done: zeroes */
	uint64_t written;       /* of the archive */
	bool fleecing;
	uint64_t fleecing_now, fleecing_peak;
	double seconds;               /* since the start */
	double read_rate, write_rate; /* bytes a second, of late; zeroes do not count */
};

/* Means of a rate in which the last ten seconds count most. */
struct progress_rate {
	double seconds; /* of the last look */
	uint64_t bytes;
	double rate;
};

/* so many bytes by then; returns bytes a second */
double progress_rate_update(struct progress_rate *r, double seconds, uint64_t bytes);

/* How much is read of what is to be read; below 100 until all of it is done. */
int progress_percent(uint64_t read, uint64_t to_read);
/* "1m 10s", by the rate of late; NULL if there is no telling.  Caller frees. */
char *progress_left(const struct progress *p);
/* "295.1 MiB/s".  Caller frees. */
char *progress_rate_text(double bytes_per_second);

/* Decides when a line is due: the percentage changed and more than 2 s went by, as PVE. */
struct progress_lines {
	const struct log *log;
	int last_percent; /* -1 at first */
	double last_seconds;
	uint64_t last_read, last_data;
};

void progress_lines_init(struct progress_lines *l, const struct log *log);
/* Writes a line if one is due; `last`: the run is over, the line for its end is due if 100 % was
 * not shown yet. */
void progress_lines_update(struct progress_lines *l, const struct progress *p, bool last);
/* "backup is sparse: ...", "transferred ... in ... seconds (...)". */
void progress_summary(const struct progress *p, const struct log *log);

#endif

/* The progress of a backup: its numbers, and PVE's progress lines with our additions. */
#ifndef VZDUMP_BACKUP_PROGRESS_H
#define VZDUMP_BACKUP_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct progress_disk {
	const char *name;       /* "drive-scsi0" */
	uint64_t to_read, read; /* bytes, without zeroes that need not be read; see copy.h */
	bool fleecing;
	uint64_t fleecing_now, fleecing_peak; /* bytes that its image uses now and used at most */
};

/*
 * A backup at one moment; sizes are in bytes.  The percentage counts only what must be read: a disk of 1 TiB
 * with 3 GiB of data is half done when 1.5 GiB have been read.
 */
struct progress {
	uint32_t vmid;
	const struct progress_disk *disks;
	size_t n_disks;
	uint64_t size, done;    /* of all disks, zeroes included */
	uint64_t to_read, read; /* without zeroes that need not be read; to_read is an estimate at first */
	uint64_t zero;          /* the part of `done` that is zeroes */
	uint64_t stored;        /* bytes of the disks that were written; not what a base has already */
	uint64_t written;       /* bytes of the archive so far */
	bool fleecing;
	uint64_t fleecing_now, fleecing_peak;
	bool limited;                 /* the fleecing images have a limit, which */
	bool slowed;                  /* slows the guest at the moment */
	double seconds;               /* since the start */
	double read_rate, write_rate; /* recent rate, bytes per second; zeroes do not count */
};

/* A moving average over about the last ten seconds. */
struct progress_rate {
	double seconds; /* of the last update */
	uint64_t bytes;
	double rate;
};

/* `bytes` is the total after `seconds`; returns bytes per second. */
double progress_rate_update(struct progress_rate *r, double seconds, uint64_t bytes);

/* 0 .. 100: how much of `to_read` has been read; 100 if there is nothing to read. */
int progress_percent(uint64_t read, uint64_t to_read);
/* The time left by the recent rate, "1m 10s"; NULL if it cannot be estimated.  Caller frees. */
char *progress_left(const struct progress *p);
/* "295.1 MiB/s".  Caller frees. */
char *progress_rate_text(double bytes_per_second);

/* Writes a line when the percentage has risen and more than 2 s have passed, as PVE does. */
struct progress_lines {
	const struct log *log;
	int last_percent; /* -1 at first */
	double last_seconds;
	uint64_t last_read, last_stored;
};

void progress_lines_init(struct progress_lines *l, const struct log *log);
/* Writes a line if one is due. */
void progress_lines_update(struct progress_lines *l, const struct progress *p);
/* When everything has been read: writes the line with 100 %, unless it was written before. */
void progress_lines_end(struct progress_lines *l, const struct progress *p);
/* "backup is sparse: ...", "transferred ... in ... seconds (...)". */
void progress_summary(const struct progress *p, const struct log *log);

#endif

/* How far the copy of one disk has come. */
#ifndef VZDUMP_COPY_PROGRESS_H
#define VZDUMP_COPY_PROGRESS_H

#include <stdint.h>

struct copy_progress {
	uint64_t size;       /* bytes of the disk */
	uint64_t done;       /* bytes in the archive, zeroes included */
	uint64_t candidates; /* bytes that may have changed since the base: all of them if none is known */
	/*
	 * What takes time: without what is not a candidate, and without the zeroes that block status reports
	 * and nobody reads.  Block status
	 * runs ahead of the reads; to_read is an estimate until it has reached the end of the disk,
	 * which assumes that the rest of the disk is as full as the part that is known.
	 */
	uint64_t to_read, read;
	uint64_t rewritten; /* bytes the guest rewrote before they were saved, as far as seen */
	uint64_t pushed;    /* bytes that came through the sink */
};

#endif

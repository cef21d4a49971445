/*
 * How much space the fleecing images take.  A thread of its own samples it, since a storage may take a while
 * to answer.  The numbers come from the storage (volume_used()) and may be late.  If asking means running
 * a tool, the storage is asked no more often than storage_ask_interval_ms() says.  A file system that hangs
 * is left alone for 10 seconds, then for twice as long each time: its numbers stay as they were.
 */
#ifndef VZDUMP_SOURCE_USAGE_H
#define VZDUMP_SOURCE_USAGE_H

#include "base/log.h"
#include "storage/storage.h"

struct usage;

struct usage_value {
	uint64_t now;  /* bytes at the last sample */
	uint64_t peak; /* largest sample; for the total: largest sum */
};

/*
 * Starts sampling these images (borrowed until usage_stop()).  Warns through log, once each, when one of
 * their storages has less than 10 % and less than 5 % of its space left.
 */
int usage_start(const struct volume *const images[], size_t n, const struct log *log, struct usage **ret,
		struct error **err);
/* image is an index into `images`.  Any thread may call these two. */
void usage_get(struct usage *u, size_t image, struct usage_value *ret);
void usage_get_total(struct usage *u, struct usage_value *ret);

/* What was seen of one of the storages, for a limit that depends on it. */
struct usage_seen {
	uint64_t used;  /* bytes, of all its images */
	bool has_avail; /* else it is not thin, or does not tell */
	uint64_t avail; /* bytes that it has free */
	uint64_t at_ns; /* when the question was asked, units_now_ns(); 0: nothing was seen yet */
};
/* The last sample of the storage of `image`.  Any thread. */
void usage_get_storage(struct usage *u, size_t image, struct usage_seen *ret);
/* From now on samples that cost next to nothing are taken four times as often, or not.  Any thread. */
void usage_hurry(struct usage *u, bool hurry);

/* Takes one more sample now, and returns when it is done. */
void usage_sample(struct usage *u);
/* Ends the thread and frees; NULL is fine. */
void usage_stop(struct usage *u);

/*
 * Finds out whether the storages of these images made a read fail, as QEMU gives no reason: -ENOSPC if one
 * has no room left for a cluster, another error if one does not answer.  0 if all is well.
 */
int usage_explain(struct usage *u, struct error **err);

#endif

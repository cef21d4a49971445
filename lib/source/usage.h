/*
 * How much space the fleecing images take.  A thread of its own samples it, since a storage may take a while
 * to answer.  The numbers are the storage's own (volume_used()), with the delay that those have.
 * Where asking means running a tool, the storage is asked no more often than storage_ask_interval_ms() says.
 */
#ifndef VZDUMP_SOURCE_USAGE_H
#define VZDUMP_SOURCE_USAGE_H

#include "base/log.h"
#include "storage/storage.h"

struct usage;

struct usage_value {
	uint64_t now;  /* bytes at the last sample */
	uint64_t peak; /* most of all samples; of the total: most of all sums */
};

/*
 * Starts sampling these images (borrowed until usage_stop()).  Warns through log, once each, when a
 * storage of theirs has less than 10 % and less than 5 % of its space left.
 */
int usage_start(const struct volume *const images[], size_t n, const struct log *log, struct usage **ret,
		struct error **err);
/* The image's number is its place in `images`.  These two from any thread. */
void usage_get(struct usage *u, size_t image, struct usage_value *ret);
void usage_get_total(struct usage *u, struct usage_value *ret);
/* Takes one more sample, now, and returns when it is there. */
void usage_sample(struct usage *u);
/* Ends the thread and frees; NULL is fine. */
void usage_stop(struct usage *u);

/*
 * Whether the storages of these images are why a read fails, as QEMU gives no reason: -ENOSPC if one has no
 * room left for a cluster, another error if one does not answer any more.  0 if all is well.
 */
int usage_explain(struct usage *u, struct error **err);

#endif

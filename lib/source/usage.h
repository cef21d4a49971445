/*
 * How much space the fleecing images take, sampled by a thread of its own since asking a storage may
 * take a while.  The numbers are the storage's (volume_used()), so they lag as it does.  A storage
 * that is asked by running a tool is asked no more often than storage_ask_interval_ms() says.
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
/* Any thread. */
void usage_get(struct usage *u, size_t image, struct usage_value *ret);
void usage_get_total(struct usage *u, struct usage_value *ret);
/* One more sample, now. */
void usage_sample(struct usage *u);
/* Ends the thread and frees. */
void usage_stop(struct usage *u);

/*
 * If a storage of these images has no room left for a cluster, or does not answer any more: says
 * so (error set, negative).  0 if all is well.  This is how a full fleecing storage is told from
 * other reasons, since QEMU names none.
 */
int usage_explain(struct usage *u, struct error **err);

#endif

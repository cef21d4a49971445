/*
 * Holds fleecing images to their limits while a guest's disks are read: limit=, --fleecing-limit, and what
 * must stay free on their storages.  A thread of its own looks at what they take (usage.h), decides rates
 * (limit.h) and sets them in QEMU (qemu/throttle.h), in bursts.  While the monitor is busy, the rates that
 * were set last hold.
 *
 *	limiter_new()		when the images are there
 *	limiter_attach()	before an image is added to QEMU, with a rate that is right already
 *	limiter_start()		after the instant
 *	limiter_note_copied()	while the disks are read
 *	limiter_stop()		when the readers are gone
 *
 * Storages that reserve a whole image at once are not limited, as nothing can be saved there.
 */
#ifndef VZDUMP_SOURCE_LIMITER_H
#define VZDUMP_SOURCE_LIMITER_H

#include "source/source.h"

struct limiter;

/*
 * Whether what was asked for is possible with this QEMU; ERR_UNSUPPORTED.  After live_open().  A reserve that
 * nobody has asked for is none then.
 */
int limiter_check(const struct sources *s, struct error **err);

/*
 * images: of n disks, of these sizes in bytes; borrowed, as is s, whose `usage` samples them in this order.
 * *ret is NULL if nothing limits them.  Tells what stays free.
 */
int limiter_new(const struct sources *s, const struct volume *const images[], const uint64_t sizes[],
		size_t n, struct limiter **ret, struct error **err);
/* Ends the thread, and frees.  NULL is fine for this and the next ones. */
void limiter_free(struct limiter *l);

/*
 * Makes the group of an image in QEMU, if it is not there yet, and sets *ret to its name, which l owns; NULL:
 * it has no limit.
 */
int limiter_attach(struct limiter *l, size_t image, struct qmp *q, const char **ret, struct error **err);
int limiter_start(struct limiter *l, struct error **err);
/* So much of the disk with this image the guest has rewritten up to now, in bytes.  Any thread. */
void limiter_note_copied(struct limiter *l, size_t image, uint64_t bytes);
/* Ends the thread, lifts the limits if the guest waits for them, and logs the sum.  Idempotent. */
void limiter_stop(struct limiter *l);

/* See sources_get_slowdown().  Any thread. */
bool limiter_get(struct limiter *l, struct source_slowdown *ret);

#endif

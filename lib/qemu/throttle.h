/*
 * Limits for what QEMU's filters write to fleecing images: throttle groups.
 *
 * A node of QEMU's driver `throttle` between the filter and the image's node (nodes.h) lets first writes of
 * the guest wait, and nothing else: neither writes to what is saved, nor reads of the snapshot.  All images
 * with the same group share its rate, request by request in turn.  What is known of it, seen on 7.2.22,
 * 10.0.2 and 11.1.3:
 *
 *  - `burst` bytes may pass at any speed, then as much as the rate says.  Each change begins that anew.  A
 *    request goes while less than `burst` has passed, whatever its size, and the next one waits for what that
 *    was too large.
 *  - A change lets nothing go that waits already: the first one keeps the time that it was given, which is
 *    up to the size of a request (1 MiB) by the rate.  Whatever drains the node lets all go, such as
 *    removing the filter.
 *  - A TRIM waits behind the writes that wait: draining would stand still just when room is short.  So the
 *    throttle node ignores TRIMs (`discard` of that node is not set), and the image has an export of its own:
 *    graph_add_image_export() in server.h.  TRIM the snapshot first: then the filter begins no copy to there
 *    any more.  Copies that wait already get into the image later; whoever TRIMs has to do it again then.
 */
#ifndef VZDUMP_QEMU_THROTTLE_H
#define VZDUMP_QEMU_THROTTLE_H

#include <stdint.h>

#include "base/error.h"
#include "qemu/names.h"
#include "qemu/qmp.h"

/* The largest rate that QEMU takes, bytes per second. */
#define GRAPH_RATE_MAX UINT64_C(1000000000000000)

struct graph_rate {
	uint64_t rate;  /* bytes per second, 1 .. GRAPH_RATE_MAX; 0: no limit */
	uint64_t burst; /* bytes, rate .. GRAPH_RATE_MAX; 0: a tenth of what passes in a second */
};

/* Makes a group. */
int graph_add_group(struct qmp *q, const char *group, const struct graph_rate *rate, struct error **err);
/* Changes its rate. */
int graph_set_group(struct qmp *q, const char *group, const struct graph_rate *rate, struct error **err);
/* The groups with our prefix, also those of earlier backups.  *ret is NULL if there are none; strv_free(). */
int graph_our_groups(struct qmp *q, char ***ret, struct error **err);
/* Deletes a group that no node uses. */
int graph_del_group(struct qmp *q, const char *group, struct error **err);

/* What the guest's writes to a device were so far. */
struct graph_writes {
	uint64_t n;     /* that have ended */
	uint64_t bytes; /* of these */
	uint64_t ns;    /* how long they took, all together */
};
/*
 * Adds up the writes of the devices with these QOM paths.  A query-blockstats takes QEMU's main loop about as
 * long as a change of the rate.
 */
int graph_get_writes(struct qmp *q, char *const *qom_paths, struct graph_writes *ret, struct error **err);

#endif

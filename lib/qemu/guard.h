/*
 * The guard: what a backup job of QEMU's has and a filter has not.  It keeps others from the disk.
 * Without it block_resize aborts QEMU (a bitmap is busy), an external snapshot of the device writes the
 * filter's name into the overlay's header, and a block-stream that is refused leaves a reference to the
 * filter behind for ever.  Two things do it, as one alone does not [tried on 7.2.22, 10.0.2, 11.1.3]:
 *
 *  - A node whose *backing file* is the filter, and one for the throttle filter above it.  QEMU blocks nearly
 *    all operations on a node that is somebody's backing file ("busy: node is used as backing hd of ..."), by
 *    device and by node name, and the guest's requests do not pass it: it costs nothing.  It does not keep
 *    block-stream away, nor a backup job of somebody else.
 *  - A backup job of the filter with an empty bitmap, which is kept from its end (auto-finalize): it copies
 *    nothing and blocks those as well.  But it has a filter node of its own above ours, and QEMU opens the
 *    filter nodes of its jobs without `discard`: the guest's TRIMs are dropped as long as one stands [7.2.22,
 *    10.0.2, 11.1.3].  So only disks that pass no TRIMs have it.  Below a throttle filter a refused
 *    block-stream keeps a reference to the throttle filter and not to ours, which does no harm: no job there.
 */
#ifndef VZDUMP_QEMU_GUARD_H
#define VZDUMP_QEMU_GUARD_H

#include <stdint.h>

#include "base/error.h"
#include "qemu/disk.h"
#include "qemu/names.h"
#include "qemu/qmp.h"

/* Makes the image of the first node, 2 KiB; one does for all disks. */
int graph_guard_image(const char *path, struct error **err);
/*
 * Makes the job's target: a file of the disk's size (bytes) with nothing in it.  For a node of nothing QEMU
 * would print a warning.
 */
int graph_guard_sink(const char *path, uint64_t size, struct error **err);

/*
 * After graph_insert() and before graph_add_snapshot().  image and sink: paths of files made as above; sink
 * may be NULL, for no job.
 */
int graph_add_guard(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *image,
		    const char *sink, struct error **err);
/* Fine if it is not there. */
int graph_del_guard(struct qmp *q, const struct graph_names *n, struct error **err);

#endif

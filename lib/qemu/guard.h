/*
 * The guard: keeps other users from changing a disk while it has our filter.  A backup job of QEMU blocks
 * such changes, a filter alone does not.  Without the guard block_resize aborts QEMU (a bitmap is busy), an
 * external snapshot of the device writes the filter's name into the header of the overlay, and a refused
 * block-stream keeps a reference to the filter for ever.  The guard has two parts, because each alone is not
 * enough [tried on 7.2.22, 10.0.2, 11.1.3]:
 *
 *  - A node whose *backing file* is the filter, and one for the throttle filter above it.  QEMU blocks nearly
 *    all operations on a node that is the backing file of another ("busy: node is used as backing hd of
 *    ..."), by device and by node name.  The guest's requests do not pass this node, so it costs nothing.  It
 *    does not block block-stream, nor a backup job of another program.
 *  - A backup job of the filter with an empty bitmap, which waits before its end (auto-finalize).  It copies
 *    nothing, and blocks these operations as well.  But it has its own filter node above ours, and QEMU opens
 *    the filter nodes of its jobs without `discard`: the guest's TRIMs are dropped as long as it is there
 *    [7.2.22, 10.0.2, 11.1.3].  So only disks that pass no TRIMs have it.  Below a throttle filter there is
 *    no job either: a refused block-stream keeps a reference to the throttle filter, not to ours, which does
 *    no harm.
 */
#ifndef VZDUMP_QEMU_GUARD_H
#define VZDUMP_QEMU_GUARD_H

#include <stdint.h>

#include "base/error.h"
#include "qemu/disk.h"
#include "qemu/names.h"
#include "qemu/qmp.h"

/* Creates the image of the first part, 2 KiB.  All disks can share it. */
int graph_guard_image(const char *path, struct error **err);
/*
 * Creates the job's target: a sparse file of the disk's size (bytes).  With a null-co node instead, QEMU
 * would print a warning.
 */
int graph_guard_sink(const char *path, uint64_t size, struct error **err);

/*
 * To be called after graph_insert() and before graph_add_snapshot().  image and sink: paths of files made as
 * above; sink may be NULL: no job.
 */
int graph_add_guard(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *image,
		    const char *sink, struct error **err);
/*
 * Ends the jobs of all guards, with their filter nodes.  The other nodes of a guard can then be deleted as
 * any other; the job's bitmap belongs to our filter and is deleted together with it.
 */
int graph_end_guard_jobs(struct qmp *q, struct error **err);

#endif

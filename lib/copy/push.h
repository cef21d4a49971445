/*
 * What QEMU pushes to a disk's sink goes into extents: sink_ops over a cover, a fill and the writer.
 *
 * When QEMU has no fleecing image for a disk, the old data of what the guest rewrites comes here before the
 * guest's write goes on.  Clusters that are done already are dropped: first come, first kept.
 */
#ifndef VZDUMP_COPY_PUSH_H
#define VZDUMP_COPY_PUSH_H

#include <stdint.h>

#include "copy/cover.h"
#include "copy/fill.h"
#include "copy/sink.h"
#include "vma/reuse.h"
#include "vma/writer.h"

/* All borrowed; filled by its owner, and constant while the sink lives. */
struct push {
	const char *name; /* of the disk, for tracing */
	struct cover *cover;
	struct fill *fill; /* for pushed clusters; several disks may share it */
	struct vma_writer *writer;
	struct vma_reuse *reuse; /* may be NULL */
	uint8_t dev;             /* the disk's id in the archive */
	int wake_fd;             /* an eventfd that is written to when clusters have become done */
};

/* opaque is a struct push. */
extern const struct sink_ops push_sink_ops;

#endif

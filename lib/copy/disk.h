/*
 * One disk of a copy: sends to its source what its queue wants, and takes the answers.
 *
 *	copy_disk_new()		with what the disks of a copy share
 *	copy_disk_listen()	if QEMU pushes old data
 *	copy_disk_connect()	the source is there, and the queue is set up
 *	copy_disk_serve_queue(), copy_disk_next_read(), copy_disk_send_read(), copy_disk_serve(): the loop's
 *	copy_disk_free()
 *
 * A disk knows nothing of other disks, nor whose turn it is: copy.c, the loop, decides that.
 *
 * Threads: all functions from the one thread that runs the copy.  The sink's thread uses `push` and what that
 * names; `cover` says which of its functions other threads may call.
 */
#ifndef VZDUMP_COPY_DISK_H
#define VZDUMP_COPY_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/cancel.h"
#include "base/error.h"
#include "copy/candidates.h"
#include "copy/cover-reuse.h"
#include "copy/cover.h"
#include "copy/fill.h"
#include "copy/nbd-source.h"
#include "copy/proof.h"
#include "copy/push.h"
#include "copy/queue.h"
#include "copy/sink.h"
#include "source/endpoint.h"
#include "vma/writer.h"

/* What the disks of a copy share. */
struct copy_shared {
	struct vma_writer *writer;   /* borrowed */
	struct budget *budget;       /* borrowed */
	const struct cancel *cancel; /* borrowed; may be NULL */
	struct vma_reuse *reuse;     /* borrowed; may be NULL */
	struct fill *read;           /* where the clusters that are read go: each disk has one of these */
	unsigned n_read;             /* how many there are */
	struct fill pushed;          /* where the sinks' clusters go */
	int wake_fd;                 /* the sinks and the reuse wake the loop */
};

/* The loop asks cover and queue itself where it compares disks; it changes no other member. */
struct copy_disk {
	char *name;
	uint8_t dev; /* the disk's id in the archive */
	struct copy_shared *shared;
	struct fill *read; /* of shared->read */
	struct cover cover;
	struct queue queue;        /* set up once the disk is connected */
	struct nbd_source *source; /* NULL: not connected */
	struct push push;
	struct sink *sink;    /* NULL: none */
	bool prove;           /* reads of several clusters have to be proved right */
	struct proofs proofs; /* of those whose data is here */
	unsigned reads;       /* in flight, or to be proved */

	/* of an incremental backup, see disk-base.h: */
	struct candidates candidates;   /* what may have changed */
	struct cover_reuse cover_reuse; /* the cover for other threads */
	struct runs released, again;    /* memory for what they say */
	bool begun;                     /* the reuse knows what may have changed; else nothing may be read */

	bool source_failed;    /* as opposed to the archive, or a request to stop */
	struct error *failure; /* of a read that has ended; not taken by the loop yet */
};

/*
 * name is for messages, copied; size in bytes.  shared is borrowed and must outlive the disk; read is the one
 * of its fills that the disk uses.  -ENOMEM.
 */
int copy_disk_new(struct copy_shared *shared, struct fill *read, const char *name, uint8_t dev, uint64_t size,
		  struct copy_disk **ret, struct error **err);
/*
 * Ends the source and the sink.  The sink may wait for an extent: see copy_disk_end_sink().  The reuse calls
 * nothing any more.
 */
void copy_disk_free(struct copy_disk *d);

/* See copy_listen() and copy_connect(). */
int copy_disk_listen(struct copy_disk *d, const char *path, struct error **err);
int copy_disk_connect(struct copy_disk *d, const struct source_endpoint *s, struct error **err);

/* Closes the connections; what is in flight ends with an error. */
void copy_disk_end_source(struct copy_disk *d);
/*
 * Ends the sink's thread.  It may wait for an extent, which an archive that takes nothing never gives back:
 * unless all went well, abort the writer first.
 */
void copy_disk_end_sink(struct copy_disk *d);

/* ---- for the loop, while the disk is connected ---- */

/* Whether there is something of this class to be read. */
bool copy_disk_has_read(struct copy_disk *d, enum queue_class what);
/*
 * The next read of this class that the queue wants, of at most max clusters; false: none.  It has to be sent
 * by copy_disk_send_read() then.
 */
bool copy_disk_next_read(struct copy_disk *d, enum queue_class what, uint32_t max, struct queue_read *ret);
/*
 * Sends it, into slots of d->read, which must have room.  One worker of the budget was taken for it; it
 * is given back when the read ends, or here on failure.
 */
int copy_disk_send_read(struct copy_disk *d, const struct queue_read *what, struct error **err);
/* Hands zeroes to the writer and sends questions and TRIMs, as far as the queue wants.  Never waits. */
int copy_disk_serve_queue(struct copy_disk *d, uint64_t now_ns, struct error **err);
/* After a poll of what nbd_source_watch() has set: takes the answers. */
int copy_disk_serve(struct copy_disk *d, const struct pollfd fds[NBD_SOURCE_FDS], struct error **err);
/* Returns the failure of a read that has ended, with the error in *err; 0 if there is none. */
int copy_disk_take_failure(struct copy_disk *d, struct error **err);
/* Whether nothing of this disk's is in flight. */
bool copy_disk_idle(const struct copy_disk *d);
/*
 * Whether nothing more goes into the disk's fill, unless a frame of the base is bad, or suspects turn out not
 * to be zero.
 */
bool copy_disk_all_read(const struct copy_disk *d);
/* Whether all of it is in the archive. */
bool copy_disk_complete(const struct copy_disk *d);

#endif

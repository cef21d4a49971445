/*
 * One disk of an incremental backup against its base: learns what may have changed, tells the reuse, and
 * takes from it what need not be read, or has to be read after all.
 *
 * Before the disk has begun nothing is read of it, and nothing else is asked.  All functions from the thread
 * that runs the copy; the disk's copy_shared.reuse is not NULL.
 */
#ifndef VZDUMP_COPY_DISK_BASE_H
#define VZDUMP_COPY_DISK_BASE_H

#include "copy/disk.h"

/* The source is connected: asks its base bitmap, if it has one, by and by.  -ENOMEM. */
int disk_base_connected(struct copy_disk *d, const struct source_endpoint *s, struct error **err);

/* Answers of the base bitmap. */
void disk_base_piece(struct copy_disk *d, const struct piece *p);
void disk_base_answered(struct copy_disk *d, int error);

/*
 * Sends the next question, or begins once what may have changed is known, or takes what the reuse has said
 * since the last call.  The queue may be asked for more only if the disk has begun then.
 */
int disk_base_serve(struct copy_disk *d, struct error **err);

#endif

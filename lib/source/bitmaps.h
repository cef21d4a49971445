/*
 * The base bitmaps of incremental backups (qemu/base-bitmap.h): a backup adds those of the generation that it
 * makes, and reads those of its base.  They are the only thing of a backup that stays in a guest's QEMU.
 */
#ifndef VZDUMP_SOURCE_BITMAPS_H
#define VZDUMP_SOURCE_BITMAPS_H

#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "source/source.h"
#include "storage/host.h"

/*
 * Bitmaps of a new generation in the guest's QEMU. value: "<chain uuid>-<gen> <path>", the path that the
 * archive of the generation gets when it is complete.  Undone: if there is no such file, the bitmaps are
 * removed; else they belong to it and stay.
 */
#define JOURNAL_BITMAP "bitmap"

extern const struct journal_kind journal_kind_bitmap;

/*
 * Before the instant: removes bitmaps that nothing needs any more, finds those of the base and adds the new
 * ones.  What goes wrong with a bitmap is a warning, because the next backup can do without; an error is that
 * the guest could not be let go on after a pause.
 */
int bitmaps_begin(struct sources *s, struct source *const *disks, size_t n, struct error **err);

/*
 * Removes all base bitmaps from the QEMUs of these guests (all: of all VMs of this node), and logs from
 * which.  Guests that do not run have none; that of a running backup or restore is left out, with a
 * warning.  Returns the first error: a QEMU could not be asked.
 */
int bitmaps_forget(const struct host *host, const uint32_t *vmids, size_t n, bool all, struct error **err);

#endif

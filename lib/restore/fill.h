/* Filling the new volumes from the archive, read from front to back. */
#ifndef VZDUMP_RESTORE_FILL_H
#define VZDUMP_RESTORE_FILL_H

#include "restore/context.h"
#include "restore/targets.h"
#include "vma/reader.h"

/*
 * Writes the archive's data to the targets that are open, at bwlimit bytes per second (0: no limit), and
 * calls the caller's progress().  Nothing is synced; targets_finish() does that.  An error that is not a
 * target's names the archive.
 */
int fill_targets(const struct restore_context *c, struct vma_reader *reader, struct targets *t,
		 uint64_t bwlimit, struct error **err);

#endif

/* Which backups of a place are kept, and removing the others. */
#ifndef VZDUMP_PLACE_RETENTION_H
#define VZDUMP_PLACE_RETENTION_H

#include "config/formats.h"
#include "place/place.h"

/*
 * Marks each backup of one guest (PVE::Storage::prune_mark_backup_group): PRUNE_KEEP or PRUNE_REMOVE.
 * Backups that are protected, or without a standard name, are marked so and neither counted nor removed.  So
 * are those dated after now, unlike in PVE: a clock that was ahead once, or a file that somebody put there,
 * would take the place of each backup that follows.  Each period counts only what the earlier ones (last,
 * hourly, daily, ISO weeks, monthly, yearly) did not keep.  Local time.  All of b must belong to one guest.
 */
void backups_mark(struct backups *b, const struct prune_keep *keep, time_t now);
/* Warns about each backup that backups_mark() found to be of the future. */
void backups_warn_future(const struct backups *b, const struct log *log);

/*
 * Removes what backups_mark() says, and logs each in PVE's words: "removing backup
 * '<storage>:backup/<file>'", or for a place that is no storage "delete old backup '<path>'".
 * *ret_removed: how many were to go.  Goes on after an error and returns the first.
 */
int backups_prune(const struct place *p, const struct backups *b, const struct log *log,
		  unsigned *ret_removed, struct error **err);

#endif

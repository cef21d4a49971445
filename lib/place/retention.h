/* Retention: which backups of a place are kept, and removing the others. */
#ifndef VZDUMP_PLACE_RETENTION_H
#define VZDUMP_PLACE_RETENTION_H

#include "config/formats.h"
#include "place/place.h"

/*
 * Marks the backups in b, all of one guest, as PRUNE_KEEP or PRUNE_REMOVE.  Protected backups and those
 * without a standard name get their own marks and are neither counted nor removed.  Unlike in PVE, nor are
 * those dated after now: after a clock that was ahead once, they would take the places of all later
 * backups.  Each kind of period (last, hourly, daily, ISO weeks, monthly, yearly) counts only periods of
 * which no earlier kind kept a backup.  Local time.  Facts: PVE::Storage::prune_mark_backup_group.
 */
void backups_mark(struct backups *b, const struct prune_keep *keep, time_t now);
/* Warns about each backup that backups_mark() marked as PRUNE_FUTURE. */
void backups_warn_future(const struct backups *b, const struct log *log);

/*
 * Removes the backups marked PRUNE_REMOVE and logs each in PVE's words: "removing backup
 * '<storage>:backup/<file>'", or "delete old backup '<path>'" if the place belongs to no storage.
 * *ret_removed is the number of backups so marked.  Continues after an error, and returns the first.
 */
int backups_prune(const struct place *p, const struct backups *b, const struct log *log,
		  unsigned *ret_removed, struct error **err);

#endif

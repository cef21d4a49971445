/* The backups in a dump directory: listing, notes, protection, removal, retention. */
#ifndef VZDUMP_PLACE_BACKUPS_H
#define VZDUMP_PLACE_BACKUPS_H

#include "base/log.h"
#include "config/formats.h"
#include "storage/archive-name.h"
#include "storage/storage.h"

enum prune_mark {
	PRUNE_NONE, /* not decided */
	PRUNE_KEEP,
	PRUNE_REMOVE,
	PRUNE_PROTECTED, /* neither counted nor removed */
	PRUNE_RENAMED,   /* no standard name: the same */
	PRUNE_FUTURE,    /* its name's date is still to come: the same */
};

struct backup {
	char *path;
	struct archive_name name;
	time_t ctime;  /* from the name, else the file's */
	uint64_t size; /* of the archive's file */
	bool is_protected;
	bool is_new; /* made by this run: the newest, whatever the names' dates say, and kept */
	enum prune_mark mark;
};
struct backups {
	struct backup *list; /* sorted by time, oldest first */
	size_t n;
};

/*
 * Archives in dir, of one type ("qemu"; NULL: all, whatever is named like an archive) and guest (0:
 * all).  A missing dir is empty.
 */
int backups_list(const char *dir, const char *type, uint32_t vmid, struct backups *ret, struct error **err);
void backups_clear(struct backups *b);
#define _cleanup_backups_ _cleanup_(backups_clear)

/*
 * Marks each backup of one guest (PVE::Storage::prune_mark_backup_group): PRUNE_KEEP or
 * PRUNE_REMOVE; protected ones and those without a standard name are marked so and neither counted
 * nor removed.  So are those dated after now, other than in PVE: a clock that was ahead once, or a file
 * that somebody put there, would take the place of each backup that follows.  Each period counts only what
 * the earlier ones (last, hourly, daily, ISO weeks, monthly, yearly) did not keep.  Local
 * time.  All of b must belong to one guest.
 */
void backups_mark(struct backups *b, const struct prune_keep *keep, time_t now);
/* A WARN for each that backups_mark() found to be of the future. */
void backups_warn_future(const struct backups *b, const struct log *log);

/*
 * Removes what backups_mark() says, logging each in PVE's words: "removing backup
 * '<storage>:backup/<file>'", or without storage (NULL) "delete old backup '<path>'".
 * *ret_removed: how many.  Goes on after an error and returns the first.
 */
int backups_prune(struct backups *b, const char *storage, const struct log *log, unsigned *ret_removed,
		  struct error **err);

/*
 * Where an archive is that a user names: "<storage>:backup/<file>", whose storage is made usable (mounted),
 * or a path, "-" among them.  Whether it exists is not looked at.  Caller frees *ret.  Facts:
 * PVE::API2::Qemu::classify_restore_archive.
 */
int backup_path(const struct storage_config *c, const char *name, const struct log *log, char **ret,
		struct error **err);

/* ---- one archive, by its path ---- */

bool backup_is_protected(const char *archive);
/*
 * These two follow no link that somebody put beside the archive.  What is done, but may not stay through a
 * power cut, is success and a warning.
 */
int backup_set_protected(const char *archive, bool on, const struct log *log, struct error **err);
/* NULL or "" removes the notes. */
int backup_set_notes(const char *archive, const char *notes, const struct log *log, struct error **err);
/* What a kill of this process leaves of backup_set_notes().  Caller frees. */
char *backup_notes_unfinished(const char *archive);
/* *ret is "" without notes.  Caller frees. */
int backup_get_notes(const char *archive, char **ret, struct error **err);
/*
 * Removes archive, log and notes; a protected one is refused ("cannot remove protected archive
 * '...'"), a missing one is fine.  Log or notes that stay are warned about.
 */
int backup_remove(const char *archive, const struct log *log, struct error **err);

#endif

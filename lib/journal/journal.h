/*
 * The journal: what a backup of one guest has brought into the world and must take out again.
 * Each thing is written down, and synced to disk, *before* it exists, and struck out when it is
 * gone.  After kill -9 or a power cut the next run (or vzdump --cleanup) reads what is left.
 *
 * File: /var/lib/vzdump/<vmid>.journal, a line per event, in order:
 *
 *	+image fast:123/vm-123-fleece-0.raw	about to be made
 *	-image fast:123/vm-123-fleece-0.raw	gone
 *
 * A last line without newline was never finished and what it announces was never begun.
 */
#ifndef VZDUMP_JOURNAL_JOURNAL_H
#define VZDUMP_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/paths.h"

struct host;
struct journal;

/*
 * What a journal may hold.  Whoever puts something into the world that must go again writes down an entry of
 * some kind, and contributes a row that says how such an entry is undone.  The commands put all rows into
 * one array, which ends with NULL; an entry of a kind that has no row in it cannot be made, and is passed
 * over when a journal is read (that of a newer version, say).
 */
struct journal_kind {
	const char *name; /* in the file and in messages; a word */
	/* Kinds are undone in the order of their ranks, each has one of its own.  0 if undo is NULL. */
	unsigned rank;
	/*
	 * Undoes one entry, whose value is "" if it has none.  After 0 it is struck out, after an error it stays
	 * for the next attempt.  NULL: nothing is to be done, or recover_guest() does it for several kinds at
	 * once.
	 */
	int (*undo)(const struct host *host, struct journal *j, const char *value, const struct log *log,
		    struct error **err);
	/* Whether entries stay, without being undone, as long as others need them.  NULL: never. */
	bool (*is_needed)(const struct journal *j);
};

/*
 * Names of kinds that several rooms write.  Those of one alone stand beside its rows: journal/recover.h
 * (what a backup does to the guest), backup/undo.h, restore/undo.h.
 */
#define JOURNAL_PID   "pid"   /* the process that writes this journal */
#define JOURNAL_LOCK  "lock"  /* lock: in the guest's configuration; value: which, "" is backup */
#define JOURNAL_IMAGE "image" /* a fleecing image, or a volume of a restore; value: volume id */
#define JOURNAL_FILE  "file"  /* a temporary file; value: path */
#define JOURNAL_DIR   "dir"   /* a temporary folder with all that is in it; value: path */

/* Not undone, but it must be known: half-written files have it in their names. */
extern const struct journal_kind journal_kind_pid;

struct journal_entry {
	const struct journal_kind *kind;
	char *value; /* "" for kinds without one */
};

struct journal {
	int fd; /* holds the lock */
	char *path;
	uint32_t vmid;
	const struct journal_kind *const *kinds; /* borrowed */
	struct journal_entry *entries;           /* what is not struck out, oldest first */
	size_t n;
};

/*
 * Begins the journal of a guest, for entries of these kinds.  -EEXIST if there is one (journal_load() and
 * recover first), -EBUSY if another process has just begun one.
 */
int journal_create(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		   struct journal **ret, struct error **err);
/* From now on this process works with the journal of another one, and may be killed as that was. */
int journal_add_pid(struct journal *j, struct error **err);
/*
 * Reads a journal that a dead process left; -ENOENT if there is none, -EBUSY if its process lives (the
 * file is locked by flock).  It can be added to.
 */
int journal_load(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		 struct journal **ret, struct error **err);
/* Guests that have a journal; *ret is an array the caller frees. */
int journal_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err);

/*
 * Adds an entry, which is on disk when this returns.  value may be NULL.  ERR_INVALID if the value has a line
 * break, or nobody knows how to undo such a kind; then nothing was written.
 */
int journal_add(struct journal *j, const char *kind, const char *value, struct error **err);
/* Strikes one entry out.  Not synced, since undoing it once more does no harm. */
void journal_strike(struct journal *j, const char *kind, const char *value);
/* The same for all entries of a kind. */
void journal_strike_all(struct journal *j, const char *kind);
bool journal_has(const struct journal *j, const char *kind);
bool journal_entry_is(const struct journal_entry *e, const char *kind);

/*
 * -ESTALE if the file is not the one of that name any more: somebody removed it, and may have undone what is
 * in it.
 */
int journal_check(const struct journal *j, struct error **err);
/* Removes the file, whatever is in it: all of that stays.  -ESTALE as above. */
int journal_remove(struct journal *j, struct error **err);
/* Removes the file if nothing is left in it but the pid.  Returns whether it is gone. */
bool journal_finish(struct journal *j);
/* Frees; the file stays as it is. */
void journal_free(struct journal *j);
DEFINE_CLEANUP(struct journal *, journal_free)

#endif

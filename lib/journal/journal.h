/*
 * The journal lists everything that the backup or restore of one guest has made or changed, and must undo.
 * Each thing is added, and synced to disk, *before* it exists, and struck out when it is gone.  After kill -9
 * or a power cut the next vzdump (or vzdump --cleanup) undoes what is left in it.
 *
 * File: /var/lib/vzdump/<vmid>.journal, a line per event, in order:
 *
 *	+image fast:123/vm-123-fleece-0.raw	about to be made
 *	-image fast:123/vm-123-fleece-0.raw	gone
 *
 * A last line without newline is ignored: it was not written completely, so its thing was never made.
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
 * A kind of entries.  Each part of the code that makes something which must be undone has a row for it.  The
 * commands put all rows into one array, which ends with NULL.  An entry of another kind cannot be added, and
 * is ignored when a journal is read (one of a newer version, for instance).
 */
struct journal_kind {
	const char *name; /* in the file and in messages; a word */
	/* Lower ranks are undone first; each kind has a rank of its own.  0 if undo is NULL. */
	unsigned rank;
	/*
	 * Undoes one entry, whose value is "" if it has none.  After 0 the entry is struck out; after an
	 * error it stays for the next attempt.  NULL: nothing needs to be done, or recover_guest() undoes
	 * several kinds together.
	 */
	int (*undo)(const struct host *host, struct journal *j, const char *value, const struct log *log,
		    struct error **err);
	/* Whether the entry must stay for now, because undoing others needs it.  NULL: never. */
	bool (*is_needed)(const struct journal *j);
};

/*
 * The names of kinds that backup and restore both write.  The others are next to their rows:
 * journal/recover.h (what a backup does to a running guest), backup/undo.h, restore/undo.h.
 */
#define JOURNAL_PID   "pid"   /* the process that writes this journal */
#define JOURNAL_LOCK  "lock"  /* lock: in the guest's configuration; value: which, "" is backup */
#define JOURNAL_IMAGE "image" /* a fleecing image, or a volume of a restore; value: volume id */
#define JOURNAL_FILE  "file"  /* a temporary file; value: path */
#define JOURNAL_DIR   "dir"   /* a temporary folder with its content; value: path */

/* Needs no undo; temporary files that a killed process has left have its pid in their names. */
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
	struct journal_entry *entries;           /* those not struck out, oldest first */
	size_t n;
};

/*
 * Begins the journal of a guest, for entries of these kinds.  -EEXIST if there is one (journal_load() and
 * recover first), -EBUSY if another process has just begun one.
 */
int journal_create(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		   struct journal **ret, struct error **err);
/* Adds this process, which continues the journal of another one and may be killed, too. */
int journal_add_pid(struct journal *j, struct error **err);
/*
 * Reads the journal that a dead process has left, and locks it (flock).  -ENOENT if there is none, -EBUSY if
 * its process lives.  More entries can be added to it.
 */
int journal_load(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		 struct journal **ret, struct error **err);
/*
 * Reads the journal that a dead process has left as it is now, and locks nothing: for looking at it only.
 * *ret is NULL if there is none.  -EBUSY as above, as far as /proc shows the process.
 */
int journal_peek(const struct paths *p, const struct journal_kind *const *kinds, uint32_t vmid,
		 struct journal **ret, struct error **err);
/* The guests that have a journal; the caller frees *ret. */
int journal_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err);

/*
 * Adds an entry, which is on disk when this returns.  value may be NULL.  ERR_INVALID if the value has a line
 * break, or if there is no row for the kind; then nothing was written.
 */
int journal_add(struct journal *j, const char *kind, const char *value, struct error **err);
/* Strikes one entry out.  Not synced, because undoing it once more does no harm. */
void journal_strike(struct journal *j, const char *kind, const char *value);
/* The same for all entries of a kind. */
void journal_strike_all(struct journal *j, const char *kind);
bool journal_has(const struct journal *j, const char *kind);
bool journal_entry_is(const struct journal_entry *e, const char *kind);

/*
 * -ESTALE if the file does not have its name any more: another process has removed it, and may have undone
 * its entries.
 */
int journal_check(const struct journal *j, struct error **err);
/* Removes the file without undoing its entries.  -ESTALE as above. */
int journal_remove(struct journal *j, struct error **err);
/* Removes the file if nothing but pids is left in it.  Returns whether it is gone. */
bool journal_finish(struct journal *j);
/* Frees; the file stays as it is. */
void journal_free(struct journal *j);
DEFINE_CLEANUP(struct journal *, journal_free)

#endif

/*
 * Where archives live: a folder, or standard output.
 *
 * A kind of place is one file that fills a struct place_ops and has a function that makes one; all others
 * go through the functions below.  A place names its archives by their file name
 * ("vzdump-qemu-100-2026_11_22-20_15_00.vma.zst", see storage/archive-name.h), without a folder.
 *
 *	place_create(place, name, ...)	// the archive is being made: nobody takes it for complete
 *	...				// the writer fills it
 *	place_publish(archive, ...)	// now it is there, under its name
 *	place_abort(archive)		// in any case, at the end
 *
 * A place decides neither names, nor what is kept, nor the text of notes.
 */
#ifndef VZDUMP_PLACE_PLACE_H
#define VZDUMP_PLACE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/log.h"
#include "journal/journal.h"
#include "place/backups.h"
#include "storage/storage.h"
#include "stream/output.h"

struct place_ops;

struct place {
	const struct place_ops *ops;
	char *storage; /* id of the storage whose backups these are; NULL: of none */
};

/* An archive that is being made.  Each kind of place embeds it in a struct of its own. */
struct archive {
	struct place *place;
	struct output *output;    /* what the writer writes to, and takes over (TAKE_PTR()) */
	struct error *not_synced; /* set by place_publish(), see there; else NULL */
};

/* All callbacks get arguments that were checked; those marked may be NULL. */
struct place_ops {
	/*
	 * Where the archive of that name is or would be, as messages and hook scripts say it: a path, "-" for
	 * standard output.  Caller frees.
	 */
	char *(*path)(const struct place *p, const char *name);
	/* Asks whether the place answers at all: ERR_TIMEOUT, ERR_CANCELED.  NULL: always. */
	int (*reach)(const struct place *p, const struct cancel *cancel, struct error **err);
	/* Whether there is an archive of that name.  NULL: never. */
	bool (*exists)(const struct place *p, const char *name);

	/*
	 * Begins the archive `name`: -EEXIST if there is one.  What it makes is in the journal first.  cancel
	 * (may be NULL) ends every wait from here on, also in publish.  Both live as long as the archive.
	 */
	int (*create)(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
		      struct archive **ret, struct error **err);
	/*
	 * All data has been written: makes it safe against a power cut, and visible under its name.  It may be
	 * in place and yet not safe: then this returns 0 and sets a->not_synced.
	 */
	int (*publish)(struct archive *a, struct error **err);
	/*
	 * Frees the archive.  What was made of one that was not published stays in the journal, which removes it.
	 * Waits for no file system that hangs.
	 */
	void (*abort)(struct archive *a);

	/*
	 * The archives of one type ("qemu"; NULL: all, whatever is named like an archive) and guest (0: all), in
	 * any order.  NULL: nothing stays at such a place; then the callbacks below are NULL, too.
	 */
	int (*list)(const struct place *p, const char *type, uint32_t vmid, struct backups *ret,
		    struct error **err);
	/*
	 * Removes an archive with its log and notes.  A protected one is refused, a missing one is fine.  A log
	 * or notes that stay are a warning.
	 */
	int (*remove)(const struct place *p, const char *name, const struct log *log, struct error **err);
	/* The notes of an archive, "" without any.  Caller frees *ret. */
	int (*notes)(const struct place *p, const char *name, char **ret, struct error **err);
	/* Replaces them; "" removes them.  What a kill would leave is in the journal before (NULL: it is not). */
	int (*set_notes)(const struct place *p, const char *name, const char *notes, struct journal *j,
			 const struct log *log, struct error **err);
	/* Keeps an archive from removal and retention.  Done, but not synced, is a warning. */
	int (*protect)(const struct place *p, const char *name, const struct log *log, struct error **err);
	/*
	 * Keeps the log of a backup beside its archive, also of one that was never published.  stem is the
	 * archive's name without extension.  A place that does not answer is an error.
	 */
	int (*keep_log)(const struct place *p, const char *stem, const struct buf *text, struct error **err);
	/* Where keep_log() keeps it, as hook scripts are told.  Caller frees. */
	char *(*log_path)(const struct place *p, const char *stem);

	/* Frees the kind's own part. */
	void (*free)(struct place *p);
};

/* ---- the kinds of places ---- */

/*
 * A folder, which exists.  storage is the id of the storage that it belongs to, NULL for a folder of
 * --dumpdir.  Both are copied.
 */
struct place *place_dir_new(const char *dir, const char *storage);
/* A descriptor that takes one archive after the other: standard output.  It stays the caller's. */
struct place *place_stdout_new(int fd);
/* The place of a storage's backups: ERR_UNSUPPORTED for a type that keeps none.  Activates nothing. */
int place_of_storage(const struct storage *s, struct place **ret, struct error **err);

void place_free(struct place *p);
DEFINE_CLEANUP(struct place *, place_free)
#define _cleanup_place_ _cleanup_(place_freep)

/* ---- what is asked of one: see the callbacks ---- */

char *place_path(const struct place *p, const char *name);
int place_reach(const struct place *p, const struct cancel *cancel, struct error **err);
bool place_exists(const struct place *p, const char *name);
/* Whether archives stay there, and can be listed: the functions after place_abort() need that. */
bool place_keeps(const struct place *p);

int place_create(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
		 struct archive **ret, struct error **err);
int place_publish(struct archive *a, struct error **err);
/* NULL is fine. */
void place_abort(struct archive *a);

/* Sorted by time, oldest first. */
int place_list(const struct place *p, const char *type, uint32_t vmid, struct backups *ret,
	       struct error **err);
int place_remove(const struct place *p, const char *name, const struct log *log, struct error **err);
int place_notes(const struct place *p, const char *name, char **ret, struct error **err);
int place_set_notes(const struct place *p, const char *name, const char *notes, struct journal *j,
		    const struct log *log, struct error **err);
int place_protect(const struct place *p, const char *name, const struct log *log, struct error **err);
int place_keep_log(const struct place *p, const char *stem, const struct buf *text, struct error **err);
char *place_log_path(const struct place *p, const char *stem);

#endif

/*
 * Where archives live: a folder, or standard output.
 *
 * A kind of place is one file that fills a struct place_ops and has a function that makes one; all other code
 * uses the functions below.  A place names its archives by their file name
 * ("vzdump-qemu-100-2026_11_22-20_15_00.vma.zst", see storage/archive-name.h), without a folder.
 *
 *	place_create(place, name, ...)	// begins an archive, which does not look complete
 *	...				// the writer fills it
 *	place_publish(archive, ...)	// makes it visible under its name
 *	place_abort(archive)		// always, at the end
 *
 * A place decides neither on names, nor on retention, nor on the text of notes.
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

/* How archives at one place can take over parts of each other. */
struct place_sharing {
	bool reflink;   /* files can share blocks, or a server does it: probed */
	bool remote;    /* a network file system: copying moves everything over the network twice */
	uint32_t align; /* bytes, a power of two, see vma/chain.h: what is shared begins and ends there */
};

struct place {
	const struct place_ops *ops;
	char *storage; /* id of the storage that the backups belong to; NULL: none */
};

/* An archive that is being made.  Each kind of place embeds it in a struct of its own. */
struct archive {
	struct place *place;
	struct output *output;    /* for the writer, which takes it over (TAKE_PTR()) */
	struct error *not_synced; /* set by place_publish(), see there; else NULL */
};

/* All callbacks get arguments that were checked; those marked may be NULL. */
struct place_ops {
	/*
	 * Where the archive of that name is or would be, for messages and hook scripts: a path, or "-" for
	 * standard output.  Caller frees.
	 */
	char *(*path)(const struct place *p, const char *name);
	/* Checks that the place answers at all: ERR_TIMEOUT, ERR_CANCELED.  NULL: it always does. */
	int (*reach)(const struct place *p, const struct cancel *cancel, struct error **err);
	/* True if there is an archive of that name.  NULL: there never is. */
	bool (*exists)(const struct place *p, const char *name);

	/*
	 * Begins the archive `name`: -EEXIST if there is one.  Writes to the journal before it makes
	 * anything. cancel (may be NULL) ends every wait from here on, also in publish.  j and cancel must
	 * live as long as the archive.
	 */
	int (*create)(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
		      struct archive **ret, struct error **err);
	/*
	 * After all data has been written: makes the archive safe against a power cut and visible under its
	 * name.  If it is visible, but not safe, returns 0 and sets a->not_synced.
	 */
	int (*publish)(struct archive *a, struct error **err);
	/*
	 * Frees the archive.  If it was not published, its files stay in the journal, which removes them.
	 * Does not wait for a file system that hangs.
	 */
	void (*abort)(struct archive *a);

	/*
	 * The archives of one type ("qemu"; NULL: all files with an archive's extension) and guest (0:
	 * all), in any order.  NULL: archives do not stay at such a place; then the callbacks below are
	 * NULL, too.
	 */
	int (*list)(const struct place *p, const char *type, uint32_t vmid, struct backups *ret,
		    struct error **err);
	/*
	 * Removes an archive with its log and notes; -EPERM if it is protected, 0 if it is missing.  Warns if
	 * the log or the notes cannot be removed.
	 */
	int (*remove)(const struct place *p, const char *name, const struct log *log, struct error **err);
	/* Opens an archive for reading at any place; the caller closes *ret. */
	int (*open)(const struct place *p, const char *name, int *ret, struct error **err);
	/*
	 * Finds out how archives at this place can take over parts of each other, by trying it with two small
	 * files, which are written to the journal first.  cancel may be NULL.
	 */
	int (*sharing)(const struct place *p, struct journal *j, const struct cancel *cancel,
		       struct place_sharing *ret, struct error **err);
	/* The notes of an archive; "" if it has none.  Caller frees *ret. */
	int (*notes)(const struct place *p, const char *name, char **ret, struct error **err);
	/* Replaces them; "" removes them.  The temporary file is written to the journal first (NULL: it is not). */
	int (*set_notes)(const struct place *p, const char *name, const char *notes, struct journal *j,
			 const struct log *log, struct error **err);
	/* Protects an archive from removal and retention.  Warns if that may be lost in a power cut. */
	int (*protect)(const struct place *p, const char *name, const struct log *log, struct error **err);
	/*
	 * Keeps the log of a backup beside its archive, even if that was never published.  stem is the
	 * archive's name without extension.  ERR_TIMEOUT if the place does not answer.
	 */
	int (*keep_log)(const struct place *p, const char *stem, const struct buf *text, struct error **err);
	/* Where keep_log() keeps it, for hook scripts.  Caller frees. */
	char *(*log_path)(const struct place *p, const char *stem);

	/* Frees the place; its base has been cleared. */
	void (*free)(struct place *p);
};

/* ---- the kinds of places ---- */

/*
 * A folder.  storage is the id of the storage that it belongs to, NULL for a folder of --dumpdir.  Both are
 * copied.
 */
struct place *place_dir_new(const char *dir, const char *storage);
/* Standard output: a descriptor that receives one archive after the other.  It stays the caller's. */
struct place *place_stdout_new(int fd);
/*
 * The place of a storage's backups; ERR_UNSUPPORTED if its type keeps none.  Does not activate the storage.
 */
int place_of_storage(const struct storage *s, struct place **ret, struct error **err);

void place_free(struct place *p);
DEFINE_CLEANUP(struct place *, place_free)
#define _cleanup_place_ _cleanup_(place_freep)

/* ---- calling the callbacks, which explain them ---- */

char *place_path(const struct place *p, const char *name);
int place_reach(const struct place *p, const struct cancel *cancel, struct error **err);
bool place_exists(const struct place *p, const char *name);
/* True if archives stay there and can be listed: required by the functions after place_abort(). */
bool place_keeps(const struct place *p);

int place_create(struct place *p, const char *name, struct journal *j, const struct cancel *cancel,
		 struct archive **ret, struct error **err);
int place_publish(struct archive *a, struct error **err);
/* a may be NULL. */
void place_abort(struct archive *a);

/* Sorted by time, oldest first.  Caller clears *ret. */
int place_list(const struct place *p, const char *type, uint32_t vmid, struct backups *ret,
	       struct error **err);
int place_remove(const struct place *p, const char *name, const struct log *log, struct error **err);
int place_open(const struct place *p, const char *name, int *ret, struct error **err);
int place_sharing(const struct place *p, struct journal *j, const struct cancel *cancel,
		  struct place_sharing *ret, struct error **err);
int place_notes(const struct place *p, const char *name, char **ret, struct error **err);
int place_set_notes(const struct place *p, const char *name, const char *notes, struct journal *j,
		    const struct log *log, struct error **err);
int place_protect(const struct place *p, const char *name, const struct log *log, struct error **err);
int place_keep_log(const struct place *p, const char *stem, const struct buf *text, struct error **err);
char *place_log_path(const struct place *p, const char *stem);

#endif

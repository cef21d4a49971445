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
#include "base/paths.h"

enum journal_kind {
	JOURNAL_PID,     /* the process that writes this journal */
	JOURNAL_LOCK,    /* lock: in the guest's configuration; value: which, "" is backup */
	JOURNAL_QEMU,    /* the process of the next four; value: its pid and proc_start_ticks() */
	JOURNAL_GRAPH,   /* nodes, filters, bitmaps, exports with our prefix in the guest's QEMU */
	JOURNAL_SERVER,  /* the NBD server in the guest's QEMU */
	JOURNAL_STOPPED, /* the vCPUs are stopped by us */
	JOURNAL_FROZEN,  /* the guest's file systems are frozen by us */
	JOURNAL_DOWN,    /* the guest was shut down by us and is to be started again */
	JOURNAL_IMAGE,   /* a fleecing image, or a volume of a restore; value: volume id */
	JOURNAL_FILE,    /* a temporary file; value: path */
	JOURNAL_DIR,     /* a temporary folder with all that is in it; value: path */
	JOURNAL_STARTED, /* a QEMU for a guest that has not run yet: it is ended */
	JOURNAL_CONFIG,  /* the configuration is not the guest's own; value: path of a copy of that */
	/* of a restore, see lib/restore/undo.c */
	JOURNAL_GUEST,    /* a configuration that holds nothing but our lock; value: which lock */
	JOURNAL_FIREWALL, /* firewall rules put in place; value: path of a copy of the old ones, or "" */
	JOURNAL_REPLACED, /* a volume of the guest that is replaced; value: volume id */
	JOURNAL_COMMIT,   /* the new configuration is about to be put in place */
	JOURNAL_KINDS,
};

struct journal_entry {
	enum journal_kind kind;
	char *value; /* "" for kinds without one */
};

struct journal {
	int fd; /* holds the lock */
	char *path;
	uint32_t vmid;
	struct journal_entry *entries; /* what is not struck out, oldest first */
	size_t n;
};

/* The name that kind has in the file, and in messages. */
const char *journal_kind_name(enum journal_kind kind);

/* Begins the journal of a guest.  -EEXIST if there is one (journal_load() and recover first). */
int journal_create(const struct paths *p, uint32_t vmid, struct journal **ret, struct error **err);
/* This process works with a journal of another one from now on, and may be killed as that was. */
int journal_add_pid(struct journal *j, struct error **err);
/*
 * Reads a journal that a dead process left; -ENOENT if there is none, -EBUSY if its process lives (the
 * file is locked by flock).  It can be added to.
 */
int journal_load(const struct paths *p, uint32_t vmid, struct journal **ret, struct error **err);
/* Guests that have a journal; *ret is an array the caller frees. */
int journal_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err);

/* On disk when it returns.  value may be NULL. */
int journal_add(struct journal *j, enum journal_kind kind, const char *value, struct error **err);
/* Strikes out; not synced, since doing the same again does no harm. */
void journal_strike(struct journal *j, enum journal_kind kind, const char *value);
bool journal_has(const struct journal *j, enum journal_kind kind);

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

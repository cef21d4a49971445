/*
 * Restores a guest, or single disks of one, from an archive.
 *
 * New volumes are made and filled next to the existing ones.  Only when all data is written and synced, the
 * guest's configuration is replaced, and after that the volumes of the old guest are removed.  Until then
 * every error, signal or kill leaves an existing guest as it was: everything that is made is in the journal
 * (journal/journal.h) before it exists.
 *
 * A live restore (live.h) does all that while the guest already runs.  Until the vCPUs run for the first time
 * it is undone like any other; after that everything is kept, because the guest has written.
 *
 *	restore ── plan        decides what to do, from the archive's header
 *	        ── replaced    may the existing guest be replaced; which of its volumes go
 *	        ── volumes     makes the new ones
 *	        ── fill        copies the archive's data into targets, which are the open volumes
 *	        ── commit      installs configuration and firewall rules; removes the old volumes
 *	        ── live        instead of fill and commit
 */
#ifndef VZDUMP_RESTORE_RESTORE_H
#define VZDUMP_RESTORE_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/host.h"
#include "vma/reader.h"

/* The smallest limit that the storages of the volumes have for restores. */
#define RESTORE_BWLIMIT_OF_STORAGES UINT64_MAX

struct restore_params {
	const char *archive; /* path, for messages */
	int fd;              /* the archive; may be a pipe */
	uint32_t vmid;
	const char *storage;  /* for all volumes; NULL: where each disk came from */
	bool force;           /* replace an existing guest */
	bool unique;          /* new MAC addresses and system uuid */
	bool keep_host_lines; /* keep lines of the configuration that reach out of the guest */
	bool starts;          /* the caller starts it afterwards: its volumes stay active */
	bool live;            /* start it at once and fill its volumes meanwhile; needs an index */
	uint64_t bwlimit;     /* bytes per second, 0: none, RESTORE_BWLIMIT_OF_STORAGES */
	char *const *disks;   /* only these (keys), into the existing guest; NULL: all, a new guest */
	/* The header has been read, and data comes next.  Any of these four may be NULL. */
	void (*begin)(void *opaque, const struct vma_header *h);
	/* From any thread; how many clusters have been read so far. */
	void (*progress)(void *opaque, uint64_t clusters);
	/* All data is read.  Not called by a live restore. */
	void (*end)(void *opaque, const struct vma_reader_stats *stats);
	/*
	 * Half a minute has passed since a request to stop, and a target's file system still does not answer.
	 * Called from a thread of its own.  It may end the process, as kill -9 would, since the journal says
	 * what must be undone.  NULL: waits for the file system.
	 */
	void (*stuck)(void *opaque);
	void *opaque;
};

/*
 * The log lines are PVE's.  After an error nothing is left, or a warning says what is left and how to remove
 * it.  After an error of a live restore whose guest has run, all is kept, and the log says how to finish.
 */
int restore_run(const struct host *host, const struct restore_params *p, struct error **err);

#endif

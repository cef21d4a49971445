/*
 * Restores a guest, or single disks of one, from an archive.
 *
 * New volumes are made and filled beside whatever there is; only when all data is written and synced
 * the guest's configuration is replaced, and the volumes of the guest that was there are removed.
 * Until then every error, signal or kill leaves an existing guest as it was: what was made is in the
 * journal (lib/fleecing/journal.h) before it exists.
 *
 * A live restore does all that while the guest runs already.  It is made undone like any other until
 * the vCPUs run for the first time; behind that everything is kept, because the guest has written.
 */
#ifndef VZDUMP_RESTORE_RESTORE_H
#define VZDUMP_RESTORE_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"
#include "storage/host.h"
#include "vma/reader.h"

/* The smallest limit that the storages of the volumes have for restores. */
#define RESTORE_BWLIMIT_OF_STORAGES UINT64_MAX

struct restore_params {
	const char *archive; /* path, for messages */
	int fd;              /* the archive; a pipe will do */
	uint32_t vmid;
	const char *storage;                      /* for all volumes; NULL: where each disk came from */
	bool force;                               /* replace an existing guest */
	const struct settings_commands *commands; /* how it is started */
	bool unique;                              /* new MAC addresses and system uuid */
	bool keep_host_lines; /* lines of the configuration that reach out of the guest are kept */
	bool starts;          /* the caller starts it behind that: its volumes stay active */
	bool live;            /* start it at once, fill its volumes meanwhile; needs an index */
	uint64_t bwlimit;     /* bytes per second, 0: none, RESTORE_BWLIMIT_OF_STORAGES */
	char *const *disks;   /* only these (keys), into the existing guest; NULL: all, a new guest */
	/* The header is known, data comes next; clusters so far.  May be NULL. */
	void (*begin)(void *opaque, const struct vma_header *h);
	void (*progress)(void *opaque, uint64_t clusters);
	/* All data is read; not of a live restore. */
	void (*end)(void *opaque, const struct vma_reader_stats *stats);
	/*
	 * A request to stop came half a minute ago, and a target's file system still does not answer.  It may
	 * end the process, as kill -9 would: the journal tells what is to be undone.  From a thread of
	 * its own; NULL: waited for.
	 */
	void (*stuck)(void *opaque);
	void *opaque;
};

/*
 * Log lines are PVE's.  After an error nothing is left,
 * or a warning says what and how to remove it.
 */
int restore_run(const struct host *host, const struct restore_params *p, struct error **err);

#endif

/*
 * What nfs, cifs and cephfs add to a storage with a directory (path.h): a file system of the network
 * that is mounted there by whoever needs it first, and stays.
 *
 * The server may be gone at any time, and then every look at the directory hangs.  So the looks that
 * come first, and those that are repeated, are taken by a child with a time limit.
 * Facts: PVE::Storage::NFSPlugin, CIFSPlugin, CephFSPlugin.
 */
#ifndef VZDUMP_STORAGE_MOUNT_H
#define VZDUMP_STORAGE_MOUNT_H

#include <mntent.h>

#include "storage/storage.h"

/* Seconds that mounting may take; mount.nfs and mount.ceph give up after 60 to 120 by themselves. */
#define MOUNT_TIMEOUT 60
/* The same for looking at what is mounted. */
#define MOUNT_ASK_TIMEOUT 10
/* For struct storage_ops: asking takes a child. */
#define MOUNT_ASK_INTERVAL_MS 1000

/* A type of file system. */
struct mount_type {
	/* True for this storage's own among the mounts at its path. */
	bool (*is_ours)(const struct storage *s, const struct mntent *mount);
	/* The command that mounts it.  Caller frees. */
	char **(*command)(const struct storage *s);
	/* Program in /sbin that mount(8) needs for it, and its Debian package. */
	const char *helper, *package;
	/* False: the server does not answer.  NULL: not asked. */
	bool (*is_online)(const struct storage *s);
};

/* Callbacks of struct storage_ops, but for t. */
int mount_activate(const struct storage *s, const struct mount_type *t, const struct log *log,
		   struct error **err);
int mount_status(const struct storage *s, const struct mount_type *t, struct storage_status *ret,
		 struct error **err);

/* ---- keys ---- */

/*
 * Checks what the section has of: server, a host name or an address; export and subdir, absolute
 * paths; options, without white space.  required (NULL-terminated) must be there.
 */
int mount_check(const struct storage *s, const char *const required[], struct error **err);
/* The server; an IPv6 address in brackets.  Caller frees. */
char *mount_server(const struct storage *s);
/* True if a and b are the same but for slashes at the end. */
bool mount_same_source(const char *a, const char *b);

/*
 * True if the storage's server takes a TCP connection within two seconds: at the port that options
 * name ("port="), else at port; or at the one where another service of the kind listens.
 */
bool mount_server_answers(const struct storage *s, unsigned port, unsigned other);

#endif

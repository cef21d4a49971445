/*
 * What nfs, cifs and cephfs add to a storage with a directory (path.h): a file system of the network,
 * which is mounted there by whoever needs it first, and stays mounted.  A type says in its struct
 * mount_type (storage_ops.mount) how it differs.
 *
 * The server may be gone at any time, and then every access to the directory hangs.  So the first access,
 * and those that are repeated, are made by a child with a time limit.
 * Facts: PVE::Storage::NFSPlugin, CIFSPlugin, CephFSPlugin.
 */
#ifndef VZDUMP_STORAGE_MOUNT_H
#define VZDUMP_STORAGE_MOUNT_H

#include <mntent.h>

#include "storage/storage.h"

/* Seconds that mounting may take; mount.nfs and mount.ceph give up by themselves after 60 to 120. */
#define MOUNT_TIMEOUT 60
/* Seconds for asking what is mounted. */
#define MOUNT_ASK_TIMEOUT 10
/* For storage_ops.ask_interval_ms: asking takes a child. */
#define MOUNT_ASK_INTERVAL_MS 1000

struct mount_type {
	/* Keys that the section must have; NULL-terminated.  NULL: none. */
	const char *const *required;
	/* True for this storage's own among the mounts at its path. */
	bool (*is_ours)(const struct storage *s, const struct mntent *mount);
	/* The command that mounts it.  Caller frees. */
	char **(*command)(const struct storage *s);
	/* Program in /sbin that mount(8) needs for it, and its Debian package. */
	const char *helper, *package;
	/* False: the server does not answer.  NULL: not asked. */
	bool (*is_online)(const struct storage *s);
};

/* ---- callbacks of struct storage_ops ---- */

/*
 * Checks that the required keys are there, and those of these that are there: server, a host name or an
 * address; export and subdir, absolute paths; options, without white space.
 */
int mount_check(const struct storage *s, struct error **err);
/* Mounts it, if it is not mounted yet, and then does as path_activate(). */
int mount_activate(const struct storage *s, const struct log *log, struct error **err);
int mount_status(const struct storage *s, struct storage_status *ret, struct error **err);

/* ---- for struct mount_type ---- */

/* The server; an IPv6 address in brackets.  Caller frees. */
char *mount_server(const struct storage *s);
/* True if a and b differ at most in the slashes at their ends. */
bool mount_same_source(const char *a, const char *b);

/*
 * True if the storage's server takes a TCP connection within two seconds: at the port that options
 * name ("port="), else at port; or at the one where another service of the kind listens.
 */
bool mount_server_answers(const struct storage *s, unsigned port, unsigned other);

#endif

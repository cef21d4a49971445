/*
 * What nfs, cifs and cephfs add to a storage with a directory (path.h): a network file system, which the
 * first command that needs it mounts there; it stays mounted.  A type describes how it differs in its
 * struct mount_type (storage_ops.mount).
 *
 * The server may go away at any time, and then every access to the directory hangs.  So a child with a time
 * limit makes the first access, and those that are repeated.
 * Facts: PVE::Storage::NFSPlugin, CIFSPlugin, CephFSPlugin.
 */
#ifndef VZDUMP_STORAGE_MOUNT_H
#define VZDUMP_STORAGE_MOUNT_H

#include <mntent.h>

#include "storage/storage.h"

/* Seconds that mounting may take; mount.nfs and mount.ceph give up by themselves after 60 to 120. */
#define MOUNT_TIMEOUT 60
/* Seconds for asking a mounted file system for its space. */
#define MOUNT_ASK_TIMEOUT 10
/* For storage_ops.ask_interval_ms: each question starts a child. */
#define MOUNT_ASK_INTERVAL_MS 1000

struct mount_type {
	/* Keys that the section must have; NULL-terminated.  NULL: none. */
	const char *const *required;
	/* True if this mount at the storage's path is the storage's own. */
	bool (*is_ours)(const struct storage *s, const struct mntent *mount);
	/* The command that mounts it.  Caller frees. */
	char **(*command)(const struct storage *s);
	/* Program in /sbin that mount(8) needs for it, and its Debian package. */
	const char *helper, *package;
	/* False if the server does not answer.  NULL: it is not asked. */
	bool (*is_online)(const struct storage *s);
};

/* ---- callbacks of struct storage_ops ---- */

/*
 * ERR_INVALID if a required key is missing, or one of these has a wrong value: server is a host name or an
 * address, export and subdir are absolute paths, options has no white space.
 */
int mount_check(const struct storage *s, struct error **err);
/* Mounts it if it is not mounted yet, then does the same as path_activate(). */
int mount_activate(const struct storage *s, const struct log *log, struct error **err);
int mount_is_active(const struct storage *s, bool *ret, struct error **err);
/* ERR_NOT_FOUND if it is not mounted. */
int mount_status(const struct storage *s, struct storage_status *ret, struct error **err);

/* ---- for struct mount_type ---- */

/* The server; an IPv6 address in brackets.  Caller frees. */
char *mount_server(const struct storage *s);
/* True if a and b differ at most in the slashes at their ends. */
bool mount_same_source(const char *a, const char *b);

/*
 * True if the storage's server accepts a TCP connection within two seconds, at the port in its options
 * ("port=", else `port`) or at `other`, where a related service listens.
 */
bool mount_server_answers(const struct storage *s, unsigned port, unsigned other);

#endif

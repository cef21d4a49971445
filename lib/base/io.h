/* Files: whole reads and writes, replacing, locking, removing. */
#ifndef VZDUMP_BASE_IO_H
#define VZDUMP_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Reads the whole file; more than max bytes are an error.  -ENOENT if there is no such file. */
int io_read_file(const char *path, size_t max, struct buf *ret, struct error **err);
/* The same for an open file, from its current offset; path is for messages. */
int io_read_fd(int fd, const char *path, size_t max, struct buf *ret, struct error **err);
/*
 * Writes a file next to path, fsyncs it, renames it over path and fsyncs the folder.  The new file gets
 * owner, group, mode and ACL of the one it replaces; if there was none it gets `mode` (less the umask).
 * No link is followed: a link of that name is replaced.
 *
 * 0: the new file is in place.  If its folder could not be synced, *not_synced (empty on entry) is set: a
 * power cut may bring back the old file.  Then the caller must keep whatever the old file needs, and report
 * that the new file is in place.  If not_synced is NULL, a failed sync is an error like any other, and the
 * caller has to remove the new file; use that only for files that nothing relies on yet.
 */
int io_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode,
			 struct error **not_synced, struct error **err);
/*
 * Renames a file within its folder, replaces a file that has the new name, and fsyncs the folder;
 * not_synced as above.
 */
int io_rename(const char *from, const char *to, struct error **not_synced, struct error **err);
/*
 * The same, but -EEXIST if the new name is taken.  Some file systems (NFS, FUSE and so pmxcfs) cannot check
 * that as a part of the rename; there a file of that name could still appear between the check and the
 * rename.
 */
int io_rename_new(const char *from, const char *to, struct error **not_synced, struct error **err);
/* Name of the temporary file of io_write_file_atomic() in process `pid`.  Caller frees. */
char *io_unfinished_name(const char *path, int pid);
/* Removes the temporary file that process `pid` may have left next to path if it was killed. */
void io_remove_unfinished(const char *path, int pid);
/*
 * Makes a file that nobody else has open: a file or link of that name is removed, and no link is followed.
 * For folders in which others may write.  Returns a descriptor (O_WRONLY) or -errno.
 */
int io_create_fresh(const char *path, mode_t mode);
/*
 * Opens a lock file and creates it if it does not exist.  Its mode is 0600, because any user who can open a
 * file can hold its lock.  Follows no link.  Descriptor (O_RDWR) or -errno.
 */
int io_open_lock(const char *path);
/*
 * The same for a lock that only we use: if the file exists and is ours, but other users have access, its
 * mode becomes 0600 too.
 */
int io_open_own_lock(const char *path);
/* True if path still names the open file fd: the file may have been removed before it was locked. */
bool io_is_named(int fd, const char *path);
/* The folder of path; "." if path has no slash.  Caller frees. */
char *io_parent(const char *path);
/* Write all of it, in spite of short writes and EINTR.  0 or -errno. */
int io_write_all(int fd, const void *data, size_t len);
int io_pwrite_all(int fd, const void *data, size_t len, off_t offset);
/* Reads until len or the end of the file.  Bytes read or -errno. */
ssize_t io_pread_full(int fd, void *data, size_t len, off_t offset);
/* mkdir -p; existing folders are fine. */
int io_mkdir_p(const char *path, mode_t mode, struct error **err);
/*
 * Makes sure that a power cut does not undo creations, renames and removals in the folder.  An error does
 * not mean that they were not done.
 */
int io_fsync_dir(const char *path, struct error **err);
/*
 * rm -rf that follows no link and enters no mount point; 0 also if path does not exist.  An entry that
 * cannot be removed, such as a mount point, stays together with the folders above it.  Everything else is
 * removed, and the error names the first entry that stays.
 */
int io_remove_tree(const char *path, struct error **err);

/* True if all len bytes are zero.  Fast; any alignment. */
bool io_is_zero(const void *data, size_t len);

/* The last line that is not empty of a log (up to 1 MiB), for a message; NULL if none.  Caller frees. */
char *io_last_line(const char *path);

#endif

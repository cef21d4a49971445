/* Files, whole reads and writes. */
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
 * power cut may bring back what was there before.  Then the caller must not remove what the old file
 * needs, and tells the user that the file is in place.  If not_synced is NULL, that is an error like any
 * other, and the caller has to undo what is in place: only for files that nothing relies on yet.
 */
int io_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode,
			 struct error **not_synced, struct error **err);
/*
 * Gives a file a name in the same folder, which another file may have, and fsyncs the folder; not_synced
 * as above.
 */
int io_rename(const char *from, const char *to, struct error **not_synced, struct error **err);
/*
 * The same for a name that nothing may have: -EEXIST.  Where a file system (NFS, FUSE and with it pmxcfs)
 * cannot refuse in the same step, something of that name could still appear between the check and the
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
 * Opens a lock file, made with mode 0600 if it is not there: whoever can open a file can hold its lock.
 * Follows no link.  Descriptor (O_RDWR) or -errno.
 */
int io_open_lock(const char *path);
/*
 * The same for a lock that only we use: if the file is ours, but others may read it, it gets that mode
 * too.
 */
int io_open_own_lock(const char *path);
/* True if fd is the file that has this name now.  It may have been removed before it was locked. */
bool io_is_named(int fd, const char *path);
/* "." for a name without folder.  Caller frees. */
char *io_parent(const char *path);
/* Write all of it, in spite of short writes and EINTR.  0 or -errno. */
int io_write_all(int fd, const void *data, size_t len);
int io_pwrite_all(int fd, const void *data, size_t len, off_t offset);
/* Reads until len or the end of the file.  Bytes read or -errno. */
ssize_t io_pread_full(int fd, void *data, size_t len, off_t offset);
/* mkdir -p; existing folders are fine. */
int io_mkdir_p(const char *path, mode_t mode, struct error **err);
/*
 * Makes sure that a power cut does not undo what was made, renamed or removed in the folder.  An error
 * does not mean that a rename was not done.
 */
int io_fsync_dir(const char *path, struct error **err);
/*
 * rm -rf that follows no link and enters no mount point; 0 also if there is nothing.  Something that
 * cannot be removed, such as a mount point, stays with the folders above it; all else is removed, and the
 * error names the first that stays.
 */
int io_remove_tree(const char *path, struct error **err);

/* True if all len bytes are zero.  Fast; any alignment. */
bool io_is_zero(const void *data, size_t len);

/*
 * The last line that holds anything of a log (up to 1 MiB), for a message; NULL if there is none.
 * Caller frees.
 */
char *io_last_line(const char *path);

#endif

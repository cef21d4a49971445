/* Files, whole reads and writes. */
#ifndef VZDUMP_BASE_IO_H
#define VZDUMP_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Reads the whole file, at most max bytes (more is an error).  ERR code -ENOENT when missing. */
int io_read_file(const char *path, size_t max, struct buf *ret, struct error **err);
/* The same of an open file, from where it stands; path is for messages. */
int io_read_fd(int fd, const char *path, size_t max, struct buf *ret, struct error **err);
/*
 * Writes a file beside path, fsyncs it, renames it over path and fsyncs the folder.  A file that was
 * there hands its owner, group, mode and ACL down; `mode` (less the umask) is for a new one.  No link is
 * followed: a link of that name is replaced.
 *
 * 0: the new file is in place.  Then its folder may still have failed to sync, so that a power cut may
 * bring back what was there before: not_synced, which is empty on entry, tells.  Who gives it must not
 * remove what the old file needs while it is set, and says to the user that it is done.  With NULL it is an
 * error as others are, and the caller has to undo what is in place: for files that nothing relies on yet.
 */
int io_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode,
			 struct error **not_synced, struct error **err);
/* Gives a file a name in the same folder, which another file may have, and fsyncs the folder; not_synced as above. */
int io_rename(const char *from, const char *to, struct error **not_synced, struct error **err);
/*
 * The same for a name that nothing may have: -EEXIST.  Where a file system (NFS, FUSE and with it pmxcfs) cannot
 * refuse in the same step, something of that name could still appear between the check and the rename.
 */
int io_rename_new(const char *from, const char *to, struct error **not_synced, struct error **err);
/* Name of the temporary file of io_write_file_atomic() in process `pid`.  Caller frees. */
char *io_unfinished_name(const char *path, int pid);
/* Removes what the same call in process `pid`, killed meanwhile, may have left beside path. */
void io_remove_unfinished(const char *path, int pid);
/*
 * Makes a file that nobody else has open: what has the name goes, be it a file or a link, and no link is
 * followed.  For folders that may be somebody else's.  Descriptor (O_WRONLY) or -errno.
 */
int io_create_fresh(const char *path, mode_t mode);
/*
 * Opens a lock file, made with mode 0600 if it is not there: whoever can open a file can hold its lock.
 * Follows no link.  Descriptor (O_RDWR) or -errno.
 */
int io_open_lock(const char *path);
/* The same for a lock that only we use: if the file is ours, but others may read it, it gets that mode too. */
int io_open_own_lock(const char *path);
/* True if fd is open on the file that has that name now: after a lock, it may have been removed before. */
bool io_is_named(int fd, const char *path);
/* "." for a name without folder.  Caller frees. */
char *io_parent(const char *path);
/* All of it, through short writes and EINTR.  0 or -errno. */
int io_write_all(int fd, const void *data, size_t len);
int io_pwrite_all(int fd, const void *data, size_t len, off_t offset);
/* Reads until len or the end of the file.  Bytes read or -errno. */
ssize_t io_pread_full(int fd, void *data, size_t len, off_t offset);
/* mkdir -p; existing folders are fine. */
int io_mkdir_p(const char *path, mode_t mode, struct error **err);
/*
 * What was made, renamed or removed in the folder stays so through a power cut.  After a rename an error
 * does not mean that the rename was not done.
 */
int io_fsync_dir(const char *path, struct error **err);
/*
 * rm -rf that follows no link and enters nothing that is mounted; missing is fine.  What cannot be removed,
 * as a mount point, is left with the folders above it, the rest goes; the error names the first.
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

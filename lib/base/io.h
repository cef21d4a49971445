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
/* Writes a file beside path, fsyncs it, renames it over path and fsyncs the folder. */
int io_write_file_atomic(const char *path, const void *data, size_t len, mode_t mode,
			 struct error **err);
/* Removes what the same call in process `pid`, killed meanwhile, may have left beside path. */
void io_remove_unfinished(const char *path, int pid);
/* All of it, through short writes and EINTR.  0 or -errno. */
int io_write_all(int fd, const void *data, size_t len);
int io_pwrite_all(int fd, const void *data, size_t len, off_t offset);
/* Reads until len or end of file.  Bytes read or -errno. */
ssize_t io_read_full(int fd, void *data, size_t len);
ssize_t io_pread_full(int fd, void *data, size_t len, off_t offset);
/* mkdir -p; existing folders are fine. */
int io_mkdir_p(const char *path, mode_t mode, struct error **err);
int io_fsync_dir(const char *path, struct error **err);
/* rm -rf that does not follow links out; missing is fine. */
int io_remove_tree(const char *path, struct error **err);

/* True if all len bytes are zero.  Fast; any alignment. */
bool io_is_zero(const void *data, size_t len);

/*
 * The last line that holds anything of a log (up to 1 MiB), for a message; NULL if there is none.
 * Caller frees.
 */
char *io_last_line(const char *path);

#endif

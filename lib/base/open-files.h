/*
 * Which process has a file or block device open for writing, as /proc/PID/fd and /proc/PID/fdinfo show
 * (proc(5)).  A file is found by its inode, a device by its number, so it does not matter whether it was
 * opened under another name, through a link or in another mount namespace.  Processes that this one's /proc
 * does not show (another host, another pid namespace) are not found, nor those of other users unless we are
 * root.
 */
#ifndef VZDUMP_BASE_OPEN_FILES_H
#define VZDUMP_BASE_OPEN_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct open_file {
	bool device;
	dev_t dev; /* of a device: its own number */
	ino_t ino; /* of a file; 0 for a device */
};

/* From the stat() of a regular file or block device. */
struct open_file open_file_of(const struct stat *st);

/*
 * The first process that has one of the files open for writing, or 0.  Skips this process, its children and
 * those whose name (proc_name()) is `but`, which may be NULL.
 */
pid_t open_files_writer(const struct open_file *files, size_t n, const char *but);

/*
 * The first process for whose command line (proc_command()) is_it() returns true, or 0.  Skips this process
 * and its children.
 */
pid_t open_files_command(bool (*is_it)(const char *command, const void *opaque), const void *opaque);
/* The number of children of this process for which it returns true. */
unsigned open_files_children(bool (*is_it)(const char *command, const void *opaque), const void *opaque);

#endif

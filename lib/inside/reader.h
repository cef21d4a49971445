/*
 * Reads a file system of a guest without the host's kernel: a library does it in a process or a virtual
 * machine of its own.  What there is: ext.h, guestfs.h.
 * Paths begin at the root of the file system.  Symbolic links on the way are followed inside it, a link at
 * the end is not, except by list.  Errors: ERR_NOT_FOUND; -ENOTDIR and -EISDIR; ERR_UNSUPPORTED; ERR_CORRUPT.
 */
#ifndef VZDUMP_INSIDE_READER_H
#define VZDUMP_INSIDE_READER_H

#include <stdbool.h>

#include "base/error.h"
#include "inside/entry.h"

struct inside_ops {
	/* One entry, what the path is; its name is the path. */
	int (*look)(void *reader, const char *path, struct inside_entry *ret, struct error **err);
	/* The entries of a folder, without "." and "..", in any order. */
	int (*list)(void *reader, const char *path, struct inside_entries *ret, struct error **err);
	/* Writes the content of a file to a descriptor. */
	int (*cat)(void *reader, const char *path, int out, struct error **err);
	/*
	 * Writes a folder and all below it to a descriptor, as a tar stream; its paths begin at the folder.
	 * One call at a time, from any thread.
	 */
	int (*stream)(void *reader, const char *path, int out, struct error **err);
	void (*free)(void *reader);
};

struct inside_reader {
	const struct inside_ops *ops; /* NULL: none is open */
	void *x;
	/* the file system was in use at the backup: what its journal has is not in the files yet */
	bool journal;
};

#endif

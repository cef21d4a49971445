/*
 * Takes what an inside_reader sends, and makes files of it below the current folder, by libarchive.
 * Nothing in the stream is trusted: no name and no link leads outside of the folder that is made.  Devices,
 * pipes and sockets are left out, as well as the set-user-id and set-group-id bits, which would give a
 * guest's program the rights of this host's users.  Owners are kept if the process is root.  Blocks of zeroes
 * become holes.
 */
#ifndef VZDUMP_INSIDE_EXTRACT_H
#define VZDUMP_INSIDE_EXTRACT_H

#include "base/error.h"
#include "inside/entry.h"

struct inside_counts {
	uint64_t made;
	uint64_t left_out; /* devices, pipes, sockets */
};

/* A tar stream.  Its root gets the name, which must be free and without a slash. */
int inside_extract(int in, const char *name, struct inside_counts *ret, struct error **err);
/* A file: its content.  Mode, times and owner are those of the entry.  After an error there is no file. */
int inside_extract_file(int in, const struct inside_entry *e, const char *name, struct error **err);
/* A symbolic link. */
int inside_extract_link(const struct inside_entry *e, const char *name, struct error **err);

#endif

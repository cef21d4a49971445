/*
 * The archive's file: made as <name>.dat, synced and renamed when complete, so that a file with its
 * final name is complete.  Or standard output.
 */
#ifndef VZDUMP_PLACE_ARCHIVE_H
#define VZDUMP_PLACE_ARCHIVE_H

#include "config/settings.h"
#include "journal/journal.h"
#include "vma/compression.h"
#include "vma/writer.h"

struct archive {
	int fd; /* -1: not open */
	bool is_stdout;
	char *target; /* final path, "-" for standard output */
	char *part;   /* path while it is written; NULL for standard output */
	struct vma_writer *writer;
	struct error *not_synced; /* it is complete, but a power cut may take its name away; or NULL */
	const struct cancel *cancel;
};

/* dir/stem + extension; for stdout (dir NULL) the descriptor is borrowed. */
void archive_init(struct archive *a, const char *dir, const char *stem, const struct settings_archive *s);
/*
 * Creates the file (journalled) and writes the header.  cancel (may be NULL) ends every wait from here
 * on, also one for a file system that hangs.
 */
int archive_open(struct archive *a, const struct settings_archive *s, int stdout_fd,
		 const struct vma_header *hdr, struct journal *j, const struct cancel *cancel,
		 struct error **err);
/* Completes, syncs, renames; the last may be in place, but a->not_synced. */
int archive_complete(struct archive *a, struct journal *j, struct vma_writer_stats *ret, struct error **err);
/* Frees; a file that was not completed stays for recover_rest().  Does not wait for a hung target. */
void archive_clear(struct archive *a);

#endif

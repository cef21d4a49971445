/* Among recover*.c. */
#ifndef VZDUMP_JOURNAL_RECOVER_INTERNAL_H
#define VZDUMP_JOURNAL_RECOVER_INTERNAL_H

#include "journal/recover.h"

/* Keeps the first error of several steps and says each at once. */
void recover_note(const struct log *log, const char *what, struct error **first, struct error **mine);

/* Removes an image; one that is certainly gone is fine. */
int recover_free_image(const struct host *host, const char *volid, const struct log *log, struct error **err);
/* A file that is gone is fine. */
int recover_remove_file(const char *path, struct error **err);

/* recover-restore.c: one entry of a kind that restores write, JOURNAL_IMAGE among them. */
int recover_restore(const struct host *host, struct journal *j, const struct journal_entry *e,
		    const struct log *log, struct error **err);

#endif

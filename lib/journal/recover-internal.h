/* Shared by recover*.c. */
#ifndef VZDUMP_JOURNAL_RECOVER_INTERNAL_H
#define VZDUMP_JOURNAL_RECOVER_INTERNAL_H

#include "base/error.h"
#include "base/log.h"

/* If *mine is set, logs it with `what` in front, and keeps it in *first if that is empty. */
void recover_note(const struct log *log, const char *what, struct error **first, struct error **mine);

#endif

/* Among recover*.c. */
#ifndef VZDUMP_JOURNAL_RECOVER_INTERNAL_H
#define VZDUMP_JOURNAL_RECOVER_INTERNAL_H

#include "base/error.h"
#include "base/log.h"

/* Keeps the first error of several steps, and logs each at once. */
void recover_note(const struct log *log, const char *what, struct error **first, struct error **mine);

#endif

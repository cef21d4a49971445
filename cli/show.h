/*
 * Prints bytes of unknown origin.  On a terminal they are made harmless (base/text.h); a pipe or a file
 * gets them unchanged, as git does it.
 */
#ifndef VZDUMP_CLI_SHOW_H
#define VZDUMP_CLI_SHOW_H

#include <stddef.h>

/* Writes data to standard output. */
void show_bytes(const void *data, size_t len);
/* The same for a formatted text. */
void show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

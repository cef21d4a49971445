/*
 * What a person looks at on a terminal is made harmless (base/text.h); into a pipe or a file the bytes are
 * the product and go as they are, as git does it.
 */
#ifndef VZDUMP_CLI_SHOW_H
#define VZDUMP_CLI_SHOW_H

#include <stddef.h>

/* Writes data to standard output. */
void show_bytes(const void *data, size_t len);
/* The same with a formatted text. */
void show(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

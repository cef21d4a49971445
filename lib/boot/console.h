/*
 * What a guest shows as text: its serial console, and a text screen.  The newest part is kept without escape
 * sequences, to look for words in it, and the beginning as it came, for a log.
 */
#ifndef VZDUMP_BOOT_CONSOLE_H
#define VZDUMP_BOOT_CONSOLE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

struct boot_console {
	struct buf log;  /* as it came, up to BOOT_CONSOLE_LOG_MAX bytes */
	struct buf text; /* its newest part, without escape sequences */
	size_t dropped;  /* bytes that the log does not have */
	int escape;      /* amid an escape sequence: 1 behind ESC, 2 in its parameters */
};
#define BOOT_CONSOLE_LOG_MAX ((size_t)1024 * 1024)

void boot_console_add(struct boot_console *c, const char *data, size_t len);
/* The last n lines that are not empty.  Caller frees. */
char *boot_console_tail(const struct boot_console *c, unsigned n);
void boot_console_clear(struct boot_console *c);

/*
 * The rows of a VGA text screen (80 times 25 pairs of character and attribute) as lines; NULL if it shows
 * none, or no text.  Caller frees.
 */
#define BOOT_SCREEN_BYTES 4000u
char *boot_screen_text(const unsigned char cells[BOOT_SCREEN_BYTES]);

#endif

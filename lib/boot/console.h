/*
 * What a guest shows as text: its serial console, and a text screen.  The newest part is kept without escape
 * sequences, to look for words in it, and the beginning as it came, for a log.
 */
#ifndef VZDUMP_BOOT_CONSOLE_H
#define VZDUMP_BOOT_CONSOLE_H

#include <regex.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* A text, or, if it stands between two slashes, a POSIX extended regular expression. */
struct boot_expect {
	const char *text; /* borrowed; NULL: nothing is expected */
	bool is_regex;
	regex_t regex;
};

/*
 * text may be NULL.  ERR_INVALID: it is empty, or no regular expression.  The caller clears *ret on success.
 */
int boot_expect_init(struct boot_expect *ret, const char *text, struct error **err);
void boot_expect_clear(struct boot_expect *e);
/* Whether the text has it. */
bool boot_expect_matches(const struct boot_expect *e, const char *text);

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

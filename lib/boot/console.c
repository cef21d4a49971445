#include "boot/console.h"

#include <string.h>

#include "base/mem.h"

#define TEXT_KEEP ((size_t)32 * 1024) /* of what has come before */
#define ROWS      25u
#define COLUMNS   80u

/* ---- the serial console ---- */

/* A cursor that is moved begins a line, as far as words are concerned. */
static void end_escape(struct boot_console *c, char last)
{
	c->escape = 0;
	if (strchr("HfABEFd", last))
		buf_addc(&c->text, '\n');
}

static void add_char(struct boot_console *c, char at)
{
	const unsigned char u = (unsigned char)at;

	if (c->escape == 1)
		c->escape = at == '[' ? 2 : 0;
	else if (c->escape == 2 && u >= 0x40 && u <= 0x7e)
		end_escape(c, at);
	else if (at == '\033')
		c->escape = 1;
	else if (!c->escape && (u >= ' ' || at == '\n' || at == '\t') && u != 0x7f)
		buf_addc(&c->text, at);
}

void boot_console_add(struct boot_console *c, const char *data, size_t len)
{
	const size_t room = BOOT_CONSOLE_LOG_MAX - c->log.len;
	const size_t kept = len < room ? len : room;

	buf_add(&c->log, data, kept);
	c->dropped += len - kept;
	/* all that has come now stays, so that nobody who looks after each call misses a word */
	if (c->text.len > TEXT_KEEP)
		buf_consume(&c->text, c->text.len - TEXT_KEEP);
	for (size_t i = 0; i < len; i++)
		add_char(c, data[i]);
}

char *boot_console_tail(const struct boot_console *c, unsigned n)
{
	const char *text = buf_str(&c->text);
	size_t end = c->text.len, at;

	while (end > 0 && strchr(" \t\n", text[end - 1]))
		end--;
	for (at = end; at > 0; at--)
		if (text[at - 1] == '\n' && at < end && text[at] != '\n' && --n == 0)
			break;
	return xstrndup(text + at, end - at);
}

void boot_console_clear(struct boot_console *c)
{
	buf_clear(&c->log);
	buf_clear(&c->text);
}

/* ---- the text screen ---- */

/* In a graphics mode the same memory has anything. */
static bool is_text(const unsigned char *cells)
{
	unsigned good = 0;

	for (unsigned i = 0; i < BOOT_SCREEN_BYTES; i += 2)
		good += cells[i] == 0 || (cells[i] >= ' ' && cells[i] < 0x7f);
	return good >= ROWS * COLUMNS * 9 / 10;
}

static void add_row(struct buf *out, const unsigned char *row)
{
	unsigned len = COLUMNS;

	while (len > 0 && (row[2 * (len - 1)] == ' ' || row[2 * (len - 1)] == 0))
		len--;
	for (unsigned i = 0; i < len; i++) {
		const unsigned char u = row[2 * i];

		buf_addc(out, u >= ' ' && u < 0x7f ? (char)u : ' ');
	}
	if (len)
		buf_addc(out, '\n');
}

char *boot_screen_text(const unsigned char cells[BOOT_SCREEN_BYTES])
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (!is_text(cells))
		return NULL;
	for (unsigned row = 0; row < ROWS; row++)
		add_row(&text, cells + (size_t)row * COLUMNS * 2);
	return text.len ? buf_steal(&text) : NULL;
}

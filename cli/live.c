#include "live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "output.h"

void live_init(struct live *l, FILE *out)
{
	const char *term = getenv("TERM");

	*l = (struct live){ .out = out };
	l->on = isatty(fileno(out)) && term && *term && strcmp(term, "dumb") != 0;
}

static size_t columns_of(const struct live *l)
{
	const char *text = getenv("COLUMNS");
	struct winsize size;
	uint64_t n;

	if (ioctl(fileno(l->out), TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return text && units_parse_u64(text, 1, 10000, "COLUMNS", &n, NULL) == 0 ? (size_t)n : 80;
}

size_t live_width(const struct live *l)
{
	const size_t n = columns_of(l);

	/* a character in the last column makes some terminals wrap */
	return n > 1 ? n - 1 : 1;
}

/* Lines that may be shown at once, at least 1. */
static unsigned height_of(const struct live *l)
{
	struct winsize size;
	unsigned rows = ioctl(fileno(l->out), TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : 24;

	rows = rows > 2 ? rows - 2 : 1;
	return rows < LIVE_LINES_MAX ? rows : LIVE_LINES_MAX;
}

/*
 * Moves the cursor up over the lines and clears to the end of the screen.  A terminal that was made
 * narrower has broken them into more rows.
 */
static void add_way_back(struct live *l, struct buf *b)
{
	const size_t width = columns_of(l);
	size_t rows = 0;

	for (unsigned i = 0; i < l->n; i++)
		rows += l->length[i] > width ? (l->length[i] + width - 1) / width : 1;
	if (rows)
		buf_addf(b, "\033[%zuA\033[J", rows);
	l->n = 0;
}

static void put(const struct live *l, const struct buf *b)
{
	if (!output_ready(l->out))
		return;
	fwrite(buf_str(b), 1, b->len, l->out);
	fflush(l->out);
}

void live_show(struct live *l, const char *text)
{
	const size_t width = live_width(l);
	const unsigned height = height_of(l);
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *line;
	size_t len;

	if (!l->on)
		return;
	add_way_back(l, &b);
	while (l->n < height && str_next_line(&text, &line, &len)) {
		if (len > width)
			len = width;
		buf_add(&b, line, len);
		buf_addc(&b, '\n');
		l->length[l->n++] = len;
	}
	put(l, &b);
}

void live_off(struct live *l)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (!l->n)
		return;
	add_way_back(l, &b);
	put(l, &b);
}

bool live_add(struct buf *b, size_t width, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	if (b->len + strlen(text) > width)
		return false;
	buf_adds(b, text);
	return true;
}

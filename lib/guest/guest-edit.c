/* Adding lines to a guest's configuration, and leaving some out. */
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest-internal.h"
#include "guest/guest.h"

unsigned guest_config_free_unused(const struct guest_config *c, unsigned from)
{
	for (unsigned n = from;; n++) {
		_cleanup_free_ char *key = xasprintf("unused%u", n);

		if (!guest_config_get(c, key))
			return n;
	}
}

void guest_config_add_lines(const char *text, const char *lines, struct buf *out)
{
	const char *at = text;
	const char *line;
	size_t len;
	bool done = false;

	while (str_next_line(&at, &line, &len)) {
		if (!done && guest_line_kind(line, len) >= GUEST_LINE_SNAPSHOT) {
			buf_adds(out, lines);
			done = true;
		}
		buf_add(out, line, len);
		buf_addc(out, '\n');
	}
	if (!done)
		buf_adds(out, lines);
}

void guest_config_drop_lines(const char *text, bool (*drop)(const void *opaque, const char *line),
			     const void *opaque, struct buf *out)
{
	const char *at = text;
	const char *start;
	size_t len;
	bool in_main = true;

	while (str_next_line(&at, &start, &len)) {
		_cleanup_free_ char *line = xstrndup(start, len);

		in_main = in_main && guest_line_kind(line, len) < GUEST_LINE_SNAPSHOT;
		if (!in_main || !drop(opaque, line))
			buf_add(out, start, (size_t)(at - start));
	}
}

/* Adding lines to a guest's configuration. */
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

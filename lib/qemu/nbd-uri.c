#include "qemu/nbd-uri.h"

#include <string.h>

#include "base/buf.h"

/* Appends text; escapes all characters but letters, digits, "-._~" and those in keep. */
static void add_escaped(struct buf *b, const char *text, const char *keep)
{
	for (; *text; text++) {
		if (strchr("-._~0123456789", *text) || (*text >= 'a' && *text <= 'z') ||
		    (*text >= 'A' && *text <= 'Z') || strchr(keep, *text))
			buf_addc(b, *text);
		else
			buf_addf(b, "%%%02X", (unsigned char)*text);
	}
}

char *nbd_uri(const char *socket, const char *export)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "nbd+unix:///");
	add_escaped(&b, export, "");
	buf_adds(&b, "?socket=");
	add_escaped(&b, socket, "/");
	return buf_steal(&b);
}

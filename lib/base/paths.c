#include "base/paths.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

void paths_init(struct paths *p, const char *root)
{
	size_t len;

	p->root = xstrdup(root ? root : "");
	len = strlen(p->root);
	while (len && p->root[len - 1] == '/')
		p->root[--len] = '\0';
}

void paths_clear(struct paths *p)
{
	free(p->root);
	p->root = NULL;
}

char *paths_get(const struct paths *p, const char *fmt, ...)
{
	va_list ap;
	_cleanup_free_ char *path = NULL;

	va_start(ap, fmt);
	path = xvasprintf(fmt, ap);
	va_end(ap);
	return xasprintf("%s%s", p->root, path);
}

char *paths_nodename(const struct paths *p)
{
	char name[256] = "";
	char *dot;

	if (p->root[0]) {
		_cleanup_free_ char *path = paths_get(p, "/etc/hostname");
		_cleanup_buf_ struct buf text = BUF_INIT;

		if (io_read_file(path, sizeof(name) - 1, &text, NULL) >= 0)
			memcpy(name, buf_str(&text), text.len);
	}
	if (!*str_strip(name) && gethostname(name, sizeof(name) - 1) < 0)
		memcpy(name, "localhost", sizeof("localhost"));
	dot = strchr(name, '.');
	if (dot)
		*dot = '\0';
	return xstrdup(str_strip(name));
}

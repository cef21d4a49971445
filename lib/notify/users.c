#include "notify/users.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "config/section.h"

enum {
	FIELD_USER = 1,
	FIELD_ADDRESS = 6,
	FIELDS
};

/* Cuts the line at its colons; false if it is none of a user. */
static bool split_user(char *line, char *fields[FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++) {
		char *field = strsep(&line, ":");

		if (!field)
			return false;
		fields[i] = str_strip(field);
	}
	return strcmp(fields[0], "user") == 0;
}

char *user_address(const struct paths *p, const char *user)
{
	_cleanup_free_ char *path = paths_get(p, "/etc/pve/user.cfg");
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *at, *start;
	size_t len;
	int r = io_read_file(path, MIB, &text, NULL);

	if (r == -ENOENT && strcmp(user, "root@pam") == 0)
		return xstrdup("root");
	at = r < 0 ? "" : buf_str(&text);
	while (str_next_line(&at, &start, &len)) {
		_cleanup_free_ char *line = xstrndup(start, len);
		char *fields[FIELDS];

		if (split_user(line, fields) && strcmp(fields[FIELD_USER], user) == 0)
			return *fields[FIELD_ADDRESS] ? xstrdup(fields[FIELD_ADDRESS]) : NULL;
	}
	return NULL;
}

/* NULL also if the value is empty. */
static char *datacenter_value(const struct paths *p, const char *key)
{
	_cleanup_free_ char *path = paths_get(p, "/etc/pve/datacenter.cfg");
	char *value = config_file_value(path, key);

	if (value && !*value) {
		free(value);
		return NULL;
	}
	return value;
}

char *mail_sender(const struct paths *p)
{
	char *from = datacenter_value(p, "email_from");

	return from ? from : xstrdup("root");
}

char *http_proxy(const struct paths *p)
{
	return datacenter_value(p, "http_proxy");
}

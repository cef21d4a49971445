/* The restored guest's configuration. */
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "restore/plan-internal.h"
#include "restore/plan.h"

char *plan_disk_line(const struct plan_disk *d, const char *old)
{
	const uint64_t rounded = (d->size + PLAN_SIZE_STEP - 1) / PLAN_SIZE_STEP * PLAN_SIZE_STEP;
	_cleanup_free_ char *parts = NULL, *size = units_disk_size(rounded);
	struct buf b = BUF_INIT;
	char *save = NULL, *part;

	buf_addf(&b, "%s: %s", d->key, d->volid);
	parts = xstrdup(old ? old : "");
	/* the first part is the volume it had */
	part = strtok_r(parts, ",", &save);
	while (part && (part = strtok_r(NULL, ",", &save)))
		if (!str_prefix(part, "format=", NULL) && !str_prefix(part, "size=", NULL) &&
		    !str_prefix(part, "file=", NULL))
			buf_addf(&b, ",%s", part);
	buf_addf(&b, ",size=%s", size);
	return buf_steal(&b);
}

static bool is_numbered(const char *key, const char *name)
{
	const char *rest;

	return str_prefix(key, name, &rest) && *rest && strspn(rest, "0123456789") == strlen(rest);
}

static bool is_left_out(const char *line)
{
	static const char *const prefixes[] = { "#qmdump#", "#vzdump#", "lock:", "parent:" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (str_prefix(line, prefixes[i], NULL))
			return true;
	return false;
}

static void add_drive(const struct plan *p, const char *key, const char *value,
		      const struct log *log, struct buf *out)
{
	const struct plan_disk *d = plan_find(p, key);
	_cleanup_free_ char *line = NULL;

	if (d && d->volid) {
		line = plan_disk_line(d, value);
		buf_addf(out, "%s\n", line);
	} else if (!d && plan_has_option(value, "media=cdrom")) {
		buf_addf(out, "%s: %s\n", key, value);
	} else {
		log_warn(log, "disk '%s' is not in the archive: it is commented out", key);
		buf_addf(out, "#%s: %s\n", key, value);
	}
}

static int add_line(const struct plan *p, const char *line, const struct plan_guest *g,
		    const struct log *log, struct buf *out, struct error **err)
{
	_cleanup_free_ char *key = NULL, *value = NULL;
	const char *colon = strchr(line, ':');
	char uuid[37];
	int r = 0;

	if (is_left_out(line))
		return 0;
	if (*line == '#' || !colon) {
		buf_addf(out, "%s\n", line);
		return 0;
	}
	key = xstrndup(line, (size_t)(colon - line));
	value = xstrdup(colon + 1 + strspn(colon + 1, " \t"));
	if (is_numbered(key, "unused"))
		return 0;
	if (plan_is_disk_key(key)) {
		add_drive(p, key, value, log, out);
		return 0;
	}
	if (!strcmp(key, "vmgenid") && strcmp(value, "0") != 0) {
		r = plan_new_uuid(uuid, err);
		buf_addf(out, "vmgenid: %s\n", r < 0 ? value : uuid);
		return r;
	}
	if (g->unique && !strcmp(key, "smbios1"))
		return plan_add_smbios(value, out, err);
	if (g->unique && is_numbered(key, "net"))
		r = plan_new_mac(value, g->mac_prefix, log, err);
	if (!strcmp(key, "args") || !strcmp(key, "hookscript") || str_prefix(key, "hostpci", NULL))
		log_warn(log, "the configuration has '%s: %s': look at it before you start the guest",
			 key, value);
	buf_addf(out, "%s: %s\n", key, value);
	return r;
}

int plan_config(const struct plan *p, const struct plan_guest *g, const struct log *log,
		struct buf *out, struct error **err)
{
	const char *at = p->config;
	int r = 0;

	while (r == 0 && *at) {
		size_t len = strcspn(at, "\n");
		_cleanup_free_ char *line = xstrndup(at, len);

		/* sections (snapshots, pending changes) are in no backup */
		if (*line == '[')
			break;
		line[strcspn(line, "\r")] = '\0';
		if (*line)
			r = add_line(p, line, g, log, out, err);
		at += len + (at[len] == '\n');
	}
	return r;
}

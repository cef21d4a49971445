/* The restored guest's configuration. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "restore/plan-internal.h"
#include "restore/plan.h"

char *plan_disk_line(const struct plan_disk *d, const struct guest_drive *old)
{
	static const char *const renewed[] = { "file", "format", "size", NULL };
	_cleanup_free_ char *size = units_disk_size(plan_volume_size(d));
	struct buf b = BUF_INIT;

	buf_addf(&b, "%s: %s", d->key, d->volid);
	for (size_t i = 0; old && i < old->line.n; i++) {
		const struct propstr_pair *pair = &old->line.pairs[i];

		if (!strv_contains((char *const *)renewed, pair->key) && plan_drive_option_allowed(pair->key))
			buf_addf(&b, ",%s=%s", pair->key, pair->value);
	}
	buf_addf(&b, ",size=%s", size);
	return buf_steal(&b);
}

static bool is_numbered(const char *key, const char *name)
{
	const char *rest;

	return str_prefix(key, name, &rest) && *rest && strspn(rest, "0123456789") == strlen(rest);
}

/* Keeps the line as a comment, which PVE shows as a note, so that nothing is lost. */
static void comment_out(const char *line, const char *why, const struct plan_guest *g, const struct log *log,
			struct buf *out)
{
	log_warn(
		log,
		"the configuration has '%s', which %s: it is commented out; look at it, and remove its '#' in "
		"%" PRIu32 ".conf to have it again",
		line, why, g->vmid);
	buf_addf(out, "#%s\n", line);
}

static void warn_of_kept(const char *line, const struct log *log)
{
	log_warn(
		log,
		"the configuration has '%s', which reaches out of the guest or is not known: look at it before you "
		"start the guest",
		line);
}

/* True if the line must be added as usual; false if it has been dealt with. */
static bool check_host(const char *key, const char *value, const struct plan_guest *g, const struct log *log,
		       struct buf *out)
{
	_cleanup_free_ char *line = NULL;

	if (plan_line_allowed(key, value))
		return true;
	line = xasprintf("%s: %s", key, value);
	if (!g->keep_host_lines) {
		comment_out(line, "reaches out of the guest or is not known", g, log, out);
		return false;
	}
	warn_of_kept(line, log);
	return true;
}

/* The disks of a template would have to be base volumes, which only PVE makes. */
static bool is_template(const char *value, const struct plan_guest *g, const struct log *log)
{
	bool on;

	if (!units_parse_bool(value, &on) || !on)
		return false;
	log_warn(log,
		 "the archive is of a template; it becomes an ordinary guest: 'qm template %" PRIu32
		 "' makes it one again",
		 g->vmid);
	return true;
}

static bool is_left_out(const char *line)
{
	static const char *const prefixes[] = { "#qmdump#", "#vzdump#", "lock:", "parent:" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (str_prefix(line, prefixes[i], NULL))
			return true;
	return false;
}

static void warn_of_option(const struct plan_disk *d, const struct propstr_pair *option,
			   const struct log *log)
{
	if (strcmp(option->key, "file") != 0 && !plan_drive_option_allowed(option->key))
		log_warn(log, "disk '%s' is restored without its option '%s=%s', which is not known", d->key,
			 option->key, option->value);
}

static void add_planned_disk(const struct plan_disk *d, const char *value, const struct log *log,
			     struct buf *out)
{
	_cleanup_guest_drive_ struct guest_drive drive = { 0 };
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *line = NULL;
	const bool readable = value && guest_drive_parse(value, &drive, &err) == 0;

	if (err)
		log_warn(log, "disk '%s' is restored without its options '%s', which cannot be read: %s",
			 d->key, value, error_message(err));
	for (size_t i = 0; readable && i < drive.line.n; i++)
		warn_of_option(d, &drive.line.pairs[i], log);
	line = plan_disk_line(d, readable ? &drive : NULL);
	buf_addf(out, "%s\n", line);
}

static void add_drive_line(const struct plan *p, const char *key, const char *value,
			   const struct plan_guest *g, const struct log *log, struct buf *out)
{
	const struct plan_disk *d = plan_find(p, key);
	_cleanup_guest_drive_ struct guest_drive drive = { 0 };
	const bool cdrom = guest_drive_parse(value, &drive, NULL) == 0 && drive.cdrom;
	_cleanup_free_ char *line = xasprintf("%s: %s", key, value);

	if (d && d->volid) {
		add_planned_disk(d, value, log, out);
	} else if (!d && cdrom && (g->keep_host_lines || plan_cdrom_allowed(drive.file))) {
		if (!plan_cdrom_allowed(drive.file))
			warn_of_kept(line, log);
		buf_addf(out, "%s\n", line);
	} else if (!d && cdrom) {
		comment_out(line, "names a device or file of this host", g, log, out);
	} else {
		log_warn(log, "disk '%s' is not in the archive: it is commented out ('%s')", key, line);
		buf_addf(out, "#%s\n", line);
	}
}

/* Whether PVE reads such a key.  Other programs may read lines that PVE ignores. */
static bool is_key(const char *key)
{
	const size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz_-");

	return n && n + strspn(key + n, "0123456789") == strlen(key);
}

static int add_config_line(const struct plan *p, const char *line, const struct plan_guest *g,
			   const struct log *log, struct buf *out, struct error **err)
{
	_cleanup_free_ char *key = NULL, *value = NULL;
	char uuid[UUID_TEXT_SIZE];
	bool exists;
	int r = 0;

	if (is_left_out(line))
		return 0;
	if (*line == '#') {
		buf_addf(out, "%s\n", line);
		return 0;
	}
	if (!plan_split_line(line, &key, &value) || !is_key(key)) {
		comment_out(line, "cannot be read", g, log, out);
		return 0;
	}
	if (is_numbered(key, "unused") || (!strcmp(key, "template") && is_template(value, g, log)))
		return 0;
	if (plan_is_disk_key(key)) {
		add_drive_line(p, key, value, g, log, out);
		return 0;
	}
	if (guest_bus_of(key, &exists)) {
		comment_out(line, "has the key of no disk, so nothing would use it", g, log, out);
		return 0;
	}
	if (!check_host(key, value, g, log, out))
		return 0;
	if (!strcmp(key, "vmgenid") && strcmp(value, "0") != 0) {
		r = plan_new_uuid(uuid, err);
		buf_addf(out, "vmgenid: %s\n", r < 0 ? value : uuid);
		return r;
	}
	if (g->unique && !strcmp(key, "smbios1"))
		return plan_add_smbios(value, out, err);
	if (g->unique && is_numbered(key, "net"))
		r = plan_new_mac(value, g->mac_prefix, log, err);
	buf_addf(out, "%s: %s\n", key, value);
	return r;
}

/* Adds lines for disks that are mapped, but have none. */
static void add_unnamed_disks(const struct plan *p, const struct log *log, struct buf *out)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };

	guest_config_parse(0, p->config, NULL, &c);
	for (size_t i = 0; i < p->n; i++) {
		if (!p->disks[i].volid || guest_config_get(&c, p->disks[i].key))
			continue;
		log_warn(log, "the archive's configuration has no line for its disk '%s': one is added",
			 p->disks[i].key);
		add_planned_disk(&p->disks[i], NULL, log, out);
	}
}

int plan_config(const struct plan *p, const struct plan_guest *g, const struct log *log, struct buf *out,
		struct error **err)
{
	const char *at = p->config, *text;
	size_t len;
	int r = 0;

	while (r == 0 && str_next_line(&at, &text, &len)) {
		_cleanup_free_ char *line = xstrndup(text, len);

		/* sections (snapshots, pending changes) are in no backup */
		if (*line == '[')
			break;
		line[strcspn(line, "\r")] = '\0';
		if (*line)
			r = add_config_line(p, line, g, log, out, err);
	}
	if (r == 0)
		add_unnamed_disks(p, log, out);
	return r;
}

char *plan_archived_value(const struct plan *p, const char *key)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };

	guest_config_parse(0, p->config, NULL, &c);
	return xstrdup_null(guest_config_get(&c, key));
}

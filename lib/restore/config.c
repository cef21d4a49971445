#include "restore/config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "config/section.h"
#include "restore/undo.h"

/* ---- a whole guest ---- */

int config_make(struct replaced *old, const struct plan *p, struct buf *ret, struct error **err)
{
	const struct restore_context *c = old->context;
	_cleanup_free_ char *datacenter = paths_get(c->host->paths, "/etc/pve/datacenter.cfg");
	_cleanup_free_ char *mac_prefix = config_file_value(datacenter, "mac_prefix");
	const struct plan_guest g = { .vmid = c->params->vmid,
				      .unique = c->params->unique,
				      .keep_host_lines = c->params->keep_host_lines,
				      .mac_prefix = mac_prefix };
	int r = plan_config(p, &g, c->host->log, ret, err);

	if (r == 0 && old->exists)
		replaced_sort(old, p, ret);
	return r;
}

/* If our lock was removed or replaced, another program works on the guest. */
static int check_lock(const struct restore_context *c, const struct guest_config *now, struct error **err)
{
	const char *lock = guest_config_lock(now);

	if (str_equal_null(lock, RESTORE_LOCK))
		return 0;
	return error_set(err, -EBUSY,
			 "the lock '" RESTORE_LOCK
			 "' of this restore is not in the configuration of VM %" PRIu32
			 " any more (%s%s): somebody else works on the guest",
			 c->params->vmid, lock ? "there is " : "there is none", lock ? lock : "");
}

struct whole {
	const struct restore_context *context;
	const char *text;
};

static int put_whole(void *opaque, const struct guest_config *now, struct buf *out, struct error **err)
{
	const struct whole *w = opaque;
	int r = check_lock(w->context, now, err);

	if (r == 0)
		buf_adds(out, w->text);
	return r;
}

int config_put(const struct restore_context *c, const char *text, struct error **not_synced,
	       struct error **err)
{
	struct whole w = { .context = c, .text = text };

	return guest_config_change(c->host->paths, c->params->vmid, put_whole, &w, not_synced, err);
}

/* ---- the end of a live restore ---- */

struct last {
	const char *start, *text;
	bool changed;
};

static bool is_for_start(const void *opaque, const char *line)
{
	(void)opaque;
	return !strcmp(line, CONFIG_FREEZE) || !strcmp(line, "lock: " RESTORE_LOCK);
}

static int put_last(void *opaque, const struct guest_config *now, struct buf *out, struct error **err)
{
	struct last *l = opaque;

	(void)err;
	l->changed = strcmp(now->text, l->start) != 0;
	if (l->changed)
		guest_config_drop_lines(now->text, is_for_start, NULL, out);
	else
		buf_adds(out, l->text);
	return 0;
}

int config_put_last(const struct restore_context *c, const char *start, const char *text,
		    struct error **not_synced, struct error **err)
{
	struct last l = { .start = start, .text = text };
	int r = guest_config_change(c->host->paths, c->params->vmid, put_last, &l, not_synced, err);

	if (r == 0 && l.changed)
		log_info(c->host->log,
			 "the configuration of VM %" PRIu32
			 " was changed during the restore: it stays so, without our lock",
			 c->params->vmid);
	return r;
}

/* ---- single disks ---- */

struct merge {
	const struct replaced *old;
	const struct plan *plan;
	const struct volumes *volumes;
	const struct guest_config *now;
	unsigned unused;  /* no unusedN below this is free */
	struct buf lines; /* of the disks */
};

/* True if a disk is restored in the line's place; "cdrom" is PVE's old name for ide2. */
static bool is_restored(const struct volumes *vs, const char *line)
{
	_cleanup_free_ char *name = xstrndup(line, strcspn(line, ":"));
	const char *key = strcmp(name, "cdrom") ? name : "ide2";

	for (size_t i = 0; line[strlen(name)] && i < vs->n; i++)
		if (!strcmp(key, vs->v[i].disk->key))
			return true;
	return false;
}

/* False if there is no drive, or none that can be read. */
static bool read_drive(const struct restore_context *c, const char *key, const char *value,
		       struct guest_drive *ret)
{
	_cleanup_error_ struct error *err = NULL;

	if (!value)
		return false;
	if (guest_drive_parse(value, ret, &err) < 0)
		log_warn(c->host->log, "'%s: %s' of VM %" PRIu32 " cannot be read and is replaced: %s", key,
			 value, c->params->vmid, error_message(err));
	return !err;
}

/* A volume of the guest's own that was in the disk's place stays, as an unused disk. */
static void keep_drive(struct merge *m, const char *key, const char *value, const struct guest_drive *drive)
{
	const struct log *log = m->old->context->host->log;
	const bool own = strcmp(drive->file, "none") != 0 && strcmp(drive->file, "cdrom") != 0 &&
			 (!drive->cdrom || drive->cloudinit) && replaced_may_own(m->old, drive->file);

	if (!own) {
		log_info(log, "'%s: %s' is no longer in the configuration", key, value);
		return;
	}
	m->unused = guest_config_free_unused(m->now, m->unused);
	log_info(log, "the disk that was '%s' is kept as unused%u: %s", key, m->unused, drive->file);
	buf_addf(&m->lines, "unused%u: %s\n", m->unused++, drive->file);
}

/* Takes the options that the guest's disk has now; if it has no disk there, the archive's. */
static void add_disk_line(struct merge *m, const struct plan_disk *d)
{
	const char *value = guest_config_get(m->now, d->key);
	_cleanup_free_ char *archived = plan_archived_value(m->plan, d->key), *line = NULL;
	_cleanup_guest_drive_ struct guest_drive drive = { 0 }, then = { 0 };
	const bool had = read_drive(m->old->context, d->key, value, &drive);

	/* the options of a CD drive do not suit a disk */
	if (had && !drive.cdrom)
		line = plan_disk_line(d, &drive);
	else if (archived && guest_drive_parse(archived, &then, NULL) == 0)
		line = plan_disk_line(d, &then);
	else
		line = plan_disk_line(d, NULL);
	buf_addf(&m->lines, "%s\n", line);
	if (had)
		keep_drive(m, d->key, value, &drive);
}

static bool is_replaced(const void *volumes, const char *line)
{
	return is_restored(volumes, line) || !strcmp(line, "lock: " RESTORE_LOCK);
}

static int merge_disks(void *opaque, const struct guest_config *now, struct buf *out, struct error **err)
{
	struct merge *m = opaque;
	_cleanup_buf_ struct buf rest = BUF_INIT;

	if (check_lock(m->old->context, now, err) < 0)
		return -EBUSY;
	m->now = now;
	for (size_t i = 0; i < m->volumes->n; i++)
		add_disk_line(m, m->volumes->v[i].disk);
	guest_config_drop_lines(now->text, is_replaced, m->volumes, &rest);
	guest_config_add_lines(buf_str(&rest), buf_str(&m->lines), out);
	return 0;
}

int config_put_disks(const struct replaced *old, const struct plan *p, const struct volumes *vs,
		     struct error **not_synced, struct error **err)
{
	const struct restore_context *c = old->context;
	struct merge m = { .old = old, .plan = p, .volumes = vs, .lines = BUF_INIT };
	int r = guest_config_change(c->host->paths, c->params->vmid, merge_disks, &m, not_synced, err);

	buf_clear(&m.lines);
	return r;
}

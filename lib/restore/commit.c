/* The end of a restore: configuration, firewall, and the volumes of the guest that was there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/section.h"
#include "restore/restore-internal.h"

/* ---- a whole guest ---- */

/* A copy of the rules that are there, so that they can be put back; *ret is "" if there are none. */
static int save_firewall(struct restore *r, const char *path, char **ret, struct error **err)
{
	_cleanup_free_ char *copy = paths_get(r->host->paths, "/var/lib/vzdump/%u.fw", r->p->vmid);
	_cleanup_buf_ struct buf old = BUF_INIT;
	int res;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		*ret = xstrdup("");
		return journal_add(r->journal, JOURNAL_FIREWALL, "", err);
	}
	res = io_read_file(path, RESTORE_FIREWALL_MAX, &old, err);
	if (res == 0)
		res = journal_add(r->journal, JOURNAL_FIREWALL, copy, err);
	if (res == 0)
		res = io_write_file_atomic(copy, buf_str(&old), old.len, 0600, NULL, err);
	*ret = TAKE_PTR(copy);
	return res;
}

/* Hours before it is saved. */
int restore_check_firewall(const struct restore *r, struct error **err)
{
	_cleanup_free_ char *path = paths_get(r->host->paths, "/etc/pve/firewall/%u.fw", r->p->vmid);
	_cleanup_buf_ struct buf old = BUF_INIT;
	_cleanup_error_ struct error *mine = NULL;
	int res = 0;

	if (r->p->disks || !r->plan.firewall)
		return 0;
	res = io_read_file(path, RESTORE_FIREWALL_MAX, &old, &mine);
	if (res == 0 || res == -ENOENT)
		return 0;
	error_prefix(&mine, "the firewall rules that are there cannot be replaced");
	error_keep_first(err, &mine);
	return res;
}

int restore_write_firewall(struct restore *r, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(r->host->paths, "/etc/pve/firewall");
	_cleanup_free_ char *path = paths_get(r->host->paths, "/etc/pve/firewall/%u.fw", r->p->vmid);
	int res;

	if (r->p->disks || !r->plan.firewall)
		return 0;
	res = save_firewall(r, path, &r->old_firewall, err);
	if (res == 0)
		res = io_mkdir_p(dir, 0755, err);
	return res < 0 ? res
		       : io_write_file_atomic(path, r->plan.firewall, strlen(r->plan.firewall), 0640, NULL,
					      err);
}

/*
 * The journal goes: a kill behind this point must not remove the new volumes.  Should a power cut bring it
 * back, the configuration tells what is whose, see lib/backup/recover-restore.c.
 */
int restore_keep(struct restore *r, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(r->host->paths, "/var/lib/vzdump");
	_cleanup_error_ struct error *not_synced = NULL;
	int res = journal_check(r->journal, err);

	if (res == 0 && r->old_firewall && *r->old_firewall && unlink(r->old_firewall) < 0)
		res = error_errno(err, errno, "cannot remove '%s'", r->old_firewall);
	if (res == 0)
		res = journal_remove(r->journal, err);
	if (res < 0)
		return res;
	journal_free(TAKE_PTR(r->journal));
	if (io_fsync_dir(dir, &not_synced) < 0)
		log_warn(r->host->log, "a power cut may bring the journal of this restore back: %s",
			 error_message(not_synced));
	return 0;
}

int restore_make_config(struct restore *r, struct error **err)
{
	_cleanup_free_ char *datacenter = paths_get(r->host->paths, "/etc/pve/datacenter.cfg");
	_cleanup_free_ char *mac_prefix = config_file_value(datacenter, "mac_prefix");
	const struct plan_guest g = { .vmid = r->p->vmid,
				      .unique = r->p->unique,
				      .keep_host_lines = r->p->keep_host_lines,
				      .mac_prefix = mac_prefix };
	int res = plan_config(&r->plan, &g, r->host->log, &r->config, err);

	if (res == 0 && r->has_old)
		restore_sort_old(r);
	return res;
}

/* ---- single disks ---- */

/* The disk that is restored in a line's place; "cdrom" is PVE's old name of ide2. */
static const struct plan_disk *restored(const struct restore *r, const char *line)
{
	_cleanup_free_ char *name = xstrndup(line, strcspn(line, ":"));
	const char *key = strcmp(name, "cdrom") ? name : "ide2";

	for (size_t i = 0; line[strlen(name)] && i < r->n; i++)
		if (!strcmp(key, r->volumes[i].disk->key))
			return r->volumes[i].disk;
	return NULL;
}

/* A CD drive's options are none of a disk: as if nothing were there. */
static bool read_old(const struct restore *r, const char *key, const char *value, struct guest_drive *ret)
{
	_cleanup_error_ struct error *err = NULL;

	if (!value)
		return false;
	if (guest_drive_parse(value, ret, &err) < 0)
		log_warn(r->host->log, "'%s: %s' of VM %" PRIu32 " cannot be read and is replaced: %s", key,
			 value, r->p->vmid, error_message(err));
	return !err;
}

/* Its volume, if it is one of the guest's own, stays in sight. */
static void keep_old(const struct restore *r, const char *key, const char *value,
		     const struct guest_drive *old, const struct guest_config *now, unsigned *unused,
		     struct buf *out)
{
	const bool own = strcmp(old->file, "none") != 0 && strcmp(old->file, "cdrom") != 0 &&
			 (!old->cdrom || old->cloudinit) && restore_may_own(r, old->file);

	if (!own) {
		log_info(r->host->log, "what was '%s: %s' is in the configuration no more", key, value);
		return;
	}
	*unused = guest_config_free_unused(now, *unused);
	log_info(r->host->log, "the disk that was '%s' is kept as unused%u: %s", key, *unused, old->file);
	buf_addf(out, "unused%u: %s\n", (*unused)++, old->file);
}

/* With the options that the guest's disk has now; if it has none, with the archive's. */
static void add_disk_line(const struct restore *r, const struct plan_disk *d, const struct guest_config *now,
			  unsigned *unused, struct buf *out)
{
	const char *value = guest_config_get(now, d->key);
	_cleanup_free_ char *archived = plan_archived_value(&r->plan, d->key), *line = NULL;
	_cleanup_guest_drive_ struct guest_drive old = { 0 }, then = { 0 };
	const bool had = read_old(r, d->key, value, &old);

	if (had && !old.cdrom)
		line = plan_disk_line(d, &old);
	else if (archived && guest_drive_parse(archived, &then, NULL) == 0)
		line = plan_disk_line(d, &then);
	else
		line = plan_disk_line(d, NULL);
	buf_addf(out, "%s\n", line);
	if (had)
		keep_old(r, d->key, value, &old, now, unused, out);
}

/* Whoever took our lock out, or put another in, takes the guest for his. */
static int check_lock(const struct restore *r, const struct guest_config *now, struct error **err)
{
	const char *lock = guest_config_lock(now);

	if (str_equal_null(lock, RESTORE_LOCK))
		return 0;
	return error_set(err, -EBUSY,
			 "the lock '" RESTORE_LOCK
			 "' of this restore is not in the configuration of VM %" PRIu32
			 " any more (%s%s): somebody else works on the guest",
			 r->p->vmid, lock ? "there is " : "there is none", lock ? lock : "");
}

/* The guest's own text with the lines of the disks replaced, and without our lock. */
static int merge_disks(void *opaque, const struct guest_config *now, struct buf *out, struct error **err)
{
	const struct restore *r = opaque;
	_cleanup_buf_ struct buf lines = BUF_INIT, rest = BUF_INIT;
	const char *at = now->text, *text;
	unsigned unused = 0;
	bool in_main = true;
	size_t len;

	if (check_lock(r, now, err) < 0)
		return -EBUSY;
	for (size_t i = 0; i < r->n; i++)
		add_disk_line(r, r->volumes[i].disk, now, &unused, &lines);
	while (str_next_line(&at, &text, &len)) {
		_cleanup_free_ char *line = xstrndup(text, len);

		in_main = in_main && *line != '[';
		if (!in_main || (!restored(r, line) && strcmp(line, "lock: " RESTORE_LOCK) != 0))
			buf_addf(&rest, "%s\n", line);
	}
	guest_config_add_lines(buf_str(&rest), buf_str(&lines), out);
	return 0;
}

static int whole_guest(void *opaque, const struct guest_config *now, struct buf *out, struct error **err)
{
	const struct restore *r = opaque;
	int res = check_lock(r, now, err);

	if (res == 0)
		buf_adds(out, buf_str(&r->config));
	return res;
}

/* Single disks go into the configuration as it is now: it may have been edited meanwhile. */
static int write_config(struct restore *r, struct error **not_synced, struct error **err)
{
	return guest_config_change(r->host->paths, r->p->vmid, r->p->disks ? merge_disks : whole_guest, r,
				   not_synced, err);
}

/* As PVE: nothing of the guest stays active here that does not run here. */
static void deactivate_volumes(struct restore *r)
{
	for (size_t i = 0; !r->p->starts && i < r->n; i++) {
		_cleanup_error_ struct error *err = NULL;

		if (r->volumes[i].volume.volid && volume_deactivate(&r->volumes[i].volume, &err) < 0)
			log_warn(r->host->log, "%s", error_message(err));
	}
}

/*
 * Until the configuration is replaced all can be undone; from then on it tells what is to go, see
 * lib/backup/recover-restore.c.
 */
static int announce(struct restore *r, struct error **err)
{
	int res = 0;

	for (size_t i = 0; res == 0 && r->doomed && r->doomed[i]; i++)
		res = journal_add(r->journal, JOURNAL_REPLACED, r->doomed[i], err);
	if (res == 0)
		res = restore_write_firewall(r, err);
	return res < 0 ? res : journal_add(r->journal, JOURNAL_COMMIT, NULL, err);
}

/* A cleanup that took us for dead would have undone what is about to be named. */
static int check_again(const struct restore *r, struct error **err)
{
	int res = journal_check(r->journal, err);

	for (size_t i = 0; res == 0 && i < r->n; i++) {
		const struct volume *v = &r->volumes[i].volume;

		if (v->volid && !restore_is_there(v))
			res = error_set(err, ERR_NOT_FOUND,
					"volume '%s' of this restore is gone: somebody else removed it",
					v->volid);
	}
	return res;
}

/* From here on the restore is done, whatever comes. */
static void finish(struct restore *r)
{
	_cleanup_error_ struct error *err = NULL;

	restore_remove_old(r);
	/* of no use any more, and no journal would remove it */
	if (r->dir)
		io_remove_tree(r->dir, NULL);
	if (restore_keep(r, &err) < 0)
		log_warn(r->host->log, "VM %" PRIu32 " is restored, but its journal stays: %s", r->p->vmid,
			 error_message(err));
}

/*
 * The old configuration, or the empty one with the lock, stays until it is replaced in one step.  Until
 * that step is on disk for certain, nothing of the old guest goes: the journal stays then, and who reads it
 * (our own undoing first) removes the old volumes once it is.
 */
int restore_commit(struct restore *r, struct error **err)
{
	_cleanup_error_ struct error *not_synced = NULL;
	int res = 0;

	if (!r->p->disks)
		res = restore_make_config(r, err);
	if (res == 0)
		res = check_again(r, err);
	if (res == 0)
		deactivate_volumes(r);
	if (res == 0)
		res = announce(r, err);
	/* hours may have passed, and not everybody heeds the lock */
	if (res == 0)
		res = restore_check_stopped(r, err);
	if (res == 0)
		res = write_config(r, &not_synced, err);
	if (res < 0) {
		/* whatever the configuration looks like, it is not ours */
		journal_strike(r->journal, JOURNAL_COMMIT, NULL);
		return res;
	}
	if (!not_synced) {
		finish(r);
		return 0;
	}
	log_warn(r->host->log,
		 "VM %" PRIu32
		 " is restored, but a power cut may still bring back what was there: %s; nothing old is "
		 "removed until that is certain",
		 r->p->vmid, error_message(not_synced));
	return 0;
}

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
	_cleanup_free_ char *copy = paths_get(r->env->paths, "/var/lib/vzdump/%u.fw", r->p->vmid);
	_cleanup_buf_ struct buf old = BUF_INIT;
	int res;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		*ret = xstrdup("");
		return journal_add(r->journal, JOURNAL_FIREWALL, "", err);
	}
	res = io_read_file(path, VMA_MAX_BLOB, &old, err);
	if (res == 0)
		res = journal_add(r->journal, JOURNAL_FIREWALL, copy, err);
	if (res == 0)
		res = io_write_file_atomic(copy, buf_str(&old), old.len, 0600, err);
	*ret = TAKE_PTR(copy);
	return res;
}

int restore_write_firewall(struct restore *r, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(r->env->paths, "/etc/pve/firewall");
	_cleanup_free_ char *path = paths_get(r->env->paths, "/etc/pve/firewall/%u.fw", r->p->vmid);
	int res;

	if (r->p->disks || !r->plan.firewall)
		return 0;
	res = save_firewall(r, path, &r->old_firewall, err);
	if (res == 0)
		res = io_mkdir_p(dir, 0755, err);
	return res < 0 ? res
		       : io_write_file_atomic(path, r->plan.firewall, strlen(r->plan.firewall), 0640,
					      err);
}

/* The journal goes: a kill behind this point must not remove the new volumes. */
int restore_keep(struct restore *r, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(r->env->paths, "/var/lib/vzdump");

	if (r->old_firewall && *r->old_firewall)
		unlink(r->old_firewall);
	if (unlink(r->journal->path) < 0)
		return error_errno(err, errno, "cannot remove '%s'", r->journal->path);
	journal_free(TAKE_PTR(r->journal));
	io_fsync_dir(dir, NULL);
	return 0;
}

int restore_make_config(struct restore *r, struct error **err)
{
	_cleanup_free_ char *datacenter = paths_get(r->env->paths, "/etc/pve/datacenter.cfg");
	_cleanup_free_ char *mac_prefix = config_file_value(datacenter, "mac_prefix");
	const struct plan_guest g = { .vmid = r->p->vmid,
				      .unique = r->p->unique,
				      .mac_prefix = mac_prefix };
	int res = plan_config(&r->plan, &g, r->env->log, &r->config, err);

	if (res == 0 && r->has_old)
		restore_sort_old(r);
	return res;
}

/* ---- single disks ---- */

static bool is_key(const char *line, const char *key)
{
	size_t len = strlen(key);

	return !strncmp(line, key, len) && line[len] == ':';
}

/* The first unusedN that is free. */
static unsigned free_unused(const struct guest_config *c)
{
	for (unsigned n = 0;; n++) {
		_cleanup_free_ char *key = xasprintf("unused%u", n);

		if (!guest_config_get(c, key))
			return n;
	}
}

static void add_disk_line(struct restore *r, const struct plan_disk *d, unsigned *unused,
			  struct buf *out)
{
	const char *old = guest_config_get(&r->old, d->key);
	_cleanup_guest_drive_ struct guest_drive drive = { 0 };
	const bool readable = old && guest_drive_parse(old, &drive, NULL) == 0;
	_cleanup_free_ char *line = plan_disk_line(d, readable ? &drive : NULL);

	buf_addf(out, "%s\n", line);
	if (old) {
		_cleanup_free_ char *volid = xstrndup(old, strcspn(old, ","));

		log_info(r->env->log, "the disk that was '%s' is kept as unused%u: %s", d->key,
			 *unused, volid);
		buf_addf(out, "unused%u: %s\n", (*unused)++, volid);
	}
}

static const struct plan_disk *restored(const struct restore *r, const char *line)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_key(line, r->volumes[i].disk->key))
			return r->volumes[i].disk;
	return NULL;
}

/* The guest's own text with the lines of the disks replaced, and without our lock. */
static void merge_disks(struct restore *r, struct buf *out)
{
	_cleanup_buf_ struct buf lines = BUF_INIT;
	const char *at = r->old.text;
	unsigned unused = free_unused(&r->old);
	bool in_main = true, done = false;

	for (size_t i = 0; i < r->n; i++)
		add_disk_line(r, r->volumes[i].disk, &unused, &lines);
	while (*at) {
		size_t len = strcspn(at, "\n");
		_cleanup_free_ char *line = xstrndup(at, len);

		if (in_main && *line == '[') {
			in_main = false;
			buf_adds(out, buf_str(&lines));
			done = true;
		}
		if (!in_main || !restored(r, line))
			buf_addf(out, "%s\n", line);
		at += len + (at[len] == '\n');
	}
	if (!done)
		buf_adds(out, buf_str(&lines));
}

/* As PVE: nothing of the guest stays active here that does not run here. */
static void deactivate_volumes(struct restore *r)
{
	for (size_t i = 0; !r->p->starts && i < r->n; i++) {
		_cleanup_error_ struct error *err = NULL;

		if (r->volumes[i].volume.volid && volume_deactivate(&r->volumes[i].volume, &err) < 0)
			log_warn(r->env->log, "%s", error_message(err));
	}
}

/* Until the configuration is replaced all can be undone; from then on it tells what is to go, see recover.c. */
static int announce(struct restore *r, struct error **err)
{
	int res = 0;

	for (size_t i = 0; res == 0 && r->doomed && r->doomed[i]; i++)
		res = journal_add(r->journal, JOURNAL_REPLACED, r->doomed[i], err);
	if (res == 0)
		res = restore_write_firewall(r, err);
	return res < 0 ? res : journal_add(r->journal, JOURNAL_COMMIT, NULL, err);
}

/*
 * The old configuration, or the empty one with the lock, stays until it is replaced in one step.
 */
int restore_commit(struct restore *r, struct error **err)
{
	int res = 0;

	if (r->p->disks)
		merge_disks(r, &r->config);
	else
		res = restore_make_config(r, err);
	if (res == 0)
		deactivate_volumes(r);
	if (res == 0)
		res = announce(r, err);
	/* hours may have passed, and not everybody heeds the lock */
	if (res == 0)
		res = restore_check_stopped(r, err);
	if (res == 0)
		res = guest_config_replace(r->env->paths, r->p->vmid, buf_str(&r->config), err);
	if (res < 0)
		return res;
	restore_remove_old(r);
	/* of no use any more, and no journal would remove it */
	if (r->dir)
		io_remove_tree(r->dir, NULL);
	return restore_keep(r, err);
}

/* The places that backups go to, and the other storages: whether they can be used. */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "base/open-files.h"
#include "base/strv.h"
#include "base/units.h"
#include "check/rows.h"

#define REACH_MS 10000
#define DAY_S    86400

static bool is_target(const struct check *c, const char *id)
{
	if (c->has_settings && c->settings.place.storage && !strcmp(c->settings.place.storage, id))
		return true;
	for (size_t i = 0; i < c->planned.n && !c->q->storage; i++) {
		const char *storage = c->planned.list[i].settings.place.storage;

		if (storage && !strcmp(storage, id))
			return true;
	}
	return false;
}

/* ---- a folder of archives ---- */

static char *age_text(int64_t seconds)
{
	return seconds < 2 * DAY_S ? xasprintf("%" PRId64 " h", seconds / 3600)
				   : xasprintf("%" PRId64 " days", seconds / DAY_S);
}

/* An archive that is not complete, and that nobody writes. */
static void look_at_file(struct check *c, const char *subject, const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name), *age = NULL, *size = NULL;
	struct open_file file;
	struct stat st;

	if (!str_prefix(name, "vzdump-qemu-", NULL) || !str_suffix(name, ".dat") || lstat(path, &st) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	file = open_file_of(&st);
	if (open_files_writer(&file, 1, NULL))
		return;
	age = age_text(c->q->now > st.st_mtime ? c->q->now - st.st_mtime : 0);
	size = units_bytes((uint64_t)st.st_size, 1);
	row_add(c, FINDING_WARNING, 0, xstrdup(subject),
		xasprintf("'%s' (%s, %s old) is left of a backup that did not end", path, size, age),
		xstrdup("'vzdump --cleanup' removes it; if it stays, no journal knows it: remove it by hand"));
}

/* Its file system has answered. */
static void look_for_unfinished(struct check *c, const char *subject, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		look_at_file(c, subject, dir, e->d_name);
	if (d)
		closedir(d);
}

static bool is_reached(struct check *c, const char *subject, const char *dir, enum finding_level level)
{
	_cleanup_error_ struct error *err = NULL;

	if (bounded_reach(dir, REACH_MS, c->host->cancel, &err) == 0)
		return true;
	row_add(c, level, 0, xstrdup(subject), xstrdup(error_message(err)), NULL);
	return false;
}

/* ---- a storage ---- */

static void say_retention(struct check *c, const struct storage *s, const char *subject)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *text = NULL;
	struct prune_keep keep;

	/* an error is told by the plan */
	if (!c->has_settings || settings_keep(&c->settings.retention, s->prune_backups, &keep, &err) < 0)
		return;
	text = prune_keep_describe(&keep);
	if (keep.all)
		row_add(c, FINDING_REMARK, 0, xstrdup(subject),
			xstrdup("all backups are kept for ever, unless a job says something else"),
			xasprintf(
				"give it 'prune-backups keep-last=7,keep-weekly=4' in storage.cfg, or remove "
				"old ones with 'pvesm prune-backups %s'",
				s->id));
	else
		row_add(c, FINDING_OK, 0, xstrdup(subject), xasprintf("backups are kept by %s", text), NULL);
}

/* The folder may be a file system of its own below the storage's path. */
static void limit_by_folder(const char *dir, struct storage_status *st)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= st->avail)
		return;
	st->avail = (uint64_t)fs.f_bavail * fs.f_frsize;
	st->total = (uint64_t)fs.f_blocks * fs.f_frsize;
}

static void look_at_target(struct check *c, const struct storage *s, const char *subject)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *dir = NULL;
	const struct storage *usable;
	struct storage_status st;

	if (storage_get(&c->storages, s->id, STORAGE_BACKUP, &usable, &err) < 0 ||
	    storage_dir(s, STORAGE_BACKUP, &dir, &err) < 0) {
		row_add(c, FINDING_FAULT, 0, xstrdup(subject), xstrdup(error_message(err)), NULL);
		return;
	}
	say_retention(c, s, subject);
	/* it may be a file system of its own */
	if (!is_reached(c, subject, dir, FINDING_FAULT))
		return;
	if (storage_status(s, &st, NULL) == 0) {
		limit_by_folder(dir, &st);

		_cleanup_free_ char *avail = units_bytes(st.avail, 1), *total = units_bytes(st.total, 1);

		row_add(c, st.avail ? FINDING_OK : FINDING_FAULT, 0, xstrdup(subject),
			xasprintf("backups go to '%s', where %s of %s are free", dir, avail, total),
			st.avail ? NULL
				 : xstrdup("remove old backups with 'pvesm prune-backups', or name another "
					   "storage"));
	}
	look_for_unfinished(c, subject, dir);
}

/* One that hangs is asked no more. */
static void look_at_storage(struct check *c, const struct storage *s)
{
	const bool target = is_target(c, s->id);
	const enum finding_level level = target ? FINDING_FAULT : FINDING_WARNING;
	_cleanup_free_ char *subject = xasprintf("storage '%s'", s->id);
	_cleanup_error_ struct error *err = NULL;
	const struct storage *usable;
	bool active = false;
	int r;

	if (s->path && !is_reached(c, subject, s->path, level))
		return;
	r = storage_get(&c->storages, s->id, 0, &usable, &err);
	if (r == 0)
		r = storage_is_active(s, &active, &err);
	if (r < 0)
		row_add(c, r == ERR_UNSUPPORTED && !target ? FINDING_REMARK : level, 0, xstrdup(subject),
			xstrdup(error_message(err)), NULL);
	else if (!active)
		row_add(c, FINDING_REMARK, 0, xstrdup(subject),
			xasprintf(
				"it is not active now (type %s); what uses it activates it first, so its content "
				"and its room are not looked at",
				s->type),
			xasprintf("'pvesm status --storage %s' tries it", s->id));
	else if (target)
		look_at_target(c, s, subject);
	else
		row_add(c, FINDING_OK, 0, xstrdup(subject), xasprintf("it is active (type %s)", s->type),
			NULL);
}

/* ---- folders of --dumpdir ---- */

static void look_at_dumpdir(struct check *c, const char *dir)
{
	_cleanup_free_ char *subject = xasprintf("folder '%s'", dir);
	struct statvfs fs;

	/* a folder that is missing is told by the plan */
	if (!is_reached(c, subject, dir, FINDING_FAULT) || statvfs(dir, &fs) < 0)
		return;
	{
		_cleanup_free_ char *avail = units_bytes((uint64_t)fs.f_bavail * fs.f_frsize, 1);

		row_add(c, fs.f_bavail ? FINDING_OK : FINDING_FAULT, 0, xstrdup(subject),
			xasprintf("backups go there, %s free", avail),
			fs.f_bavail ? NULL : xstrdup("make room, or name another folder"));
	}
	look_for_unfinished(c, subject, dir);
}

int check_storages(struct check *c, struct error **err)
{
	(void)err;
	for (size_t i = 0; i < c->storages.n; i++)
		if (storage_enabled(&c->storages, &c->storages.storages[i]))
			look_at_storage(c, &c->storages.storages[i]);
	if (c->has_settings && c->settings.place.dumpdir)
		look_at_dumpdir(c, c->settings.place.dumpdir);
	for (size_t i = 0; i < c->planned.n && !c->q->storage; i++)
		if (c->planned.list[i].settings.place.dumpdir)
			look_at_dumpdir(c, c->planned.list[i].settings.place.dumpdir);
	return 0;
}

/* The configuration files, by their own parsers, whose warnings become findings. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/rows.h"
#include "notify/config.h"
#include "storage/own-config.h"

/* If nothing was said of the file so far: it is right, or not there. */
static void say_file(struct check *c, const struct row_log *l, const char *name, const char *otherwise)
{
	_cleanup_free_ char *path = paths_get(c->host->paths, "%s", name);

	if (l->n)
		return;
	row_add(c, FINDING_OK, 0, xstrdup(l->subject),
		access(path, F_OK) == 0 ? xasprintf("'%s' can be read, and all of it is understood", path)
					: xasprintf("there is no '%s': %s", path, otherwise),
		NULL);
}

static void add_error(struct check *c, struct row_log *l, enum finding_level level, const struct error *err)
{
	l->n++;
	row_add(c, level, 0, xstrdup(l->subject), xstrdup(error_message(err)), NULL);
}

/* ---- storage.cfg and vzdump-storage.cfg ---- */

static void load_storages(struct check *c)
{
	_cleanup_error_ struct error *err = NULL;
	struct row_log l;

	row_log_init(&l, c, "storage.cfg", FINDING_WARNING);
	if (storage_config_load(c->host->paths, &l.log, &c->storages, &err) < 0)
		add_error(c, &l, FINDING_FAULT, err);
	storage_config_set_cancel(&c->storages, c->host->cancel);
	say_file(c, &l, "/etc/pve/storage.cfg", "there is only the storage 'local'");
}

static void look_at_own_config(struct check *c)
{
	struct row_log l;

	row_log_init(&l, c, "vzdump-storage.cfg", FINDING_WARNING);
	/* every call reads all of it */
	free(storage_incremental(c->host->paths, &c->storages, "local", &l.log));
	say_file(c, &l, "/etc/pve/vzdump-storage.cfg", "backups are incremental only if they are told to be");
}

/* ---- vzdump.conf ---- */

static bool is_for_backups(const struct check *c, const char *id)
{
	const struct storage *s;

	return storage_get(&c->storages, id, STORAGE_BACKUP, &s, NULL) == 0;
}

static const char *find_for_backups(const struct check *c)
{
	for (size_t i = 0; i < c->storages.n; i++)
		if (is_for_backups(c, c->storages.storages[i].id))
			return c->storages.storages[i].id;
	return NULL;
}

static void set_storage(struct settings *s, const char *id)
{
	char *copy = xstrdup(id);

	free(s->place.storage);
	free(s->place.dumpdir);
	s->place = (struct settings_place){ .storage = copy };
}

/* Where a call by hand saves to: as asked for, as vzdump.conf says, or the first one that can be used. */
static void choose_storage(struct check *c)
{
	struct settings_place *place = &c->settings.place;
	const char *other;

	if (c->q->storage) {
		set_storage(&c->settings, c->q->storage);
		return;
	}
	if (place->dumpdir || is_for_backups(c, place->storage))
		return;
	other = find_for_backups(c);
	if (!other)
		return;
	row_add(c, FINDING_REMARK, 0, xstrdup("vzdump.conf"),
		xasprintf(
			"a backup by hand goes to storage '%s', which is not one for backups; '%s' is looked "
			"at in its place",
			place->storage, other),
		xasprintf("write 'storage: %s' into vzdump.conf, or call vzdump with --storage %s", other,
			  other));
	set_storage(&c->settings, other);
}

static void load_settings(struct check *c)
{
	_cleanup_error_ struct error *err = NULL;
	struct row_log l;

	row_log_init(&l, c, "vzdump.conf", FINDING_WARNING);
	c->has_settings = settings_load_conf(&c->settings, c->host->paths, &l.log, &err) == 0;
	if (!c->has_settings)
		add_error(c, &l, FINDING_FAULT, err);
	say_file(c, &l, "/etc/vzdump.conf", "all settings have their defaults");
	if (c->has_settings)
		choose_storage(c);
}

/* ---- jobs.cfg ---- */

/* What is new in the second reading is about jobs that cannot run. */
static void load_jobs(struct check *c)
{
	_cleanup_error_ struct error *err = NULL;
	struct host host = *c->host;
	struct row_log l, faults;
	int r;

	row_log_init(&l, c, "jobs.cfg", FINDING_WARNING);
	row_log_init(&faults, c, "jobs.cfg", FINDING_FAULT);
	host.log = &faults.log;
	r = jobs_load(c->host->paths, NULL, &l.log, &c->jobs, &err);
	if (r == 0)
		r = planned_load(&host, c->q->now, &c->planned, &err);
	if (r < 0)
		add_error(c, &l, FINDING_FAULT, err);
	l.n += faults.n;
	say_file(c, &l, "/etc/pve/jobs.cfg", "backups are made only if somebody calls vzdump");
}

/* ---- notifications.cfg ---- */

static void look_at_notifications(struct check *c)
{
	_cleanup_notify_config_ struct notify_config conf = { 0 };
	_cleanup_error_ struct error *err = NULL;
	struct row_log l;

	row_log_init(&l, c, "notifications.cfg", FINDING_WARNING);
	if (notify_config_load(c->host->paths, &l.log, &conf, &err) < 0)
		add_error(c, &l, FINDING_WARNING, err);
	for (size_t i = 0; i < conf.n_endpoints; i++) {
		const struct notify_endpoint *e = &conf.endpoints[i];

		if (!e->problem || e->disabled)
			continue;
		l.n++;
		row_add(c, FINDING_WARNING, 0, xstrdup(l.subject),
			xasprintf("nothing can be sent to the target '%s': %s", e->name, e->problem), NULL);
	}
	say_file(c, &l, "/etc/pve/notifications.cfg", "a mail to root tells of each backup");
}

/* ---- the guests ---- */

static const struct planned_job *first_job(const struct check *c, uint32_t vmid)
{
	const struct planned_job *first = NULL;

	for (size_t i = 0; i < c->planned.n; i++) {
		const struct planned_job *j = &c->planned.list[i];

		if (planned_job_has(j, vmid) &&
		    (!first || (j->next && (!first->next || j->next < first->next))))
			first = j;
	}
	return first;
}

static bool is_wanted(const struct check *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->q->n_vmids; i++)
		if (c->q->vmids[i] == vmid)
			return true;
	return !c->q->n_vmids;
}

static int refuse_unknown(const struct check *c, struct error **err)
{
	for (size_t i = 0; i < c->q->n_vmids; i++) {
		const struct guest_entry *e = guest_list_find(&c->list, c->q->vmids[i]);

		if (!e || e->node)
			return error_set(err, ERR_NOT_FOUND, "there is no guest %u on this host%s%s%s",
					 c->q->vmids[i], e ? " (it is on node '" : "", e ? e->node : "",
					 e ? "')" : "");
	}
	return 0;
}

static int load_guests(struct check *c, struct error **err)
{
	int r = guest_list_load(c->host->paths, &c->list, err);

	if (r == 0)
		r = refuse_unknown(c, err);
	c->guests = xcalloc(c->list.n + 1, sizeof(*c->guests));
	for (size_t i = 0; i < c->list.n && r == 0; i++) {
		const struct guest_entry *e = &c->list.entries[i];

		if (!e->node && is_wanted(c, e->vmid))
			c->guests[c->n_guests++] =
				(struct checked_guest){ .entry = e, .job = first_job(c, e->vmid) };
	}
	return r;
}

int check_config(struct check *c, struct error **err)
{
	const struct storage *s;
	int r = 0;

	load_storages(c);
	if (c->q->storage)
		r = storage_get(&c->storages, c->q->storage, STORAGE_BACKUP, &s, err);
	if (r < 0)
		return r;
	look_at_own_config(c);
	load_settings(c);
	load_jobs(c);
	look_at_notifications(c);
	return load_guests(c, err);
}

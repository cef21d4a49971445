#include "status/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest-list.h"
#include "place/retention.h"
#include "status/verified.h"

const char *status_problem_name(enum status_problem problem)
{
	switch (problem) {
	case STATUS_NO_BACKUP:
		return "no-backup";
	case STATUS_NO_JOB:
		return "no-job";
	case STATUS_FAILED:
		break;
	}
	return "failed";
}

static void guest_clear(struct status_guest *g)
{
	record_clear(&g->record);
	free(g->backup.path);
	free(g->backup.volid);
	free(g->jobs);
	strv_free(g->pruned);
}

void status_clear(struct status *s)
{
	for (size_t i = 0; i < s->n; i++)
		guest_clear(&s->guests[i]);
	free(s->guests);
	free(s->node);
	archives_clear(&s->archives);
	planned_clear(&s->planned);
	*s = (struct status){ 0 };
}

/* ---- the guests ---- */

static void add_guest(struct status *s, const struct host *host, const struct guest_entry *e)
{
	struct status_guest *g = &s->guests[s->n++];

	g->vmid = e->vmid;
	g->is_container = e->kind == GUEST_CONTAINER;
	g->has_record = s->has_records && record_load(host->paths, g->vmid, &g->record, host->log);
}

static int add_named(struct status *s, const struct host *host, const struct guest_list *list,
		     const struct status_request *q, struct error **err)
{
	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < q->n_vmids; k++)
			if (list->entries[i].vmid == q->vmids[k] && !list->entries[i].node) {
				add_guest(s, host, &list->entries[i]);
				break;
			}
	for (size_t k = 0; k < q->n_vmids; k++) {
		const struct guest_entry *e = guest_list_find(list, q->vmids[k]);

		if (!e || e->node)
			return error_set(err, ERR_NOT_FOUND, "there is no guest %u on this host%s%s%s",
					 q->vmids[k], e ? " (it is on node '" : "", e ? e->node : "",
					 e ? "')" : "");
	}
	return 0;
}

/* One warning, not one for each guest. */
static bool can_read_records(const struct host *host)
{
	_cleanup_free_ char *folder = record_folder(host->paths);

	if (access(folder, R_OK | X_OK) == 0)
		return true;
	if (errno != ENOENT)
		log_warn(
			host->log,
			"last runs and verified archives are not known, cannot read '%s': %m (only root can)",
			folder);
	return false;
}

static int load_guests(struct status *s, const struct host *host, const struct status_request *q,
		       struct error **err)
{
	_cleanup_guest_list_ struct guest_list list = { 0 };
	int r = guest_list_load(host->paths, &list, err);

	if (r < 0)
		return r;
	s->guests = xcalloc(list.n + 1, sizeof(*s->guests));
	s->has_records = can_read_records(host);
	if (q->n_vmids)
		return add_named(s, host, &list, q, err);
	for (size_t i = 0; i < list.n; i++)
		if (!list.entries[i].node)
			add_guest(s, host, &list.entries[i]);
	return 0;
}

/* ---- places ---- */

/* Storages, and the folders that records and jobs name. */
static int list_places(struct status *s, const struct host *host, const struct status_request *q,
		       struct error **err)
{
	int r = archives_list_storages(host, q->storage, &s->archives, err);

	if (r < 0 || q->storage)
		return r;
	for (size_t i = 0; i < s->n; i++) {
		const struct success_record *success = &s->guests[i].record.success;

		if (success->start && !success->volid && *success->archive == '/') {
			_cleanup_free_ char *dir = io_parent(success->archive);

			archives_list_folder(host, dir, &s->archives);
		}
	}
	for (size_t i = 0; i < s->planned.n; i++)
		if (s->planned.list[i].settings.place.dumpdir)
			archives_list_folder(host, s->planned.list[i].settings.place.dumpdir, &s->archives);
	return 0;
}

/* ---- the last good backup ---- */

static const char *type_of(const struct status_guest *g)
{
	return g->is_container ? "lxc" : "qemu";
}

static char *volid_of(const struct archive_place *p, const struct backup *b)
{
	return p->storage ? xasprintf("%s:backup/%s", p->storage->id, b->name.filename) : NULL;
}

static void take_seen(const struct status *s, const struct host *host, struct status_guest *g,
		      const struct archive_place *p, const struct backup *b)
{
	_cleanup_verified_ struct verified v = { 0 };

	if (s->has_records)
		verified_load(host->paths, g->vmid, &v, host->log);
	g->backup = (struct status_backup){
		.time = b->ctime,
		.path = xstrdup(b->path),
		.volid = volid_of(p, b),
		.size = b->size,
		.is_protected = b->is_protected,
		.verified = verified_when(&v, b->path),
		.is_seen = true,
	};
}

/* The storage may have another folder now. */
static const struct archive_place *place_of_record(const struct archives *a,
						   const struct success_record *success)
{
	const char *rest;

	if (!success->volid)
		return archives_place_of(a, success->archive);
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].storage && str_prefix(success->volid, a->list[i].storage->id, &rest) &&
		    *rest == ':')
			return &a->list[i];
	return NULL;
}

/*
 * An archive that is on record and was not seen counts only if nobody could see it: because it went to
 * standard output, or its place was not listed.  Otherwise somebody has removed it.
 */
static bool is_out_of_sight(const struct status *s, const struct success_record *success)
{
	const struct archive_place *p = success->start ? place_of_record(&s->archives, success) : NULL;

	return success->start && (!p || p->error);
}

static void take_recorded(struct status_guest *g)
{
	const struct success_record *success = &g->record.success;

	g->backup = (struct status_backup){
		.time = success->start,
		.path = xstrdup(success->archive),
		.volid = xstrdup_null(success->volid),
		.size = success->archive_size,
	};
}

static void find_backup(struct status *s, const struct host *host, const struct status_request *q,
			struct status_guest *g)
{
	const struct archive_place *place = NULL;
	const struct backup *newest = archives_newest(&s->archives, type_of(g), g->vmid, s->now, &place);
	const struct success_record *success = &g->record.success;

	for (size_t i = 0; i < s->archives.n; i++)
		if (!s->archives.list[i].is_again)
			g->n_backups += archives_of(&s->archives.list[i], type_of(g), g->vmid).n;
	if (newest)
		take_seen(s, host, g, place, newest);
	if (!q->storage && success->start > g->backup.time && is_out_of_sight(s, success)) {
		free(g->backup.path);
		free(g->backup.volid);
		take_recorded(g);
	}
}

/* ---- the next run, and what it will remove ---- */

static void find_jobs(struct status *s, struct status_guest *g)
{
	g->jobs = xcalloc(s->planned.n + 1, sizeof(*g->jobs));
	for (size_t i = 0; i < s->planned.n; i++) {
		const struct planned_job *j = &s->planned.list[i];

		if (!planned_job_has(j, g->vmid))
			continue;
		g->jobs[g->n_jobs++] = j;
		if (j->next && (!g->next || j->next < g->next->next))
			g->next = j;
	}
}

static bool is_place_of_job(const struct archive_place *p, const struct settings_place *place)
{
	if (place->storage)
		return p->storage && !strcmp(p->storage->id, place->storage);
	return p->dir && !p->storage && !strcmp(p->dir, place->dumpdir);
}

static const struct archive_place *place_of_job(const struct archives *a, const struct settings_place *place)
{
	for (size_t i = 0; i < a->n; i++)
		if (is_place_of_job(&a->list[i], place))
			return &a->list[i];
	return NULL;
}

static void add_pruned(struct status_guest *g, const struct archive_place *p, const struct backup *b)
{
	_cleanup_free_ char *volid = volid_of(p, b);

	if (b->mark != PRUNE_REMOVE)
		return;
	if (!g->pruned)
		g->pruned_time = b->ctime;
	strv_add(&g->pruned, volid ? volid : b->path);
}

/* Marks the guest's backups beside the one that a run at that time makes. */
static void mark_pruned(struct status_guest *g, const struct archive_place *p,
			const struct settings *settings, const struct prune_keep *keep, time_t when)
{
	const struct backups old = archives_of(p, type_of(g), g->vmid);
	_cleanup_free_ struct backup *list = xcalloc(old.n + 1, sizeof(*list));
	struct backups all = { .list = list, .n = old.n + 1 };

	/* the strings stay those of `old` */
	if (old.n)
		memcpy(list, old.list, old.n * sizeof(*list));
	list[old.n] = (struct backup){
		.ctime = when,
		.is_new = true,
		.is_protected = settings->protect,
		.name = { .standard = true },
	};
	backups_mark(&all, keep, when);
	for (size_t i = 0; i < old.n; i++)
		add_pruned(g, p, &list[i]);
}

/* Containers are not saved by us, so nothing of theirs is removed. */
static void find_pruned(struct status *s, struct status_guest *g, const struct settings *by_hand)
{
	const struct settings *settings = g->next ? &g->next->settings : by_hand;
	const struct archive_place *p;
	struct prune_keep keep;

	p = g->next             ? place_of_job(&s->archives, &settings->place)
	    : g->backup.is_seen ? archives_place_of(&s->archives, g->backup.path)
				: NULL;
	if (!p || p->error || g->is_container ||
	    settings_keep(&settings->retention, p->storage ? p->storage->prune_backups : NULL, &keep, NULL) <
		    0)
		return;
	if (settings->retention.remove && !keep.all)
		mark_pruned(g, p, settings, &keep, g->next ? g->next->next : s->now);
}

/* ---- all of it ---- */

static void find_problems(struct status_guest *g)
{
	if (!g->backup.time)
		g->problems |= STATUS_NO_BACKUP;
	if (!g->n_jobs)
		g->problems |= STATUS_NO_JOB;
	if (g->has_record && g->record.last.outcome != TASK_SAVED)
		g->problems |= STATUS_FAILED;
}

int status_make(const struct host *host, const struct status_request *q, struct status *ret,
		struct error **err)
{
	_cleanup_settings_ struct settings by_hand = { 0 };
	int r;

	*ret = (struct status){ .now = q->now, .node = paths_nodename(host->paths) };
	r = settings_load_conf(&by_hand, host->paths, host->log, err);
	if (r == 0)
		r = load_guests(ret, host, q, err);
	if (r == 0)
		r = planned_load(host, q->now, &ret->planned, err);
	if (r == 0)
		r = list_places(ret, host, q, err);
	for (size_t i = 0; i < ret->n && r == 0; i++) {
		find_backup(ret, host, q, &ret->guests[i]);
		find_jobs(ret, &ret->guests[i]);
		find_pruned(ret, &ret->guests[i], &by_hand);
		find_problems(&ret->guests[i]);
	}
	return r;
}

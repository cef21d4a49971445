#include "status/planned.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/vzdump-options.h"
#include "schedule/jobs.h"

static void planned_job_clear(struct planned_job *j)
{
	free(j->id);
	settings_clear(&j->settings);
	selection_clear(&j->selection);
}

void planned_clear(struct planned *p)
{
	for (size_t i = 0; i < p->n; i++)
		planned_job_clear(&p->list[i]);
	free(p->list);
	*p = (struct planned){ 0 };
}

/* The steps of a run up to its first guest.  vzdump.conf's warnings are not repeated for each job. */
static int plan_job(const struct host *host, struct job_entry *e, struct planned_job *ret, struct error **err)
{
	const struct log silent = { 0 };
	int r = vzdump_options_verify(&e->options, err);

	if (r < 0)
		return r;
	settings_init(&ret->settings, &e->options);
	r = selection_make(host, &ret->settings.request, &ret->selection, err);
	return r == 0 ? settings_load(&ret->settings, &e->options, host->paths, &silent, err) : r;
}

/* As a run writes it to its records. */
static void cut_slashes(char *dir)
{
	for (size_t len = dir ? strlen(dir) : 0; len > 1 && dir[len - 1] == '/'; len--)
		dir[len - 1] = '\0';
}

static void add_job(const struct host *host, struct job_entry *e, time_t now, struct planned *p)
{
	struct planned_job new = { 0 };
	_cleanup_error_ struct error *err = NULL;

	if (plan_job(host, e, &new, &err) < 0) {
		log_warn(host->log, "job '%s' cannot run and does not count: %s", e->id, error_message(err));
		planned_job_clear(&new);
		return;
	}
	new.id = xstrdup(e->id);
	cut_slashes(new.settings.place.dumpdir);
	if (!calendar_next(&e->event, now, &new.next))
		new.next = 0;
	p->list = xreallocarray(p->list, p->n + 1, sizeof(*p->list));
	p->list[p->n++] = new;
}

int planned_load(const struct host *host, time_t now, struct planned *ret, struct error **err)
{
	_cleanup_free_ char *here = paths_nodename(host->paths);
	_cleanup_jobs_ struct jobs jobs = { 0 };
	int r;

	*ret = (struct planned){ 0 };
	r = jobs_load(host->paths, NULL, host->log, &jobs, err);
	for (size_t i = 0; i < jobs.n && r == 0; i++) {
		const char *node = job_entry_node(&jobs.entries[i]);

		if (jobs.entries[i].enabled && (!node || !strcmp(node, here)))
			add_job(host, &jobs.entries[i], now, ret);
	}
	return r;
}

bool planned_job_has(const struct planned_job *j, uint32_t vmid)
{
	size_t low = 0, high = j->selection.n;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (j->selection.guests[middle].vmid == vmid)
			return true;
		if (j->selection.guests[middle].vmid < vmid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

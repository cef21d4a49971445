#include "check/check.h"

#include <stdlib.h>

#include "base/mem.h"
#include "check/rows.h"

static const struct {
	const char *name;
	int (*run)(struct check *c, struct error **err);
} groups[] = {
	/* clang-format off */
	{ "config",    check_config },
	{ "host",      check_host },
	{ "tools",     check_tools },
	{ "storages",  check_storages },
	{ "jobs",      check_jobs },
	{ "leftovers", check_leftovers },
	{ "libvirt",   check_libvirt },
	{ "guests",    check_guests },
	{ "plan",      check_plan },
	/* clang-format on */
};

static const char *const levels[FINDING_LEVELS] = {
	[FINDING_OK] = "ok",
	[FINDING_REMARK] = "remark",
	[FINDING_WARNING] = "warning",
	[FINDING_FAULT] = "fault",
};

const char *finding_level_name(enum finding_level level)
{
	return levels[level];
}

size_t findings_count(const struct findings *f, enum finding_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->list[i].level == level;
	return n;
}

void findings_clear(struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].subject);
		free(f->list[i].text);
		free(f->list[i].way_out);
	}
	free(f->list);
	*f = (struct findings){ 0 };
}

/* What is about no guest first, then guest by guest, else as it was found. */
static void sort_by_guest(struct check *c)
{
	struct findings *f = c->findings;
	struct finding *sorted = xcalloc(f->n + 1, sizeof(*sorted));
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (!f->list[i].vmid)
			sorted[n++] = f->list[i];
	for (size_t g = 0; g < c->n_guests; g++)
		for (size_t i = 0; i < f->n; i++)
			if (f->list[i].vmid == c->guests[g].entry->vmid)
				sorted[n++] = f->list[i];
	free(f->list);
	*f = (struct findings){ .list = sorted, .n = n };
}

int check_make(const struct host *host, const struct check_request *q, struct findings *ret,
	       struct error **err)
{
	struct host mine = *host;
	struct check c = { .host = &mine, .q = q, .findings = ret };
	int r = 0;

	*ret = (struct findings){ 0 };
	mine.storages = &c.storages;
	mine.commands = &c.settings.commands;
	mine.log = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(groups) && r == 0; i++) {
		c.group = groups[i].name;
		r = groups[i].run(&c, err);
		if (r == 0)
			r = cancel_check(host->cancel, err);
	}
	if (r == 0)
		sort_by_guest(&c);
	free(c.guests);
	guest_list_clear(&c.list);
	planned_clear(&c.planned);
	jobs_clear(&c.jobs);
	settings_clear(&c.settings);
	storage_config_clear(&c.storages);
	return r;
}

#include "schedule/job-options.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/nearest.h"
#include "schedule/jobs.h"

static int check_alone(const struct options *cli, struct error **err)
{
	static const char *const rivals[] = {
		"vmid", "all", "exclude", "pool", "stop", "cleanup", "libvirt"
	};

	for (size_t i = 0; i < ARRAY_SIZE(rivals); i++)
		if (options_given(cli, rivals[i]))
			return error_set(
				err, ERR_INVALID,
				"vzdump: option --job: the job says which guests it is for: leave out %s%s",
				i ? "--" : "the ", i ? rivals[i] : "guest ids");
	return 0;
}

static int not_found(const struct jobs *jobs, const char *id, const struct paths *p, struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/jobs.cfg"), *hint = NULL;
	struct nearest n = nearest_begin(id);

	for (size_t i = 0; i < jobs->n; i++)
		nearest_offer(&n, jobs->entries[i].id);
	hint = nearest_hint(&n);
	return error_set(
		err, ERR_NOT_FOUND,
		"vzdump: option --job: there is no backup job '%s' in '%s'%s ('vzdump-scheduler --list' "
		"shows all)",
		id, file, hint);
}

static bool is_overruled(const struct options *cli, const char *name, bool has_place)
{
	return options_given(cli, name) ||
	       (has_place && (!strcmp(name, "storage") || !strcmp(name, "dumpdir")));
}

/* The values have been checked for the job, and the table is the same. */
static int take_over(struct options *cli, const struct options *job, struct error **err)
{
	const bool has_place = options_given(cli, "storage") || options_given(cli, "dumpdir");
	int r = 0;

	for (size_t i = 0; i < job->table->n_rows && r == 0; i++) {
		const char *name = job->table->rows[i].name;

		if (!job->values[i] || is_overruled(cli, name, has_place))
			continue;
		for (char **v = job->values[i]; *v && r == 0; v++)
			r = options_set(cli, name, *v, err);
	}
	return r;
}

int job_options_fill(struct options *cli, const struct paths *p, const struct log *log, struct error **err)
{
	const char *id = options_get(cli, "job");
	_cleanup_jobs_ struct jobs jobs = { 0 };
	const struct job_entry *job;
	int r = id ? check_alone(cli, err) : 0;

	if (!id || r < 0)
		return r;
	r = jobs_load(p, id, log, &jobs, err);
	if (r < 0)
		return r;
	job = jobs_find(&jobs, id);
	if (!job)
		return not_found(&jobs, id, p, err);
	r = take_over(cli, &job->options, err);
	if (r == 0 && !options_given(cli, "job-id"))
		r = options_set(cli, "job-id", id, err);
	return r < 0 ? error_wrap(err, r, "job '%s'", id) : 0;
}

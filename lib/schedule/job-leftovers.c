#include "schedule/job-leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/unfinished.h"
#include "schedule/job-files.h"
#include "schedule/job-run.h"

/* The id in "vzdump-<id>.json" and its like; NULL for another name.  Caller frees. */
static char *id_of_name(const char *name)
{
	static const char *const kinds[] = { ".json", ".run", ".lck" };
	const char *id;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_prefix(name, "vzdump-", &id) && str_suffix(id, kinds[i]))
			return xstrndup(id, strlen(id) - strlen(kinds[i]));
	return NULL;
}

static bool is_left_over(const struct paths *p, const struct jobs *jobs, const char *name)
{
	_cleanup_free_ char *id = id_of_name(name);

	if (!id)
		return str_prefix(name, "vzdump-", NULL) && unfinished_is(name);
	/* the run of a job that was removed meanwhile still needs its lock, should the job come back */
	return !jobs_find(jobs, id) && (str_suffix(name, ".json") || job_run_is_on(p, id, NULL) == 0);
}

void job_files_remove_others(const struct paths *p, const struct jobs *jobs, const struct log *log)
{
	_cleanup_free_ char *dir = job_files_dir(p);
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (is_left_over(p, jobs, e->d_name) && unlinkat(dirfd(d), e->d_name, 0) < 0 &&
		    errno != ENOENT)
			log_warn(log, "cannot remove '%s/%s': %s", dir, e->d_name, strerror(errno));
	if (d)
		closedir(d);
}

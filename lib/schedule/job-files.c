#include "schedule/job-files.h"

char *job_files_dir(const struct paths *p)
{
	return paths_get(p, "/var/lib/vzdump/jobs");
}

char *job_file(const struct paths *p, const char *id, const char *kind)
{
	return paths_get(p, "/var/lib/vzdump/jobs/vzdump-%s.%s", id, kind);
}

char *job_log_file(const struct paths *p, const char *id)
{
	return paths_get(p, "/var/log/vzdump/job-%s.log", id);
}

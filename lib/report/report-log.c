#include "report/report-log.h"

#include "base/strv.h"

static void keep(char ***warnings, size_t *n, const char *line)
{
	if (++*n <= REPORT_WARNINGS_MAX)
		strv_add(warnings, line);
}

/* The row that a line about the guest belongs to: the guest may be named twice, and is saved twice then. */
static struct task_report *task_of(struct job_report *r, uint32_t vmid)
{
	struct task_report *found = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (r->tasks[i].vmid == vmid && (!found || r->tasks[i].outcome != TASK_TODO))
			found = &r->tasks[i];
	return found;
}

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	struct report_log *l = log->opaque;
	const struct log to_outer = log->guest ? log_for_guest(l->outer, log->guest) : *l->outer;
	struct task_report *task;

	if (level == LOG_LEVEL_WARN) {
		pthread_mutex_lock(&l->lock);
		task = log->guest ? task_of(l->report, log->guest) : NULL;
		if (task)
			keep(&task->warnings, &task->n_warnings, line);
		else
			keep(&l->report->warnings, &l->report->n_warnings, line);
		pthread_mutex_unlock(&l->lock);
	}
	if (to_outer.line)
		to_outer.line(&to_outer, level, line);
}

void report_log_init(struct report_log *l, struct job_report *report, const struct log *outer)
{
	*l = (struct report_log){
		.log = { .line = on_line, .opaque = l, .debug = outer->debug },
		.outer = outer,
		.report = report,
	};
	pthread_mutex_init(&l->lock, NULL);
}

void report_log_clear(struct report_log *l)
{
	pthread_mutex_destroy(&l->lock);
}

#include "backup/report.h"

#include <stdlib.h>

#include "base/mem.h"

struct task_report *report_add(struct job_report *r, uint32_t vmid)
{
	r->tasks = xreallocarray(r->tasks, r->n + 1, sizeof(*r->tasks));
	r->tasks[r->n] = (struct task_report){ .vmid = vmid };
	return &r->tasks[r->n++];
}

size_t report_count(const struct job_report *r, enum task_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->tasks[i].outcome == outcome;
	return n;
}

void report_clear(struct job_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->tasks[i].error);
	free(r->tasks);
	*r = (struct job_report){ 0 };
}

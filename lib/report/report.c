#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

void report_begin(struct job_report *r, const uint32_t *vmids, size_t n)
{
	r->tasks = xcalloc(n + 1, sizeof(*r->tasks));
	r->n = n;
	for (size_t i = 0; i < n; i++)
		r->tasks[i].vmid = vmids[i];
}

void report_keep_log(struct job_report *r, struct buf *log, const char *text, size_t len)
{
	r->log_size += len;
	if (r->log_size <= REPORT_LOG_MAX) {
		buf_add(log, text, len);
		return;
	}
	r->log_too_long = true;
	buf_clear(&r->log_before);
	buf_clear(&r->log_after);
	for (size_t i = 0; i < r->n; i++)
		buf_clear(&r->tasks[i].log);
}

void report_add_error(struct job_report *r, const char *line)
{
	char *all = r->error ? xasprintf("%s\n%s", r->error, line) : xstrdup(line);

	free(r->error);
	r->error = all;
}

const char *task_outcome_name(enum task_outcome outcome)
{
	static const char *const names[] = {
		[TASK_TODO] = "todo",     [TASK_RUNS] = "running",      [TASK_SAVED] = "ok",
		[TASK_FAILED] = "failed", [TASK_CANCELED] = "canceled", [TASK_UNSUPPORTED] = "unsupported",
	};

	return names[outcome];
}

size_t report_count(const struct job_report *r, enum task_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->tasks[i].outcome == outcome;
	return n;
}

bool report_is_good(const struct job_report *r)
{
	return !r->error && report_count(r, TASK_SAVED) == r->n;
}

size_t report_warnings(const struct job_report *r)
{
	size_t n = r->n_warnings;

	for (size_t i = 0; i < r->n; i++)
		n += r->tasks[i].n_warnings;
	return n;
}

uint64_t report_total_size(const struct job_report *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->tasks[i].outcome == TASK_SAVED)
			sum += r->tasks[i].archive_size;
	return sum;
}

bool task_report_fleecing(const struct task_report *t, struct disk_report *ret)
{
	*ret = (struct disk_report){ 0 };
	for (size_t i = 0; i < t->n_disks; i++) {
		const struct disk_report *d = &t->disks[i];

		if (!d->fleecing)
			continue;
		ret->fleecing = true;
		ret->peak += d->peak;
		ret->copied += d->copied;
		ret->discarded += d->discarded;
	}
	return ret->fleecing;
}

char *slowdown_report_text(const struct slowdown_report *s)
{
	const uint64_t seconds = (s->ns + 500000000) / 1000000000;
	_cleanup_free_ char *time = NULL, *rate = NULL;

	if (!s->times)
		return NULL;
	time = units_duration(seconds ? seconds : 1);
	rate = units_bytes(s->rate ? s->rate : s->lowest_rate, 1);
	return xasprintf("%s to %s/s", time, rate);
}

uint64_t task_report_new(const struct task_report *t)
{
	const uint64_t shared = t->incremental.shared;

	return t->archive_size > shared ? t->archive_size - shared : 0;
}

const char *boot_state_name(enum boot_state state)
{
	static const char *const names[] = {
		[BOOT_NOT_ASKED] = NULL,  [BOOT_STARTED] = "started",     [BOOT_UNPROVEN] = "unproven",
		[BOOT_FAILED] = "failed", [BOOT_NOT_TRIED] = "not-tried",
	};

	return names[state];
}

enum boot_state boot_state_parse(const char *name)
{
	for (int i = BOOT_STARTED; name && i <= BOOT_NOT_TRIED; i++)
		if (!strcmp(name, boot_state_name((enum boot_state)i)))
			return (enum boot_state)i;
	return BOOT_NOT_ASKED;
}

void boot_report_clear(struct boot_report *b)
{
	free(b->words);
	free(b->screenshot);
	free(b->console);
	*b = (struct boot_report){ 0 };
}

static void task_report_clear(struct task_report *t)
{
	for (size_t i = 0; i < t->n_disks; i++)
		free(t->disks[i].name);
	free(t->disks);
	free(t->name);
	free(t->archive);
	free(t->volid);
	free(t->incremental.base);
	free(t->incremental.reason);
	boot_report_clear(&t->boot);
	strv_free(t->warnings);
	free(t->error);
	buf_clear(&t->log);
}

void report_clear(struct job_report *r)
{
	for (size_t i = 0; i < r->n; i++)
		task_report_clear(&r->tasks[i]);
	free(r->tasks);
	free(r->command_line);
	free(r->job_id);
	free(r->node);
	free(r->storage);
	free(r->dumpdir);
	free(r->error);
	strv_free(r->warnings);
	buf_clear(&r->log_before);
	buf_clear(&r->log_after);
	*r = (struct job_report){ 0 };
}

#include "status/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/unfinished.h"
#include "base/text.h"
#include "report/record.h"
#include "schedule/jobs.h"

/* ---- the format ---- */

/* Each name has one of these, in front of its samples. */
static void add_head(struct buf *out, const char *name, const char *help)
{
	buf_addf(out, "# HELP vzdump_%s %s\n# TYPE vzdump_%s gauge\n", name, help, name);
}

/* `name="value"`; the value may be any text. */
static void add_label(struct buf *out, const char *name, const char *value)
{
	_cleanup_free_ char *text = text_as_utf8(value);

	buf_addf(out, "%s=\"", name);
	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			buf_adds(out, "\\n");
		else if (*at == '"' || *at == '\\')
			buf_addf(out, "\\%c", *at);
		else
			buf_addc(out, *at);
	}
	buf_addc(out, '"');
}

static void add_seconds(struct buf *out, uint64_t ns)
{
	buf_addf(out, "%" PRIu64 ".%06" PRIu64, ns / 1000000000u, ns / 1000 % 1000000);
}

/* ---- guests ---- */

struct guest_figures {
	uint32_t vmid;
	struct guest_record record;
};

enum figure_kind {
	FIGURE_NUMBER,   /* a uint64_t */
	FIGURE_SECONDS,  /* of a uint64_t of nanoseconds */
	FIGURE_TIME,     /* a time_t */
	FIGURE_IS_SAVED, /* an enum task_outcome */
	FIGURE_STARTED,  /* an enum boot_state: whether it has started */
	FIGURE_FAILED,   /* and whether it does not */
};

enum figure_of {
	OF_LAST,
	OF_FLEECING,    /* only if there were fleecing images */
	OF_LIMIT,       /* only if these had a limit */
	OF_INCREMENTAL, /* only if the archive belongs to a chain */
	OF_BOOT,        /* only if the guest was tried from its archive */
	OF_SUCCESS,     /* only if there has been a good run */
};

#define FIELD(member) offsetof(struct guest_record, member)

/* clang-format off */
static const struct figure {
	const char *name, *help;
	enum figure_of of;
	enum figure_kind kind;
	size_t at;
} figures[] = {
	{ "guest_last_run_timestamp_seconds", "When the last backup of the guest began.",
	  OF_LAST, FIGURE_TIME, FIELD(last.start) },
	{ "guest_last_run_success", "1 if the last backup of the guest succeeded, else 0.",
	  OF_LAST, FIGURE_IS_SAVED, FIELD(last.outcome) },
	{ "guest_last_run_duration_seconds", "Time that the last backup of the guest took.",
	  OF_LAST, FIGURE_SECONDS, FIELD(last.ns) },
	{ "guest_last_run_disk_bytes", "Size of the guest's disks in its last backup.",
	  OF_LAST, FIGURE_NUMBER, FIELD(last.size) },
	{ "guest_last_run_read_bytes", "Bytes that the last backup of the guest read from its disks.",
	  OF_LAST, FIGURE_NUMBER, FIELD(last.read) },
	{ "guest_last_run_zero_bytes", "Zeroes on the guest's disks in its last backup.",
	  OF_LAST, FIGURE_NUMBER, FIELD(last.zero) },
	{ "guest_last_run_archive_bytes", "Size of the archive of the guest's last backup, 0 if there is none.",
	  OF_LAST, FIGURE_NUMBER, FIELD(last.archive_size) },
	{ "guest_last_run_warnings", "Warnings about the guest in its last backup.",
	  OF_LAST, FIGURE_NUMBER, FIELD(last.n_warnings) },
	{ "guest_last_run_fleecing_peak_bytes", "The most that the fleecing images of the last backup took.",
	  OF_FLEECING, FIGURE_NUMBER, FIELD(last.peak) },
	{ "guest_last_run_slowed_seconds", "How long the limit of its fleecing images slowed the guest.",
	  OF_LIMIT, FIGURE_SECONDS, FIELD(last.slowdown.ns) },
	{ "guest_last_run_changed_bytes", "Bytes of the disks that were different from the base's.",
	  OF_INCREMENTAL, FIGURE_NUMBER, FIELD(last.changed) },
	{ "guest_last_run_new_bytes", "Bytes of the last backup's archive that it shares with no other.",
	  OF_INCREMENTAL, FIGURE_NUMBER, FIELD(last.fresh) },
	{ "guest_last_run_shared_bytes", "Bytes of the last backup's archive that it shares with others.",
	  OF_INCREMENTAL, FIGURE_NUMBER, FIELD(last.shared) },
	{ "guest_last_run_generation", "Archives of the chain before that of the last backup.",
	  OF_INCREMENTAL, FIGURE_NUMBER, FIELD(last.generation) },
	{ "guest_last_run_boot_started", "1 if the guest was seen to start from the last backup, else 0.",
	  OF_BOOT, FIGURE_STARTED, FIELD(last.boot) },
	{ "guest_last_run_boot_failed", "1 if the guest does not start from the last backup, else 0.",
	  OF_BOOT, FIGURE_FAILED, FIELD(last.boot) },
	{ "guest_last_run_boot_duration_seconds", "Time that the guest ran from the last backup.",
	  OF_BOOT, FIGURE_SECONDS, FIELD(last.boot_ns) },
	{ "guest_last_success_timestamp_seconds", "When the last good backup of the guest began.",
	  OF_SUCCESS, FIGURE_TIME, FIELD(success.start) },
	{ "guest_last_success_duration_seconds", "Time that the last good backup of the guest took.",
	  OF_SUCCESS, FIGURE_SECONDS, FIELD(success.ns) },
	{ "guest_last_success_archive_bytes", "Size of the archive of the guest's last good backup.",
	  OF_SUCCESS, FIGURE_NUMBER, FIELD(success.archive_size) },
};
/* clang-format on */

static bool has_figure(const struct figure *f, const struct guest_record *r)
{
	switch (f->of) {
	case OF_FLEECING:
		return r->last.fleecing;
	case OF_LIMIT:
		return r->last.slowdown.limited;
	case OF_INCREMENTAL:
		return r->last.incremental;
	case OF_BOOT:
		return r->last.boot != BOOT_NOT_ASKED;
	case OF_SUCCESS:
		return r->success.start != 0;
	case OF_LAST:
		break;
	}
	return true;
}

static void add_value(struct buf *out, const struct figure *f, const struct guest_record *r)
{
	const void *value = (const char *)r + f->at;

	switch (f->kind) {
	case FIGURE_NUMBER:
		buf_addf(out, "%" PRIu64, *(const uint64_t *)value);
		break;
	case FIGURE_SECONDS:
		add_seconds(out, *(const uint64_t *)value);
		break;
	case FIGURE_TIME:
		buf_addf(out, "%" PRId64, (int64_t) * (const time_t *)value);
		break;
	case FIGURE_IS_SAVED:
		buf_addf(out, "%d", *(const enum task_outcome *)value == TASK_SAVED);
		break;
	case FIGURE_STARTED:
		buf_addf(out, "%d", *(const enum boot_state *)value == BOOT_STARTED);
		break;
	case FIGURE_FAILED:
		buf_addf(out, "%d", *(const enum boot_state *)value == BOOT_FAILED);
		break;
	}
}

static void add_figure(struct buf *out, const struct figure *f, const struct guest_figures *guests, size_t n)
{
	bool begun = false;

	for (size_t i = 0; i < n; i++) {
		if (!has_figure(f, &guests[i].record))
			continue;
		if (!begun)
			add_head(out, f->name, f->help);
		begun = true;
		buf_addf(out, "vzdump_%s{vmid=\"%" PRIu32 "\"} ", f->name, guests[i].vmid);
		add_value(out, f, &guests[i].record);
		buf_addc(out, '\n');
	}
}

/*
 * As job is what Prometheus calls the target that it asks, the label of ours is job_id.  What may change
 * has a series of its own, so that the others go on when a guest gets another name.
 */
static void add_guest_info(struct buf *out, const struct guest_figures *guests, size_t n)
{
	if (n)
		add_head(out, "guest_info", "Name of the guest, and state, mode and job of its last backup.");
	for (size_t i = 0; i < n; i++) {
		const struct guest_record *r = &guests[i].record;

		buf_addf(out, "vzdump_guest_info{vmid=\"%" PRIu32 "\",", guests[i].vmid);
		add_label(out, "name", r->name ? r->name : "");
		buf_addc(out, ',');
		add_label(out, "state", task_outcome_name(r->last.outcome));
		buf_addc(out, ',');
		add_label(out, "mode", r->last.mode ? r->last.mode : "");
		buf_addc(out, ',');
		add_label(out, "job_id", r->last.job_id ? r->last.job_id : "");
		buf_adds(out, "} 1\n");
	}
}

static void add_guests(const struct host *host, const struct guest_list *list, struct buf *out)
{
	_cleanup_free_ struct guest_figures *guests = xcalloc(list->n + 1, sizeof(*guests));
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		guests[n].vmid = list->entries[i].vmid;
		if (!list->entries[i].node &&
		    record_load(host->paths, guests[n].vmid, &guests[n].record, NULL))
			n++;
	}
	add_guest_info(out, guests, n);
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		add_figure(out, &figures[i], guests, n);
	for (size_t i = 0; i < n; i++)
		record_clear(&guests[i].record);
}

/* ---- jobs ---- */

/* Warnings about jobs.cfg are for those who run its jobs. */
static void add_jobs(const struct host *host, time_t now, struct buf *out)
{
	_cleanup_free_ char *here = paths_nodename(host->paths);
	_cleanup_jobs_ struct jobs jobs = { 0 };
	bool begun = false;

	jobs_load(host->paths, NULL, NULL, &jobs, NULL);
	for (size_t i = 0; i < jobs.n; i++) {
		const struct job_entry *e = &jobs.entries[i];
		const char *node = job_entry_node(e);
		time_t next;

		if (!e->enabled || (node && strcmp(node, here) != 0) || !calendar_next(&e->event, now, &next))
			continue;
		if (!begun)
			add_head(out, "job_next_run_timestamp_seconds",
				 "When the job of jobs.cfg runs next.");
		begun = true;
		buf_adds(out, "vzdump_job_next_run_timestamp_seconds{");
		add_label(out, "job_id", e->id);
		buf_addf(out, "} %" PRId64 "\n", (int64_t)next);
	}
}

/* ---- the run ---- */

static void add_number(struct buf *out, const char *name, const char *help, uint64_t value)
{
	add_head(out, name, help);
	buf_addf(out, "vzdump_%s %" PRIu64 "\n", name, value);
}

static void add_counts(struct buf *out, const struct job_report *run)
{
	add_head(out, "last_run_guests", "Guests of the last run, by what became of them.");
	for (int i = TASK_TODO; i <= TASK_UNSUPPORTED; i++) {
		const enum task_outcome outcome = (enum task_outcome)i;

		buf_addf(out, "vzdump_last_run_guests{state=\"%s\"} %zu\n", task_outcome_name(outcome),
			 report_count(run, outcome));
	}
}

static void add_run_info(struct buf *out, const struct job_report *run)
{
	add_head(out, "last_run_info", "Node, job and storage of the last run.");
	buf_adds(out, "vzdump_last_run_info{");
	add_label(out, "node", run->node ? run->node : "");
	buf_addc(out, ',');
	add_label(out, "job_id", run->job_id ? run->job_id : "");
	buf_addc(out, ',');
	add_label(out, "storage", run->storage ? run->storage : "");
	buf_adds(out, "} 1\n");
}

static void add_run(struct buf *out, const struct job_report *run)
{
	add_run_info(out, run);
	add_number(out, "last_run_timestamp_seconds", "When the last run began.", (uint64_t)run->start);
	add_number(out, "last_run_success", "1 if nothing failed in the last run, else 0.",
		   report_is_good(run));
	add_head(out, "last_run_duration_seconds", "Time that the last run took.");
	buf_adds(out, "vzdump_last_run_duration_seconds ");
	add_seconds(out, run->ns);
	buf_addc(out, '\n');
	add_number(out, "last_run_archive_bytes", "Size of all archives of the last run.",
		   report_total_size(run));
	add_number(out, "last_run_warnings", "Warnings of the last run.", report_warnings(run));
	add_counts(out, run);
}

void metrics_text(const struct host *host, const struct guest_list *guests, const struct job_report *run,
		  time_t now, struct buf *out)
{
	add_guests(host, guests, out);
	add_jobs(host, now, out);
	add_run(out, run);
}

/* ---- the file ---- */

struct metrics_file {
	char *path;
	struct buf text;
};

static void metrics_file_free(void *opaque)
{
	struct metrics_file *f = opaque;

	free(f->path);
	buf_clear(&f->text);
	free(f);
}

/* The collector runs as another user, so the umask does not count. */
static int fill_file(int fd, const struct buf *text)
{
	int r = io_write_all(fd, buf_str(text), text->len);

	return r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0) ? -errno : r;
}

/* A rename would replace a device, too, such as /dev/null. */
static int check_target(const char *path, struct error **err)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return error_set(
			err, ERR_INVALID,
			"cannot write '%s': it is no regular file and is not replaced: name another one",
			path);
	return 0;
}

/* Of runs that were killed while they wrote it. */
static void remove_unfinished(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder = io_parent(path);
	_cleanup_free_ char *beginning = xasprintf("%s.tmp.", slash ? slash + 1 : path);

	unfinished_remove(folder, beginning);
}

static int write_file(void *opaque, struct error **err)
{
	const struct metrics_file *f = opaque;
	_cleanup_free_ char *unfinished = io_unfinished_name(f->path, (int)getpid());
	int r = check_target(f->path, err), fd;

	if (r < 0)
		return r;
	remove_unfinished(f->path);
	fd = io_create_fresh(unfinished, 0644);
	r = fd < 0 ? fd : fill_file(fd, &f->text);

	if (fd >= 0)
		close(fd);
	if (r == 0 && rename(unfinished, f->path) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	if (fd >= 0)
		unlink(unfinished);
	return error_errno(err, -r, "cannot write '%s'", f->path);
}

int metrics_write(const char *path, const struct buf *text, struct error **err)
{
	struct metrics_file *f = xcalloc(1, sizeof(*f));
	int r;

	f->path = xstrdup(path);
	buf_add(&f->text, buf_str(text), text->len);
	r = bounded_run(&(struct bounded_call){ .call = write_file, .clear = metrics_file_free, .arg = f },
			METRICS_MS, NULL, err);
	return r == ERR_TIMEOUT ? error_wrap(err, r, "cannot write '%s'", path) : r;
}

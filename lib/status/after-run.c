#include "status/after-run.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "guest/guest-list.h"
#include "report/record.h"
#include "status/metrics.h"

/* ---- records ---- */

static bool is_run(const struct task_report *t, const struct guest_list *guests)
{
	return t->outcome != TASK_TODO && (t->name || guest_list_find(guests, t->vmid));
}

static void save_records(const struct host *host, const struct guest_list *guests,
			 const struct job_report *run)
{
	for (size_t i = 0; i < run->n; i++) {
		_cleanup_error_ struct error *err = NULL;

		if (!is_run(&run->tasks[i], guests))
			continue;
		if (record_save(host->paths, run, &run->tasks[i], host->log, &err) < 0) {
			log_error(host->log, "%s", error_message(err));
			return;
		}
	}
}

static bool is_old(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_mtime < time(NULL) - (time_t)RECORD_KEEP_DAYS * 24 * 3600;
}

/* Names that are not ours are not. */
static bool is_needed(const char *name, const struct guest_list *guests)
{
	char *rest;
	const unsigned long vmid = strtoul(name, &rest, 10);

	return (!strcmp(rest, ".json") || !strcmp(rest, ".verified.json")) && vmid <= UINT32_MAX &&
	       guest_list_find(guests, (uint32_t)vmid);
}

/* If no guest is found at all, their folder is rather not there: nothing is removed then. */
static void forget_guests(const struct host *host, const struct guest_list *guests)
{
	_cleanup_free_ char *folder = record_folder(host->paths);
	DIR *d = guests->n ? opendir(folder) : NULL;
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", folder, entry->d_name);

		if (*entry->d_name != '.' && !is_needed(entry->d_name, guests) && is_old(path))
			unlink(path);
	}
	if (d)
		closedir(d);
}

/* ---- all of it ---- */

static void write_metrics(const struct host *host, const char *path, const struct guest_list *guests,
			  const struct job_report *run)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *err = NULL;

	metrics_text(host, guests, run, time(NULL), &text);
	if (metrics_write(path, &text, &err) < 0)
		log_error(host->log, "metrics: %s", error_message(err));
}

/*
 * Returns the lock, or a negative code.  It lasts until the figures are written, which must not go back to
 * those of an earlier run.
 */
static int keep_records(const struct host *host, const struct guest_list *guests, bool all_are_known,
			const struct job_report *run)
{
	_cleanup_error_ struct error *err = NULL;
	const int lock = record_lock(host->paths, &err);

	if (lock < 0) {
		log_error(host->log, "no record is kept of this run: %s", error_message(err));
		return lock;
	}
	record_clean(host->paths);
	save_records(host, guests, run);
	if (all_are_known)
		forget_guests(host, guests);
	return lock;
}

void after_run(const struct host *host, const char *metrics, const struct job_report *run)
{
	_cleanup_guest_list_ struct guest_list guests = { 0 };
	_cleanup_error_ struct error *err = NULL;
	bool all_are_known;
	int lock;

	if (!run->start)
		return;
	all_are_known = guest_list_load(host->paths, &guests, &err) == 0;
	if (!all_are_known)
		log_error(host->log, "%s", error_message(err));
	lock = keep_records(host, &guests, all_are_known, run);
	if (metrics)
		write_metrics(host, metrics, &guests, run);
	if (lock >= 0)
		close(lock);
}

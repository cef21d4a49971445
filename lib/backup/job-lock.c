#include "backup/job-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/event.h"
#include "backup/job.h"
#include "base/io.h"
#include "base/lock-holder.h"
#include "base/proc.h"
#include "base/strv.h"
#include "base/upid.h"
#include "base/units.h"

#define POLL_MS     250
#define STOP_WAIT_S 15
#define UPID_MAX    4096

static char *lock_path(const struct host *host)
{
	return paths_get(host->paths, "/run/vzdump.lock");
}

static char *pid_path(const struct host *host)
{
	return paths_get(host->paths, "/run/vzdump.pid");
}

static int open_lock(const struct host *host, const char *path, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(host->paths, "/run");
	int fd, r;

	r = io_mkdir_p(dir, 0755, err);
	if (r < 0)
		return r;
	/* PVE's vzdump, which runs as root, may have made the file */
	fd = io_open_own_lock(path);
	if (fd == -EACCES)
		return error_set(
			err, fd,
			"can't open lock on file '%s': only root may: call vzdump as root, or keep a host "
			"of your own under VZDUMP_ROOT",
			path);
	return fd < 0 ? error_errno(err, -fd, "can't open lock on file '%s'", path) : fd;
}

static int lock_failed(const struct observers *observers, int code, const char *path, const char *why,
		       const char *holder, struct error **err)
{
	event_error(observers, NULL, "can't acquire lock '%s'%s", path, why);
	return error_set(err, code, "can't acquire lock '%s'%s: %s", path, why, holder);
}

char *job_lock_holder(const struct host *host, pid_t *ret_pid)
{
	_cleanup_free_ char *path = lock_path(host);

	*ret_pid = lock_holder(path);
	return *ret_pid ? lock_holder_text(path) : NULL;
}

int job_lock_refuse(const struct host *host, const char *holder, struct error **err)
{
	_cleanup_free_ char *path = lock_path(host);

	return lock_failed(NULL, -EAGAIN, path, " (wait = 0)", holder, err);
}

/* Tries again and again, because flock() has no time limit, and a request to stop must end the wait. */
static int wait_for_lock(int fd, const char *path, uint64_t minutes, const struct host *host,
			 const struct observers *observers, struct error **err)
{
	uint64_t end = units_now_ns() + minutes * 60 * UINT64_C(1000000000);
	_cleanup_free_ char *holder = NULL;
	int r = 0;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	holder = lock_holder_text(path);
	if (!minutes)
		return lock_failed(observers, -EAGAIN, path, " (wait = 0)", holder, err);
	event_info(observers, host->log, "trying to get global lock - waiting...");
	log_info(host->log, "the global lock is %s", holder);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (units_now_ns() >= end) {
			free(holder);
			holder = lock_holder_text(path);
			return lock_failed(observers, ERR_TIMEOUT, path, " - got timeout", holder, err);
		}
		r = cancel_sleep(host->cancel, POLL_MS, err);
		if (r < 0)
			return r;
	}
	event_info(observers, host->log, "got global lock");
	return 0;
}

/* Writes the file in place, so that a kill leaves no other file; the next job overwrites it. */
static int write_pid(const struct host *host, const char *path, struct error **err)
{
	_cleanup_free_ char *node = paths_nodename(host->paths);
	_cleanup_free_ char *upid = upid_new(node, getpid(), time(NULL), "vzdump");
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%s\n", upid) < 0)
		return error_errno(err, errno, "cannot write '%s'", path);
	return 0;
}

int job_lock_take(struct job_lock *l, const struct host *host, uint64_t minutes,
		  const struct observers *observers, struct error **err)
{
	_cleanup_free_ char *path = lock_path(host);
	_cleanup_close_ int fd = -1;
	int r;

	fd = open_lock(host, path, err);
	if (fd < 0)
		return fd;
	r = wait_for_lock(fd, path, minutes, host, observers, err);
	if (r < 0)
		return r;
	l->pid_path = pid_path(host);
	r = write_pid(host, l->pid_path, err);
	l->fd = TAKE_FD(fd);
	return r;
}

void job_lock_release(struct job_lock *l)
{
	if (l->fd < 0)
		return;
	unlink(l->pid_path);
	free(l->pid_path);
	close(l->fd);
	*l = (struct job_lock)JOB_LOCK_INIT;
}

/* Whether a process holds the lock; only then does the pid file name a running job. */
static bool is_held(const struct host *host)
{
	_cleanup_free_ char *path = lock_path(host);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* A process that may have ended; then another process may have its pid. */
struct process_id {
	pid_t pid;
	uint64_t start_ticks;
};

static bool is_running(const struct process_id *id)
{
	uint64_t ticks;

	return proc_start_ticks(id->pid, &ticks) && ticks == id->start_ticks;
}

/*
 * Older versions wrote only a pid.  The process is the job if its name is vzdump and it started before the
 * file was written: another process that has got the pid since is younger than the file.
 */
static bool read_bare_pid(const char *path, const char *text, struct process_id *ret)
{
	uint64_t pid;
	int64_t start;
	struct stat st;
	_cleanup_free_ char *name = NULL;

	if (units_parse_u64(text, 2, INT32_MAX, "pid", &pid, NULL) < 0 || stat(path, &st) < 0)
		return false;
	ret->pid = (pid_t)pid;
	name = proc_name(ret->pid);
	/* proc_start_time() is exact to a second only */
	return name && !strcmp(name, "vzdump") && proc_start_time(ret->pid, &start) &&
	       start <= st.st_mtime + 1 && proc_start_ticks(ret->pid, &ret->start_ticks);
}

/* The running job that the pid file names, PVE's or ours.  False if it names none. */
static bool find_job(const char *path, struct process_id *ret)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct upid upid;

	if (io_read_file(path, UPID_MAX, &text, NULL) < 0 || !text.len)
		return false;
	str_strip(text.data);
	if (upid_parse(text.data, &upid)) {
		*ret = (struct process_id){ .pid = upid.pid, .start_ticks = upid.start_ticks };
		return is_running(ret);
	}
	return read_bare_pid(path, text.data, ret);
}

int job_stop_running(const struct host *host, struct error **err)
{
	_cleanup_free_ char *path = pid_path(host), *lock = lock_path(host), *holder = NULL;
	struct process_id job;

	if (!is_held(host))
		return 0;
	if (!find_job(path, &job)) {
		holder = lock_holder_text(lock);
		log_warn(host->log,
			 "nothing is stopped: '%s' names no running backup, and the lock '%s' is %s", path,
			 lock, holder);
		return 0;
	}
	if (kill(job.pid, SIGTERM) < 0 && errno != ESRCH)
		return error_errno(err, errno, "cannot stop backup process %d", (int)job.pid);
	for (int waited = 0; waited < STOP_WAIT_S * 1000; waited += POLL_MS) {
		if (!is_running(&job))
			return 0;
		if (cancel_sleep(host->cancel, POLL_MS, err) < 0)
			return ERR_CANCELED;
	}
	return error_set(err, ERR_TIMEOUT, "stopping backup process %d failed: it still runs after %d s",
			 (int)job.pid, STOP_WAIT_S);
}

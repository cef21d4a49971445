/*
 * /proc/PID/fdinfo/N has a line "lock:" for each lock of that open file: "lock: 1: FLOCK ADVISORY WRITE
 * 4711 fe:00:1234 0 EOF".  /proc/locks has the same lines, but on btrfs and overlayfs its device and inode
 * numbers differ from those of stat(), and its pid is that of the process that took the lock, which may have
 * ended and left it to a child.
 */
#include "base/lock-holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/units.h"

#define FDINFO_MAX (64u << 10)

static bool has_flock(const char *pid, const char *fd)
{
	_cleanup_free_ char *path = xasprintf("/proc/%s/fdinfo/%s", pid, fd);
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *at;

	if (io_read_file(path, FDINFO_MAX, &text, NULL) < 0)
		return false;
	at = strstr(buf_str(&text), "\nlock:");
	return at && strstr(at, "FLOCK");
}

static bool holds_lock(const char *pid, const struct stat *lock)
{
	_cleanup_free_ char *path = xasprintf("/proc/%s/fd", pid);
	DIR *d = opendir(path);
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d)) != NULL) {
		struct statx st;

		/* check for a lock first, and without asking file servers, because some may not answer */
		found = has_flock(pid, e->d_name) &&
			statx(dirfd(d), e->d_name, AT_STATX_DONT_SYNC, STATX_INO, &st) == 0 &&
			makedev(st.stx_dev_major, st.stx_dev_minor) == lock->st_dev &&
			st.stx_ino == lock->st_ino;
	}
	if (d)
		closedir(d);
	return found;
}

pid_t lock_holder(const char *path)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	struct stat lock;
	uint64_t pid = 0;
	bool found = false;

	if (stat(path, &lock) == 0)
		while (d && !found && (e = readdir(d)) != NULL)
			found = units_parse_u64(e->d_name, 1, INT32_MAX, "pid", &pid, NULL) == 0 &&
				holds_lock(e->d_name, &lock);
	if (d)
		closedir(d);
	return found ? (pid_t)pid : 0;
}

char *lock_holder_text(const char *path)
{
	const pid_t pid = lock_holder(path);
	_cleanup_free_ char *name = pid ? proc_name(pid) : NULL;
	char since[32];
	int64_t start;
	struct tm tm;
	time_t when;

	if (!name || !proc_start_time(pid, &start))
		return xstrdup("held by a process that cannot be seen from here");
	when = (time_t)start;
	localtime_r(&when, &tm);
	strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
	return xasprintf("held by %s (pid %d) since %s", name, (int)pid, since);
}

/* The host: who asks, the folders that a backup writes to, the clock, a backup that runs now. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backup/job-lock.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/units.h"
#include "check/rows.h"

/* Journal, log and lock are small; less is a disk that is as good as full. */
#define LITTLE_ROOM (UINT64_C(64) << 20)
#define YEAR_2024   INT64_C(1704067200)

/* A first backup makes what is missing. */
static char *existing(const char *path)
{
	char *at = xstrdup(path);

	while (access(at, F_OK) < 0 && strcmp(at, "/") != 0 && strcmp(at, ".") != 0) {
		char *parent = io_parent(at);

		free(at);
		at = parent;
	}
	return at;
}

static void look_at_folder(struct check *c, const char *name, const char *what)
{
	_cleanup_free_ char *path = paths_get(c->host->paths, "%s", name), *there = existing(path);
	_cleanup_free_ char *room = NULL;
	struct statvfs fs;
	uint64_t avail;

	if (access(there, W_OK | X_OK) < 0 || statvfs(there, &fs) < 0) {
		row_add(c, FINDING_FAULT, 0, xstrdup("host"),
			xasprintf("'%s' cannot be written to, but %s stands in '%s': %m", there, what, path),
			xasprintf("give '%s' to the user that runs vzdump, or call it as root", there));
		return;
	}
	avail = (uint64_t)fs.f_bavail * fs.f_frsize;
	room = units_bytes(avail, 1);
	if (avail < LITTLE_ROOM)
		row_add(c, avail ? FINDING_WARNING : FINDING_FAULT, 0, xstrdup("host"),
			xasprintf("'%s' is almost full: %s are free for %s", there, room, what),
			xasprintf("make room on the file system of '%s'", there));
	else
		row_add(c, FINDING_OK, 0, xstrdup("host"),
			xasprintf("'%s' can be written to, %s free", path, room), NULL);
}

static void look_at_clock(struct check *c)
{
	if (c->q->now < YEAR_2024)
		row_add(c, FINDING_FAULT, 0, xstrdup("host"),
			xasprintf(
				"the clock is at %" PRId64
				" s since 1970, which is long ago: archives are named by it, and removed by "
				"the dates in their names",
				(int64_t)c->q->now),
			xstrdup("set it, for instance with 'timedatectl set-ntp true'"));
}

static void look_at_user(struct check *c)
{
	const uid_t user = geteuid();

	if (user != 0 && !*c->host->paths->root)
		row_add(c, FINDING_WARNING, 0, xstrdup("host"),
			xasprintf(
				"the check runs as user %u: what only root may read is not seen, and a backup "
				"by this user fails there",
				(unsigned)user),
			xstrdup("call it as root, or keep a host of your own under VZDUMP_ROOT"));
}

static void look_at_running(struct check *c)
{
	_cleanup_free_ char *holder = job_lock_holder(c->host, &c->running);

	if (holder)
		row_add(c, FINDING_REMARK, 0, xstrdup("host"),
			xasprintf("a backup runs now: the global lock is %s", holder), NULL);
}

int check_host(struct check *c, struct error **err)
{
	(void)err;
	look_at_user(c);
	look_at_clock(c);
	look_at_folder(c, "/run", "the lock of a backup");
	look_at_folder(c, "/var/lib/vzdump", "the journal of a backup");
	look_at_folder(c, "/var/log/vzdump", "the log of a backup");
	look_at_running(c);
	return 0;
}

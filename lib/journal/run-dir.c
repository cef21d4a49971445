#include "journal/run-dir.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/unix-socket.h"

/* The folder's path and "/<key>.sock" must fit into a socket address. */
#define LENGTH_MAX (UNIX_SOCKET_PATH_MAX - strlen("/efidisk0.sock"))

#define TRIES 8

/* Later tries use other names, because a folder of the first name may exist that cannot be removed. */
static char *folder_name(const char *run, const char *tmp, uint32_t vmid, int tries)
{
	_cleanup_free_ char *dir = xasprintf("%s/vzdump-%u", run, vmid);
	uint32_t random = 0;

	if (strlen(dir) + strlen("-12345678") > LENGTH_MAX) {
		free(dir);
		dir = xasprintf("%s/vzdump-%u", tmp, vmid);
	} else if (!tries) {
		return TAKE_PTR(dir);
	}
	/* other users may make folders in /tmp, but cannot guess this name */
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint32_t)getpid() + (uint32_t)tries;
	return xasprintf("%s-%08x", dir, random);
}

/* 1 if the name is taken and cannot be removed: the caller tries another one. */
static int make_folder(struct journal *j, const char *dir, struct error **err)
{
	int r = journal_add(j, JOURNAL_DIR, dir, err);

	if (r < 0)
		return r;
	io_remove_tree(dir, NULL);
	if (mkdir(dir, 0700) == 0)
		return 0;
	r = errno == EEXIST ? 1 : error_errno(err, errno, "unable to create temporary directory '%s'", dir);
	journal_strike(j, JOURNAL_DIR, dir);
	return r;
}

int run_dir_make(const struct paths *p, struct journal *j, char **ret, struct error **err)
{
	_cleanup_free_ char *run = paths_get(p, "/run");
	int r = io_mkdir_p(run, 0755, err);

	if (r < 0)
		return r;
	for (int tries = 0; tries < TRIES; tries++) {
		_cleanup_free_ char *dir = folder_name(run, "/tmp", j->vmid, tries);

		r = make_folder(j, dir, err);
		if (r == 0)
			*ret = TAKE_PTR(dir);
		if (r <= 0)
			return r;
	}
	return error_set(err, -EEXIST,
			 "unable to create temporary directory '%s/vzdump-%u': it is there already "
			 "and cannot be removed",
			 run, j->vmid);
}

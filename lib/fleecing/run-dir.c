#include "fleecing/run-dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

/* "/<key>.sock" behind the folder's name must fit a socket address. */
#define LENGTH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof("/efidisk0.sock"))

int run_dir_make(const struct paths *p, struct journal *j, char **ret, struct error **err)
{
	_cleanup_free_ char *run = paths_get(p, "/run");
	_cleanup_free_ char *dir = xasprintf("%s/vzdump-%u", run, j->vmid);
	int r = 0;

	if (strlen(dir) > LENGTH_MAX) {
		free(dir);
		dir = xasprintf("/tmp/vzdump-%u-%d", j->vmid, (int)getpid());
	} else {
		r = io_mkdir_p(run, 0755, err);
	}
	if (r == 0)
		r = journal_add(j, JOURNAL_DIR, dir, err);
	if (r == 0)
		r = io_remove_tree(dir, err);
	if (r == 0 && mkdir(dir, 0700) < 0)
		r = error_errno(err, errno, "unable to create temporary directory '%s'", dir);
	if (r == 0)
		*ret = TAKE_PTR(dir);
	return r;
}

/* lib/base/unfinished.h: what killed writers left goes, and nothing else. */
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/unfinished.h"
#include "tap.h"
#include "test-root.h"

/* The id of a process that has ended. */
static pid_t dead_pid(void)
{
	const pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

int main(void)
{
	const pid_t dead = dead_pid();
	_cleanup_free_ char *gone = xasprintf("/state/100.json.tmp.%d", (int)dead);
	_cleanup_free_ char *other = xasprintf("/state/b.prom.tmp.%d", (int)dead);
	_cleanup_free_ char *ours = xasprintf("/state/100.json.tmp.%d", (int)getpid());
	_cleanup_free_ char *folder = NULL;

	root_make();
	folder = paths_get(&paths, "/state");
	/* put() writes by way of a file that is called like `ours` */
	put("/state/100.json", "");
	put(gone, "");
	put(other, "");
	put(ours, "");
	put("/state/100.json.tmp.x", "");
	put("/state/100.json.tmp.", "");
	unfinished_remove(folder, "100.json.tmp.");
	ok(!is_there(gone), "the file of a process that was killed goes");
	ok(is_there(ours), "that of one that lives stays");
	ok(is_there("/state/100.json") && is_there("/state/100.json.tmp.x") &&
		   is_there("/state/100.json.tmp."),
	   "and so do files of other names");
	ok(is_there(other), "and those that do not begin so");
	unfinished_remove(folder, "");
	ok(!is_there(other) && is_there("/state/100.json.tmp.x"), "unless any beginning will do");
	unfinished_remove("/nowhere", "");
	root_remove();
	return done_testing();
}

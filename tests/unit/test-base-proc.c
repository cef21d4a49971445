/* lib/base/proc: what /proc says of a process. */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/proc.h"
#include "tap.h"

static void test_proc(void)
{
	uint64_t mine, again;
	int64_t at;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	ok(proc_alive(getpid()) && proc_start_ticks(getpid(), &mine) && proc_start_ticks(getpid(), &again) &&
		   mine == again,
	   "this process lives, and has one start time");
	ok(proc_start_time(getpid(), &at) && at <= time(NULL) + 1 && at > time(NULL) - 86400,
	   "which is a time of today");
	ok(child > 0 && waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT) == 0 &&
		   !proc_alive(child),
	   "one that ended and was not asked how is not alive");
	waitpid(child, NULL, 0);
	ok(!proc_alive(child) && !proc_alive(0) && !proc_start_ticks(-1, &mine),
	   "nor is one that is not there");
}

int main(void)
{
	test_proc();
	return done_testing();
}

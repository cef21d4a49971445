/* lib/base/bounded: calls that may hang. */
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/cancel.h"
#include "tap.h"

/* How the calls of test_bounded() went, and what they wait for. */
struct slow {
	int go_fd;
	atomic_int cleared;
};

static int wait_for_go(void *arg, struct error **err)
{
	struct slow *s = arg;
	char byte;

	return read(s->go_fd, &byte, 1) == 1 ? 5 : error_set(err, ERR_PEER, "the pipe is closed");
}

static void note_cleared(void *arg)
{
	struct slow *s = arg;

	atomic_store(&s->cleared, 1);
}

static void take_answer(void *arg, void *ret)
{
	(void)arg;
	++*(int *)ret;
}

static bool is_cleared(struct slow *s)
{
	for (int i = 0; i < 6000 && !s->cleared; i++)
		usleep(10000);
	return atomic_exchange(&s->cleared, 0);
}

static void test_bounded(void)
{
	struct slow s = { 0 };
	int taken = 0;
	const struct bounded_call call = {
		.call = wait_for_go, .take = take_answer, .clear = note_cleared, .arg = &s, .ret = &taken
	};
	_cleanup_error_ struct error *err = NULL;
	struct cancel c;
	int pipes[2];

	if (pipe(pipes) < 0 || cancel_init(&c, NULL) < 0) {
		ok(false, "a pipe");
		return;
	}
	s.go_fd = pipes[0];
	ok(write(pipes[1], "x", 1) == 1 && bounded_run(&call, 0, &c, &err) == 5 && is_cleared(&s),
	   "a call that comes back gives its result");
	ok(taken == 1, "and hands over what it has made");
	ok(bounded_run(&call, 20, NULL, &err) == ERR_TIMEOUT && !s.cleared,
	   "one that hangs is left to itself");
	error_free(TAKE_PTR(err));
	ok(write(pipes[1], "x", 1) == 1, "and told to go on");
	ok(is_cleared(&s) && taken == 1, "it frees what it needed when it comes back after all");
	cancel_request(&c);
	ok(bounded_run(&call, 0, &c, NULL) == ERR_CANCELED, "a request to stop ends the wait for one");
	close(pipes[1]);
	ok(is_cleared(&s), "whose error is nobody's any more");
	close(pipes[0]);
	cancel_clear(&c);
	ok(bounded_unlink("/nonexistent/file", 1000, NULL) == 0, "what is not there need not be removed");
	ok(bounded_unlink("/proc/self", 1000, &err) < 0 && strstr(error_message(err), "/proc/self"),
	   "a file that cannot be removed is named");
}

int main(void)
{
	test_bounded();
	return done_testing();
}

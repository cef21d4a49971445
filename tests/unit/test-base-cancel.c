/* lib/base/cancel: a request to stop. */
#include <signal.h>
#include <sys/wait.h>

#include "base/cancel.h"
#include "base/process.h"
#include "base/units.h"
#include "tap.h"

static void test_cancel(void)
{
	const char *const sleeper[] = { "sleep", "60", NULL };
	const char *const deaf[] = { "sh", "-c", "trap '' TERM; exec > /dev/null 2>&1; sleep 60 & wait",
				     NULL };
	const char *const quick[] = { "true", NULL };
	const uint64_t begin = units_now_ns();
	struct process_result r = { 0 };
	struct cancel c;

	ok(cancel_init(&c, NULL) == 0 && !cancel_requested(&c) && cancel_sleep(&c, 1, NULL) == 0,
	   "nothing is requested at first");
	cancel_request(&c);
	ok(cancel_requested(&c) && cancel_sleep(&c, 60000, NULL) == ERR_CANCELED, "a request ends a sleep");
	ok(process_run(sleeper, &(struct process_options){ .cancel = &c }, NULL, NULL) == ERR_CANCELED,
	   "and a tool that runs");
	ok(process_run(deaf, &(struct process_options){ .cancel = &c, .group = true }, NULL, NULL) ==
			   ERR_CANCELED &&
		   units_now_ns() - begin < 30 * UINT64_C(1000000000),
	   "also one that has closed its output and ignores SIGTERM");
	ok(process_run(quick, &(struct process_options){ .cancel = &c, .cancel_ignored = 1 }, &r, NULL) ==
			   0 &&
		   r.status == 0,
	   "what tidies up runs after a request");
	cancel_request(&c);
	ok(cancel_count(&c) == 2 &&
		   process_run(sleeper, &(struct process_options){ .cancel = &c, .cancel_ignored = 1 }, NULL,
			       NULL) == ERR_CANCELED,
	   "until there is a further one");
	process_result_clear(&r);
	cancel_clear(&c);
}

int main(void)
{
	test_cancel();
	return done_testing();
}

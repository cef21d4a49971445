/* lib/base/error: messages are one line, and context keeps the failure. */
#include <errno.h>

#include "base/error.h"
#include "base/mem.h"
#include "tap.h"

/* Names and tools' output may hold anything. */
static void test_error_is_one_line(void)
{
	struct error *err = NULL;

	error_set(&err, ERR_INVALID, "volume '%s'", "a\nb\tc\033[2Jd");
	is_text(xstrdup(error_message(err)), "volume 'a b\tc?[2Jd'", "what breaks lines");
	error_prefix(&err, "x\ny\xc2\x9b"
			   "31m");
	is_text(xstrdup(error_message(err)), "x y?31m: volume 'a b\tc?[2Jd'", "and what a prefix does");
	error_free(err);
}

static void test_context_keeps_the_failure(void)
{
	struct error *err = NULL;

	ok(error_wrap(NULL, ERR_CORRUPT, "index") == ERR_CORRUPT,
	   "a failure stays one for who wants no text");
	ok(error_wrap(&err, -EIO, "index") == -EIO && !err, "and where there is none yet");
	error_set(&err, ERR_PEER, "no");
	ok(error_wrap(&err, ERR_INVALID, "disk '%s'", "scsi0") == ERR_INVALID && err->code == ERR_INVALID,
	   "the code given is the error's, too");
	is_text(xstrdup(error_message(err)), "disk 'scsi0': no", "the context stands in front");
	error_free(err);
}

int main(void)
{
	test_error_is_one_line();
	test_context_keeps_the_failure();
	return done_testing();
}

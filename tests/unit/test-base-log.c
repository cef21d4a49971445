/* lib/base/log: lines are harmless to a terminal. */
#include "base/buf.h"
#include "base/log.h"
#include "tap.h"

static void keep_line(const struct log *log, enum log_level level, const char *line)
{
	buf_addf(log->opaque, "%d:%s|", (int)level, line);
	if (log->guest)
		buf_addf(log->opaque, "of %u|", log->guest);
}

static void test_log_is_harmless(void)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct log log = { .line = keep_line, .opaque = &b };

	log_info(&log, "a\tb\r\n\n%s", "\033[1mc\rd\n");
	log_warn(&log, "\xc2\x9b");
	log_debug(&log, "not wanted");
	is_text(buf_steal(&b), "1:a\tb|1:?[1mc d|2:?|", "each line of the log");
	log.debug = true;
	log_debug(&log, "wanted");
	is_text(buf_steal(&b), "0:wanted|", "a line for developers goes to who asked for such lines, and");
}

static void test_guest(void)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const struct log all = { .line = keep_line, .opaque = &b };
	const struct log one = log_for_guest(&all, 123), none = log_for_guest(NULL, 123);

	log_info(&all, "begin");
	log_info(&one, "saved");
	log_info(&none, "dropped");
	is_text(buf_steal(&b), "1:begin|1:saved|of 123|", "the guest that a line is about, and");
}

int main(void)
{
	test_log_is_harmless();
	test_guest();
	return done_testing();
}

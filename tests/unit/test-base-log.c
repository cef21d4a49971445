/* lib/base/log: lines are harmless to a terminal. */
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "tap.h"

static void keep_line(void *opaque, enum log_level level, const char *line)
{
	buf_addf(opaque, "%d:%s|", (int)level, line);
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

int main(void)
{
	test_log_is_harmless();
	return done_testing();
}

#include "boot/console.h"

#include <string.h>

#include "base/mem.h"
#include "boot/marks.h"
#include "tap.h"

static void same(const char *got, const char *want, const char *what)
{
	if (!ok(!strcmp(got, want), "%s", what))
		diag("got '%s'", got);
}

static void add(struct boot_console *c, const char *text)
{
	boot_console_add(c, text, strlen(text));
}

static void test_text(void)
{
	struct boot_console c = { 0 };
	char *tail;

	add(&c, "\033[2J\033[1;1Hfirm");
	add(&c, "ware\r\n\033[3");
	add(&c, "1mred\033[0m\007 text\n\n\n");
	ok(strstr(buf_str(&c.text), "firmware\nred text\n") != NULL,
	   "escape sequences go, also in two pieces");
	ok(memcmp(c.log.data, "\033[2J", 4) == 0, "the log has them");
	tail = boot_console_tail(&c, 1);
	same(tail, "red text", "the last line is not an empty one");
	free(tail);
	tail = boot_console_tail(&c, 5);
	ok(strstr(tail, "firmware") != NULL, "more lines than there are: all of them");
	free(tail);
	boot_console_clear(&c);
}

static void test_bounds(void)
{
	char block[4096];
	struct boot_console c = { 0 };

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 1000; i++)
		boot_console_add(&c, block, sizeof(block));
	ok(c.log.len == BOOT_CONSOLE_LOG_MAX, "the log has a limit");
	ok(c.dropped == sizeof(block) * 1000 - BOOT_CONSOLE_LOG_MAX, "what is beyond it is counted");
	ok(c.text.len <= 65536, "and so has the text");
	add(&c, "the end");
	ok(strstr(buf_str(&c.text), "the end") != NULL, "which has the newest part");
	boot_console_clear(&c);
}

/* A machine that is busy looks seldom. */
static void test_much_at_once(void)
{
	static char much[300000];
	struct boot_console c = { 0 };

	memset(much, 'x', sizeof(much));
	memcpy(much + 10, "login:", 6);
	boot_console_add(&c, much, sizeof(much));
	ok(memmem(c.text.data, c.text.len, "login:", 6) != NULL,
	   "a word is not lost in all that came with it");
	boot_console_clear(&c);
}

static void test_screen(void)
{
	unsigned char cells[BOOT_SCREEN_BYTES] = { 0 };
	const char *words = "No bootable device.";
	char *text;

	ok(!boot_screen_text(cells), "an empty screen has no text");
	for (size_t i = 0; words[i]; i++)
		cells[160 * 3 + 2 * i] = (unsigned char)words[i];
	text = boot_screen_text(cells);
	same(text, "No bootable device.\n", "rows become lines");
	free(text);
	for (size_t i = 0; i < sizeof(cells); i++)
		cells[i] = (unsigned char)(i * 37 + i / 256);
	ok(!boot_screen_text(cells), "graphics are no text");
}

static const char *meaning(const char *text)
{
	const struct boot_mark *m = boot_marks_find(text);

	return m ? m->text : "none";
}

static void test_marks(void)
{
	same(meaning("x\nKernel panic - not syncing: VFS: Unable to mount root fs on unknown-block"),
	     "VFS: Unable to mount root fs", "the reason of a panic is told before the panic");
	same(meaning("sysctl: kernel.panic: 10"), "none", "a setting is no panic");
	same(meaning("Boot failed: not a bootable disk"), "none", "another disk may follow");
	same(meaning("Debian GNU/Linux 12 web1 ttyS0\n\nweb1 login: "), "none", "a login is no failure");
}

int main(void)
{
	test_text();
	test_bounds();
	test_much_at_once();
	test_screen();
	test_marks();
	return done_testing();
}

#include "boot/watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "boot/marks.h"
#include "qemu/qga.h"

#define NS_PER_S     UINT64_C(1000000000)
#define TICK_MS      200
#define SCREEN_NS    NS_PER_S
#define AGENT_NS     (10 * NS_PER_S)
#define SETTLE_MS    1000      /* what comes after the decisive words belongs to the log, too */
#define MAX_RESETS   5         /* some systems restart once or twice when they find a new machine */
#define NOTHING_READ (1 * MIB) /* a boot loader alone is smaller, and each system larger */

static uint64_t seconds(const struct boot_watch *w)
{
	return (units_now_ns() - w->start_ns) / NS_PER_S;
}

static int decide(struct boot_watch *w, struct boot_report *ret, enum boot_state state, char *words)
{
	ret->state = state;
	ret->words = text_clean(words);
	ret->ns = units_now_ns() - w->start_ns;
	return 1;
}

/* ---- a start ---- */

/* Asking one that is not there takes seconds. */
static bool agent_may_be_there(struct boot_watch *w)
{
	if (!w->machine->agent_is_isa)
		return w->machine->events.agent_is_there;
	if (w->asked_ns && units_now_ns() - w->asked_ns < AGENT_NS)
		return false;
	w->asked_ns = units_now_ns();
	return true;
}

static bool agent_answers(struct boot_watch *w)
{
	_cleanup_qga_ struct qga *q = NULL;
	const struct boot_machine *m = w->machine;

	return m->agent_socket && agent_may_be_there(w) &&
	       qga_open(m->agent_socket, w->cancel, &q, NULL) == 0 && qga_ping(q, NULL) == 0;
}

static int look_for_start(struct boot_watch *w, struct boot_report *ret)
{
	if (expected_matches(w->expect, buf_str(&w->console.text)) ||
	    (w->screen && expected_matches(w->expect, w->screen)))
		return decide(w, ret, BOOT_STARTED,
			      xasprintf("the expected text '%s' came after %" PRIu64 " s", w->expect->text,
					seconds(w)));
	if (agent_answers(w))
		return decide(w, ret, BOOT_STARTED,
			      xasprintf("the guest agent answered after %" PRIu64 " s", seconds(w)));
	return 0;
}

/* ---- a failure ---- */

static char *archive_words(const struct boot_watch *w)
{
	_cleanup_free_ char *words = boot_disks_words(w->disks);
	const char *device = w->machine->events.device;
	const char *error = words ? strstr(words, "error: ") : NULL;

	return xasprintf("the archive cannot be read where the guest needs it (%s): %s",
			 device ? device : "a disk",
			 error   ? error + strlen("error: ")
			 : words ? words
				 : "nbdkit, which serves it, has ended without a word");
}

/* A write of a part of a cluster reads the rest of it first. */
static bool archive_has_failed(const struct boot_watch *w)
{
	_cleanup_free_ char *words = boot_disks_words(w->disks);

	return words && strstr(words, "error: ");
}

static const struct boot_mark *find_mark(const struct boot_watch *w)
{
	const struct boot_mark *mark = boot_marks_find(buf_str(&w->console.text));

	if (!mark && w->screen)
		mark = boot_marks_find(w->screen);
	return mark ? mark : boot_marks_find(buf_str(&w->debug.text));
}

static char *mark_words(const struct boot_mark *mark)
{
	return xasprintf("%s: its console shows '%s'", mark->meaning, mark->text + (*mark->text == '\n'));
}

static char *reset_words(const struct boot_watch *w)
{
	return xasprintf("the guest restarts again and again: %u times in %" PRIu64 " s",
			 w->machine->events.resets, seconds(w));
}

static int look_for_failure(struct boot_watch *w, struct boot_report *ret)
{
	const struct boot_events *e = &w->machine->events;
	const struct boot_mark *mark;

	if (e->read_error || (e->write_error && !e->no_room && archive_has_failed(w)))
		return decide(w, ret, BOOT_FAILED, archive_words(w));
	mark = find_mark(w);
	if (mark)
		return decide(w, ret, BOOT_FAILED, mark_words(mark));
	if (e->panicked)
		return decide(w, ret, BOOT_FAILED, xstrdup("the guest reports that its kernel gave up"));
	if (e->resets >= MAX_RESETS)
		return decide(w, ret, BOOT_FAILED, reset_words(w));
	if (e->shutdown)
		return decide(w, ret, BOOT_FAILED,
			      xasprintf("the guest switched itself off after %" PRIu64 " s", seconds(w)));
	return 0;
}

/* ---- neither ---- */

/* What it writes is for its overlay alone: that it is too much says nothing about the archive. */
static int look_at_writes(struct boot_watch *w, struct boot_report *ret)
{
	const uint64_t written = boot_disks_written(w->disks);
	_cleanup_free_ char *limit = units_bytes(w->max_written, 1);

	if (written <= w->max_written && !w->machine->events.write_error)
		return 0;
	return decide(w, ret, BOOT_UNPROVEN,
		      xasprintf("the guest was ended after %" PRIu64
				" s, since it wrote more than %s, or there "
				"was no more room for that; there was no sign of a failure until then",
				seconds(w), limit));
}

static int qemu_ended(struct boot_watch *w, struct boot_report *ret)
{
	_cleanup_free_ char *words = boot_machine_words(w->machine);

	return decide(w, ret, BOOT_FAILED,
		      xasprintf("QEMU ended after %" PRIu64 " s (exit status %d)%s%s", seconds(w),
				w->machine->status, words ? ": " : "", words ? words : ""));
}

/* If there is another attempt without KVM, whatever has not come until now may come then. */
static bool is_worth_another(const struct boot_watch *w)
{
	const bool awaits = w->machine->agent_socket || w->expect->text;

	return w->lifeless_s && seconds(w) >= w->timeout_s &&
	       (awaits || boot_machine_bytes_read(w->machine) < NOTHING_READ);
}

static int time_is_up(struct boot_watch *w, struct boot_report *ret)
{
	const bool agent = w->machine->agent_socket != NULL, text = w->expect->text != NULL;
	const uint64_t bytes = boot_machine_bytes_read(w->machine);
	_cleanup_free_ char *read = units_bytes(bytes, 1);

	if (agent || text)
		return decide(w, ret, BOOT_FAILED,
			      xasprintf("%s%s%s within %u s", agent ? "the guest agent did not answer" : "",
					agent && text ? ", and " : "",
					text ? "the expected text did not come" : "", w->timeout_s));
	if (bytes < NOTHING_READ)
		return decide(w, ret, BOOT_FAILED,
			      xasprintf("after %u s the guest had read only %s of its disks: no system was "
					"loaded",
					w->timeout_s, read));
	return decide(
		w, ret, BOOT_UNPROVEN,
		xasprintf("no sign of a failure for %u s, but nothing that proves a start: the guest has no "
			  "agent, and no text was expected; it has read %s of its disks",
			  w->timeout_s, read));
}

static bool is_lifeless(const struct boot_watch *w)
{
	return w->lifeless_s && seconds(w) >= w->lifeless_s && !w->console.text.len && !w->debug.text.len &&
	       !boot_machine_bytes_read(w->machine);
}

/* ---- the loop ---- */

static void look_at_screen(struct boot_watch *w)
{
	char *screen;

	if (w->looked_ns && units_now_ns() - w->looked_ns < SCREEN_NS)
		return;
	screen = boot_machine_screen(w->machine);
	w->looked_ns = units_now_ns();
	if (!screen)
		return;
	free(w->screen);
	w->screen = screen;
}

/* 1: decided. */
static int tick(struct boot_watch *w, struct boot_report *ret)
{
	const bool alive = boot_machine_poll(w->machine);
	int done;

	boot_machine_read(w->machine, &w->console, &w->debug);
	if (alive)
		look_at_screen(w);
	done = alive ? look_for_start(w, ret) : 0;
	if (!done)
		done = look_for_failure(w, ret);
	if (!done)
		done = look_at_writes(w, ret);
	if (!done && !alive)
		done = qemu_ended(w, ret);
	if (!done && seconds(w) >= w->timeout_s && !is_worth_another(w))
		done = time_is_up(w, ret);
	return done;
}

/* The newest of console and screen. */
static void settle(struct boot_watch *w)
{
	cancel_sleep(w->cancel, SETTLE_MS, NULL);
	w->looked_ns = 0;
	if (boot_machine_poll(w->machine))
		look_at_screen(w);
	boot_machine_read(w->machine, &w->console, &w->debug);
}

int boot_watch(struct boot_watch *w, struct boot_report *ret, struct error **err)
{
	w->start_ns = units_now_ns();
	while (!tick(w, ret)) {
		if (is_lifeless(w) || is_worth_another(w))
			return BOOT_LIFELESS;
		if (cancel_sleep(w->cancel, TICK_MS, err) < 0)
			return ERR_CANCELED;
	}
	/* at once: a guest that has given up may restart */
	if (w->folder)
		w->screenshot = boot_machine_screenshot(w->machine, w->folder);
	settle(w);
	return BOOT_DECIDED;
}

/* ---- afterwards ---- */

void boot_watch_text(const struct boot_watch *w, struct buf *out)
{
	buf_add(out, buf_str(&w->console.log), w->console.log.len);
	if (w->console.dropped) {
		_cleanup_free_ char *tail = boot_console_tail(&w->console, 100);

		buf_addf(out, "\n---- %zu more bytes came; the last lines ----\n%s\n", w->console.dropped,
			 tail);
	}
	if (w->screen)
		buf_addf(out, "%s---- the text screen ----\n%s", out->len ? "\n" : "", w->screen);
}

void boot_watch_clear(struct boot_watch *w)
{
	boot_console_clear(&w->console);
	boot_console_clear(&w->debug);
	free(w->screen);
	free(w->screenshot);
}

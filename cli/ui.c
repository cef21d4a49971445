#include "ui.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/trace.h"
#include "base/units.h"
#include "output.h"
#include "signals.h"

#define BAR_MIN 8
#define BAR_MAX 24

/* Whether the line names the guest itself. */
static bool names_guest(const char *line, uint32_t vmid)
{
	_cleanup_free_ char *name = xasprintf("VM %u", vmid);
	const char *at = strstr(line, name);

	return at && !strchr("0123456789", at[strlen(name)] ? at[strlen(name)] : ' ');
}

/* These lines make up a cron job's mail, where each stands alone. */
static void print_quiet(uint32_t vmid, const char *level, const char *line)
{
	if (vmid && !names_guest(line, vmid))
		fprintf(stderr, "%s: VM %u: %s\n", level, vmid, line);
	else
		fprintf(stderr, "%s: %s\n", level, line);
}

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	static const char *const names[] = {
		[LOG_LEVEL_DEBUG] = "DEBUG",
		[LOG_LEVEL_INFO] = "INFO",
		[LOG_LEVEL_WARN] = "WARN",
		[LOG_LEVEL_ERROR] = "ERROR",
	};
	struct ui *u = log->opaque;

	pthread_mutex_lock(&u->lock);
	if (level == LOG_LEVEL_WARN)
		u->warnings++;
	if (!u->quiet) {
		live_off(&u->live);
		if (output_ready(u->out))
			fprintf(u->out, "%s: %s\n", names[level], line);
		fflush(u->out);
	} else if (level != LOG_LEVEL_INFO && output_ready(stderr)) {
		print_quiet(log->guest, names[level], line);
	}
	pthread_mutex_unlock(&u->lock);
}

void ui_init(struct ui *u, FILE *out, enum ui_lines lines)
{
	const bool quiet = lines == UI_WARNINGS;

	*u = (struct ui){ .log = { .line = on_line, .opaque = u, .debug = trace_is_on(TRACE_DEBUG) },
			  .out = out,
			  .quiet = quiet };
	live_init(&u->live, out);
	u->live.on = u->live.on && !quiet;
	pthread_mutex_init(&u->lock, NULL);
}

void ui_clear(struct ui *u)
{
	pthread_mutex_lock(&u->lock);
	live_off(&u->live);
	fflush(u->out);
	pthread_mutex_unlock(&u->lock);
	pthread_mutex_destroy(&u->lock);
}

/* Appends " [######......]", as wide as there is room. */
static void add_bar(struct buf *b, size_t room, int percent)
{
	size_t width = room > strlen(" []") ? room - strlen(" []") : 0;

	if (width < BAR_MIN)
		return;
	if (width > BAR_MAX)
		width = BAR_MAX;
	buf_adds(b, " [");
	for (size_t i = 0; i < width; i++)
		buf_addc(b, i < width * (size_t)percent / 100 ? '#' : '.');
	buf_addc(b, ']');
}

/* Appends amounts if there is room: the fleecing image is more important than the bar, its peak less. */
static void add_amounts(struct buf *b, size_t room, const struct progress_disk *d)
{
	_cleanup_free_ char *read = units_bytes(d->read, 1), *size = units_bytes(d->to_read, 1);
	_cleanup_free_ char *now = units_bytes(d->fleecing_now, 1);
	_cleanup_free_ char *peak = units_bytes(d->fleecing_peak, 1);

	live_add(b, room, "  %s of %s", read, size);
	if (d->fleecing && !live_add(b, room, ", fleecing %s (peak %s)", now, peak))
		live_add(b, room, ", fleecing %s", now);
}

static void add_disk(struct buf *b, const struct progress_disk *d, int name_width, size_t width)
{
	const int percent = progress_percent(d->read, d->to_read);
	_cleanup_free_ char *head = xasprintf("%-*s %3d%%", name_width, d->name, percent);
	_cleanup_buf_ struct buf tail = BUF_INIT;
	const size_t room = width > strlen(head) ? width - strlen(head) : 0;

	add_amounts(&tail, room, d);
	buf_adds(b, head);
	add_bar(b, room - tail.len, percent);
	buf_addf(b, "%s\n", buf_str(&tail));
}

/* Appends the line about all disks: their rates, and how long it will take. */
static void add_total(struct buf *b, const struct progress *p, int name_width, size_t width)
{
	_cleanup_free_ char *in = progress_rate_text(p->read_rate), *out = progress_rate_text(p->write_rate);
	_cleanup_free_ char *took = units_duration((uint64_t)p->seconds), *left = progress_left(p);
	_cleanup_buf_ struct buf line = BUF_INIT;

	buf_addf(&line, "%-*s %3d%%", name_width, "all", progress_percent(p->read, p->to_read));
	live_add(&line, width, " in %s", took);
	if (p->slowed)
		live_add(&line, width, ", guest slowed");
	if (left)
		live_add(&line, width, ", left: %s", left);
	live_add(&line, width, ", read: %s", in);
	live_add(&line, width, ", write: %s", out);
	buf_addf(b, "%s\n", buf_str(&line));
}

static void on_progress(void *opaque, const struct progress *p)
{
	struct ui *u = opaque;
	_cleanup_buf_ struct buf text = BUF_INIT;
	int name_width = 0;
	size_t width;

	if (!u->live.on)
		return;
	pthread_mutex_lock(&u->lock);
	width = live_width(&u->live);
	for (size_t i = 0; i < p->n_disks; i++)
		if ((int)strlen(p->disks[i].name) > name_width)
			name_width = (int)strlen(p->disks[i].name);
	/* the sum first, in case there are more disks than rows */
	add_total(&text, p, name_width, width);
	for (size_t i = 0; i < p->n_disks; i++)
		add_disk(&text, &p->disks[i], name_width, width);
	live_show(&u->live, buf_str(&text));
	pthread_mutex_unlock(&u->lock);
}

static bool on_wants_state(void *opaque)
{
	(void)opaque;
	return signals_usr1_came();
}

/* To standard error, also if quiet: somebody asked for it. */
static void on_state(void *opaque, const char *text)
{
	struct ui *u = opaque;

	pthread_mutex_lock(&u->lock);
	live_off(&u->live);
	if (output_ready(stderr))
		fputs(text, stderr);
	pthread_mutex_unlock(&u->lock);
}

struct observer ui_observer(struct ui *u)
{
	return (struct observer){ .progress = on_progress,
				  .wants_state = on_wants_state,
				  .state = on_state,
				  .shows_progress = u->live.on,
				  .opaque = u };
}

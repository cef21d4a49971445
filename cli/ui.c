#include "ui.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/units.h"

#define BAR_WIDTH 24

/* Cursor up over the live view and clear to the end of the screen. */
static void take_off(struct ui *u)
{
	if (u->shown)
		fprintf(u->out, "\033[%uA\033[J", u->shown);
	u->shown = 0;
}

static void on_line(void *opaque, enum log_level level, const char *line)
{
	static const char *const names[] = {
		[LOG_LEVEL_INFO] = "INFO", [LOG_LEVEL_WARN] = "WARN", [LOG_LEVEL_ERROR] = "ERROR",
	};
	struct ui *u = opaque;

	pthread_mutex_lock(&u->lock);
	if (level == LOG_LEVEL_WARN)
		u->warnings++;
	if (!u->quiet) {
		take_off(u);
		fprintf(u->out, "%s: %s\n", names[level], line);
		fflush(u->out);
	}
	pthread_mutex_unlock(&u->lock);
}

void ui_init(struct ui *u, FILE *out, bool quiet)
{
	const char *term = getenv("TERM");

	*u = (struct ui){ .log = { on_line, u }, .out = out, .quiet = quiet };
	u->live = !quiet && isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
	pthread_mutex_init(&u->lock, NULL);
}

void ui_clear(struct ui *u)
{
	pthread_mutex_lock(&u->lock);
	take_off(u);
	fflush(u->out);
	pthread_mutex_unlock(&u->lock);
	pthread_mutex_destroy(&u->lock);
}

static void bar(char out[BAR_WIDTH + 1], uint64_t part, uint64_t whole)
{
	unsigned filled = whole ? (unsigned)((double)part * BAR_WIDTH / (double)whole) : BAR_WIDTH;

	for (unsigned i = 0; i < BAR_WIDTH; i++)
		out[i] = i < filled ? '#' : '.';
	out[BAR_WIDTH] = '\0';
}

static int terminal_width(FILE *out)
{
	struct winsize size;

	return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void show_disk(struct ui *u, const struct progress_disk *d, int width)
{
	_cleanup_free_ char *done = units_bytes(d->done, 1), *size = units_bytes(d->size, 1);
	_cleanup_free_ char *line = NULL, *fleecing = NULL;
	char hashes[BAR_WIDTH + 1];

	if (d->fleecing) {
		_cleanup_free_ char *now = units_bytes(d->fleecing_now, 1);
		_cleanup_free_ char *peak = units_bytes(d->fleecing_peak, 1);

		fleecing = xasprintf("  fleecing %s (peak %s)", now, peak);
	}
	bar(hashes, d->done, d->size);
	line = xasprintf("%-16s [%s] %3d%%  %s of %s%s", d->name, hashes,
			 d->size ? (int)((double)d->done * 100 / (double)d->size) : 100, done, size,
			 fleecing ? fleecing : "");
	/* a line that wraps would break the cursor's way back */
	fprintf(u->out, "%.*s\n", width - 1, line);
	u->shown++;
}

void ui_progress(void *opaque, const struct progress *p)
{
	struct ui *u = opaque;
	int width;

	if (!u->live)
		return;
	pthread_mutex_lock(&u->lock);
	width = terminal_width(u->out);
	take_off(u);
	for (size_t i = 0; i < p->n_disks; i++)
		show_disk(u, &p->disks[i], width);
	fflush(u->out);
	pthread_mutex_unlock(&u->lock);
}

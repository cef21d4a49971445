#include "backup/progress.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/units.h"

void progress_lines_init(struct progress_lines *l, const struct log *log)
{
	*l = (struct progress_lines){ .log = log, .last_percent = -1 };
}

static int percent_of(uint64_t part, uint64_t whole)
{
	return whole ? (int)((double)part * 100 / (double)whole) : 100;
}

static char *rate(uint64_t bytes, double seconds)
{
	_cleanup_free_ char *text = NULL;

	if (!bytes)
		return xstrdup("0 B/s");
	text = units_bytes((uint64_t)((double)bytes / (seconds > 0 ? seconds : 1)), 1);
	return xasprintf("%s/s", text);
}

static void write_line(struct progress_lines *l, const struct progress *p, int percent)
{
	double took = p->seconds - l->last_seconds;
	uint64_t read = p->done - l->last_done;
	uint64_t zero = p->zero - l->last_zero;
	_cleanup_free_ char *done = units_bytes(p->done, 1);
	_cleanup_free_ char *size = units_bytes(p->size, 1);
	_cleanup_free_ char *time = units_duration((uint64_t)(p->seconds + 0.5));
	_cleanup_free_ char *in = rate(read, took);
	_cleanup_free_ char *out = rate(read > zero ? read - zero : 0, took);
	_cleanup_free_ char *fleecing = NULL;

	if (p->fleecing) {
		_cleanup_free_ char *now = units_bytes(p->fleecing_now, 1);
		_cleanup_free_ char *peak = units_bytes(p->fleecing_peak, 1);

		fleecing = xasprintf(", fleecing: %s (peak %s)", now, peak);
	}
	log_info(l->log, "%3d%% (%s of %s) in %s, read: %s, write: %s%s", percent, done, size, time,
		 in, out, fleecing ? fleecing : "");
	l->last_percent = percent;
	l->last_seconds = p->seconds;
	l->last_done = p->done;
	l->last_zero = p->zero;
}

void progress_lines_update(struct progress_lines *l, const struct progress *p, bool last)
{
	int percent = percent_of(p->done, p->size);

	if (last ? l->last_percent < 100 : percent != l->last_percent &&
						   p->seconds - l->last_seconds > 2)
		write_line(l, p, percent);
}

void progress_summary(const struct progress *p, const struct log *log)
{
	_cleanup_free_ char *done = units_bytes(p->done, 1);
	unsigned long seconds = (unsigned long)p->seconds;

	if (p->zero) {
		_cleanup_free_ char *zero = units_bytes(p->zero, 2);

		log_info(log, "backup is sparse: %s (%d%%) total zero data", zero,
			 percent_of(p->zero, p->size));
	}
	if (!p->done)
		return;
	if (seconds) {
		_cleanup_free_ char *speed = rate(p->done, (double)seconds);

		log_info(log, "transferred %s in %lu seconds (%s)", done, seconds, speed);
	} else {
		log_info(log, "transferred %s in <1 seconds", done);
	}
}

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

int progress_percent(uint64_t read, uint64_t to_read)
{
	int percent = percent_of(read, to_read);

	return percent > 100 ? 100 : percent;
}

double progress_rate_update(struct progress_rate *r, double seconds, uint64_t bytes)
{
	const double took = seconds - r->seconds;
	const double memory = r->seconds < 10 ? r->seconds : 10;

	if (took <= 0)
		return r->rate;
	if (bytes > r->bytes)
		r->rate = (r->rate * memory + (double)(bytes - r->bytes)) / (memory + took);
	else
		r->rate = r->rate * memory / (memory + took);
	r->seconds = seconds;
	r->bytes = bytes;
	return r->rate;
}

char *progress_rate_text(double bytes_per_second)
{
	_cleanup_free_ char *text = NULL;

	if (bytes_per_second < 1)
		return xstrdup("0 B/s");
	text = units_bytes((uint64_t)bytes_per_second, 1);
	return xasprintf("%s/s", text);
}

char *progress_left(const struct progress *p)
{
	double seconds;

	/* the first seconds are not representative, and without a rate there is no estimate */
	if (p->seconds < 2 || p->read_rate < 1 || p->read >= p->to_read)
		return NULL;
	seconds = (double)(p->to_read - p->read) / p->read_rate;
	return seconds < 100 * 86400.0 ? units_duration((uint64_t)seconds + 1) : NULL;
}

static char *rate_text(uint64_t bytes, double seconds)
{
	return progress_rate_text((double)bytes / (seconds > 0 ? seconds : 1));
}

static char *describe_fleecing(const struct progress *p)
{
	_cleanup_free_ char *now = NULL, *peak = NULL;

	if (!p->fleecing)
		return xstrdup("");
	now = units_bytes(p->fleecing_now, 1);
	peak = units_bytes(p->fleecing_peak, 1);
	return xasprintf(", fleecing: %s (peak %s)", now, peak);
}

static void write_line(struct progress_lines *l, const struct progress *p, int percent, bool last)
{
	const double took = p->seconds - l->last_seconds;
	/* disks without any data have no other numbers */
	const bool empty = last && !p->read;
	_cleanup_free_ char *done = units_bytes(empty ? p->done : p->read, 1);
	_cleanup_free_ char *size = units_bytes(empty ? p->size : last ? p->read : p->to_read, 1);
	_cleanup_free_ char *time = units_duration((uint64_t)(p->seconds + 0.5));
	_cleanup_free_ char *in = rate_text(p->read - l->last_read, took);
	_cleanup_free_ char *out =
		rate_text(p->stored > l->last_stored ? p->stored - l->last_stored : 0, took);
	_cleanup_free_ char *fleecing = describe_fleecing(p);
	_cleanup_free_ char *left = last ? NULL : progress_left(p);

	log_info(l->log, "%3d%% (%s of %s) in %s, read: %s, write: %s%s%s%s", percent, done, size, time, in,
		 out, fleecing, left ? ", left: " : "", left ? left : "");
	l->last_percent = percent;
	l->last_seconds = p->seconds;
	l->last_read = p->read;
	l->last_stored = p->stored;
}

void progress_lines_update(struct progress_lines *l, const struct progress *p)
{
	int percent = progress_percent(p->read, p->to_read);

	/* when everything has been read, zeroes may still have to be confirmed */
	if (percent > 99)
		percent = 99;
	/* if the estimate was too low, the percentage falls when it is corrected */
	if (percent > l->last_percent && p->seconds - l->last_seconds > 2)
		write_line(l, p, percent, false);
}

void progress_lines_end(struct progress_lines *l, const struct progress *p)
{
	if (l->last_percent < 100)
		write_line(l, p, 100, true);
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
		_cleanup_free_ char *speed = rate_text(p->done, (double)seconds);

		log_info(log, "transferred %s in %lu seconds (%s)", done, seconds, speed);
	} else {
		log_info(log, "transferred %s in <1 seconds", done);
	}
}

/* lib/backup/progress.h: what the lines of a backup's progress say. */
#include <stdlib.h>
#include <string.h>

#include "backup/progress.h"
#include "base/buf.h"
#include "base/units.h"
#include "tap.h"

static void collect(const struct log *log, enum log_level level, const char *line)
{
	(void)level;
	buf_addf(log->opaque, "%s\n", line);
}

static void said(struct buf *b, const char *want, const char *name)
{
	if (!ok(!strcmp(buf_str(b), want), "%s", name))
		diag("got  '%s', want '%s'", buf_str(b), want);
	buf_reset(b);
}

/* So far of a disk of 32 GiB of which 4 GiB are not zero. */
static struct progress at(double seconds, uint64_t mib, double rate)
{
	return (struct progress){ .size = 32 * GIB,
				  .done = 28 * GIB + mib * MIB,
				  .zero = 28 * GIB,
				  .to_read = 4 * GIB,
				  .read = mib * MIB,
				  .stored = mib * MIB,
				  .seconds = seconds,
				  .read_rate = rate };
}

static void test_lines(void)
{
	struct buf b = BUF_INIT;
	const struct log log = { .line = collect, .opaque = &b };
	struct progress_lines l;
	struct progress p = at(1, 100, 100 * MIB);

	progress_lines_init(&l, &log);
	progress_lines_update(&l, &p);
	said(&b, "", "nothing in the first two seconds");
	p = at(4, 1024, 256 * MIB);
	progress_lines_update(&l, &p);
	said(&b, " 25% (1.0 GiB of 4.0 GiB) in 4s, read: 256.0 MiB/s, write: 256.0 MiB/s, left: 13s\n",
	     "percent, amounts and rates are of what is read, without zeroes");
	p = at(5, 2048, 256 * MIB);
	progress_lines_update(&l, &p);
	said(&b, "", "not sooner than two seconds after the last line");
	p = at(8, 2048, 256 * MIB);
	p.to_read = 16 * GIB;
	progress_lines_update(&l, &p);
	said(&b, "", "an estimate that was too low does not count backwards");
	p = at(8, 2048, 0);
	p.fleecing = true;
	p.fleecing_now = MIB;
	p.fleecing_peak = 13 * MIB / 2;
	progress_lines_update(&l, &p);
	said(&b,
	     " 50% (2.0 GiB of 4.0 GiB) in 8s, read: 256.0 MiB/s, write: 256.0 MiB/s, "
	     "fleecing: 1.0 MiB (peak 6.5 MiB)\n",
	     "fleecing comes behind; of a rate of nothing there is no time left to tell");
	p = at(20, 4096, 256 * MIB);
	progress_lines_update(&l, &p);
	said(&b, " 99% (4.0 GiB of 4.0 GiB) in 20s, read: 170.7 MiB/s, write: 170.7 MiB/s\n",
	     "100 % is not said before the end");
	progress_lines_end(&l, &p);
	said(&b, "100% (4.0 GiB of 4.0 GiB) in 20s, read: 0 B/s, write: 0 B/s\n", "but then, once");
	progress_lines_end(&l, &p);
	said(&b, "", "and not twice");
	progress_lines_init(&l, &log);
	p = at(4, 4096, 256 * MIB);
	p.stored = 64 * MIB;
	progress_lines_end(&l, &p);
	said(&b, "100% (4.0 GiB of 4.0 GiB) in 4s, read: 1.0 GiB/s, write: 16.0 MiB/s\n",
	     "what a base has already is not written");
	buf_clear(&b);
}

static void test_empty(void)
{
	struct buf b = BUF_INIT;
	const struct log log = { .line = collect, .opaque = &b };
	struct progress_lines l;
	const struct progress p = { .size = GIB, .done = GIB, .zero = GIB, .seconds = 0.1 };

	progress_lines_init(&l, &log);
	progress_lines_end(&l, &p);
	said(&b, "100% (1.0 GiB of 1.0 GiB) in 0s, read: 0 B/s, write: 0 B/s\n",
	     "a disk of zeroes is done at once");
	buf_clear(&b);
}

static void left_is(double seconds, uint64_t mib, double rate, const char *want)
{
	const struct progress p = at(seconds, mib, rate);
	char *got = progress_left(&p);

	ok(want ? got && !strcmp(got, want) : !got, "%.0f s, %.0f MiB/s, %lu MiB of 4096: %s left", seconds,
	   rate / (double)MIB, (unsigned long)mib, want ? want : "no telling what is");
	free(got);
}

static void test_rate(void)
{
	struct progress_rate r = { 0 };
	double rate = 0;

	for (int i = 1; i <= 20; i++)
		rate = progress_rate_update(&r, i, (uint64_t)i * 100 * MIB);
	ok(rate > 99.0 * (double)MIB && rate < 101.0 * (double)MIB, "a steady rate is that rate");
	rate = progress_rate_update(&r, 20, 9999 * MIB);
	ok(rate < 101.0 * (double)MIB, "no time, no change");
	for (int i = 21; i <= 60; i++)
		rate = progress_rate_update(&r, i, 2000 * MIB);
	ok(rate > 0 && rate < 10.0 * (double)MIB, "a standstill shows after a while");
}

int main(void)
{
	test_lines();
	test_empty();
	test_rate();
	left_is(1, 1024, 256.0 * (double)MIB, NULL);
	left_is(4, 1024, 256.0 * (double)MIB, "13s");
	left_is(4, 4096, 256.0 * (double)MIB, NULL);
	left_is(4, 1024, 0, NULL);
	left_is(4, 1024, 2, NULL);
	return done_testing();
}

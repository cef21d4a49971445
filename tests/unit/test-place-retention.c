/* Each row: backups of one guest, oldest first, and the marks they get. */
#include "base/mem.h"
#include "base/strv.h"
#include "place/retention.h"
#include "test-config-util.h"

#define NOW 1830297600 /* 2028-01-01 00:00:00 UTC */

/* stamps: "2026_01_01-00_00_00 ...", in front "P" for protected, "R" for a renamed one, "N" for the run's own. */
static void load(const char *stamps, struct backups *b)
{
	_cleanup_strv_ char **list = strv_split_list(stamps);

	for (size_t i = 0; list[i]; i++) {
		bool renamed = list[i][0] == 'R';
		bool is_protected = list[i][0] == 'P';
		bool is_new = list[i][0] == 'N';
		_cleanup_free_ char *name =
			xasprintf("vzdump-qemu-100-%s%s.vma", list[i] + (is_protected || renamed || is_new),
				  renamed ? "x" : "");
		struct backup *new;

		b->list = xreallocarray(b->list, b->n + 1, sizeof(*b->list));
		new = &b->list[b->n++];
		*new = (struct backup){ .path = xstrdup(name),
					.is_protected = is_protected,
					.is_new = is_new };
		archive_name_parse(name, &new->name, NULL);
		new->ctime = new->name.ctime;
	}
}

/* want: one letter per backup: K keep, - remove, P protected, R renamed, F of the future. */
static void marks(const char *keep_text, const char *stamps, const char *want, const char *name)
{
	_cleanup_backups_ struct backups b = { 0 };
	_cleanup_buf_ struct buf got = BUF_INIT;
	struct prune_keep keep;

	if (prune_keep_parse(keep_text, &keep, NULL) < 0) {
		ok(false, "%s: bad retention %s", name, keep_text);
		return;
	}
	load(stamps, &b);
	backups_mark(&b, &keep, NOW);
	for (size_t i = 0; i < b.n; i++)
		buf_addc(&got, "?K-PRF"[b.list[i].mark]);
	same(buf_str(&got), want, name);
}

static void test_plain(void)
{
	marks("keep-all=1", "2026_01_01-00_00_00 2026_01_02-00_00_00", "KK", "keep-all keeps all");
	marks("keep-last=0", "2026_01_01-00_00_00 2026_01_02-00_00_00", "KK", "only zeroes keep all");
	marks("keep-last=1", "2026_01_01-00_00_00 2026_01_02-00_00_00 2026_01_03-00_00_00", "--K",
	      "keep-last keeps the newest");
	marks("keep-last=5", "2026_01_01-00_00_00 2026_01_02-00_00_00", "KK", "more than there are");
	marks("keep-last=1", "2026_01_03-00_00_00 2026_01_01-00_00_00", "K-", "order does not matter");
	marks("keep-last=1", "2026_01_01-00_00_00 P2026_01_02-00_00_00 R2026_01_03-00_00_00", "KPR",
	      "protected and renamed ones are neither counted nor removed");
	marks("keep-all=1", "P2026_01_02-00_00_00 2026_01_03-00_00_00", "PK", "nor marked over by keep-all");
	marks("keep-last=1", "", "", "no backups, no marks");
	marks("keep-last=2", "2026_01_01-00_00_00 2026_01_02-00_00_00 2026_01_02-00_00_00", "KK-",
	      "two of the same second count once");
}

static void test_periods(void)
{
	marks("keep-hourly=2", "2026_01_01-10_00_00 2026_01_01-10_59_59 2026_01_01-11_00_00", "-KK",
	      "of an hour the newest is kept");
	marks("keep-daily=2",
	      "2026_01_01-10_00_00 2026_01_02-00_00_00 2026_01_02-23_00_00 2026_01_04-01_00_00", "--KK",
	      "days without backup are not counted");
	marks("keep-monthly=2", "2025_01_31-00_00_00 2026_01_01-00_00_00 2026_02_01-00_00_00", "-KK",
	      "January is another month the year after");
	marks("keep-yearly=2",
	      "2024_12_31-23_59_59 2025_06_01-00_00_00 2025_12_31-23_59_59 2026_01_01-00_00_00", "--KK",
	      "years change at midnight");
	marks("keep-last=1,keep-daily=1",
	      "2026_01_01-10_00_00 2026_01_02-10_00_00 2026_01_03-09_00_00 2026_01_03-10_00_00", "-K-K",
	      "a day that keep-last covers is not counted by keep-daily");
	marks("keep-last=2,keep-monthly=1", "2025_12_01-00_00_00 2026_01_02-10_00_00 2026_01_03-09_00_00",
	      "KKK", "each option only takes what the earlier ones left");
	marks("keep-daily=1,keep-weekly=1", "2026_01_05-00_00_00 2026_01_06-00_00_00 2026_01_07-00_00_00",
	      "--K", "a week with a kept day is covered");
	/* within the counted period the rest is removed at once, so later options do not see it */
	marks("keep-daily=1,keep-yearly=1", "2025_01_01-00_00_00 2026_01_01-10_00_00 2026_01_01-11_00_00",
	      "K-K", "the year before is kept by keep-yearly");
}

static void test_iso_weeks(void)
{
	/* 2026-12-31 is Thursday of week 53; Friday 2027-01-01 still belongs to it */
	marks("keep-weekly=1", "2026_12_31-00_00_00 2027_01_01-00_00_00", "-K",
	      "New Year may lie in the old year's last ISO week");
	marks("keep-weekly=2", "2027_01_03-23_59_59 2027_01_04-00_00_00", "KK", "a week starts on Monday");
	/* 2024-12-30 is Monday of week 1 of 2025 */
	marks("keep-weekly=2", "2024_01_02-00_00_00 2024_12_30-00_00_00 2025_01_01-00_00_00", "K-K",
	      "week 1 of 2024 is not week 1 of 2025");
}

static void test_summer_time(void)
{
	/* Vienna: 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00 */
	marks("keep-hourly=2", "2026_03_29-01_59_59 2026_03_29-03_00_00 2026_03_29-04_00_00", "-KK",
	      "an hour that is left out is no hour");
	marks("keep-daily=1", "2026_03_29-00_30_00 2026_03_29-23_30_00", "-K", "a day of 23 hours is a day");
	marks("keep-daily=2", "2026_10_24-23_30_00 2026_10_25-00_30_00 2026_10_25-23_30_00", "K-K",
	      "so is one of 25");
	marks("keep-hourly=1", "2026_10_25-02_10_00 2026_10_25-02_50_00", "-K",
	      "the hour that comes twice is one, as in PVE");
}

static void test_wrong_dates(void)
{
	marks("keep-last=1", "2026_01_01-00_00_00 2027_01_01-00_00_00 2030_01_01-00_00_00", "-KF",
	      "an archive of the future is neither counted nor removed");
	marks("keep-last=1,keep-yearly=9", "N2026_01_01-00_00_00 2030_01_01-00_00_00 P2030_01_01-00_00_01",
	      "KFP", "nor does it take the place of the run's own");
	marks("keep-all=1", "2027_01_01-00_00_00 2030_01_01-00_00_00", "KF", "nor with keep-all");
	marks("keep-last=1", "2026_01_01-00_00_00 2027_01_01-00_00_00 N2025_01_01-00_00_00", "--K",
	      "what the run has made is the newest, whatever its name says");
	marks("keep-last=1", "2026_10_25-02_50_00 N2026_10_25-02_10_00", "-K",
	      "also in the hour that comes twice");
	marks("keep-daily=1", "N2031_01_01-00_00_00 2027_01_01-00_00_00", "K-", "or of the future");
}

int main(void)
{
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	test_plain();
	test_periods();
	test_iso_weeks();
	test_summer_time();
	test_wrong_dates();
	return done_testing();
}

/* lib/base/units: numbers, sizes and times as text. */
#include "base/units.h"
#include "tap.h"

static void test_units(void)
{
	uint64_t n = 0;
	unsigned percent = 0;
	bool b = false;

	is_text(units_bytes(0, 1), "0.0 B", "nothing");
	is_text(units_bytes(1023, 2), "1023.00 B", "just under a KiB");
	is_text(units_bytes(12670153523, 1), "11.8 GiB", "PVE's example");
	is_text(units_archive_size(3 * KIB + 1000), "3KB", "a small archive");
	is_text(units_archive_size(GIB * 6 / 5), "1.20GB", "a large archive");
	is_text(units_duration(0), "0s", "no time");
	is_text(units_duration(3600 * 25 + 61), "1d 1h 1m 1s", "a day and more");
	is_text(units_duration(31557600), "52w 1d 6h", "a year, of which this knows nothing");
	is_text(units_timespan(0), "0s", "no time span");
	is_text(units_timespan(3723), "1h 2m 3s", "a time span");
	is_text(units_timespan(31557600 + 2630016 + 3 * 604800), "1y 1M 3w", "a year, a month and weeks");
	is_text(units_human_bytes(0), "0 B", "nothing");
	is_text(units_human_bytes(1023), "1023 B", "just under a KiB, as short as can be");
	is_text(units_human_bytes(1536), "1.5 KiB", "one digit is enough");
	is_text(units_human_bytes(13 * KIB), "13 KiB", "no digit is needed");
	is_text(units_human_bytes(UINT64_C(3344706120)), "3.115 GiB", "three digits are the most");
	is_text(units_human_bytes(1024 * KIB - 1), "1023.999 KiB", "the unit is that of the bytes");
	is_text(units_human_bytes(UINT64_MAX), "16384 PiB", "there is nothing beyond PiB");
	is_text(units_hms(3725), "01:02:05", "an hour and more");
	is_text(units_disk_size(32 * GIB), "32G", "a disk of whole GiB");
	is_text(units_disk_size(540672), "528K", "an EFI disk");
	is_text(units_disk_size(1000), "1000", "a size no unit divides");
	ok(units_parse_disk_size("1.5G", &n) && n == GIB * 3 / 2, "1.5G is read");
	ok(units_parse_disk_size("9007199254740993", &n) && n == 9007199254740993,
	   "plain bytes stay exact beyond a double's digits");
	ok(units_parse_percent("10%", &percent) && percent == 10, "10% is read");
	ok(!units_parse_percent("10", &percent) && !units_parse_percent("%", &percent) &&
		   !units_parse_percent("1%%", &percent) && !units_parse_percent("1001%", &percent) &&
		   !units_parse_percent("4294967297%", &percent),
	   "others are no percentages");
	ok(!units_parse_disk_size("5X", &n) && !units_parse_disk_size("", &n) &&
		   !units_parse_disk_size("-1", &n) && !units_parse_disk_size("1GG", &n),
	   "what is no size is refused");
	ok(units_parse_bool("YES", &b) && b && units_parse_bool("off", &b) && !b &&
		   !units_parse_bool("2", &b),
	   "booleans are PVE's, in any case");
	ok(units_parse_u64("18446744073709551616", 0, UINT64_MAX, "n", &n, NULL) == ERR_INVALID &&
		   units_parse_u64("+1", 0, 9, "n", &n, NULL) == ERR_INVALID &&
		   units_parse_u64("10", 0, 9, "n", &n, NULL) == ERR_INVALID &&
		   units_parse_u64("9", 0, 9, "n", &n, NULL) == 0 && n == 9,
	   "numbers out of range or with signs are refused");
}

int main(void)
{
	test_units();
	return done_testing();
}

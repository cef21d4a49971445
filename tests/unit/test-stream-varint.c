/* Numbers as varints, and what is not one. */
#include "stream/varint.h"

#include "tap.h"

static bool comes_back(uint64_t value)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const uint8_t *at, *end;
	uint64_t got = ~value;

	varint_add(&b, value);
	at = (const uint8_t *)b.data;
	end = at + b.len;
	return varint_get(&at, end, &got) && got == value && at == end;
}

static bool is_refused(const uint8_t *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t got;

	return !varint_get(&at, data + len, &got);
}

int main(void)
{
	static const uint8_t cut[] = { 0x80, 0x80 };
	static const uint8_t large[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };
	static const uint8_t endless[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	bool good = true, signs = true;

	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t v = UINT64_C(1) << bit;
		int64_t s = (int64_t)(v >> 1);

		good = good && comes_back(v) && comes_back(v - 1) && comes_back(~v);
		signs = signs && varint_unzigzag(varint_zigzag(s)) == s &&
			varint_unzigzag(varint_zigzag(-s)) == -s;
	}
	ok(good, "numbers of any length come back");
	ok(signs && varint_zigzag(-1) == 1 && varint_zigzag(1) == 2 &&
		   varint_unzigzag(varint_zigzag(INT64_MIN)) == INT64_MIN,
	   "with either sign");
	ok(is_refused(cut, sizeof(cut)) && is_refused(cut, 0), "one that is cut off is refused");
	ok(is_refused(large, sizeof(large)), "one over 64 bits is refused");
	ok(is_refused(endless, sizeof(endless)), "one without an end is refused");
	return done_testing();
}

#include "base/base64.h"

#include "base/error.h"
#include "tap.h"

/* The vectors of RFC 4648, section 10, and bytes that use the whole alphabet. */
/* clang-format off */
static const struct {
	const char *plain, *text;
} vectors[] = {
	{ "",             "" },
	{ "f",            "Zg==" },
	{ "fo",           "Zm8=" },
	{ "foo",          "Zm9v" },
	{ "foob",         "Zm9vYg==" },
	{ "fooba",        "Zm9vYmE=" },
	{ "foobar",       "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/" },
	{ "\xff\xfe",     "//4=" },
};

static const char *const bad[] = {
	"Zg",       /* no padding */
	"Zg=",
	"Z===",
	"====",
	"Zg==Zg==", /* padding in the middle */
	"Zm9v\n",
	"Zm 9",
	" Zm9",
	"Zh==",     /* bits behind the end */
	"Zm9=",
	"Zm-v",     /* the alphabet of URLs */
	"Zm9v\xc3\xa9==",
};
/* clang-format on */

int main(void)
{
	char all[256];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT, plain = BUF_INIT;

		base64_encode(vectors[i].plain, strlen(vectors[i].plain), &text);
		ok(!strcmp(buf_str(&text), vectors[i].text), "%s", vectors[i].text);
		ok(base64_decode(vectors[i].text, &plain) == 0 && !strcmp(buf_str(&plain), vectors[i].plain),
		   "and back");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		_cleanup_buf_ struct buf plain = BUF_INIT;

		buf_adds(&plain, "kept");
		ok(base64_decode(bad[i], &plain) == ERR_INVALID && !strcmp(buf_str(&plain), "kept"),
		   "bad text %zu is refused, and nothing is added", i);
	}
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	for (size_t len = 250; len <= sizeof(all); len++) {
		_cleanup_buf_ struct buf text = BUF_INIT, plain = BUF_INIT;

		base64_encode(all, len, &text);
		ok(base64_decode(buf_str(&text), &plain) == 0 && plain.len == len &&
			   !memcmp(plain.data, all, len),
		   "all bytes, %zu of them", len);
	}
	return done_testing();
}

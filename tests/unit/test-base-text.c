/* lib/base/text: what strangers write is harmless to terminals, UTF-8 and JSON. */
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "tap.h"

/* NOLINTBEGIN(misc-misleading-bidirectional): that is what it is about */
static void test_text_is_harmless(void)
{
	static const struct {
		const char *what, *text, *shown;
	} cases[] = {
		{ "letters of any script", "Gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xf0\x9f\x90\xa7\tx",
		  "Gr\xc3\xbc\xc3\x9f \xe6\x97\xa5\xf0\x9f\x90\xa7\tx" },
		{ "an escape sequence", "\033]0;x\007\033[2J\177", "?]0;x??[2J?" },
		{ "the first and last C1 control", "a\xc2\x80\xc2\x9f\xc2\xa0", "a??\xc2\xa0" },
		/* clang-format off */
		{ "a bare C1 byte", "a\x9b" "31m", "a?31m" },
		/* clang-format on */
		{ "bidi overrides", "\xe2\x80\xaa\xe2\x80\xae|\xe2\x81\xa6\xe2\x81\xa9", "??|??" },
		{ "bidi marks", "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "???" },
		/* clang-format off */
		{ "breaks of lines", "a\nb\rc\xe2\x80\xa8" "d\xe2\x80\xa9" "e\xc2\x85" "f", "a b c d e f" },
		/* clang-format on */
		{ "an overlong escape", "\xc0\x9b\xe0\x80\x9b", "?????" },
		{ "a surrogate", "\xed\xa0\x80", "???" },
		{ "what is behind Unicode", "\xf4\x90\x80\x80\xf8", "?????" },
		{ "half a character", "a\xe2\x80", "a??" },
	};
	_cleanup_free_ char *json = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is_text(text_cleaned(cases[i].text), cases[i].shown, cases[i].what);
	is_text(text_as_utf8("\xc3\xbc"), "\xc3\xbc", "UTF-8 stays UTF-8");
	is_text(text_as_utf8("a\xfc"), "a\xc3\xbc", "and else bytes are characters");
	json = text_escape_json("{\n\t\"a\": \"\xc2\x9b\xe2\x80\xae\177\xc3\xbc\"}");
	ok(!strcmp(json, "{\n\t\"a\": \"\\u009b\\u202e\\u007f\xc3\xbc\"}"), "JSON escapes what it can");
}

/* NOLINTEND(misc-misleading-bidirectional) */

/* Bytes of which many are parts of characters that are obeyed; the same in each run. */
static void make_noise(uint32_t seed, char *out, size_t len)
{
	static const char parts[] =
		"\xc2\x80\x9b\x9f\xe2\x80\x81\xa6\xa8\xaa\xed\xf0\xf4\x90\x1b\n\td8\xd8\x9c";

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		out[i] = parts[(seed >> 16) % (sizeof(parts) - 1)];
	}
	out[len] = '\0';
}

static void test_text_of_noise(void)
{
	unsigned bad = 0;

	for (uint32_t seed = 1; seed <= 20000; seed++) {
		char noise[24];
		_cleanup_free_ char *text = NULL, *again = NULL, *utf8 = NULL, *json = NULL;

		make_noise(seed, noise, seed % sizeof(noise));
		text = text_cleaned(noise);
		again = text_cleaned(text);
		utf8 = text_as_utf8(text);
		json = text_escape_json(text);
		bad += strlen(text) > strlen(noise) || strcmp(text, again) != 0 || strcmp(text, utf8) != 0 ||
		       strcmp(text, json) != 0;
	}
	ok(bad == 0,
	   "of 20000 texts of noise each is UTF-8 when it is clean, not longer, and stays as it is");
}

int main(void)
{
	test_text_is_harmless();
	test_text_of_noise();
	return done_testing();
}

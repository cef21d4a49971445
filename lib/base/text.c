#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/*
 * The length in bytes of the UTF-8 character at the beginning of the string s; 0 if it is not valid (RFC
 * 3629: no overlong forms, no surrogates).  *ret_char, if not NULL, is the character.
 */
static size_t text_char(const char *s, uint32_t *ret_char)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char c = (unsigned char)*s;
	const size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	uint32_t value = n < 2 ? c : c & (0x7fu >> n);

	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (!n || value < smallest[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	if (ret_char)
		*ret_char = value;
	return n;
}

static bool is_line_break(uint32_t c)
{
	return (c >= '\n' && c <= '\r') || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* Characters that a terminal obeys: controls, and those that change the direction of text (Bidi_Control). */
static bool is_obeyed(uint32_t c)
{
	return (c < ' ' && c != '\t') || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *text_clean(char *s)
{
	char *to = s;

	for (const char *at = s; *at;) {
		uint32_t c;
		const size_t n = text_char(at, &c);

		if (n && !is_obeyed(c)) {
			memmove(to, at, n);
			to += n;
		} else {
			*to++ = n && is_line_break(c) ? ' ' : '?';
		}
		at += n ? n : 1;
	}
	*to = '\0';
	return s;
}

char *text_cleaned(const char *s)
{
	return text_clean(xstrdup(s));
}

char *text_as_utf8(const char *s)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	const char *at = s;

	while (*at && text_char(at, NULL))
		at += text_char(at, NULL);
	if (!*at)
		return xstrdup(s);
	for (at = s; *at; at++) {
		const unsigned char c = (unsigned char)*at;

		if (c >= 0x80)
			buf_addc(&b, (char)(0xc0 | c >> 6));
		buf_addc(&b, c < 0x80 ? *at : (char)(0x80 | (c & 0x3f)));
	}
	return buf_steal(&b);
}

char *text_escape_json(const char *json)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (const char *at = json; *at;) {
		uint32_t c;
		const size_t n = text_char(at, &c);

		/* blanks and line breaks between the values of the JSON text stay */
		if (n && c > ' ' && is_obeyed(c))
			buf_addf(&b, "\\u%04x", (unsigned)c);
		else
			buf_add(&b, at, n ? n : 1);
		at += n ? n : 1;
	}
	return buf_steal(&b);
}

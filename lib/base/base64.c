#include "base/base64.h"

#include <stdint.h>
#include <string.h>

#include "base/error.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t len, struct buf *out)
{
	const unsigned char *at = data;

	for (size_t left = len; left; at += left < 3 ? left : 3, left -= left < 3 ? left : 3) {
		const size_t n = left < 3 ? left : 3;
		const uint32_t bits = (uint32_t)at[0] << 16 | (n > 1 ? (uint32_t)at[1] << 8 : 0) |
				      (n > 2 ? (uint32_t)at[2] : 0);

		for (unsigned i = 0; i < 4; i++)
			buf_addc(out, i > n ? '=' : alphabet[bits >> (18 - 6 * i) & 63]);
	}
}

/* Four characters, of which the last `padding` are "=".  False if they are not what an encoder writes. */
static bool decode_group(const char *text, unsigned padding, struct buf *out)
{
	uint32_t bits = 0;
	char bytes[3];

	for (unsigned i = 0; i < 4; i++) {
		const char *found = i < 4 - padding ? memchr(alphabet, text[i], 64) : alphabet;

		if (!found)
			return false;
		bits = bits << 6 | (uint32_t)(found - alphabet);
	}
	if (bits & ((1u << 8 * padding) - 1))
		return false;
	for (unsigned i = 0; i < 3; i++)
		bytes[i] = (char)(bits >> (16 - 8 * i));
	buf_add(out, bytes, 3 - padding);
	return true;
}

int base64_decode(const char *text, struct buf *out)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	const size_t len = strlen(text);

	if (len % 4)
		return ERR_INVALID;
	for (size_t i = 0; i < len; i += 4) {
		const bool last = i + 4 == len;
		const unsigned padding = last && text[i + 3] == '=' ? 1 + (text[i + 2] == '=') : 0;

		if (!decode_group(text + i, padding, &bytes))
			return ERR_INVALID;
	}
	if (bytes.len)
		buf_add(out, bytes.data, bytes.len);
	return 0;
}

/* Numbers with 7 bits in each byte, low bits first, the top bit set in all bytes but the last (LEB128). */
#ifndef VZDUMP_STREAM_VARINT_H
#define VZDUMP_STREAM_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define VARINT_MAX 10 /* bytes of a u64 */

static inline void varint_add(struct buf *b, uint64_t value)
{
	uint8_t out[VARINT_MAX];
	size_t n = 0;

	while (value >= 0x80) {
		out[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	buf_add(b, out, n);
}

/* Reads one at *at, which moves on; false if it is cut off, too long or does not fit. */
static inline bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t byte = *(*at)++;

		if (shift == 63 && byte > 1)
			return false;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* Small numbers of either sign become small numbers: 0, -1, 1, -2 ... to 0, 1, 2, 3. */
static inline uint64_t varint_zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t varint_unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1 ^ (~(value & 1) + 1));
}

#endif

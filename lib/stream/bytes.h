/* Integers as the archive formats store them, whatever the machine's byte order. */
#ifndef VZDUMP_STREAM_BYTES_H
#define VZDUMP_STREAM_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_ACCESSORS(name, type, to, from)                 \
	static inline void put_##name(uint8_t *p, type value) \
	{                                                     \
		value = to(value);                            \
		memcpy(p, &value, sizeof(value));             \
	}                                                     \
	static inline type get_##name(const uint8_t *p)       \
	{                                                     \
		type value;                                   \
                                                              \
		memcpy(&value, p, sizeof(value));             \
		return from(value);                           \
	}

BYTES_ACCESSORS(be16, uint16_t, htobe16, be16toh)
BYTES_ACCESSORS(be32, uint32_t, htobe32, be32toh)
BYTES_ACCESSORS(be64, uint64_t, htobe64, be64toh)
BYTES_ACCESSORS(le16, uint16_t, htole16, le16toh)
BYTES_ACCESSORS(le32, uint32_t, htole32, le32toh)
BYTES_ACCESSORS(le64, uint64_t, htole64, le64toh)

#endif

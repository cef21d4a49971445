#include "source/luks.h"

#include <string.h>

#include "stream/bytes.h"

/* LUKS1: where the data begins, in sectors of 512 bytes, big-endian. */
#define PAYLOAD_AT 104

enum luks_verdict luks_judge(const uint8_t *head, const uint64_t *conf_size, uint64_t size)
{
	static const uint8_t magic[] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };
	const uint64_t payload = (uint64_t)get_be32(head + PAYLOAD_AT) * 512;

	if (memcmp(head, magic, sizeof(magic)) != 0)
		return LUKS_NONE;
	if (!conf_size)
		return LUKS_UNKNOWN;
	if (*conf_size == size)
		return LUKS_GUESTS;
	return *conf_size + payload == size ? LUKS_DECRYPTED : LUKS_UNKNOWN;
}

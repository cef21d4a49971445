#include <string.h>

#include "source/luks.h"
#include "tap.h"

/* A header whose data begins after so many sectors. */
static void make_head(uint8_t head[LUKS_HEAD], uint32_t sectors)
{
	memset(head, 0, LUKS_HEAD);
	memcpy(head, "LUKS\xba\xbe\0\1", 8);
	for (int i = 0; i < 4; i++)
		head[104 + i] = (uint8_t)(sectors >> (24 - 8 * i));
}

int main(void)
{
	const uint64_t size = (1 << 20) + 4096 * 512, all = size, inner = 1 << 20, other = 12345;
	uint8_t head[LUKS_HEAD];

	make_head(head, 4096);
	ok(luks_judge(head, &all, size) == LUKS_GUESTS,
	   "a disk of the configuration's size is encrypted by the guest");
	ok(luks_judge(head, &inner, size) == LUKS_DECRYPTED,
	   "one that is larger by the header is decrypted by QEMU");
	ok(luks_judge(head, &other, size) == LUKS_UNKNOWN, "another size tells nothing");
	ok(luks_judge(head, NULL, size) == LUKS_UNKNOWN, "neither does a configuration without a size");
	make_head(head, UINT32_MAX);
	ok(luks_judge(head, &inner, inner + (uint64_t)UINT32_MAX * 512) == LUKS_DECRYPTED,
	   "the header's length is not cut to 32 bits");
	head[5] = 0;
	ok(luks_judge(head, &inner, size) == LUKS_NONE, "what only begins like a header is none");
	memset(head, 0, sizeof(head));
	ok(luks_judge(head, NULL, size) == LUKS_NONE, "an empty disk has none");
	return done_testing();
}

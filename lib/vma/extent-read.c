/* The header of an extent: reading it. */
#include <md5.h>
#include <string.h>

#include "stream/bytes.h"
#include "vma/format-internal.h"
#include "vma/format.h"

static bool checksum_fits(const uint8_t raw[VMA_EXTENT_HEADER_SIZE])
{
	static const uint8_t zero[VMA_MD5_SIZE];
	uint8_t sum[VMA_MD5_SIZE];
	MD5_CTX md5;

	MD5Init(&md5);
	MD5Update(&md5, raw, VMA_E_MD5);
	MD5Update(&md5, zero, sizeof(zero));
	MD5Update(&md5, raw + VMA_E_INFOS, VMA_EXTENT_HEADER_SIZE - VMA_E_INFOS);
	MD5Final(sum, &md5);
	return memcmp(sum, raw + VMA_E_MD5, sizeof(sum)) == 0;
}

struct vma_block_info vma_block_info_decode(const uint8_t raw[VMA_EXTENT_HEADER_SIZE], unsigned i)
{
	uint64_t value = get_be64(raw + VMA_E_INFOS + 8 * i);

	return (struct vma_block_info){ .mask = (uint16_t)(value >> 48),
					.dev = (uint8_t)(value >> 32),
					.cluster = (uint32_t)value };
}

void vma_block_info_disable(uint8_t raw[VMA_EXTENT_HEADER_SIZE], unsigned i)
{
	raw[VMA_E_INFOS + 8 * i + 3] = 0;
}

static int check_infos(const uint8_t raw[VMA_EXTENT_HEADER_SIZE], unsigned blocks, struct error **err)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++) {
		struct vma_block_info b = vma_block_info_decode(raw, i);

		if (!b.dev && b.mask)
			return error_set(err, ERR_CORRUPT, "slot %u has blocks but no device", i);
		sum += (unsigned)__builtin_popcount(b.mask);
	}
	if (sum != blocks)
		return error_set(err, ERR_CORRUPT, "it has %u blocks, but its masks say %u", blocks, sum);
	return 0;
}

bool vma_extent_looks_like(const uint8_t *raw, const uint8_t uuid[VMA_UUID_SIZE])
{
	return memcmp(raw, VMA_E_MAGIC "\0", 6) == 0 && memcmp(raw + VMA_E_UUID, uuid, VMA_UUID_SIZE) == 0;
}

bool vma_extent_resembles(const uint8_t *raw, const uint8_t uuid[VMA_UUID_SIZE])
{
	unsigned same = 0;

	for (unsigned i = 0; i < 4; i++)
		same += raw[i] == (uint8_t)VMA_E_MAGIC[i];
	for (unsigned i = 0; i < VMA_UUID_SIZE; i++)
		same += raw[VMA_E_UUID + i] == uuid[i];
	return same >= (4 + VMA_UUID_SIZE) / 2;
}

int vma_extent_header_decode(const uint8_t raw[VMA_EXTENT_HEADER_SIZE], const uint8_t uuid[VMA_UUID_SIZE],
			     size_t *ret_size, struct error **err)
{
	unsigned blocks = get_be16(raw + VMA_E_BLOCK_COUNT);
	int r;

	if (memcmp(raw, VMA_E_MAGIC "\0", 6) != 0)
		return error_set(err, ERR_CORRUPT, "it does not begin with 'VMAE'");
	if (!checksum_fits(raw))
		return error_set(err, ERR_CORRUPT, "the checksum of its header is wrong");
	if (memcmp(raw + VMA_E_UUID, uuid, VMA_UUID_SIZE) != 0)
		return error_set(err, ERR_CORRUPT, "its uuid is that of another archive");
	r = check_infos(raw, blocks, err);
	if (r < 0)
		return r;
	*ret_size = VMA_EXTENT_HEADER_SIZE + (size_t)blocks * VMA_BLOCK_SIZE;
	return 0;
}

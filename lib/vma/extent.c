/* The header of an extent. */
#include <md5.h>
#include <string.h>

#include "stream/bytes.h"
#include "vma/format-internal.h"
#include "vma/format.h"

void vma_extent_header_encode(uint8_t out[VMA_EXTENT_HEADER_SIZE], const uint8_t uuid[VMA_UUID_SIZE],
			      const struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT])
{
	unsigned blocks = 0;
	MD5_CTX md5;

	memset(out, 0, VMA_E_INFOS);
	memcpy(out, VMA_E_MAGIC, 4);
	memcpy(out + VMA_E_UUID, uuid, VMA_UUID_SIZE);
	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++) {
		const struct vma_block_info *b = &infos[i];

		put_be64(out + VMA_E_INFOS + 8 * i,
			 (uint64_t)b->mask << 48 | (uint64_t)b->dev << 32 | b->cluster);
		blocks += (unsigned)__builtin_popcount(b->mask);
	}
	put_be16(out + VMA_E_BLOCK_COUNT, (uint16_t)blocks);
	MD5Init(&md5);
	MD5Update(&md5, out, VMA_EXTENT_HEADER_SIZE);
	MD5Final(out + VMA_E_MD5, &md5);
}

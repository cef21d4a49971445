#include "vma/sum.h"

#include "stream/bytes.h"

static uint64_t mix_bits(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t vma_sum_frame(uint64_t seed, uint64_t sum, uint64_t packed, uint64_t content)
{
	return mix_bits(mix_bits(mix_bits(sum + seed) + packed) + content);
}

uint64_t vma_sum_cluster(uint64_t seed, uint64_t sum, uint64_t frame, uint64_t key)
{
	return sum + mix_bits(mix_bits(frame + seed) + key);
}

uint64_t vma_sum_content(uint64_t seed, uint64_t sum, uint64_t frame, uint64_t key, uint16_t mask,
			 const uint8_t hash[VMA_HASH_SIZE])
{
	const uint64_t place = mix_bits(mix_bits(frame + seed) + key);

	return sum + mix_bits(mix_bits(mix_bits(place + mask) + get_le64(hash)) + get_le64(hash + 8));
}

#include "vma/writer-zeroes.h"

#include <string.h>

uint32_t zeroes_add(struct zeroes *z, uint8_t dev, uint32_t first, uint32_t n)
{
	struct zeroes_run *last = z->n_runs ? &z->runs[z->n_runs - 1] : NULL;

	if (n > ZEROES_CLUSTERS - z->clusters)
		n = ZEROES_CLUSTERS - z->clusters;
	if (last && last->dev == dev && last->first + last->n == first)
		last->n += n;
	else
		z->runs[z->n_runs++] = (struct zeroes_run){ .dev = dev, .first = first, .n = n };
	z->clusters += n;
	return n;
}

size_t zeroes_pack(const struct zeroes *z, const uint8_t uuid[VMA_UUID_SIZE], uint8_t *out)
{
	struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT] = { 0 };
	uint8_t *at = out;
	unsigned n = 0;

	for (unsigned i = 0; i < z->n_runs; i++) {
		const struct zeroes_run *run = &z->runs[i];

		for (uint32_t k = 0; k < run->n; k++) {
			infos[n].dev = run->dev;
			infos[n].cluster = run->first + k;
			if (++n < VMA_CLUSTERS_PER_EXTENT)
				continue;
			vma_extent_header_encode(at, uuid, infos);
			at += VMA_EXTENT_HEADER_SIZE;
			n = 0;
		}
	}
	if (n || at == out) {
		memset(infos + n, 0, sizeof(*infos) * (VMA_CLUSTERS_PER_EXTENT - n));
		vma_extent_header_encode(at, uuid, infos);
		at += VMA_EXTENT_HEADER_SIZE;
	}
	return (size_t)(at - out);
}

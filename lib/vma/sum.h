/*
 * Sums over the content of an archive, to compare it with its seek table and index.  The seed is random, so
 * that an archive cannot be crafted to make wrong sums match.
 */
#ifndef VZDUMP_VMA_SUM_H
#define VZDUMP_VMA_SUM_H

#include <stdint.h>

#include "vma/hash.h"

/* The sum with one more frame, of these sizes; frames are added in order. */
uint64_t vma_sum_frame(uint64_t seed, uint64_t sum, uint64_t packed, uint64_t content);
/* The sum with one more cluster (vma_cluster_key()) that the frame stores; in any order. */
uint64_t vma_sum_cluster(uint64_t seed, uint64_t sum, uint64_t frame, uint64_t key);
/* The sum with the content of one more cluster: which frame stores it, its blocks, its hash; in any order. */
uint64_t vma_sum_content(uint64_t seed, uint64_t sum, uint64_t frame, uint64_t key, uint16_t mask,
			 const uint8_t hash[VMA_HASH_SIZE]);

#endif

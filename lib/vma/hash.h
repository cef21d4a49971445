/*
 * The hash by which clusters of two archives of one chain are compared: XXH3 with 128 bits (libxxhash) and
 * a secret that the chain's first backup draws.  Two different clusters of the same place have the same
 * hash with a probability of some 2^-128, and without the secret, which is in the archives, nobody can make
 * such a pair.
 */
#ifndef VZDUMP_VMA_HASH_H
#define VZDUMP_VMA_HASH_H

#include <stdint.h>

#include "base/error.h"

#define VMA_HASH_SIZE   16
#define VMA_SECRET_SIZE 192

struct vma_secret {
	uint8_t bytes[VMA_SECRET_SIZE];
};

/* Draws one from the kernel. */
int vma_secret_random(struct vma_secret *ret, struct error **err);
/* Of the VMA_CLUSTER_SIZE bytes of a cluster, with zeroes where it is zero and behind the end of its disk. */
void vma_hash_cluster(const struct vma_secret *s, const uint8_t *cluster, uint8_t ret[VMA_HASH_SIZE]);

#endif

#include "vma/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "vma/format.h"

_Static_assert(VMA_SECRET_SIZE >= XXH3_SECRET_SIZE_MIN, "XXH3 wants so much");

int vma_secret_random(struct vma_secret *ret, struct error **err)
{
	/* so few bytes come whole */
	if (getrandom(ret->bytes, sizeof(ret->bytes), 0) != (ssize_t)sizeof(ret->bytes))
		return error_errno(err, errno, "cannot get random bytes for a secret");
	return 0;
}

void vma_hash_cluster(const struct vma_secret *s, const uint8_t *cluster, uint8_t ret[VMA_HASH_SIZE])
{
	XXH128_canonical_t canonical;

	_Static_assert(sizeof(canonical) == VMA_HASH_SIZE, "its size");
	XXH128_canonicalFromHash(
		&canonical, XXH3_128bits_withSecret(cluster, VMA_CLUSTER_SIZE, s->bytes, sizeof(s->bytes)));
	memcpy(ret, canonical.digest, VMA_HASH_SIZE);
}

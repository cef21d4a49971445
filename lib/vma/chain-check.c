#include "vma/chain-check.h"

#include <errno.h>
#include <fcntl.h>

#include "vma/base.h"
#include "vma/reader.h"
#include "vma/sum.h"

static int add_trailer(struct vma_base *b, uint32_t frame, uint64_t seed, uint64_t *sum, struct error **err)
{
	struct vma_trailer t;
	int r = vma_base_trailer(b, frame, &t, err);

	for (unsigned i = 0; r == 0 && i < t.n; i++)
		*sum = vma_sum_content(seed, *sum, frame, t.entries[i].key, t.entries[i].mask,
				       t.entries[i].hash);
	return r;
}

static int sum_trailers(struct vma_base *b, uint64_t seed, uint64_t *sum, struct error **err)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < vma_base_frames(b); i++)
		if (vma_base_frame_clusters(b, i))
			r = add_trailer(b, i, seed, sum, err);
	return r;
}

/* The sums differ: somewhere there is a frame that is not what its trailer says. */
static int find_wrong_frame(struct vma_base *b, struct error **err)
{
	struct vma_base_unpacked u;
	int r = vma_base_unpacked_init(&u, err);

	for (uint32_t i = 0; r == 0 && i < vma_base_frames(b); i++)
		if (vma_base_frame_clusters(b, i))
			r = vma_base_unpack(b, i, &u, err);
	vma_base_unpacked_clear(&u);
	return r < 0 ? r : error_set(err, ERR_CORRUPT, "a frame stores what its trailer does not say");
}

int vma_chain_check(int fd, const char *name, const struct vma_reader *reader, struct error **err)
{
	const struct vma_reader_stats *s = vma_reader_stats(reader);
	const int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	_cleanup_(vma_base_freep) struct vma_base *b = NULL;
	uint64_t sum = 0;
	/* this also checks where frames and trailers begin and end */
	int r = own < 0 ? error_errno(err, errno, "cannot duplicate a descriptor")
			: vma_base_open(own, name, &b, err);

	if (r == 0)
		r = sum_trailers(b, s->sum_seed, &sum, err);
	return r == 0 && sum != s->contents_sum ? find_wrong_frame(b, err) : r;
}

/* The disks of a model, the base that they were saved in, and damage to it. */
#ifndef VZDUMP_TESTS_REUSE_BASE_H
#define VZDUMP_TESTS_REUSE_BASE_H

#include "reuse-model.h"
#include "vma-pieces.h"

/* ---- disks ---- */

static inline void disk_sizes(struct model *m, unsigned i, uint64_t old_size, uint64_t size)
{
	struct model_disk *d = &m->disks[i];
	const uint64_t smaller = old_size < size ? old_size : size, larger = old_size + size - smaller;
	const size_t n = (size_t)vma_clusters(larger) + 1;

	*d = (struct model_disk){ .model = m,
				  .dev = (uint8_t)(i + 1),
				  .old_size = old_size,
				  .size = size,
				  .old_clusters = (uint32_t)vma_clusters(old_size),
				  .clusters = (uint32_t)vma_clusters(size),
				  .was = xcalloc(n, sizeof(*d->was)),
				  .now = xcalloc(n, sizeof(*d->now)),
				  .how = xcalloc(n, 1),
				  .released = xcalloc(n, 1),
				  .claimed = xcalloc(n, sizeof(*d->claimed)) };
	d->same_end = old_size == size ? d->clusters : (uint32_t)(smaller / VMA_CLUSTER_SIZE);
	if (!map_init(&d->candidates, d->clusters))
		abort();
}

static inline void disk_clear(struct model_disk *d)
{
	free(d->was);
	free(d->now);
	free(d->how);
	free(d->released);
	free(d->claimed);
	map_clear(&d->candidates);
}

/* ---- random disks ---- */

static inline uint32_t random_number(uint32_t *seed)
{
	return model_random(seed) % 4 ? 1 + model_random(seed) % 1000 : 0;
}

/* One cluster in `change` is different now; candidates are those and one in four others. */
static inline void fill_disk(struct model_disk *d, uint32_t *seed, unsigned change)
{
	for (uint32_t i = 0; i < d->old_clusters; i++)
		d->was[i] = d->now[i] = random_number(seed);
	for (uint32_t i = 0; i < d->clusters; i++) {
		if (i >= d->old_clusters || (change && model_random(seed) % change == 0))
			d->now[i] = random_number(seed);
		if ((i < d->same_end && d->was[i] != d->now[i]) || model_random(seed) % 4 == 0)
			map_set(&d->candidates, i);
	}
	d->bitmap = model_random(seed) % 4 != 0;
}

/* Sizes of which some end within a cluster or a block; disk 3 may be removed, and disk 4 is new. */
static inline void fill_disks(struct model *m, uint32_t *seed)
{
	static const uint64_t sizes[] = { 200 * VMA_CLUSTER_SIZE, 200 * VMA_CLUSTER_SIZE + 1000,
					  170 * VMA_CLUSTER_SIZE + 4096, 230 * VMA_CLUSTER_SIZE - 512 };
	static const unsigned changes[] = { 0, 100, 20, 3 };
	const uint64_t tail = model_random(seed) % VMA_CLUSTER_SIZE & ~511u;
	const uint64_t old_size = sizes[model_random(seed) % 4];

	disk_sizes(m, 0, old_size, model_random(seed) % 2 ? old_size : sizes[model_random(seed) % 4]);
	disk_sizes(m, 1, 90 * VMA_CLUSTER_SIZE + tail, 90 * VMA_CLUSTER_SIZE + tail);
	disk_sizes(m, 2, 70 * VMA_CLUSTER_SIZE, model_random(seed) % 2 ? 70 * VMA_CLUSTER_SIZE : 0);
	disk_sizes(m, 3, 0, model_random(seed) % 2 ? 20 * VMA_CLUSTER_SIZE + 700 : 0);
	for (unsigned i = 0; i < MODEL_DISKS; i++)
		fill_disk(&m->disks[i], seed, changes[model_random(seed) % ARRAY_SIZE(changes)]);
}

/* ---- the base ---- */

/*
 * Frames of one disk: of all sizes, of neighbours and of clusters that are far from each other; without a
 * seed of neighbours and full.
 */
static inline void put_frames(struct chained *c, const struct model_disk *d, uint32_t *seed)
{
	struct chained_cluster list[VMA_CLUSTERS_PER_EXTENT];
	_cleanup_free_ bool *put = xcalloc((size_t)d->old_clusters + 1, sizeof(*put));

	for (uint32_t at = 0; at < d->old_clusters;) {
		const unsigned max = !seed || model_random(seed) % 2 ? VMA_CLUSTERS_PER_EXTENT : 8;
		const unsigned stride = !seed || model_random(seed) % 3 ? 1 : 3;
		unsigned n = 0;

		for (uint32_t i = at; i < d->old_clusters && n < max; i += stride) {
			if (!put[i] && d->was[i])
				list[n++] = (struct chained_cluster){ d->dev, i };
			put[i] = true;
		}
		if (n)
			chained_data(c, list, n);
		while (at < d->old_clusters && put[at])
			at++;
	}
}

static inline void open_base(struct model *m, uint32_t *seed, struct vma_secret *ret_secret)
{
	static const char *const names[] = { "drive-scsi0", "drive-scsi1", "drive-scsi2", "drive-scsi3" };
	struct disk disks[MODEL_DISKS] = { 0 };
	struct vma_base *base = NULL;
	struct chained c;
	unsigned n = 0;

	for (; n < MODEL_DISKS && m->disks[n].old_size; n++) {
		const struct model_disk *d = &m->disks[n];

		disks[n] = (struct disk){ names[n], d->old_size,
					  xcalloc((size_t)d->old_clusters, VMA_CLUSTER_SIZE) };
		for (uint32_t i = 0; i < d->old_clusters; i++)
			if (d->was[i])
				model_content(disks[n].data + (size_t)i * VMA_CLUSTER_SIZE, d->dev,
					      d->old_size, i, d->was[i]);
	}
	chained_begin(&c, disks, n, VMA_CHAIN_MIN_ALIGN);
	for (unsigned i = 0; i < n; i++)
		put_frames(&c, &m->disks[i], seed);
	chained_finish(&c);
	if (vma_base_open(chained_open(c.file.data, c.file.len), "base.vma.zst", &base, NULL) < 0)
		abort();
	m->base = base;
	*ret_secret = c.chain.secret;
	chained_clear(&c);
	for (unsigned i = 0; i < n; i++)
		free(disks[i].data);
}

enum damage {
	DAMAGE_CONTENT,
	DAMAGE_TRAILER, /* it cannot be read */
	DAMAGE_HASH,    /* a cluster seems to have changed */
};

static inline void flip(const struct vma_base *b, uint64_t offset)
{
	uint8_t byte;

	if (pread(vma_base_fd(b), &byte, 1, (off_t)offset) != 1)
		abort();
	byte ^= 0x40;
	if (pwrite(vma_base_fd(b), &byte, 1, (off_t)offset) != 1)
		abort();
}

static inline void damage_frame(struct model *m, uint32_t frame, enum damage how)
{
	struct vma_base_span p;
	const size_t head = FRAME_SKIPPABLE_HEADER_SIZE;

	vma_base_span(m->base, frame, &p);
	if (how == DAMAGE_CONTENT)
		flip(m->base, p.offset + p.frame / 2);
	else
		flip(m->base,
		     p.offset + p.frame + head + (how == DAMAGE_TRAILER ? 0 : VMA_TRAILER_HEAD_SIZE + 7));
	m->damaged[frame] = m->any_damage = true;
}

/* Damages one frame in `share`. */
static inline void damage_frames(struct model *m, uint32_t *seed, unsigned share)
{
	for (uint32_t i = 0; i < vma_base_frames(m->base); i++)
		if (vma_base_frame_dev(m->base, i) && model_random(seed) % share == 0)
			damage_frame(m, i, (enum damage)(model_random(seed) % 3));
}

static inline void wake(void *opaque)
{
	struct model *m = opaque;

	pthread_mutex_lock(&m->lock);
	m->idle = false;
	pthread_mutex_unlock(&m->lock);
}

static inline void model_start(struct model *m, uint32_t *seed, const struct vma_reuse_options *o,
			       struct vma_secret *ret_secret)
{
	static const struct vma_reuse_ops ops = { op_take, op_take_all, op_release, op_read_again };
	struct vma_reuse_options options = *o;

	pthread_mutex_init(&m->lock, NULL);
	open_base(m, seed, ret_secret);
	m->damaged = xcalloc(vma_base_frames(m->base), sizeof(*m->damaged));
	options.base = (struct vma_base *)m->base;
	m->reuse = vma_reuse_new(&options);
	vma_reuse_set_wake(m->reuse, wake, m);
	for (unsigned i = 0; i < MODEL_DISKS; i++)
		if (m->disks[i].size && vma_reuse_add_disk(m->reuse, m->disks[i].dev, m->disks[i].size, &ops,
							   &m->disks[i], NULL) < 0)
			abort();
	for (uint32_t i = 0; i < vma_base_frames(m->base); i++)
		if (vma_base_frame_dev(m->base, i))
			m->n_frames += m->disks[vma_base_frame_dev(m->base, i) - 1].size != 0;
}

static inline void model_clear(struct model *m)
{
	vma_reuse_free(m->reuse);
	for (unsigned i = 0; i < MODEL_DISKS; i++)
		disk_clear(&m->disks[i]);
	free(m->damaged);
	free(m->reads.items);
	free(m->pushes.items);
	free(m->found.items);
	free(m->zeroes.items);
	free(m->frames.items);
	free(m->wrong);
	pthread_mutex_destroy(&m->lock);
}

#endif

/*
 * Generations of a chain, written by the real writer with the real reuse: disks in memory that change, the
 * cover of each, and threads that do what a copy and a sink do:
 *
 *	guest_resize(&g, 0, size)		// disk 0; 0 bytes: it is removed
 *	guest_change(&g, 0, cluster, seed)
 *	guest_back_up(&g, &options)		// from g.archive to the next one
 *	guest_check(&g)				// the archive is what the disks are
 */
#ifndef VZDUMP_TESTS_VMA_GENERATIONS_H
#define VZDUMP_TESTS_VMA_GENERATIONS_H

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vma/chain-check.h"
#include "vma/cond.h"
#include "vma/index.h"
#include "vma/random.h"
#include "vma/reader.h"
#include "vma/reuse.h"

#include "tap.h"
#include "vma-disks.h"

#define GUEST_DISKS   4
#define GUEST_READERS 3

struct guest_disk {
	struct guest *guest;
	struct disk disk;   /* no data: it does not exist */
	struct map changed; /* since the base: what a bitmap says */
	uint8_t dev;
	struct map done; /* the cover; under the guest's lock */
};

struct guest_options {
	unsigned threads; /* that compress */
	bool bitmap;      /* else everything is compared */
	bool shuffle;     /* what is read comes in any order */
	unsigned push;    /* one cluster in so many comes by a push; 0: none */
	unsigned scrub;
	uint32_t align;  /* of a new chain */
	size_t part_max; /* of the index; 0: as usual */
	unsigned stop;   /* abort after so many extents; 0: never */
	const struct cancel *cancel;
	void (*while_writing)(struct guest *g); /* called before the first cluster; may be NULL */
};

struct guest {
	struct guest_disk disks[GUEST_DISKS];
	int archive; /* the newest one; -1: none, so that a chain begins */

	/* of the backup that runs: */
	const struct guest_options *o;
	struct vma_writer *writer;
	struct vma_reuse *reuse;
	pthread_mutex_t lock;
	pthread_cond_t moved;         /* something was done, or is to be read */
	uint64_t *wanted;             /* keys of clusters to be read */
	size_t n_wanted, wanted_cap;  /* the rest was given to a reader */
	uint64_t left;                /* clusters that are not done */
	uint64_t n_taken, n_released; /* by the reuse */
	uint32_t seed;
	unsigned n_extents;
	bool wrong, failed;

	/* of the last one: */
	struct vma_writer_stats stats;
	struct vma_reuse_stats reused;
	struct vma_chain chain;
	uint64_t n_read; /* clusters that were handed in */
	struct error *err;
};

static inline void guest_init(struct guest *g)
{
	*g = (struct guest){ .archive = -1, .seed = 1 };
	for (unsigned i = 0; i < GUEST_DISKS; i++)
		g->disks[i].guest = g;
	pthread_mutex_init(&g->lock, NULL);
	cond_init(&g->moved);
}

static inline void guest_clear(struct guest *g)
{
	for (unsigned i = 0; i < GUEST_DISKS; i++) {
		free(g->disks[i].disk.data);
		map_clear(&g->disks[i].changed);
	}
	if (g->archive >= 0)
		close(g->archive);
	free(g->wanted);
	error_free(g->err);
	vma_chain_clear(&g->chain);
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->moved);
}

/* ---- disks ---- */

static inline void guest_resize(struct guest *g, unsigned i, uint64_t size)
{
	static const char *const names[GUEST_DISKS] = { "drive-scsi0", "drive-scsi1", "drive-scsi2",
							"drive-scsi3" };
	struct guest_disk *d = &g->disks[i];
	const uint64_t old = d->disk.data ? d->disk.size : 0;
	struct map changed;

	if (!map_init(&changed, (uint32_t)vma_clusters(size)))
		abort();
	for (uint32_t c = 0; old && c < changed.n && c < d->changed.n; c++)
		if (map_get(&d->changed, c))
			map_set(&changed, c);
	map_clear(&d->changed);
	d->changed = changed;
	d->disk.name = names[i];
	d->disk.size = size;
	d->disk.data = xreallocarray(d->disk.data, size + 1, 1);
	if (size > old)
		memset(d->disk.data + old, 0, size - old);
	if (!size) {
		free(d->disk.data);
		d->disk.data = NULL;
	}
}

/* The guest writes to one cluster: noise, text, some blocks of it, or zeroes. */
static inline void guest_change(struct guest *g, unsigned i, uint32_t cluster, uint32_t seed)
{
	struct guest_disk *d = &g->disks[i];
	const uint32_t len = vma_cluster_len(d->disk.size, cluster);
	uint8_t *at = d->disk.data + (uint64_t)cluster * VMA_CLUSTER_SIZE;
	const bool zero = disk_random(&seed) % 5 == 0;

	map_set(&d->changed, cluster);
	for (uint32_t b = 0; b < len; b += VMA_BLOCK_SIZE) {
		const uint32_t n = len - b < VMA_BLOCK_SIZE ? len - b : VMA_BLOCK_SIZE;

		memset(at + b, 0, n);
		if (!zero)
			disk_fill_block(at + b, n, &seed);
	}
}

/* ---- the cover ---- */

static inline void guest_want(struct guest *g, uint8_t dev, uint32_t cluster)
{
	if (g->n_wanted == g->wanted_cap) {
		g->wanted_cap = g->wanted_cap ? 2 * g->wanted_cap : 64;
		g->wanted = xreallocarray(g->wanted, g->wanted_cap, sizeof(*g->wanted));
	}
	g->wanted[g->n_wanted++] = vma_cluster_key(dev, cluster);
}

/* With the lock held. */
static inline bool guest_take(struct guest_disk *d, uint32_t cluster)
{
	if (cluster >= d->done.n || map_get(&d->done, cluster))
		return false;
	map_set(&d->done, cluster);
	d->guest->left--;
	return true;
}

static inline bool guest_op_take(void *opaque, uint32_t cluster)
{
	struct guest_disk *d = opaque;
	bool taken;

	pthread_mutex_lock(&d->guest->lock);
	taken = guest_take(d, cluster);
	d->guest->n_taken += taken;
	pthread_cond_broadcast(&d->guest->moved);
	pthread_mutex_unlock(&d->guest->lock);
	return taken;
}

static inline bool guest_op_take_all(void *opaque, const uint32_t *clusters, unsigned n)
{
	struct guest_disk *d = opaque;
	bool all = true;

	pthread_mutex_lock(&d->guest->lock);
	for (unsigned i = 0; i < n; i++)
		all = all && clusters[i] < d->done.n && !map_get(&d->done, clusters[i]);
	for (unsigned i = 0; all && i < n; i++)
		guest_take(d, clusters[i]);
	d->guest->n_taken += all ? n : 0;
	pthread_cond_broadcast(&d->guest->moved);
	pthread_mutex_unlock(&d->guest->lock);
	return all;
}

static inline void guest_op_release(void *opaque, uint32_t first, uint32_t n)
{
	struct guest_disk *d = opaque;

	pthread_mutex_lock(&d->guest->lock);
	for (uint32_t i = first; i < first + n; i++)
		d->guest->wrong |= i >= d->done.n || !map_get(&d->done, i);
	d->guest->n_released += n;
	pthread_mutex_unlock(&d->guest->lock);
}

static inline void guest_op_read_again(void *opaque, uint32_t cluster)
{
	struct guest_disk *d = opaque;

	pthread_mutex_lock(&d->guest->lock);
	if (cluster < d->done.n && !map_get(&d->done, cluster))
		guest_want(d->guest, d->dev, cluster);
	pthread_cond_broadcast(&d->guest->moved);
	pthread_mutex_unlock(&d->guest->lock);
}

/* ---- the copy ---- */

static inline struct guest_disk *guest_disk_of(struct guest *g, uint64_t key)
{
	for (unsigned i = 0; i < GUEST_DISKS; i++)
		if (g->disks[i].disk.data && g->disks[i].dev == key >> 32)
			return &g->disks[i];
	return NULL;
}

/* The next cluster that is to be read; false: all is done, or the writer has failed.  Waits. */
static inline bool guest_next(struct guest *g, bool wait, uint64_t *ret_key)
{
	bool got = false;

	pthread_mutex_lock(&g->lock);
	while (wait && !g->n_wanted && g->left && !g->failed) {
		cond_wait_ms(&g->moved, &g->lock, 100);
		g->failed |= vma_writer_check(g->writer, NULL) < 0;
	}
	if (g->n_wanted && !g->failed) {
		size_t i = g->o->shuffle ? disk_random(&g->seed) % g->n_wanted : g->n_wanted - 1;

		*ret_key = g->wanted[i];
		g->wanted[i] = g->wanted[--g->n_wanted];
		got = true;
	}
	pthread_mutex_unlock(&g->lock);
	return got;
}

/* Whether this one comes by a push, and is taken; or is found zero, and is taken. */
static inline bool guest_take_now(struct guest *g, struct guest_disk *d, uint32_t cluster, bool zero)
{
	bool now, taken = false;

	pthread_mutex_lock(&g->lock);
	now = !g->reuse ||
	      (zero ? disk_random(&g->seed) % 2 == 0 : g->o->push && disk_random(&g->seed) % g->o->push == 0);
	if (now)
		taken = guest_take(d, cluster);
	pthread_mutex_unlock(&g->lock);
	return taken;
}

/* True: the slot was filled. */
static inline bool guest_fill(struct guest *g, uint64_t key, struct vma_extent *e, unsigned slot)
{
	struct guest_disk *d = guest_disk_of(g, key);
	const uint32_t cluster = (uint32_t)key, len = vma_cluster_len(d->disk.size, cluster);
	const uint8_t *from = d->disk.data + (uint64_t)cluster * VMA_CLUSTER_SIZE;
	const bool zero = io_is_zero(from, len), taken = guest_take_now(g, d, cluster, zero);

	if (zero && taken) {
		if (g->reuse)
			vma_reuse_zero(g->reuse, d->dev, cluster, 1);
		vma_writer_zero(g->writer, d->dev, cluster, 1, NULL);
		return false;
	}
	memset(vma_extent_slot(e, slot), 0xaa, VMA_CLUSTER_SIZE); /* must not show behind the end */
	memcpy(vma_extent_slot(e, slot), from, len);
	vma_extent_set(e, slot, d->dev, cluster, len);
	e->slots[slot].compare = !taken;
	if (taken && g->reuse)
		vma_reuse_pushed(g->reuse, d->dev, cluster);
	return true;
}

static inline void guest_fill_extent(struct guest *g, uint64_t key, struct vma_extent *e)
{
	unsigned slot = guest_fill(g, key, e, 0), n;

	while (slot < VMA_CLUSTERS_PER_EXTENT && guest_next(g, false, &key))
		slot += guest_fill(g, key, e, slot);
	pthread_mutex_lock(&g->lock);
	g->n_read += slot;
	n = ++g->n_extents;
	pthread_cond_broadcast(&g->moved);
	pthread_mutex_unlock(&g->lock);
	if (n == g->o->stop)
		vma_writer_abort(g->writer);
	vma_writer_extent_put(g->writer, e);
}

static inline void *guest_read(void *opaque)
{
	struct guest *g = opaque;
	uint64_t key;

	while (guest_next(g, true, &key)) {
		struct vma_extent *e = NULL;

		if (vma_writer_extent_get(g->writer, 0, &e, NULL) < 0)
			break;
		guest_fill_extent(g, key, e);
	}
	return NULL;
}

static inline void guest_zero_row(void *opaque, uint32_t first, uint32_t n)
{
	struct guest_disk *d = opaque;

	for (uint32_t i = first; i < first + n; i++) {
		bool taken;

		pthread_mutex_lock(&d->guest->lock);
		taken = guest_take(d, i);
		pthread_mutex_unlock(&d->guest->lock);
		if (taken)
			vma_writer_zero(d->guest->writer, d->dev, i, 1, NULL);
	}
}

/* What is to be read of a disk, the first cluster first. */
static inline void guest_begin(struct guest *g, struct guest_disk *d)
{
	const bool bitmap = g->reuse && g->o->bitmap;

	if (g->reuse)
		vma_reuse_begin(g->reuse, d->dev, bitmap ? &d->changed : NULL, guest_zero_row, d);
	pthread_mutex_lock(&g->lock);
	for (uint32_t i = d->done.n; i-- > 0;)
		if (!bitmap || map_get(&d->changed, i))
			guest_want(g, d->dev, i);
	pthread_mutex_unlock(&g->lock);
}

static inline void guest_copy(struct guest *g)
{
	pthread_t readers[GUEST_READERS];
	const unsigned n = g->o->shuffle ? GUEST_READERS : 1;

	g->n_wanted = g->n_read = g->n_extents = 0;
	g->n_taken = g->n_released = 0;
	g->failed = false;
	for (unsigned i = GUEST_DISKS; i-- > 0;)
		if (g->disks[i].disk.data)
			guest_begin(g, &g->disks[i]);
	if (g->o->while_writing)
		g->o->while_writing(g);
	for (unsigned i = 0; i < n; i++)
		pthread_create(&readers[i], NULL, guest_read, g);
	for (unsigned i = 0; i < n; i++)
		pthread_join(readers[i], NULL);
}

/* ---- the backup ---- */

static inline int guest_header(struct guest *g, const struct vma_base *base, struct vma_header *h)
{
	static const struct vma_header none;
	const struct vma_header *was = base ? vma_base_header(base) : &none;
	int r = vma_header_init(h, &g->err);

	if (base)
		memcpy(h->uuid, was->uuid, VMA_UUID_SIZE);
	g->left = 0;
	for (unsigned i = 0; r == 0 && i < GUEST_DISKS; i++) {
		struct guest_disk *d = &g->disks[i];

		if (!d->disk.data)
			continue;
		r = vma_header_add_device_along(h, was, d->disk.name, d->disk.size, &d->dev, &g->err);
		if (!map_init(&d->done, (uint32_t)vma_clusters(d->disk.size)))
			abort();
		g->left += d->done.n;
	}
	return r;
}

static inline int guest_start_reuse(struct guest *g, struct vma_base *base)
{
	static const struct vma_reuse_ops ops = { guest_op_take, guest_op_take_all, guest_op_release,
						  guest_op_read_again };
	const struct vma_reuse_options o = { .base = base,
					     .scrub = g->o->scrub,
					     .generation = vma_base_chain(base)->generation + 1 };
	int r = 0;

	g->reuse = vma_reuse_new(&o);
	for (unsigned i = 0; r == 0 && i < GUEST_DISKS; i++)
		if (g->disks[i].disk.data)
			r = vma_reuse_add_disk(g->reuse, g->disks[i].dev, g->disks[i].disk.size, &ops,
					       &g->disks[i], &g->err);
	return r;
}

static inline int guest_start(struct guest *g, int fd, struct vma_base *base, struct vma_chain *chain)
{
	_cleanup_vma_header_ struct vma_header h = { 0 };
	struct vma_writer_options o = { .ionice = -1,
					.chain = chain,
					.cancel = g->o->cancel,
					.index_part_max = g->o->part_max,
					.index_held_max = g->o->part_max ? 100 : 0 };
	int r = guest_header(g, base, &h);

	if (r == 0 && base)
		r = vma_chain_next(chain, vma_base_chain(base), "base.vma.zst", &g->err);
	else if (r == 0)
		r = vma_chain_begin(chain, h.ctime, g->o->align, &g->err);
	g->reuse = NULL;
	if (r == 0 && base)
		r = guest_start_reuse(g, base);
	o.reuse = g->reuse;
	return r < 0 ? r : disk_writer(VMA_COMPRESS_ZSTD, g->o->threads, &o, fd, &h, &g->writer, &g->err);
}

static inline void guest_end(struct guest *g)
{
	if (g->reuse)
		vma_reuse_get_stats(g->reuse, &g->reused);
	vma_writer_free(g->writer);
	g->writer = NULL;
	for (unsigned i = 0; i < GUEST_DISKS; i++)
		map_clear(&g->disks[i].done);
}

/* 0: g->archive is the new one; else g->err, and it stays. */
static inline int guest_back_up(struct guest *g, const struct guest_options *o)
{
	struct vma_base *base = NULL;
	int fd = memfd_create("archive", MFD_CLOEXEC), r = 0;

	error_free(g->err);
	g->err = NULL;
	vma_chain_clear(&g->chain);
	g->o = o;
	if (g->archive >= 0)
		r = vma_base_open(dup(g->archive), "base.vma.zst", &base, &g->err);
	if (r == 0)
		r = guest_start(g, fd, base, &g->chain);
	if (r == 0)
		guest_copy(g);
	if (r == 0)
		r = vma_writer_finish(g->writer, &g->stats, &g->err);
	guest_end(g);
	if (r < 0) {
		close(fd);
		return r;
	}
	if (g->archive >= 0)
		close(g->archive);
	g->archive = fd;
	for (unsigned i = 0; i < GUEST_DISKS; i++)
		for (uint32_t c = 0; g->disks[i].disk.data && c < g->disks[i].changed.n; c++)
			map_unset(&g->disks[i].changed, c);
	return 0;
}

/* ---- the archive ---- */

static inline bool guest_same(const struct guest *g, struct vma_random *x, const struct guest_disk *d)
{
	const struct vma_header *h = vma_random_header(x);
	uint8_t data[VMA_CLUSTER_SIZE];

	if (!h->devices[d->dev].name || strcmp(h->devices[d->dev].name, d->disk.name) != 0 ||
	    h->devices[d->dev].size != d->disk.size)
		return false;
	for (uint64_t at = 0; at < d->disk.size; at += VMA_CLUSTER_SIZE) {
		const size_t len = vma_cluster_len(d->disk.size, (uint32_t)(at / VMA_CLUSTER_SIZE));

		if (vma_random_read(x, d->dev, at, data, len, NULL) < 0 ||
		    memcmp(data, d->disk.data + at, len) != 0) {
			diag("%s differs at %llu", d->disk.name, (unsigned long long)at);
			return false;
		}
	}
	(void)g;
	return true;
}

/* What the reader, the checks of index and trailers, and random reads say; NULL: nothing is wrong. */
static inline const char *guest_check(struct guest *g)
{
	const struct vma_receiver nothing = { 0 };
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_(vma_random_freep) struct vma_random *x = NULL;
	_cleanup_vma_chain_ struct vma_chain chain = { 0 };
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d", g->archive);
	bool index = false;

	error_free(g->err);
	g->err = NULL;
	if (g->wrong || g->n_taken != g->n_released)
		return "what was released is not what was taken";
	if (lseek(g->archive, 0, SEEK_SET) != 0 ||
	    vma_reader_new(g->archive, 2, NULL, &reader, &g->err) < 0 ||
	    vma_chain_read(g->archive, NULL, &chain, &g->err) < 0)
		return error_message(g->err);
	vma_reader_hash(reader, &chain.secret);
	if (vma_reader_run(reader, &nothing, NULL, &g->err) < 0 ||
	    vma_index_check(g->archive, reader, &index, &g->err) < 0 ||
	    vma_chain_check(g->archive, "the archive", reader, &g->err) < 0 ||
	    vma_random_open(path, 0, &x, &g->err) < 0)
		return error_message(g->err);
	for (unsigned i = 0; i < GUEST_DISKS; i++)
		if (g->disks[i].disk.data && !guest_same(g, x, &g->disks[i]))
			return "a disk differs";
	g->chain.new_bytes = chain.new_bytes;
	g->chain.kept_frames = chain.kept_frames;
	g->chain.kept_clusters = chain.kept_clusters;
	return index ? NULL : "there is no index";
}

#endif

/* The parts of the writer, one by one, mostly without threads: zeroes, packing, the ring of work items. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "vma/index.h"
#include "vma/writer-pack.h"
#include "vma/writer-pool.h"

#include "tap.h"

#define DISK_SIZE (10u * VMA_CLUSTER_SIZE + 1000u)

/* ---- zeroes ---- */

static void zeroes_merge(void)
{
	struct zeroes *z = xcalloc(1, sizeof(*z));

	zeroes_add(z, 1, 0, 10);
	zeroes_add(z, 1, 10, 5);
	zeroes_add(z, 2, 15, 1);
	ok(z->n_runs == 2 && z->runs[0].n == 15 && z->clusters == 16,
	   "zero clusters that follow each other are one run, but not those of another disk");
	ok(zeroes_add(z, 1, 100, UINT32_MAX) == ZEROES_CLUSTERS - 16 && zeroes_full(z),
	   "no more are taken than a frame holds");
	free(z);
}

static void zeroes_become_extents(void)
{
	struct zeroes *z = xcalloc(1, sizeof(*z));
	uint8_t *out = xmalloc(ZEROES_SIZE), uuid[VMA_UUID_SIZE] = { 7 };
	struct vma_block_info last;
	size_t len, size = 0;

	ok(zeroes_pack(z, uuid, out) == VMA_EXTENT_HEADER_SIZE, "no zeroes are one empty extent");
	zeroes_add(z, 3, 5, VMA_CLUSTERS_PER_EXTENT + 1);
	len = zeroes_pack(z, uuid, out);
	last = vma_block_info_decode(out + VMA_EXTENT_HEADER_SIZE, 0);
	ok(len == 2 * (size_t)VMA_EXTENT_HEADER_SIZE && last.dev == 3 && last.mask == 0 &&
		   last.cluster == 5 + VMA_CLUSTERS_PER_EXTENT,
	   "one cluster more than fit begins a second extent");
	ok(vma_extent_header_decode(out + VMA_EXTENT_HEADER_SIZE, uuid, &size, NULL) == 0 &&
		   size == VMA_EXTENT_HEADER_SIZE && vma_block_info_decode(out + size, 1).dev == 0,
	   "which is valid and holds nothing else");
	zeroes_add(z, 3, 100, ZEROES_CLUSTERS);
	ok(zeroes_pack(z, uuid, out) == ZEROES_SIZE, "a full one fills its room exactly");
	free(out);
	free(z);
}

/* ---- packing ---- */

static uint8_t *fill(const struct vma_extent *e, unsigned slot, unsigned block, uint8_t value)
{
	return memset(vma_extent_slot(e, slot) + (size_t)block * VMA_BLOCK_SIZE, value, VMA_BLOCK_SIZE);
}

static void extents_are_packed(void)
{
	uint8_t *room = xcalloc(1, VMA_EXTENT_MAX_SIZE);
	struct vma_extent e = { .data = room + VMA_EXTENT_HEADER_SIZE };
	_cleanup_vma_header_ struct vma_header h = { 0 };
	struct writer_counts *counts = xcalloc(1, sizeof(*counts));
	_cleanup_error_ struct error *err = NULL;
	struct packed_extent p;
	size_t size = 0;

	vma_header_init(&h, NULL);
	vma_header_add_device(&h, "drive-scsi0", DISK_SIZE, NULL, NULL);
	fill(&e, 1, 0, 1);
	fill(&e, 1, 15, 2);
	fill(&e, 4, 0, 3); /* the last cluster; what lies beyond its 1000 bytes must not count */
	fill(&e, 4, 3, 9);
	vma_extent_set(&e, 1, 1, 7, VMA_CLUSTER_SIZE);
	vma_extent_set(&e, 2, 1, 3, VMA_CLUSTER_SIZE);
	vma_extent_set(&e, 4, 1, 10, 1000);
	ok(pack_extent(&h, &e, counts, &p, &err) == 0 && p.data == room &&
		   p.len == VMA_EXTENT_HEADER_SIZE + 3 * VMA_BLOCK_SIZE,
	   "an extent holds the blocks that are not zero, and no other");
	ok(vma_extent_header_decode(p.data, h.uuid, &size, NULL) == 0 && size == p.len &&
		   vma_block_info_decode(p.data, 0).mask == 0x8001 &&
		   vma_block_info_decode(p.data, 1).mask == 0 && vma_block_info_decode(p.data, 2).mask == 1,
	   "its header names them, without a gap for slots that were not set");
	ok(p.data[VMA_EXTENT_HEADER_SIZE] == 1 && p.data[VMA_EXTENT_HEADER_SIZE + VMA_BLOCK_SIZE] == 2 &&
		   p.data[VMA_EXTENT_HEADER_SIZE + 2 * VMA_BLOCK_SIZE] == 3 && p.data[p.len - 1] == 0,
	   "they follow each other; the end of the disk is padded with zeroes");
	ok(p.n_keys == 2 && p.keys[0] == vma_cluster_key(1, 7) && p.keys[1] == vma_cluster_key(1, 10),
	   "the index gets the clusters that store something");
	ok(writer_count_data(counts, 1) == 2 * VMA_BLOCK_SIZE + 1000 &&
		   writer_count_zero(counts, 1) == 2 * VMA_CLUSTER_SIZE - 2 * VMA_BLOCK_SIZE,
	   "bytes of the guest are counted, not those of the padding");
	vma_extent_set(&e, 4, 1, 10, VMA_CLUSTER_SIZE);
	ok(pack_extent(&h, &e, counts, &p, &err) == ERR_INVALID && err,
	   "a cluster with another length than its disk gives it is refused");
	free(counts);
	free(room);
}

/* ---- the ring ---- */

static void pool_start(struct pool *p, struct output **o)
{
	_cleanup_close_ int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	*p = (struct pool){ .memory = { .n_extents = 4, .n_zeroes = 2, .n_frames = 3 } };
	if (output_plain_new(fd, o, NULL) < 0 || pool_init(p, 100, *o, NULL, NULL) < 0)
		diag("cannot start a pool");
}

static void pool_end(struct pool *p, struct output *o)
{
	pool_clear(p);
	output_free(o);
}

static struct vma_extent *put_extent(struct pool *p, uint32_t cluster)
{
	struct vma_extent *e = NULL;

	if (pool_extent_try_get(p, 0, &e, NULL) != 1)
		return NULL;
	vma_extent_set(e, 0, 1, cluster, VMA_CLUSTER_SIZE);
	pool_extent_put(p, e);
	return e;
}

struct taken {
	struct work_item item;
	uint64_t number;
	struct frame *frame;
};

static void make_ready(struct pool *p, struct taken *t, bool keeps_extent)
{
	t->frame->vma_len = t->number;
	t->frame->extent = keeps_extent ? t->item.extent : NULL;
	pool_ready(p, &t->item, t->number, t->frame);
}

static void order_is_kept(void)
{
	struct output *o = NULL;
	struct taken t[3] = { 0 };
	struct frame *f[3];
	struct vma_extent *e = NULL;
	struct pool p;
	bool good = true;

	pool_start(&p, &o);
	good = put_extent(&p, 0) && pool_zeroes_add(&p, 1, 0, ZEROES_CLUSTERS, NULL) == 0 &&
	       put_extent(&p, 1);
	for (unsigned i = 0; good && i < 3; i++)
		good = pool_take(&p, &t[i].item, &t[i].number, &t[i].frame);
	ok(good && t[0].item.kind == WORK_EXTENT && t[1].item.kind == WORK_ZEROES &&
		   t[2].item.kind == WORK_EXTENT,
	   "workers take items in the order in which they came");
	make_ready(&p, &t[2], true);
	make_ready(&p, &t[1], false);
	make_ready(&p, &t[0], false);
	ok(pool_extent_try_get(&p, 2, &e, NULL) == 1, "an extent that its frame does not need comes free");
	pool_extent_put(&p, e);
	ok(pool_extent_try_get(&p, 3, &e, NULL) == 0, "but not one that is still to be written");
	pool_close(&p);
	for (unsigned i = 0; i < 3; i++) {
		f[i] = pool_next_frame(&p);
		good = good && f[i] && f[i]->vma_len == i;
		if (f[i])
			pool_frame_put(&p, f[i]);
	}
	ok(good, "the output gets the frames in the order of the items, whichever was ready first");
	ok(pool_extent_try_get(&p, 3, &e, NULL) == 1, "and what is written comes free");
	ok(!pool_next_frame(&p) && !pool_take(&p, &t[0].item, &t[0].number, &t[0].frame),
	   "after the last item of a closed pool nobody waits");
	pool_end(&p, o);
}

/* Many more items than the ring has places; a fixed seed picks who is ready when. */
static void ring_goes_round(void)
{
	struct output *o = NULL;
	struct taken t[3] = { 0 };
	uint64_t written = 0;
	uint32_t seed = 11, n = 0;
	struct pool p;
	bool good = true;

	pool_start(&p, &o);
	for (unsigned round = 0; good && round < 200; round++) {
		unsigned first;

		for (unsigned i = 0; good && i < 3; i++)
			good = put_extent(&p, n++) && pool_take(&p, &t[i].item, &t[i].number, &t[i].frame);
		seed = seed * 1664525u + 1013904223u;
		first = (seed >> 8) % 3;
		for (unsigned i = 0; good && i < 3; i++)
			make_ready(&p, &t[(first + i) % 3], (seed >> 16 & 1) == 1);
		for (unsigned i = 0; good && i < 3; i++) {
			struct frame *f = pool_next_frame(&p);

			good = f && f->vma_len == written++;
			if (f)
				pool_frame_put(&p, f);
		}
	}
	ok(good && written == 600, "items keep their order however often the ring goes round");
	pool_end(&p, o);
}

/* All frames filled, and all extents and lists of zeroes on their way. */
static void ring_has_room(void)
{
	struct output *o = NULL;
	struct taken t[3] = { 0 };
	struct pool p;
	bool good = true;

	pool_start(&p, &o);
	for (unsigned i = 0; good && i < 3; i++)
		good = put_extent(&p, i) && pool_take(&p, &t[i].item, &t[i].number, &t[i].frame);
	for (unsigned i = 0; good && i < 3; i++)
		make_ready(&p, &t[i], false);
	for (unsigned i = 3; good && i < 7; i++)
		good = put_extent(&p, i) != NULL;
	good = good && pool_zeroes_add(&p, 1, 7, 2 * ZEROES_CLUSTERS, NULL) == 0;
	for (unsigned i = 0; good && i < 9; i++) {
		struct frame *f;

		if (i >= 3 && pool_take(&p, &t[0].item, &t[0].number, &t[0].frame))
			make_ready(&p, &t[0], false);
		f = pool_next_frame(&p);
		good = f && f->vma_len == i;
		if (f)
			pool_frame_put(&p, f);
	}
	ok(good, "the ring has room for all that can be on its way");
	pool_end(&p, o);
}

static void *work(void *opaque)
{
	struct pool *p = opaque;
	struct taken t;

	while (pool_take(p, &t.item, &t.number, &t.frame))
		make_ready(p, &t, false);
	return NULL;
}

/* Nobody else wakes one that waits. */
static void idle_worker_ends(bool failed)
{
	struct error *err = NULL;
	struct output *o = NULL;
	struct frame *f;
	struct pool p;
	pthread_t worker;

	pool_start(&p, &o);
	put_extent(&p, 0);
	pthread_create(&worker, NULL, work, &p);
	f = pool_next_frame(&p);
	pool_frame_put(&p, f);
	usleep(20000); /* most often it waits by then */
	if (failed) {
		error_set(&err, ERR_CORRUPT, "a failure");
		pool_fail(&p, &err);
	} else {
		pool_close(&p);
	}
	pthread_join(worker, NULL);
	ok(!pool_next_frame(&p), "a worker that has nothing to do ends when the pool %s",
	   failed ? "fails" : "is closed");
	pool_end(&p, o);
}

static void failure_gives_back(void)
{
	_cleanup_error_ struct error *err = NULL, *first = NULL, *second = NULL;
	struct output *o = NULL;
	struct taken t = { 0 };
	struct vma_extent *e = NULL;
	struct pool p;

	pool_start(&p, &o);
	put_extent(&p, 0);
	put_extent(&p, 1);
	pool_take(&p, &t.item, &t.number, &t.frame);
	error_set(&first, ERR_CORRUPT, "the first failure");
	error_set(&second, ERR_INVALID, "the second failure");
	pool_fail(&p, &first);
	pool_fail(&p, &second);
	ok(pool_check(&p, &err) == ERR_CORRUPT && !strcmp(error_message(err), "the first failure"),
	   "the first failure of a pool stays");
	ok(p.n_free_extents == 3, "items that no worker has taken are dropped, and their extents come back");
	make_ready(&p, &t, false);
	ok(p.n_free_extents == 4, "as that of the worker does when it is done");
	ok(!pool_next_frame(&p) && !pool_take(&p, &t.item, &t.number, &t.frame) &&
		   pool_extent_try_get(&p, 0, &e, NULL) == ERR_CORRUPT,
	   "and nobody gets anything any more, nor waits");
	pool_end(&p, o);
}

static void *add_zeroes(void *opaque)
{
	return pool_zeroes_add(opaque, 1, 2 * ZEROES_CLUSTERS, 5, NULL) == 0 ? opaque : NULL;
}

static bool is_zeroes(const struct taken *t, uint32_t first, uint32_t n)
{
	return t->item.kind == WORK_ZEROES && t->item.zeroes->n_runs == 1 &&
	       t->item.zeroes->runs[0].first == first && t->item.zeroes->runs[0].n == n;
}

static void zeroes_wait(void)
{
	struct output *o = NULL;
	struct taken t[3] = { 0 };
	struct pool p;
	pthread_t adder;
	void *added = NULL;
	bool good;

	pool_start(&p, &o);
	good = pool_zeroes_add(&p, 1, 0, ZEROES_CLUSTERS, NULL) == 0 && pool_zeroes_ready(&p) &&
	       pool_zeroes_add(&p, 1, ZEROES_CLUSTERS, ZEROES_CLUSTERS, NULL) == 0;
	ok(good && !pool_zeroes_ready(&p), "when all lists of zeroes are on their way, no more are taken");
	pthread_create(&adder, NULL, add_zeroes, &p);
	usleep(20000); /* most often it waits by then */
	for (unsigned i = 0; good && i < 2; i++)
		good = pool_take(&p, &t[i].item, &t[i].number, &t[i].frame);
	ok(good && is_zeroes(&t[0], 0, ZEROES_CLUSTERS) && is_zeroes(&t[1], ZEROES_CLUSTERS, ZEROES_CLUSTERS),
	   "workers get each of them once");
	make_ready(&p, &t[0], false);
	pthread_join(adder, &added);
	pool_close(&p);
	ok(added && pool_take(&p, &t[2].item, &t[2].number, &t[2].frame) &&
		   is_zeroes(&t[2], 2 * ZEROES_CLUSTERS, 5),
	   "who has more waits until one of them comes free");
	pool_end(&p, o);
}

static void empty_archive(void)
{
	struct output *o = NULL;
	struct taken t = { 0 };
	struct pool p;

	pool_start(&p, &o);
	pool_close(&p);
	ok(pool_take(&p, &t.item, &t.number, &t.frame) && t.item.kind == WORK_ZEROES &&
		   t.item.zeroes->clusters == 0,
	   "an archive without clusters has one item, for its empty extent");
	pool_end(&p, o);
}

/* ---- frames in any order ---- */

static void queue_start(struct pool *p, struct output **o, unsigned workers)
{
	_cleanup_close_ int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	*p = (struct pool){ .any_order = true,
			    .n_workers = workers,
			    .memory = { .n_extents = 4, .n_zeroes = 2, .n_frames = 3 } };
	if (output_plain_new(fd, o, NULL) < 0 || pool_init(p, 100, *o, NULL, NULL) < 0)
		diag("cannot start a pool");
}

static void any_order(void)
{
	struct output *o = NULL;
	struct work_item item = { 0 };
	struct frame *f[3] = { NULL };
	struct pool p;
	bool good;

	queue_start(&p, &o, 1);
	good = put_extent(&p, 0) && pool_next_work(&p, &item) == POOL_ITEM && item.kind == WORK_EXTENT;
	for (unsigned i = 0; good && i < 3; i++)
		good = pool_frame_get(&p, &f[i], NULL) == 0;
	ok(good && !p.free_frames, "a worker gets frames one by one, as many as an item needs");
	pool_frame_ready(&p, f[2]);
	pool_frame_ready(&p, f[0]);
	pool_item_done(&p, &item);
	ok(p.n_free_extents == 4, "its extent comes free before they are written");
	ok(pool_next_frame(&p) == f[2] && pool_next_frame(&p) == f[0], "the output gets what is ready first");
	pool_frame_put(&p, f[2]);
	pool_frame_put(&p, f[0]);
	pool_close(&p);
	ok(pool_next_work(&p, &item) == POOL_END, "a worker that has nothing to do ends");
	pool_frame_ready(&p, f[1]);
	pool_worker_ends(&p);
	ok(pool_next_frame(&p) == f[1] && !pool_next_frame(&p), "what it had kept is written before the end");
	pool_end(&p, o);
}

static void base_in_turn(void)
{
	struct output *o = NULL;
	struct work_item item = { 0 }, other = { 0 };
	struct pool p;

	queue_start(&p, &o, 2);
	put_extent(&p, 0);
	pool_base_ready(&p);
	ok(pool_next_work(&p, &item) == POOL_ITEM, "items go before frames of the base");
	pool_zeroes_add(&p, 1, 0, ZEROES_CLUSTERS, NULL);
	ok(pool_next_work(&p, &other) == POOL_ITEM && other.kind == WORK_ZEROES && p.base_ready,
	   "while a worker has an extent, no other one gets frames of the base");
	pool_item_done(&p, &item);
	ok(pool_next_work(&p, &item) == POOL_BASE && !p.base_ready, "then one gets them");
	pool_end(&p, o);
}

struct idle {
	struct pool *p;
	enum pool_work got;
};

static void *wait_for_work(void *opaque)
{
	struct idle *i = opaque;
	struct work_item item;

	i->got = pool_next_work(i->p, &item);
	return NULL;
}

/* A worker waits while the other one may still make frames of the base ready. */
static void waits_for_busy(bool failed)
{
	struct error *err = NULL;
	struct output *o = NULL;
	struct work_item item;
	struct idle idle;
	struct pool p;
	pthread_t thread;

	queue_start(&p, &o, 2);
	idle.p = &p;
	put_extent(&p, 0);
	pool_next_work(&p, &item);
	pool_close(&p);
	pthread_create(&thread, NULL, wait_for_work, &idle);
	usleep(20000); /* most often it waits by then */
	pool_item_done(&p, &item);
	if (failed) {
		error_set(&err, ERR_CORRUPT, "a failure");
		pool_fail(&p, &err);
	} else {
		pool_base_ready(&p);
	}
	pthread_join(thread, NULL);
	ok(idle.got == (failed ? POOL_END : POOL_BASE), "a worker that waits for another one %s",
	   failed ? "ends when the pool fails" : "gets what that one has made ready");
	pool_end(&p, o);
}

struct wanted {
	struct pool *p;
	unsigned reserve;
};

static void *get_extent(void *opaque)
{
	const struct wanted *w = opaque;
	struct vma_extent *e = NULL;

	return pool_extent_get(w->p, w->reserve, &e, NULL) == 1 ? e : NULL;
}

/* Until somebody waits; false: nobody does for long. */
static bool is_wanted(struct pool *p, unsigned ms)
{
	for (; ms && !pool_extent_is_wanted(p); ms--)
		usleep(1000);
	return pool_extent_is_wanted(p);
}

static void extent_is_wanted(void)
{
	struct vma_extent *e[4] = { 0 };
	struct output *o = NULL;
	struct wanted ahead, guest;
	struct pool p;
	pthread_t threads[2];

	queue_start(&p, &o, 1);
	for (unsigned i = 0; i < 4; i++)
		pool_extent_try_get(&p, 0, &e[i], NULL);
	ahead = (struct wanted){ &p, 1 };
	guest = (struct wanted){ &p, 0 };
	pthread_create(&threads[0], NULL, get_extent, &ahead);
	ok(!is_wanted(&p, 20), "an extent is not wanted by who reads ahead");
	pthread_create(&threads[1], NULL, get_extent, &guest);
	ok(is_wanted(&p, 10000), "but by who waits for a guest");
	pool_extent_put(&p, e[0]);
	pthread_join(threads[1], NULL);
	ok(!pool_extent_is_wanted(&p), "until there is one");
	pool_extent_put(&p, e[1]);
	pool_extent_put(&p, e[2]);
	pthread_join(threads[0], NULL);
	pool_end(&p, o);
}

int main(void)
{
	zeroes_merge();
	zeroes_become_extents();
	extents_are_packed();
	order_is_kept();
	ring_goes_round();
	ring_has_room();
	idle_worker_ends(false);
	idle_worker_ends(true);
	failure_gives_back();
	zeroes_wait();
	empty_archive();
	any_order();
	base_in_turn();
	waits_for_busy(false);
	waits_for_busy(true);
	extent_is_wanted();
	return done_testing();
}

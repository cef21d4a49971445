#include "vma/writer.h"

#include <stdio.h>

#include "base/mem.h"
#include "vma/writer-chained.h"
#include "vma/writer-crew.h"
#include "vma/writer-output.h"
#include "vma/writer-pool.h"
#include "vma/writer-worker.h"

#define CANCEL_POLL_MS 100
#define MAX_THREADS    256
/* In addition to one for each thread: some that are read into, some that wait, one that is written. */
#define MORE_EXTENTS 6
#define MORE_SORTED \
	3 /* VMA_CHAINED: the copy fills one for each of up to four disks, see copy_options.sort_disks */
#define MIN_EXTENTS 4 /* each caller holds one, and one is in reserve */
#define MORE_ZEROES 2
#define MORE_FRAMES 2

struct vma_writer {
	struct vma_header hdr;
	struct output *output;
	struct writer_counts counts;
	struct pool pool;
	struct vma_chain chain;  /* only VMA_CHAINED */
	struct vma_reuse *reuse; /* the same; may be NULL */
	struct worker *workers;  /* of the layouts that keep the order, or: */
	struct chained *chained;
	unsigned n_workers;
	struct writer_output out;
	struct crew crew; /* the workers, then the output */
};

/* A stream is compressed on its way out, if at all; then one worker will do. */
static unsigned count_workers(const struct vma_writer_options *o)
{
	const unsigned n = o->budget ? o->budget->threads : 1;

	if (o->layout == VMA_STREAM || !n)
		return 1;
	return n < MAX_THREADS ? n : MAX_THREADS;
}

static unsigned more_for_disks(const struct vma_writer *w, enum vma_layout layout)
{
	unsigned disks = 0;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES && layout == VMA_CHAINED; i++)
		disks += w->hdr.devices[i].name != NULL;
	return !disks ? 0 : disks - 1 < MORE_SORTED ? disks - 1 : MORE_SORTED;
}

static int init_pool(struct vma_writer *w, const struct vma_writer_options *o, struct error **err)
{
	struct writer_memory *m = &w->pool.memory;
	size_t frame_size;

	m->n_extents = o->budget ? o->budget->extents : 0;
	if (!m->n_extents)
		m->n_extents = w->n_workers + MORE_EXTENTS + more_for_disks(w, o->layout);
	if (m->n_extents < MIN_EXTENTS)
		m->n_extents = MIN_EXTENTS;
	m->n_zeroes = w->n_workers + MORE_ZEROES;
	m->n_frames = w->n_workers + MORE_FRAMES;
	w->pool.any_order = o->layout == VMA_CHAINED;
	w->pool.n_workers = w->n_workers;
	frame_size = w->pool.any_order ? emit_frame_size(w->chain.align) : worker_frame_size(o->layout);
	return pool_init(&w->pool, frame_size, w->output, o->cancel, err);
}

static int init_chained(struct vma_writer *w, const struct vma_writer_options *o, struct error **err)
{
	int r = 0;

	w->chained = xcalloc(w->n_workers, sizeof(*w->chained));
	for (unsigned i = 0; r == 0 && i < w->n_workers; i++) {
		w->chained[i] = (struct chained){ .pool = &w->pool,
						  .hdr = &w->hdr,
						  .counts = &w->counts,
						  .chain = &w->chain,
						  .reuse = w->reuse };
		r = chained_init(&w->chained[i], o->level, err);
	}
	return r;
}

static int init_workers(struct vma_writer *w, const struct vma_writer_options *o, struct error **err)
{
	int r = 0;

	if (o->layout == VMA_CHAINED)
		return init_chained(w, o, err);
	w->workers = xcalloc(w->n_workers, sizeof(*w->workers));
	for (unsigned i = 0; r == 0 && i < w->n_workers; i++) {
		w->workers[i] = (struct worker){ .pool = &w->pool, .hdr = &w->hdr, .counts = &w->counts };
		r = worker_init(&w->workers[i], o->layout, o->level, err);
	}
	return r;
}

static int init_output(struct vma_writer *w, const struct vma_writer_options *o, struct error **err)
{
	w->out.pool = &w->pool;
	w->out.output = w->output;
	w->out.hdr = &w->hdr;
	w->out.counts = &w->counts;
	w->out.chain = o->layout == VMA_CHAINED ? &w->chain : NULL;
	w->out.reuse = w->reuse;
	return writer_output_init(&w->out, o, err);
}

static int start_threads(struct vma_writer *w, struct error **err)
{
	char name[24];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < w->n_workers; i++) {
		snprintf(name, sizeof(name), "vma-pack-%u", i);
		if (w->chained)
			r = crew_start(&w->crew, name, chained_run, &w->chained[i], err);
		else
			r = crew_start(&w->crew, name, worker_run, &w->workers[i], err);
	}
	if (r == 0)
		r = crew_start(&w->crew, "vma-write", writer_output_run, &w->out, err);
	return r < 0 ? error_wrap(err, r, "writing the archive") : 0;
}

static void wake_workers(void *opaque)
{
	pool_base_ready(opaque);
}

static void take_chain(struct vma_writer *w, const struct vma_writer_options *o)
{
	w->reuse = o->reuse;
	if (o->layout != VMA_CHAINED)
		return;
	w->chain = *o->chain;
	w->chain.base_name = xstrdup(o->chain->base_name);
}

static int init_reuse(struct vma_writer *w, struct error **err)
{
	if (!w->reuse)
		return 0;
	if (!w->output->ops->copy)
		return error_set(err, ERR_INVALID, "internal error: nothing can be copied to this output");
	vma_reuse_set_wake(w->reuse, wake_workers, &w->pool);
	return 0;
}

int vma_writer_new(const struct vma_writer_options *o, struct output *output, const struct vma_header *hdr,
		   struct vma_writer **ret, struct error **err)
{
	_cleanup_(vma_writer_freep) struct vma_writer *w = xcalloc(1, sizeof(*w));
	int r;

	w->output = output;
	w->n_workers = count_workers(o);
	vma_header_copy(&w->hdr, hdr);
	crew_init(&w->crew, w->n_workers + 1, o->ionice);
	take_chain(w, o);
	r = init_pool(w, o, err);
	if (r == 0)
		r = init_output(w, o, err);
	if (r == 0)
		r = init_workers(w, o, err);
	if (r == 0)
		r = init_reuse(w, err);
	if (r == 0)
		r = start_threads(w, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

int vma_writer_extent_try_get(struct vma_writer *w, unsigned reserve, struct vma_extent **ret,
			      struct error **err)
{
	return pool_extent_try_get(&w->pool, reserve, ret, err);
}

int vma_writer_extent_get(struct vma_writer *w, unsigned reserve, struct vma_extent **ret, struct error **err)
{
	return pool_extent_get(&w->pool, reserve, ret, err);
}

void vma_writer_extent_put(struct vma_writer *w, struct vma_extent *e)
{
	pool_extent_put(&w->pool, e);
}

int vma_writer_event_fd(const struct vma_writer *w)
{
	return w->pool.event_fd;
}

static int check_zero(const struct vma_writer *w, uint8_t dev, uint32_t first, uint32_t n, struct error **err)
{
	const struct vma_device *d = &w->hdr.devices[dev];

	if (d->name && (uint64_t)first + n <= vma_clusters(d->size))
		return 0;
	return error_set(err, ERR_INVALID,
			 "internal error: clusters %u+%u of device %u are not in the archive", first, n, dev);
}

/* Guest bytes in a row of clusters. */
static uint64_t row_bytes(const struct vma_writer *w, uint8_t dev, uint32_t first, uint32_t n)
{
	uint64_t start = (uint64_t)first * VMA_CLUSTER_SIZE;
	uint64_t end = ((uint64_t)first + n) * VMA_CLUSTER_SIZE, size = w->hdr.devices[dev].size;

	return (end < size ? end : size) - start;
}

int vma_writer_zero(struct vma_writer *w, uint8_t dev, uint32_t first, uint32_t n, struct error **err)
{
	int r = check_zero(w, dev, first, n, err);

	if (r < 0 || !n)
		return r;
	writer_count(&w->counts, dev, n, 0, row_bytes(w, dev, first, n));
	return pool_zeroes_add(&w->pool, dev, first, n, err);
}

bool vma_writer_zero_ready(struct vma_writer *w)
{
	return pool_zeroes_ready(&w->pool);
}

int vma_writer_check(struct vma_writer *w, struct error **err)
{
	return pool_check(&w->pool, err);
}

void vma_writer_get_stats(struct vma_writer *w, struct vma_writer_stats *ret)
{
	*ret = (struct vma_writer_stats){ 0 };
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		ret->data_bytes += writer_count_data(&w->counts, i);
		ret->zero_bytes += writer_count_zero(&w->counts, i);
	}
	ret->vma_bytes = atomic_load_explicit(&w->out.file.vma_bytes, memory_order_relaxed);
	ret->file_bytes = output_bytes(w->output);
	output_get_copied(w->output, &ret->copied);
}

uint64_t vma_writer_zero_bytes(const struct vma_writer *w, uint8_t dev)
{
	return writer_count_zero(&w->counts, dev);
}

int vma_writer_finish(struct vma_writer *w, struct vma_writer_stats *ret, struct error **err)
{
	bool ended;
	int r;

	pool_close(&w->pool);
	do {
		ended = crew_wait(&w->crew, CANCEL_POLL_MS);
		r = pool_check(&w->pool, err);
	} while (r == 0 && !ended);
	if (ret)
		vma_writer_get_stats(w, ret);
	return r;
}

void vma_writer_abort(struct vma_writer *w)
{
	_cleanup_error_ struct error *err = NULL;

	error_set(&err, ERR_CANCELED, "writing the archive was canceled");
	pool_fail(&w->pool, &err);
}

static void free_all(void *arg)
{
	struct vma_writer *w = arg;

	for (unsigned i = 0; w->workers && i < w->n_workers; i++)
		worker_clear(&w->workers[i]);
	free(w->workers);
	for (unsigned i = 0; w->chained && i < w->n_workers; i++)
		chained_clear(&w->chained[i]);
	free(w->chained);
	writer_output_clear(&w->out);
	output_free(w->output);
	pool_clear(&w->pool);
	crew_clear(&w->crew);
	vma_reuse_free(w->reuse);
	vma_chain_clear(&w->chain);
	vma_header_clear(&w->hdr);
	free(w);
}

void vma_writer_free(struct vma_writer *w)
{
	if (!w)
		return;
	vma_writer_abort(w);
	if (w->reuse)
		vma_reuse_stop(w->reuse);
	if (crew_join(&w->crew, free_all, w))
		free_all(w);
}

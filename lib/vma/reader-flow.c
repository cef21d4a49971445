#include "vma/reader-flow.h"

#include "base/mem.h"
#include "base/thread.h"
#include "vma/reader-emit.h"

struct flow_thread {
	const struct reader_flow *flow;
	pthread_t id;
	struct frame_decoder *decoder;
	struct spans spans;
	uint8_t *room; /* for hashing: a cluster */
};

/* A frame that cannot be unpacked is damage, and leaves a hole in the archive. */
static void unpack_chunk(struct flow_thread *t, struct chunk *c)
{
	_cleanup_error_ struct error *err = NULL;

	if (!c->is_packed || chunk_unpack(t->decoder, c, &err) == 0)
		return;
	c->is_lost = true;
	free(c->damage);
	c->damage = xstrdup(error_message(err));
}

static int parse_chunk(struct flow_thread *t, struct chunk *c, struct error **err)
{
	const struct reader_flow *f = t->flow;
	int r = parser_parse(f->parser, c, &t->spans, err);

	if (r < 0)
		return r;
	chunk_next_turn(f->chunks);
	if (f->hash->on && c->is_packed)
		reader_hash_frame(f->hash, c->frame, &t->spans, t->room);
	for (size_t i = 0; r == 0 && f->report->receiver->data && i < t->spans.n; i++)
		r = emit_span(f->parser->hdr, f->report, &t->spans.list[i], err);
	return r;
}

static void *run_flow_thread(void *arg)
{
	struct flow_thread *t = arg;
	struct chunk_pool *chunks = t->flow->chunks;
	enum chunk_step step;
	struct chunk *c;

	while ((c = chunk_take(chunks, &step))) {
		struct error *err = NULL;

		if (step == CHUNK_UNPACK) {
			unpack_chunk(t, c);
			chunk_unpacked(chunks, c);
			continue;
		}
		if (parse_chunk(t, c, &err) < 0)
			chunk_pool_fail(chunks, &err);
		chunk_put(chunks, c);
	}
	return NULL;
}

static int start_flow_thread(struct flow_thread *t, struct error **err)
{
	int r = frame_decoder_new(&t->decoder, err);

	t->room = t->flow->hash->on ? xmalloc(VMA_CLUSTER_SIZE) : NULL;
	return r < 0 ? r : thread_start(&t->id, run_flow_thread, t, err);
}

/* Hands chunks to the workers until the end or a failure. */
static int feed_chunks(const struct reader_flow *f, struct error **err)
{
	struct chunk *c = f->first;
	int r = 1;

	for (uint64_t number = 0; r > 0; number++) {
		if (!c && !(c = chunk_get(f->chunks)))
			return 0; /* a worker's failure */
		if (number || !c->len)
			r = source_next(f->source, c, err);
		c->number = number;
		if (r > 0)
			chunk_submit(f->chunks, TAKE_PTR(c));
	}
	if (c)
		chunk_put(f->chunks, c);
	return r;
}

int reader_flow_run(const struct reader_flow *f, struct error **err)
{
	struct flow_thread *threads = xcalloc(f->n_threads, sizeof(*threads));
	struct error *own = NULL;
	unsigned n = 0;
	int r = 0;

	for (; r == 0 && n < f->n_threads; n++) {
		threads[n].flow = f;
		r = start_flow_thread(&threads[n], &own);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = feed_chunks(f, &own);
	if (r < 0)
		chunk_pool_fail(f->chunks, &own);
	chunk_pool_finish(f->chunks);
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i].id, NULL);
	for (unsigned i = 0; i < f->n_threads; i++) {
		frame_decoder_free(threads[i].decoder);
		free(threads[i].spans.list);
		free(threads[i].room);
	}
	free(threads);
	if (!f->chunks->failed)
		return 0;
	r = f->chunks->failure ? f->chunks->failure->code : ERR_CORRUPT;
	error_keep_first(err, &f->chunks->failure);
	return r;
}

/* In order: extents are found in the chunks and checked, their clusters claimed. */
#include <inttypes.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "vma/reader-internal.h"

int reader_damage(struct vma_reader *r, struct error **err)
{
	int code = *err ? (*err)->code : ERR_CORRUPT;

	if (code != ERR_CORRUPT || !r->sink->damage)
		return code;
	r->stats.damages++;
	r->sink->damage(r->opaque, error_message(*err));
	error_free(TAKE_PTR(*err));
	return 0;
}

static int check_info(const struct vma_reader *r, const struct vma_block_info *b, struct error **err)
{
	const struct vma_device *d = &r->hdr.devices[b->dev];
	uint32_t len, blocks;

	if (!d->name)
		return error_set(err, ERR_CORRUPT, "device %u is not in the header", b->dev);
	if (b->cluster >= vma_clusters(d->size))
		return error_set(err, ERR_CORRUPT, "%s: cluster %u lies behind its end at %" PRIu64 " bytes",
				 d->name, b->cluster, d->size);
	len = vma_cluster_len(d->size, b->cluster);
	blocks = (len + VMA_BLOCK_SIZE - 1) / VMA_BLOCK_SIZE;
	if (b->mask != VMA_MASK_ALL && b->mask >> blocks)
		return error_set(err, ERR_CORRUPT,
				 "%s: cluster %u has blocks behind its end at %" PRIu64 " bytes", d->name,
				 b->cluster, d->size);
	return 0;
}

static void count(struct vma_reader *r, const struct chunk *c, const struct vma_block_info *b)
{
	uint32_t len = vma_cluster_len(r->hdr.devices[b->dev].size, b->cluster);
	uint32_t stored = vma_stored_bytes(b->mask, len);
	struct vma_reader_stats *s = &r->stats;

	s->clusters++;
	s->data_bytes[b->dev] += stored;
	s->zero_bytes += len - stored;
	if (!b->mask)
		return;
	s->partial_zero_bytes += len - stored;
	s->stored_clusters++;
	s->clusters_sum =
		vma_reader_sum_cluster(r, s->clusters_sum, c->frame, (uint64_t)b->dev << 32 | b->cluster);
}

/* Clusters of one disk, one after the other, that have come before. */
struct doubles {
	uint8_t dev;
	uint32_t first, n;
};

static int tell_at_extent(struct vma_reader *r, struct error **err)
{
	error_prefix(err, "extent at byte %" PRIu64, r->parser.pos);
	return reader_damage(r, err);
}

static int tell_doubles(struct vma_reader *r, struct doubles *d, struct error **err)
{
	const char *name = r->hdr.devices[d->dev].name;
	const uint64_t at = (uint64_t)d->first * VMA_CLUSTER_SIZE;

	if (d->n == 1)
		error_set(err, ERR_CORRUPT, "%s: cluster %u (at byte %" PRIu64 " of the disk) comes twice",
			  name, d->first, at);
	else if (d->n)
		error_set(err, ERR_CORRUPT,
			  "%s: %u clusters from %u on (at byte %" PRIu64 " of the disk) come twice", name,
			  d->n, d->first, at);
	if (!d->n)
		return 0;
	d->n = 0;
	return tell_at_extent(r, err);
}

static int add_double(struct vma_reader *r, struct doubles *d, const struct vma_block_info *b,
		      struct error **err)
{
	int s = 0;

	if (d->dev != b->dev || d->first + d->n != b->cluster) {
		s = tell_doubles(r, d, err);
		*d = (struct doubles){ .dev = b->dev, .first = b->cluster };
	}
	d->n++;
	return s;
}

/* 1: it is ours; 0: it cannot be used, which is told. */
static int claim(struct vma_reader *r, const struct chunk *c, const struct vma_block_info *b,
		 struct doubles *doubles, struct error **err)
{
	int s = check_info(r, b, err);

	if (s < 0)
		return tell_at_extent(r, err);
	s = vma_seen_claim(&r->parser.seen, b->dev, b->cluster, err);
	if (s > 0)
		count(r, c, b);
	return s == 0 ? add_double(r, doubles, b, err) : s;
}

/* Bytes that stand in place of what could not be read. */
static void note_filler(struct parser *p, const struct chunk *c)
{
	const uint64_t from = p->pos + p->tail_len;
	size_t gone = 0;

	if (!c->is_filler)
		return;
	while (gone < p->n_filler && p->filler[gone].to <= p->pos)
		gone++;
	p->n_filler -= gone;
	if (gone)
		memmove(p->filler, p->filler + gone, p->n_filler * sizeof(*p->filler));
	if (p->n_filler == p->cap_filler) {
		p->cap_filler = p->cap_filler ? 2 * p->cap_filler : 16;
		p->filler = xreallocarray(p->filler, p->cap_filler, sizeof(*p->filler));
	}
	p->filler[p->n_filler++] = (struct stretch){ .from = from, .to = from + c->len };
}

static bool is_filler(const struct parser *p, uint64_t at, uint64_t len)
{
	for (size_t i = 0; len && i < p->n_filler; i++)
		if (p->filler[i].from < at + len && at < p->filler[i].to)
			return true;
	return false;
}

/* Clusters that cannot be used lose their device, so that nothing is made of them. */
static int claim_all(struct vma_reader *r, const struct chunk *c, uint8_t *header, struct error **err)
{
	uint64_t at = r->parser.pos + VMA_EXTENT_HEADER_SIZE, len;
	struct doubles doubles = { 0 };

	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++, at += len) {
		struct vma_block_info b = vma_block_info_decode(header, i);
		int s = 0;

		len = (uint64_t)__builtin_popcount(b.mask) * VMA_BLOCK_SIZE;
		if (b.dev && !is_filler(&r->parser, at, len))
			s = claim(r, c, &b, &doubles, err);
		if (s < 0)
			return s;
		if (s == 0)
			vma_block_info_disable(header, i);
	}
	return tell_doubles(r, &doubles, err);
}

static void add_span(struct reader_thread *t, uint8_t *at, size_t len)
{
	struct span *last = t->n_spans ? &t->spans[t->n_spans - 1] : NULL;

	if (last && last->end == at) {
		last->end += len;
		return;
	}
	if (t->n_spans == t->cap_spans) {
		t->cap_spans = t->cap_spans ? 2 * t->cap_spans : 16;
		t->spans = xreallocarray(t->spans, t->cap_spans, sizeof(*t->spans));
	}
	t->spans[t->n_spans++] = (struct span){ .at = at, .end = at + len };
}

/* The next place where an extent may begin, or where too little is left to tell. */
static uint8_t *find_extent(const struct vma_reader *r, uint8_t *at, const uint8_t *end)
{
	while (end - at >= VMA_EXTENT_HEADER_SIZE) {
		uint8_t *p = memchr(at, 'V', (size_t)(end - at) - VMA_EXTENT_HEADER_SIZE + 1);

		if (!p)
			return at + (end - at) - VMA_EXTENT_HEADER_SIZE + 1;
		if (vma_extent_looks_like(p, r->hdr.uuid))
			return p;
		at = p + 1;
	}
	return at;
}

/*
 * VMA has no checksums of data: bytes that were lost or added in an extent show by what does not follow
 * it.  Zeroes and filler stand where a sector was, and moved nothing.
 */
static bool is_followed(const struct vma_reader *r, const uint8_t *at, size_t size, const uint8_t *end)
{
	const uint8_t *next = at + size;

	return end - next < VMA_EXTENT_HEADER_SIZE || vma_extent_resembles(next, r->hdr.uuid) ||
	       io_is_zero(next, VMA_EXTENT_HEADER_SIZE) ||
	       is_filler(&r->parser, r->parser.pos + size, VMA_EXTENT_HEADER_SIZE);
}

/* Has the header of an extent that can be used; else from here on the next one is looked for. */
static int check_extent(struct vma_reader *r, const struct chunk *c, const uint8_t *at, const uint8_t *end,
			size_t *ret_size, struct error **err)
{
	const bool look_behind = r->sink->damage && !c->is_packed;
	int s = vma_extent_header_decode(at, r->hdr.uuid, ret_size, err);

	if (s < 0 || (size_t)(end - at) < *ret_size)
		return s;
	if (!look_behind || is_followed(r, at, *ret_size, end)) {
		/* too little is there to see */
		if (look_behind && !c->is_last && (size_t)(end - at) < *ret_size + VMA_EXTENT_HEADER_SIZE)
			*ret_size += VMA_EXTENT_HEADER_SIZE;
		return 0;
	}
	return error_set(err, ERR_CORRUPT,
			 "no extent follows where it ends, so bytes in it were lost or added; all its "
			 "clusters count as lost");
}

/* Takes the extent at `at`.  Returns where to go on, NULL on failure; at itself: too little is there. */
static uint8_t *take_extent(struct reader_thread *t, struct chunk *c, uint8_t *at, const uint8_t *end,
			    struct error **err)
{
	struct parser *p = &t->r->parser;
	_cleanup_error_ struct error *own = NULL;
	size_t size = 0;

	if (end - at < VMA_EXTENT_HEADER_SIZE)
		return at;
	if (check_extent(t->r, c, at, end, &size, &own) < 0) {
		error_prefix(&own, "extent at byte %" PRIu64, p->pos);
		if (!p->is_lost && reader_damage(t->r, &own) < 0) {
			error_keep_first(err, &own);
			return NULL;
		}
		p->is_lost = true;
		return at + 1;
	}
	if ((size_t)(end - at) < size)
		return at;
	p->is_lost = false;
	if (claim_all(t->r, c, at, err) < 0)
		return NULL;
	add_span(t, at, size);
	return at + size;
}

/* Puts what the chunk before left over in front. */
static uint8_t *join_tail(struct parser *p, struct chunk *c)
{
	uint8_t *at = c->data - p->tail_len;

	if (p->tail_len)
		memcpy(at, p->tail, p->tail_len);
	p->tail_len = 0;
	return at;
}

static int tell(struct vma_reader *r, char **text, struct error **err)
{
	struct error *own = NULL;
	int s = 0;

	if (*text) {
		error_set(&own, ERR_CORRUPT, "%s", *text);
		s = reader_damage(r, &own);
	}
	error_keep_first(err, &own);
	free(TAKE_PTR(*text));
	return s;
}

/* Something is missing in front of the chunk: an extent cannot go on over that. */
static void lose(struct parser *p)
{
	p->tail_len = 0;
	p->is_lost = true;
}

int reader_parse(struct reader_thread *t, struct chunk *c, struct error **err)
{
	struct parser *p = &t->r->parser;
	uint8_t *at, *end;
	int s = tell(t->r, &c->unreadable, err);

	t->n_spans = 0;
	if (s == 0)
		s = tell(t->r, &c->damage, err);
	if (s < 0)
		return s;
	if (c->is_lost)
		lose(p);
	note_filler(p, c);
	at = join_tail(p, c);
	end = c->data + c->len;
	t->r->stats.vma_bytes += c->len;
	for (;;) {
		uint8_t *next = p->is_lost ? find_extent(t->r, at, end) : at;

		p->pos += (uint64_t)(next - at);
		at = next;
		next = take_extent(t, c, at, end, err);
		if (!next)
			return (*err)->code;
		if (next == at)
			break;
		p->pos += (uint64_t)(next - at);
		at = next;
	}
	p->tail_len = (size_t)(end - at);
	memcpy(p->tail, at, p->tail_len);
	if (t->r->sink->progress)
		t->r->sink->progress(t->r->opaque, t->r->stats.clusters);
	return 0;
}

static int check_tail(struct vma_reader *r, struct error **err)
{
	if (!r->parser.tail_len || r->parser.is_lost)
		return 0;
	error_set(err, ERR_CORRUPT,
		  "the archive ends within the extent at byte %" PRIu64 ", after %zu bytes of it",
		  r->parser.pos, r->parser.tail_len);
	return reader_damage(r, err);
}

static int check_device(struct vma_reader *r, uint8_t dev, struct error **err)
{
	uint64_t at = 0, first = 0, n = 0;

	if (!vma_seen_missing(&r->parser.seen, dev, &at, &first, &n))
		return 0;
	return error_set(err, ERR_CORRUPT,
			 "%s: cluster %" PRIu64 " (at byte %" PRIu64 " of the disk) is missing; %" PRIu64
			 " of %" PRIu64 " clusters are there",
			 r->hdr.devices[dev].name, first, first * VMA_CLUSTER_SIZE, r->parser.seen.count[dev],
			 r->parser.seen.clusters[dev]);
}

int reader_parse_end(struct vma_reader *r, struct error **err)
{
	int s = check_tail(r, err);

	for (unsigned dev = 1; s == 0 && dev <= VMA_MAX_DEVICES; dev++)
		if (r->hdr.devices[dev].name && !r->sink->damage)
			s = check_device(r, (uint8_t)dev, err);
	return s;
}

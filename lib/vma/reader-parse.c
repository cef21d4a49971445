#include "vma/reader-parse.h"

#include <inttypes.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "vma/index.h"
#include "vma/sum.h"

void parser_init(struct parser *p)
{
	p->tail = xmalloc(CHUNK_HEAD);
}

void parser_start(struct parser *p, uint64_t header_size)
{
	p->stats->vma_bytes = p->pos = header_size;
	vma_seen_init(&p->seen, p->hdr);
}

void parser_clear(struct parser *p)
{
	free(p->tail);
	free(p->filler);
	vma_seen_clear(&p->seen);
}

static int check_info(const struct parser *p, const struct vma_block_info *b, struct error **err)
{
	const struct vma_device *d = &p->hdr->devices[b->dev];
	uint32_t len, blocks;

	if (!d->name)
		return error_set(err, ERR_CORRUPT, "device %u is not in the header", b->dev);
	if (b->cluster >= vma_clusters(d->size))
		return error_set(err, ERR_CORRUPT, "%s: cluster %u lies beyond its end at %" PRIu64 " bytes",
				 d->name, b->cluster, d->size);
	len = vma_cluster_len(d->size, b->cluster);
	blocks = (len + VMA_BLOCK_SIZE - 1) / VMA_BLOCK_SIZE;
	if (b->mask != VMA_MASK_ALL && b->mask >> blocks)
		return error_set(err, ERR_CORRUPT,
				 "%s: cluster %u has blocks beyond its end at %" PRIu64 " bytes", d->name,
				 b->cluster, d->size);
	return 0;
}

static void count_cluster(struct parser *p, const struct chunk *c, const struct vma_block_info *b)
{
	uint32_t len = vma_cluster_len(p->hdr->devices[b->dev].size, b->cluster);
	uint32_t stored = vma_stored_bytes(b->mask, len);
	struct vma_reader_stats *t = p->stats;

	t->clusters++;
	t->data_bytes[b->dev] += stored;
	t->zero_bytes += len - stored;
	if (!b->mask)
		return;
	t->partial_zero_bytes += len - stored;
	t->stored_clusters++;
	t->clusters_sum =
		vma_sum_cluster(t->sum_seed, t->clusters_sum, c->frame, vma_cluster_key(b->dev, b->cluster));
}

/* Consecutive clusters of one disk that have already come. */
struct doubles {
	uint8_t dev;
	uint32_t first, n;
};

static int report_at_extent(struct parser *p, struct error **err)
{
	error_prefix(err, "extent at byte %" PRIu64, p->pos);
	return report_damage(p->report, err);
}

static int report_doubles(struct parser *p, struct doubles *d, struct error **err)
{
	const char *name = p->hdr->devices[d->dev].name;
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
	return report_at_extent(p, err);
}

static int add_double(struct parser *p, struct doubles *d, const struct vma_block_info *b, struct error **err)
{
	int r = 0;

	if (d->dev != b->dev || d->first + d->n != b->cluster) {
		r = report_doubles(p, d, err);
		*d = (struct doubles){ .dev = b->dev, .first = b->cluster };
	}
	d->n++;
	return r;
}

/* 1: the cluster can be used; 0: it cannot, which is reported. */
static int claim_cluster(struct parser *p, const struct chunk *c, const struct vma_block_info *b,
			 struct doubles *doubles, struct error **err)
{
	int r = check_info(p, b, err);

	if (r < 0)
		return report_at_extent(p, err);
	r = vma_seen_claim(&p->seen, b->dev, b->cluster, err);
	if (r > 0)
		count_cluster(p, c, b);
	return r == 0 ? add_double(p, doubles, b, err) : r;
}

/* Remembers where filler stands for bytes that could not be read. */
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

/* Clusters that cannot be used lose their device, so that they are not handed out. */
static int claim_clusters(struct parser *p, const struct chunk *c, uint8_t *header, struct error **err)
{
	uint64_t at = p->pos + VMA_EXTENT_HEADER_SIZE, len;
	struct doubles doubles = { 0 };

	for (unsigned i = 0; i < VMA_CLUSTERS_PER_EXTENT; i++, at += len) {
		struct vma_block_info b = vma_block_info_decode(header, i);
		int r = 0;

		len = (uint64_t)__builtin_popcount(b.mask) * VMA_BLOCK_SIZE;
		if (b.dev && !is_filler(p, at, len))
			r = claim_cluster(p, c, &b, &doubles, err);
		if (r < 0)
			return r;
		if (r == 0)
			vma_block_info_disable(header, i);
	}
	return report_doubles(p, &doubles, err);
}

static void add_span(struct spans *spans, uint8_t *at, size_t len)
{
	struct span *last = spans->n ? &spans->list[spans->n - 1] : NULL;

	if (last && last->end == at) {
		last->end += len;
		return;
	}
	if (spans->n == spans->cap) {
		spans->cap = spans->cap ? 2 * spans->cap : 16;
		spans->list = xreallocarray(spans->list, spans->cap, sizeof(*spans->list));
	}
	spans->list[spans->n++] = (struct span){ .at = at, .end = at + len };
}

/* The next place where an extent may begin, or where too little is left to decide. */
static uint8_t *find_extent(const struct parser *p, uint8_t *at, const uint8_t *end)
{
	while (end - at >= VMA_EXTENT_HEADER_SIZE) {
		uint8_t *v = memchr(at, 'V', (size_t)(end - at) - VMA_EXTENT_HEADER_SIZE + 1);

		if (!v)
			return at + (end - at) - VMA_EXTENT_HEADER_SIZE + 1;
		if (vma_extent_looks_like(v, p->hdr->uuid))
			return v;
		at = v + 1;
	}
	return at;
}

/*
 * VMA has no checksums of data.  But if bytes of an extent were lost or added, no extent follows where it
 * ends.  Zeroes or filler there are fine: they replace a sector and shift nothing.
 */
static bool is_followed(const struct parser *p, const uint8_t *at, size_t size, const uint8_t *end)
{
	const uint8_t *next = at + size;

	return end - next < VMA_EXTENT_HEADER_SIZE || vma_extent_resembles(next, p->hdr->uuid) ||
	       io_is_zero(next, VMA_EXTENT_HEADER_SIZE) ||
	       is_filler(p, p->pos + size, VMA_EXTENT_HEADER_SIZE);
}

/* Checks the extent that begins here.  After an error the caller looks for the next one from here on. */
static int check_extent(struct parser *p, const struct chunk *c, const uint8_t *at, const uint8_t *end,
			size_t *ret_size, struct error **err)
{
	const bool look_after = report_tolerates(p->report) && !c->is_packed;
	int r = vma_extent_header_decode(at, p->hdr->uuid, ret_size, err);

	if (r < 0 || (size_t)(end - at) < *ret_size)
		return r;
	if (!look_after || is_followed(p, at, *ret_size, end)) {
		/* too little has been read to see what follows */
		if (look_after && !c->is_last && (size_t)(end - at) < *ret_size + VMA_EXTENT_HEADER_SIZE)
			*ret_size += VMA_EXTENT_HEADER_SIZE;
		return 0;
	}
	return error_set(err, ERR_CORRUPT,
			 "no extent follows where it ends, so bytes in it were lost or added; all its "
			 "clusters count as lost");
}

/* Takes the extent at `at`.  Returns where to continue; NULL: failure; `at`: too little has been read. */
static uint8_t *take_extent(struct parser *p, struct spans *spans, struct chunk *c, uint8_t *at,
			    const uint8_t *end, struct error **err)
{
	_cleanup_error_ struct error *own = NULL;
	size_t size = 0;

	if (end - at < VMA_EXTENT_HEADER_SIZE)
		return at;
	if (check_extent(p, c, at, end, &size, &own) < 0) {
		error_prefix(&own, "extent at byte %" PRIu64, p->pos);
		if (!p->is_lost && report_damage(p->report, &own) < 0) {
			error_keep_first(err, &own);
			return NULL;
		}
		p->is_lost = true;
		return at + 1;
	}
	if ((size_t)(end - at) < size)
		return at;
	p->is_lost = false;
	if (claim_clusters(p, c, at, err) < 0)
		return NULL;
	add_span(spans, at, size);
	return at + size;
}

/* Puts the rest of the previous chunk in front of this one. */
static uint8_t *join_tail(struct parser *p, struct chunk *c)
{
	uint8_t *at = c->data - p->tail_len;

	if (p->tail_len)
		memcpy(at, p->tail, p->tail_len);
	p->tail_len = 0;
	return at;
}

static int report_text(struct parser *p, char **text, struct error **err)
{
	struct error *own = NULL;
	int r = 0;

	if (*text) {
		error_set(&own, ERR_CORRUPT, "%s", *text);
		r = report_damage(p->report, &own);
	}
	error_keep_first(err, &own);
	free(TAKE_PTR(*text));
	return r;
}

/* Something before the chunk is missing, so no extent can continue into it. */
static void lose_tail(struct parser *p)
{
	p->tail_len = 0;
	p->is_lost = true;
}

int parser_parse(struct parser *p, struct chunk *c, struct spans *spans, struct error **err)
{
	uint8_t *at, *end;
	int r = report_text(p, &c->unreadable, err);

	spans->n = 0;
	if (r == 0)
		r = report_text(p, &c->damage, err);
	if (r < 0)
		return r;
	if (c->is_lost)
		lose_tail(p);
	note_filler(p, c);
	at = join_tail(p, c);
	end = c->data + c->len;
	p->stats->vma_bytes += c->len;
	for (;;) {
		uint8_t *next = p->is_lost ? find_extent(p, at, end) : at;

		p->pos += (uint64_t)(next - at);
		at = next;
		next = take_extent(p, spans, c, at, end, err);
		if (!next)
			return (*err)->code;
		if (next == at)
			break;
		p->pos += (uint64_t)(next - at);
		at = next;
	}
	p->tail_len = (size_t)(end - at);
	memcpy(p->tail, at, p->tail_len);
	if (p->report->receiver->progress)
		p->report->receiver->progress(p->report->opaque, p->stats->clusters);
	return 0;
}

static int check_tail(struct parser *p, struct error **err)
{
	if (!p->tail_len || p->is_lost)
		return 0;
	error_set(err, ERR_CORRUPT,
		  "the archive ends within the extent at byte %" PRIu64 ", after %zu bytes of it", p->pos,
		  p->tail_len);
	return report_damage(p->report, err);
}

static int check_device(struct parser *p, uint8_t dev, struct error **err)
{
	uint64_t at = 0, first = 0, n = 0;

	if (!vma_seen_missing(&p->seen, dev, &at, &first, &n))
		return 0;
	return error_set(err, ERR_CORRUPT,
			 "%s: cluster %" PRIu64 " (at byte %" PRIu64 " of the disk) is missing; %" PRIu64
			 " of %" PRIu64 " clusters are there",
			 p->hdr->devices[dev].name, first, first * VMA_CLUSTER_SIZE, p->seen.count[dev],
			 p->seen.clusters[dev]);
}

int parser_end(struct parser *p, struct error **err)
{
	int r = check_tail(p, err);

	for (unsigned dev = 1; r == 0 && dev <= VMA_MAX_DEVICES; dev++)
		if (p->hdr->devices[dev].name && !report_tolerates(p->report))
			r = check_device(p, (uint8_t)dev, err);
	return r;
}

#include "vma/reader.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "vma/format-internal.h"
#include "vma/random.h"
#include "vma/reader-internal.h"

/* ---- sums that a crafted archive cannot steer, as it does not know the seed ---- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t vma_reader_sum_frame(const struct vma_reader *r, uint64_t sum, uint64_t packed, uint64_t content)
{
	return mix(mix(mix(sum + r->seed) + packed) + content);
}

/* In any order. */
uint64_t vma_reader_sum_cluster(const struct vma_reader *r, uint64_t sum, uint64_t frame, uint64_t key)
{
	return sum + mix(mix(frame + r->seed) + key);
}

/* ---- memory ---- */

static uint8_t *map(size_t size, struct error **err)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		error_errno(err, errno, "cannot get %zu bytes of memory for reading", size);
		return NULL;
	}
	return p;
}

static int init_chunks(struct vma_reader *r, struct error **err)
{
	size_t packed = frame_cutter_room(&r->cutter);

	r->n_chunks = r->n_threads + 2;
	r->all = xcalloc(r->n_chunks, sizeof(*r->all));
	for (unsigned i = 0; i < r->n_chunks; i++) {
		struct chunk *c = &r->all[i];

		c->room = map(CHUNK_HEAD + CHUNK_DATA, err);
		c->packed = c->room ? map(packed, err) : NULL;
		if (!c->packed)
			return -ENOMEM;
		c->next = r->free_chunks;
		r->free_chunks = c;
	}
	r->parser.tail = map(CHUNK_HEAD, err);
	return r->parser.tail ? 0 : -ENOMEM;
}

static void clear_chunks(struct vma_reader *r)
{
	for (unsigned i = 0; r->all && i < r->n_chunks; i++) {
		struct chunk *c = &r->all[i];

		if (c->room)
			munmap(c->room, CHUNK_HEAD + CHUNK_DATA);
		if (c->packed)
			munmap(c->packed, frame_cutter_room(&r->cutter));
		free(c->damage);
		free(c->unreadable);
	}
	free(r->all);
	if (r->parser.tail)
		munmap(r->parser.tail, CHUNK_HEAD);
	free(r->parser.filler);
}

/* ---- the header ---- */

static int init_source(struct vma_reader *r, struct error **err)
{
	r->framed = input_kind(&r->raw) == INPUT_ZSTD;
	r->plain = input_kind(&r->raw) == INPUT_PLAIN;
	r->stats.framed = r->framed;
	return r->framed ? 0 : unpacker_new(&r->raw, &r->unpacker, err);
}

/* Moves bytes of the chunk to head until that has n.  False: the chunk has not enough. */
static bool move_bytes(struct chunk *c, struct buf *head, size_t n)
{
	size_t now = head->len < n ? n - head->len : 0;

	if (now > c->len)
		now = c->len;
	buf_add(head, c->data, now);
	c->data += now;
	c->len -= now;
	return head->len >= n;
}

static int more(struct vma_reader *r, void *unpacker, struct chunk *c, struct error **err)
{
	int s = reader_source_next(r, c, err);

	if (s == 0)
		return error_set(err, ERR_CORRUPT, "the archive ends within its header");
	if (s > 0 && c->is_packed)
		s = reader_unpack(unpacker, c, err);
	c->is_packed = false;
	return s < 0 ? s : 0;
}

static int fill_head(struct vma_reader *r, void *unpacker, struct chunk *c, struct buf *head, size_t n,
		     struct error **err)
{
	int s = 0;

	while (s == 0 && !move_bytes(c, head, n))
		s = more(r, unpacker, c, err);
	return s;
}

static int read_header(struct vma_reader *r, struct error **err)
{
	_cleanup_buf_ struct buf head = BUF_INIT;
	struct chunk *c = r->first;
	ZSTD_DCtx *unpacker = ZSTD_createDCtx();
	size_t size = 0;
	int s;

	if (!unpacker)
		return error_set(err, -ENOMEM, "no memory for a zstd decompressor");
	c->data = c->room;
	c->len = 0;
	s = fill_head(r, unpacker, c, &head, sizeof(VMA_H_MAGIC), err);
	if (s == 0 && memcmp(head.data, VMA_H_MAGIC, sizeof(VMA_H_MAGIC)) != 0)
		s = error_set(err, ERR_CORRUPT, "not a VMA archive: it does not begin with 'VMA'");
	if (s == 0)
		s = fill_head(r, unpacker, c, &head, VMA_HEADER_SIZE, err);
	if (s == 0)
		s = vma_header_size((const uint8_t *)head.data, &size, err);
	if (s == 0)
		s = fill_head(r, unpacker, c, &head, size, err);
	if (s == 0)
		s = vma_header_decode((const uint8_t *)head.data, size, &r->hdr, err);
	ZSTD_freeDCtx(unpacker);
	r->stats.vma_bytes = r->parser.pos = size;
	r->stats.header_alone = r->framed && !c->len;
	return s;
}

/*
 * The index has a copy of the header, and the seek table knows where the next frame begins: from there
 * on the archive is as good as any, though vma_reader_run() will tell.
 */
static int recover_header(struct vma_reader *r, struct error **damage)
{
	uint64_t behind = 0;

	if ((*damage)->code != ERR_CORRUPT && (*damage)->code != -EIO)
		return (*damage)->code;
	if (vma_random_header_copy(r->raw.fd, &r->hdr, &behind, NULL) < 0 ||
	    input_raw_seek(&r->raw, behind) < 0)
		return (*damage)->code;
	frame_cutter_clear(&r->cutter);
	frame_cutter_init(&r->cutter, &r->raw, CHUNK_DATA);
	unpacker_free(TAKE_PTR(r->unpacker));
	error_free(TAKE_PTR(r->late));
	r->framed = true;
	r->plain = false;
	r->source_ended = false;
	r->frame_count = 1;
	r->first->len = 0;
	r->hdr_damage = TAKE_PTR(*damage);
	return 0;
}

/* The header that is damaged is one of the damages that the sink hears of, or the first. */
static int tell_header_damage(struct vma_reader *r, struct error **err)
{
	struct error *own = TAKE_PTR(r->hdr_damage);

	if (!own)
		return 0;
	if (r->sink->damage)
		error_set(err, ERR_CORRUPT, "the header is damaged (%s); the index has a copy of it",
			  own->message);
	else
		error_set(err, ERR_CORRUPT,
			  "the header is damaged (%s); the index has a copy of it, which vma extract "
			  "--salvage takes",
			  own->message);
	error_free(own);
	return reader_damage(r, err);
}

static void init_sync(struct vma_reader *r)
{
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->cond, NULL);
	r->todo_end = &r->todo;
}

static int open_archive(struct vma_reader *r, int fd, const struct cancel *cancel, struct error **err)
{
	struct error *own = NULL;
	int s = input_raw_init(&r->raw, fd, cancel, &own);

	r->first = reader_chunk_get(r);
	if (s == 0)
		s = init_source(r, &own);
	if (s == 0)
		s = read_header(r, &own);
	if (s < 0)
		s = recover_header(r, &own);
	error_keep_first(err, &own);
	return s;
}

int vma_reader_new(int fd, unsigned threads, const struct cancel *cancel, struct vma_reader **ret,
		   struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *r = xcalloc(1, sizeof(*r));
	int s;

	r->n_threads = !threads ? 1 : threads > VMA_READER_MAX_THREADS ? VMA_READER_MAX_THREADS : threads;
	init_sync(r);
	frame_cutter_init(&r->cutter, &r->raw, CHUNK_DATA);
	if (getrandom(&r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed))
		return error_errno(err, errno, "cannot get random bytes");
	s = init_chunks(r, err);
	if (s == 0)
		s = open_archive(r, fd, cancel, err);
	if (s < 0)
		return s;
	vma_seen_init(&r->parser.seen, &r->hdr);
	*ret = TAKE_PTR(r);
	return 0;
}

const struct vma_header *vma_reader_header(const struct vma_reader *r)
{
	return &r->hdr;
}

const struct vma_reader_stats *vma_reader_stats(const struct vma_reader *r)
{
	return &r->stats;
}

bool vma_reader_missing(const struct vma_reader *r, uint8_t dev, uint64_t *at, uint64_t *ret_first,
			uint64_t *ret_n)
{
	return vma_seen_missing(&r->parser.seen, dev, at, ret_first, ret_n);
}

int vma_reader_run(struct vma_reader *r, const struct vma_sink *sink, void *opaque, struct error **err)
{
	struct error *own = NULL; /* inside, errors are looked at */
	int s;

	r->sink = sink;
	r->opaque = opaque;
	r->raw.fill_bad = sink->damage != NULL;
	s = tell_header_damage(r, &own);
	if (s == 0)
		s = reader_threads_run(r, &own);
	if (s == 0)
		s = reader_parse_end(r, &own);
	r->stats.framed = r->framed;
	error_keep_first(err, &own);
	return s;
}

void vma_reader_free(struct vma_reader *r)
{
	if (!r)
		return;
	unpacker_free(r->unpacker);
	frame_cutter_clear(&r->cutter);
	clear_chunks(r);
	vma_seen_clear(&r->parser.seen);
	vma_header_clear(&r->hdr);
	error_free(r->hdr_damage);
	error_free(r->late);
	error_free(r->failure);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->cond);
	free(r);
}

#include "vma/reader.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "vma/format-internal.h"
#include "vma/random.h"
#include "vma/reader-flow.h"

struct vma_reader {
	struct vma_header hdr;
	size_t header_size;
	struct error *hdr_damage; /* of the header itself; hdr is then the index's copy */
	struct source source;
	struct chunk_pool chunks;
	struct chunk *first; /* read together with the header */
	struct parser parser;
	struct reader_report report;
	struct reader_hash hash;
	struct vma_reader_stats stats;
	unsigned n_threads;
};

/* ---- the header ---- */

/* Moves bytes of the chunk to head until that has n.  False: the chunk does not have enough. */
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

static int next_chunk(struct vma_reader *reader, struct frame_decoder *d, struct error **err)
{
	struct chunk *c = reader->first;
	int r = source_next(&reader->source, c, err);

	if (r == 0)
		return error_set(err, ERR_CORRUPT, "the archive ends within its header");
	if (r > 0 && c->is_packed)
		r = chunk_unpack(d, c, err);
	c->is_packed = false;
	return r < 0 ? r : 0;
}

static int fill_head(struct vma_reader *reader, struct frame_decoder *d, struct buf *head, size_t n,
		     struct error **err)
{
	int r = 0;

	while (r == 0 && !move_bytes(reader->first, head, n))
		r = next_chunk(reader, d, err);
	return r;
}

static int read_header(struct vma_reader *reader, struct error **err)
{
	_cleanup_(frame_decoder_freep) struct frame_decoder *d = NULL;
	_cleanup_buf_ struct buf head = BUF_INIT;
	struct chunk *c = reader->first;
	int r = frame_decoder_new(&d, err);

	c->data = c->room;
	c->len = 0;
	if (r == 0)
		r = fill_head(reader, d, &head, sizeof(VMA_H_MAGIC), err);
	if (r == 0 && memcmp(head.data, VMA_H_MAGIC, sizeof(VMA_H_MAGIC)) != 0)
		r = error_set(err, ERR_CORRUPT,
			      "not a VMA archive: it does not begin with 'VMA', as those of vzdump do");
	if (r == 0)
		r = fill_head(reader, d, &head, VMA_HEADER_SIZE, err);
	if (r == 0)
		r = vma_header_size((const uint8_t *)head.data, &reader->header_size, err);
	if (r == 0)
		r = fill_head(reader, d, &head, reader->header_size, err);
	if (r == 0)
		r = vma_header_decode((const uint8_t *)head.data, reader->header_size, &reader->hdr, err);
	reader->stats.header_alone = reader->source.framed && !c->len;
	return r;
}

/*
 * The index has a copy of the header, and the seek table says where the next frame begins.  From there on
 * the archive can be read as usual, though vma_reader_run() will report the damage.
 */
static int recover_header(struct vma_reader *reader, struct error **damage)
{
	uint64_t end = 0;

	if ((*damage)->code != ERR_CORRUPT && (*damage)->code != -EIO)
		return (*damage)->code;
	if (vma_random_header_copy(reader->source.raw.fd, &reader->hdr, &end, NULL) < 0 ||
	    source_skip_first(&reader->source, end) < 0)
		return (*damage)->code;
	reader->first->len = 0;
	reader->hdr_damage = TAKE_PTR(*damage);
	return 0;
}

/* Reports the damaged header to the receiver, or fails if damage is not tolerated. */
static int report_header_damage(struct vma_reader *reader, struct error **err)
{
	struct error *own = TAKE_PTR(reader->hdr_damage);

	if (!own)
		return 0;
	if (report_tolerates(&reader->report))
		error_set(err, ERR_CORRUPT, "the header is damaged (%s); the index has a copy of it",
			  own->message);
	else
		error_set(err, ERR_CORRUPT,
			  "the header is damaged (%s); the index has a copy of it, which vma extract "
			  "--salvage uses",
			  own->message);
	error_free(own);
	return report_damage(&reader->report, err);
}

static int open_archive(struct vma_reader *reader, int fd, const struct cancel *cancel, struct error **err)
{
	struct error *own = NULL;
	int r = source_open(&reader->source, fd, cancel, &own);

	reader->first = chunk_get(&reader->chunks);
	reader->stats.framed = reader->source.framed;
	if (r == 0)
		r = read_header(reader, &own);
	if (r < 0)
		r = recover_header(reader, &own);
	error_keep_first(err, &own);
	return r;
}

/* ---- the calls ---- */

unsigned vma_reader_threads(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	return (n > 0 ? (unsigned)n : 1) + 2;
}

int vma_reader_new(int fd, unsigned threads, const struct cancel *cancel, struct vma_reader **ret,
		   struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = xcalloc(1, sizeof(*reader));
	int r;

	reader->n_threads = !threads                           ? 1
			    : threads > VMA_READER_MAX_THREADS ? VMA_READER_MAX_THREADS
							       : threads;
	reader->report.damages = &reader->stats.damages;
	reader->source.stats = reader->parser.stats = &reader->stats;
	reader->parser.hdr = &reader->hdr;
	reader->parser.report = &reader->report;
	source_init(&reader->source);
	parser_init(&reader->parser);
	r = chunk_pool_init(&reader->chunks, reader->n_threads + VMA_READER_CHUNKS_MORE,
			    frame_cutter_room(&reader->source.cutter), err);
	if (r == 0 && getrandom(&reader->stats.sum_seed, sizeof(reader->stats.sum_seed), 0) !=
			      (ssize_t)sizeof(reader->stats.sum_seed))
		r = error_errno(err, errno, "cannot get random bytes");
	if (r == 0)
		r = open_archive(reader, fd, cancel, err);
	if (r < 0)
		return r;
	parser_start(&reader->parser, reader->header_size);
	*ret = TAKE_PTR(reader);
	return 0;
}

const struct vma_header *vma_reader_header(const struct vma_reader *reader)
{
	return &reader->hdr;
}

const struct vma_reader_stats *vma_reader_stats(const struct vma_reader *reader)
{
	return &reader->stats;
}

bool vma_reader_missing(const struct vma_reader *reader, uint8_t dev, uint64_t *at, uint64_t *ret_first,
			uint64_t *ret_n)
{
	return vma_seen_missing(&reader->parser.seen, dev, at, ret_first, ret_n);
}

void vma_reader_hash(struct vma_reader *reader, const struct vma_secret *secret)
{
	reader->hash.on = true;
	reader->hash.secret = *secret;
	reader->hash.seed = reader->stats.sum_seed;
}

int vma_reader_run(struct vma_reader *reader, const struct vma_receiver *receiver, void *opaque,
		   struct error **err)
{
	struct chunk *first = TAKE_PTR(reader->first);
	const struct reader_flow flow = { .source = &reader->source,
					  .chunks = &reader->chunks,
					  .parser = &reader->parser,
					  .report = &reader->report,
					  .hash = &reader->hash,
					  .first = first,
					  .n_threads = reader->n_threads };
	struct error *own = NULL; /* the calls below read error codes from it, and err may be NULL */
	int r;

	reader->report.receiver = receiver;
	reader->report.opaque = opaque;
	reader->source.tolerates = reader->source.raw.fill_bad = report_tolerates(&reader->report);
	r = report_header_damage(reader, &own);
	if (r == 0)
		r = reader_flow_run(&flow, &own);
	if (r == 0)
		r = parser_end(&reader->parser, &own);
	reader->stats.framed = reader->source.framed;
	reader->stats.contents_sum = atomic_load(&reader->hash.sum);
	error_keep_first(err, &own);
	return r;
}

void vma_reader_free(struct vma_reader *reader)
{
	if (!reader)
		return;
	source_clear(&reader->source);
	chunk_pool_clear(&reader->chunks);
	parser_clear(&reader->parser);
	vma_header_clear(&reader->hdr);
	error_free(reader->hdr_damage);
	free(reader);
}

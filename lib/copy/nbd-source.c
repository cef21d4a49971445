#include "copy/nbd-source.h"

#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/nbd.h"

/* A kind of question about a bitmap. */
struct bitmap {
	struct nbd_handle *nbd; /* the connection to ask by; NULL: no bitmap */
	int error;              /* of the question that is open */
	void *opaque;
	void (*piece)(void *opaque, const struct piece *p);
	void (*end)(void *opaque, int error);
};

struct nbd_source {
	const char *name;
	const struct nbd_source_ops *ops;
	void *opaque;
	struct nbd_handle *nbd;
	struct bitmap dirty, base;
	struct bitmap proof;      /* asks by the connection of `dirty` */
	struct nbd_handle *image; /* of the fleecing image, for TRIMs; NULL: those of `nbd` do */
	bool ending;              /* nothing more is sent */
	uint32_t read_flags;
	int status_error; /* of the question that is open */
};

static int failed(const struct nbd_source *s, const char *what, struct error **err)
{
	const char *text = nbd_get_error();

	return error_set(err, ERR_PEER, "%s: %s: %s", s->name, what, text ? text : "unknown error");
}

static bool has_ended(struct nbd_handle *h)
{
	return nbd_aio_is_dead(h) == 1 || nbd_aio_is_closed(h) == 1;
}

static int gone(const struct nbd_source *s, struct error **err)
{
	return error_set(err, ERR_GONE, "%s: QEMU closed the connection (stopped or crashed?)", s->name);
}

/* A request could not be sent: sending may be what shows that QEMU has ended. */
static int not_sent(const struct nbd_source *s, struct nbd_handle *h, const char *what, struct error **err)
{
	return has_ended(h) ? gone(s, err) : failed(s, what, err);
}

/* ---- life ---- */

static int connect_export(struct nbd_source *s, const struct nbd_source_address *a, const char *context,
			  const struct cancel *cancel, struct nbd_handle **ret, struct error **err)
{
	struct nbd_handle *h = nbd_create();
	int r;

	/* libnbd keeps NBD_CMD_FLAG_DF to nbd_pread_structured(); see nbd_source_read() */
	if (h && nbd_set_strict_mode(h, nbd_get_strict_mode(h) & ~(uint32_t)LIBNBD_STRICT_FLAGS) == 0 &&
	    nbd_set_export_name(h, a->export) == 0 && nbd_add_meta_context(h, context) == 0 &&
	    nbd_set_pread_initialize(h, false) == 0) {
		r = nbd_client_connect_unix(h, a->socket, NBD_CONNECT_MS, cancel, err);
		if (r == 0) {
			*ret = h;
			return 0;
		}
		if (r != ERR_CANCELED)
			error_prefix(err, "%s: cannot connect to its NBD export", s->name);
	} else {
		r = failed(s, "cannot connect to its NBD export", err);
	}
	if (h)
		nbd_close(h);
	return r;
}

static int connect_data(struct nbd_source *s, uint64_t expected, const struct nbd_source_address *a,
			const struct cancel *cancel, struct error **err)
{
	int64_t size;
	int r = connect_export(s, a, LIBNBD_CONTEXT_BASE_ALLOCATION, cancel, &s->nbd, err);

	if (r < 0)
		return r;
	size = nbd_get_size(s->nbd);
	if (size < 0 || (uint64_t)size != expected)
		return error_set(err, ERR_PEER,
				 "%s: its NBD export has %ld bytes where %lu were expected: the disk "
				 "was resized meanwhile, start the backup again",
				 s->name, (long)size, (unsigned long)expected);
	/* one piece: else QEMU asks for the block status of every read again, to leave out holes */
	s->read_flags = nbd_can_df(s->nbd) == 1 ? LIBNBD_CMD_FLAG_DF : 0;
	return 0;
}

/* bitmap: its name; NULL: there is none. */
static int connect_bitmap(struct nbd_source *s, const struct nbd_source_address *a, const char *bitmap,
			  const struct cancel *cancel, struct nbd_handle **ret, struct error **err)
{
	_cleanup_free_ char *context = NULL;
	int r;

	if (!bitmap)
		return 0;
	context = xasprintf("qemu:dirty-bitmap:%s", bitmap);
	r = connect_export(s, a, context, cancel, ret, err);
	if (r < 0)
		return r;
	if (nbd_can_meta_context(*ret, context) != 1)
		return error_set(err, ERR_PEER, "%s: its NBD export lacks the dirty bitmap '%s'", s->name,
				 bitmap);
	return 0;
}

static int connect_image(struct nbd_source *s, const struct nbd_source_address *a,
			 const struct cancel *cancel, struct error **err)
{
	const struct nbd_source_address image = { .socket = a->socket, .export = a->image };

	return connect_export(s, &image, LIBNBD_CONTEXT_BASE_ALLOCATION, cancel, &s->image, err);
}

int nbd_source_new(const char *name, uint64_t size, const struct nbd_source_address *a,
		   const struct cancel *cancel, const struct nbd_source_ops *ops, void *opaque,
		   struct nbd_source **ret, struct error **err)
{
	struct nbd_source *s = xcalloc(1, sizeof(*s));
	int r;

	*s = (struct nbd_source){
		.name = name,
		.ops = ops,
		.opaque = opaque,
		.dirty = { .opaque = opaque, .piece = ops->dirty_piece, .end = ops->dirty_end },
		.base = { .opaque = opaque, .piece = ops->base_piece, .end = ops->base_end },
		.proof = { .opaque = opaque, .piece = ops->proof_piece, .end = ops->proof_end },
	};
	r = connect_data(s, size, a, cancel, err);
	if (r == 0)
		r = connect_bitmap(s, a, a->bitmap, cancel, &s->dirty.nbd, err);
	if (r == 0)
		r = connect_bitmap(s, a, a->base_bitmap, cancel, &s->base.nbd, err);
	s->proof.nbd = s->dirty.nbd;
	if (r == 0 && a->image)
		r = connect_image(s, a, cancel, err);
	if (r < 0)
		nbd_source_free(s);
	else
		*ret = s;
	return r;
}

void nbd_source_free(struct nbd_source *s)
{
	if (!s)
		return;
	s->ending = true;
	/* closing settles every request that is still open */
	if (s->nbd)
		nbd_close(s->nbd);
	if (s->dirty.nbd)
		nbd_close(s->dirty.nbd);
	if (s->base.nbd)
		nbd_close(s->base.nbd);
	if (s->image)
		nbd_close(s->image);
	free(s);
}

bool nbd_source_can_status(const struct nbd_source *s)
{
	return nbd_can_meta_context(s->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1;
}

bool nbd_source_can_dirty(const struct nbd_source *s)
{
	return s->dirty.nbd != NULL;
}

bool nbd_source_can_trim(const struct nbd_source *s)
{
	return nbd_can_trim(s->nbd) == 1;
}

/*
 * libnbd calls `callback` only if there is an answer, and `free` in the end in any case, also for requests
 * that it did not take.  So errors are ENOTCONN until an answer says otherwise, and all ends in `free`.
 */

/* ---- reads ---- */

static int on_read_done(void *opaque, int *error)
{
	struct nbd_read *r = opaque;

	r->error = *error;
	return 1;
}

static void on_read_free(void *opaque)
{
	struct nbd_read *r = opaque;

	r->end(r, r->error);
}

int nbd_source_read(struct nbd_source *s, struct nbd_read *r, void *data, uint64_t offset, uint64_t length,
		    struct error **err)
{
	r->error = ENOTCONN;
	if (nbd_aio_pread(s->nbd, data, length, offset,
			  (nbd_completion_callback){
				  .callback = on_read_done, .user_data = r, .free = on_read_free },
			  s->read_flags) == -1)
		return not_sent(s, s->nbd, "cannot send a read request", err);
	return 0;
}

/* ---- block status ---- */

static int on_status(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n_entries,
		     int *error)
{
	struct nbd_source *s = opaque;

	(void)error;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0)
		return 0;
	for (size_t i = 0; i + 1 < n_entries; offset += entries[i], i += 2)
		s->ops->status_piece(
			s->opaque,
			&(struct piece){ offset, entries[i],
					 entries[i + 1] & LIBNBD_STATE_ZERO ? PIECE_ZERO : PIECE_DATA });
	return 0;
}

static int on_status_done(void *opaque, int *error)
{
	struct nbd_source *s = opaque;

	s->status_error = *error;
	return 1;
}

static void on_status_free(void *opaque)
{
	struct nbd_source *s = opaque;

	s->ops->status_end(s->opaque, s->status_error);
}

int nbd_source_ask_status(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err)
{
	s->status_error = ENOTCONN;
	if (nbd_aio_block_status(s->nbd, length, offset,
				 (nbd_extent_callback){ .callback = on_status, .user_data = s },
				 (nbd_completion_callback){
					 .callback = on_status_done, .user_data = s, .free = on_status_free },
				 0) == -1)
		return not_sent(s, s->nbd, "cannot ask for block status", err);
	return 0;
}

/* ---- the bitmaps ---- */

static int on_bitmap(void *opaque, const char *context, uint64_t offset, uint32_t *entries, size_t n_entries,
		     int *error)
{
	const struct bitmap *b = opaque;

	(void)error;
	if (!str_prefix(context, "qemu:dirty-bitmap:", NULL))
		return 0;
	for (size_t i = 0; i + 1 < n_entries; offset += entries[i], i += 2)
		b->piece(b->opaque,
			 &(struct piece){ offset, entries[i], entries[i + 1] ? PIECE_DIRTY : PIECE_CLEAN });
	return 0;
}

static int on_bitmap_done(void *opaque, int *error)
{
	struct bitmap *b = opaque;

	b->error = *error;
	return 1;
}

static void on_bitmap_free(void *opaque)
{
	const struct bitmap *b = opaque;

	b->end(b->opaque, b->error);
}

static int ask_bitmap(struct nbd_source *s, struct bitmap *b, uint64_t offset, uint64_t length,
		      struct error **err)
{
	b->error = ENOTCONN;
	if (nbd_aio_block_status(b->nbd, length, offset,
				 (nbd_extent_callback){ .callback = on_bitmap, .user_data = b },
				 (nbd_completion_callback){
					 .callback = on_bitmap_done, .user_data = b, .free = on_bitmap_free },
				 0) == -1)
		return not_sent(s, b->nbd, "cannot ask for the dirty bitmap", err);
	return 0;
}

int nbd_source_ask_dirty(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err)
{
	return ask_bitmap(s, &s->dirty, offset, length, err);
}

int nbd_source_ask_proof(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err)
{
	return ask_bitmap(s, &s->proof, offset, length, err);
}

int nbd_source_ask_base(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err)
{
	return ask_bitmap(s, &s->base, offset, length, err);
}

/* ---- TRIM ---- */

struct trim {
	struct nbd_source *source;
	uint64_t offset, length;
};

static int on_trim_done(void *opaque, int *error)
{
	(void)opaque;
	(void)error; /* a TRIM that fails costs space, nothing else */
	return 1;
}

static void on_trim_free(void *opaque)
{
	struct trim *t = opaque;

	t->source->ops->trim_end(t->source->opaque);
	free(t);
}

static bool send_trim(struct nbd_handle *h, struct trim *t, void (*end)(void *opaque))
{
	return nbd_aio_trim(
		       h, t->length, t->offset,
		       (nbd_completion_callback){ .callback = on_trim_done, .user_data = t, .free = end },
		       0) != -1;
}

/*
 * From here on the filter begins no copy to there any more, so the image may lose it (queue_trim_again() is
 * about those that wait already).  If that cannot be sent, nbd_source_serve() will see that QEMU has ended.
 */
static void on_snapshot_trim_free(void *opaque)
{
	struct trim *t = opaque;

	if (t->source->ending)
		on_trim_free(t);
	else
		(void)send_trim(t->source->image, t, on_trim_free);
}

int nbd_source_trim(struct nbd_source *s, uint64_t offset, uint64_t length, struct error **err)
{
	struct trim *t = xcalloc(1, sizeof(*t));

	*t = (struct trim){ s, offset, length };
	if (!send_trim(s->nbd, t, s->image ? on_snapshot_trim_free : on_trim_free))
		return not_sent(s, s->nbd, "cannot send TRIM", err);
	return 0;
}

/* ---- the sockets ---- */

static void watch_handle(struct pollfd *p, struct nbd_handle *h)
{
	const unsigned direction = h ? nbd_aio_get_direction(h) : 0;

	*p = (struct pollfd){ .fd = h ? nbd_aio_get_fd(h) : -1 };
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		p->events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		p->events |= POLLOUT;
}

void nbd_source_watch(struct nbd_source *s, struct pollfd fds[NBD_SOURCE_FDS])
{
	watch_handle(&fds[0], s->nbd);
	watch_handle(&fds[1], s->dirty.nbd);
	watch_handle(&fds[2], s->base.nbd);
	watch_handle(&fds[3], s->image);
}

static int serve_handle(const struct nbd_source *s, const struct pollfd *p, struct nbd_handle *h,
			struct error **err)
{
	int r = 0;

	if ((p->revents & (POLLIN | POLLHUP | POLLERR)) &&
	    (nbd_aio_get_direction(h) & LIBNBD_AIO_DIRECTION_READ))
		r = nbd_aio_notify_read(h);
	else if (p->revents & POLLOUT)
		r = nbd_aio_notify_write(h);
	if (has_ended(h))
		return gone(s, err);
	if (r == -1)
		return error_set(err, ERR_PEER, "%s: %s", s->name, nbd_get_error());
	return 0;
}

int nbd_source_serve(struct nbd_source *s, const struct pollfd fds[NBD_SOURCE_FDS], struct error **err)
{
	int r = serve_handle(s, &fds[0], s->nbd, err);

	if (r == 0 && s->dirty.nbd)
		r = serve_handle(s, &fds[1], s->dirty.nbd, err);
	if (r == 0 && s->base.nbd)
		r = serve_handle(s, &fds[2], s->base.nbd, err);
	if (r == 0 && s->image)
		r = serve_handle(s, &fds[3], s->image, err);
	return r;
}

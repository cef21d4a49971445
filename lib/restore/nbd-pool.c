#include "restore/nbd-pool.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "qemu/nbd.h"

#define CONNECTIONS 4u
#define WRITE_MAX   ((size_t)8 << 20)
#define ZERO_MAX    ((uint64_t)1 << 30)

struct connection {
	struct nbd_handle *h;
	pthread_mutex_t lock;
};

struct nbd_pool {
	struct connection c[CONNECTIONS];
	unsigned n;
	uint64_t size;
	bool can_zero, can_flush;
	char *uri;
	const struct cancel *cancel;
};

/* The error of a libnbd call that does not wait. */
static int call_failed(const struct nbd_pool *p, const char *what, struct error **err)
{
	const char *text = nbd_get_error();

	return error_set(err, ERR_PEER, "cannot %s '%s': %s", what, p->uri, text ? text : "unknown error");
}

/* Waits for a command; `what` describes it, for the message of an error. */
static int finish_command(const struct nbd_pool *p, struct nbd_handle *h, int64_t cookie, const char *what,
			  struct error **err)
{
	int r = nbd_client_finish(h, cookie, p->cancel, err);

	if (r < 0 && r != ERR_CANCELED)
		error_prefix(err, "cannot %s '%s'", what, p->uri);
	return r == ERR_PEER && nbd_get_errno() == ENOSPC ? -ENOSPC : r;
}

static int finish_command_at(const struct nbd_pool *p, struct nbd_handle *h, int64_t cookie, const char *what,
			     uint64_t offset, struct error **err)
{
	_cleanup_free_ char *where = xasprintf("%s byte %" PRIu64 " of", what, offset);

	return finish_command(p, h, cookie, where, err);
}

static int connect_one(struct nbd_pool *p, struct error **err)
{
	struct connection *c = &p->c[p->n];
	int r;

	c->h = nbd_create();
	if (!c->h)
		return call_failed(p, "use", err);
	pthread_mutex_init(&c->lock, NULL);
	p->n++;
	nbd_set_uri_allow_local_file(c->h, true);
	r = nbd_client_connect_uri(c->h, p->uri, NBD_CONNECT_MS, p->cancel, err);
	if (r < 0 && r != ERR_CANCELED)
		error_prefix(err, "cannot connect to '%s'", p->uri);
	return r;
}

static int read_properties(struct nbd_pool *p, struct error **err)
{
	int64_t size = nbd_get_size(p->c[0].h);

	if (size < 0)
		return call_failed(p, "find out the size of", err);
	if (nbd_is_read_only(p->c[0].h) != 0)
		return error_set(err, ERR_INVALID, "'%s' is read-only; have the server export it writable",
				 p->uri);
	p->size = (uint64_t)size;
	p->can_zero = nbd_can_zero(p->c[0].h) == 1;
	p->can_flush = nbd_can_flush(p->c[0].h) == 1;
	return 0;
}

int nbd_pool_open(const char *uri, const struct cancel *cancel, struct nbd_pool **ret, struct error **err)
{
	struct nbd_pool *p = xcalloc(1, sizeof(*p));
	int r;

	p->uri = xstrdup(uri);
	p->cancel = cancel;
	r = connect_one(p, err);
	if (r == 0)
		r = read_properties(p, err);
	if (r == 0 && nbd_can_multi_conn(p->c[0].h) == 1)
		while (r == 0 && p->n < CONNECTIONS)
			r = connect_one(p, err);
	if (r < 0) {
		nbd_pool_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

uint64_t nbd_pool_size(const struct nbd_pool *p)
{
	return p->size;
}

/* Locks a free connection; if there is none, waits for the one that belongs to this offset. */
static struct connection *take_connection(struct nbd_pool *p, uint64_t offset)
{
	unsigned first = (unsigned)(offset / WRITE_MAX % p->n);

	for (unsigned i = 0; i < p->n; i++) {
		struct connection *c = &p->c[(first + i) % p->n];

		if (pthread_mutex_trylock(&c->lock) == 0)
			return c;
	}
	pthread_mutex_lock(&p->c[first].lock);
	return &p->c[first];
}

int nbd_pool_write(struct nbd_pool *p, uint64_t offset, const void *data, size_t len, struct error **err)
{
	struct connection *c = take_connection(p, offset);
	int r = 0;

	for (size_t at = 0; r == 0 && at < len; at += WRITE_MAX) {
		size_t now = len - at < WRITE_MAX ? len - at : WRITE_MAX;

		r = finish_command_at(p, c->h,
				      nbd_aio_pwrite(c->h, (const char *)data + at, now, offset + at,
						     NBD_NULL_COMPLETION, 0),
				      "write to", offset + at, err);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

int nbd_pool_zero(struct nbd_pool *p, uint64_t offset, uint64_t len, struct error **err)
{
	struct connection *c;
	int r = 0;

	if (!p->can_zero)
		return ERR_UNSUPPORTED;
	c = take_connection(p, offset);
	while (r == 0 && len) {
		uint64_t now = len < ZERO_MAX ? len : ZERO_MAX;

		r = finish_command_at(p, c->h, nbd_aio_zero(c->h, now, offset, NBD_NULL_COMPLETION, 0),
				      "write zeroes to", offset, err);
		offset += now;
		len -= now;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* A flush over one connection covers writes over the others: multi-conn promises that. */
int nbd_pool_flush(struct nbd_pool *p, struct error **err)
{
	if (!p->can_flush)
		return 0;
	return finish_command(p, p->c[0].h, nbd_aio_flush(p->c[0].h, NBD_NULL_COMPLETION, 0), "write to",
			      err);
}

void nbd_pool_free(struct nbd_pool *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->n; i++) {
		nbd_client_close(p->c[i].h);
		pthread_mutex_destroy(&p->c[i].lock);
	}
	free(p->uri);
	free(p);
}

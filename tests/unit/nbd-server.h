/*
 * An NBD server for tests of the copy: a disk in memory, with block status, dirty bitmaps and TRIM, for any
 * number of connections.  It writes down what it is asked for, in the order in which it comes, and answers as
 * it is told.  Each connection has a thread, which answers one request after the other.
 */
#ifndef VZDUMP_TESTS_NBD_SERVER_H
#define VZDUMP_TESTS_NBD_SERVER_H

#include <endian.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/unix-socket.h"
#include "vma/format.h"

enum {
	NBD_READ = 0,
	NBD_DISC = 2,
	NBD_TRIM = 4,
	NBD_STATUS = 7
};

/* What a connection asks about by block status. */
enum context {
	CONTEXT_NONE,
	CONTEXT_ALLOCATION,
	CONTEXT_BASE,  /* "qemu:dirty-bitmap:base" */
	CONTEXT_DRAIN, /* "qemu:dirty-bitmap:drain" */
	CONTEXTS,
};

struct nbd_request_log {
	uint16_t type;
	enum context context; /* of NBD_STATUS */
	uint32_t first, n;    /* clusters */
};

struct nbd_server {
	const uint8_t *data;
	uint64_t size;
	const bool *dirty[CONTEXTS]; /* a bool for each cluster, of the bitmaps that there are; atomic */
	bool has_status;
	const bool *called_zero; /* what block status calls zero; NULL: what is zero */
	bool fails[CONTEXTS];    /* its questions get an error */
	bool hangs_up[CONTEXTS]; /* its first question ends the connection */
	bool mistakes_runs; /* reads of several clusters, of which one is in CONTEXT_DRAIN, have wrong data */
	uint32_t pieces_max;      /* of an answer; 0: no limit */
	uint32_t read_fails_once; /* of a read that begins with this cluster; UINT32_MAX: none */
	/* Called before a read is answered; may be NULL. */
	void (*on_read)(void *opaque, uint32_t first, uint32_t n);
	void *opaque;

	char path[100];
	int listen_fd;
	pthread_t thread, clients[16];
	unsigned n_clients;
	pthread_mutex_t lock; /* of the log */
	struct nbd_request_log *log;
	unsigned n_log;
};

struct nbd_client {
	struct nbd_server *s;
	int fd;
	enum context context;
};

static inline bool nbd_take(const struct nbd_client *c, void *data, size_t len)
{
	return !len || recv(c->fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

static inline bool nbd_give(const struct nbd_client *c, const void *data, size_t len)
{
	return !len || send(c->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* ---- handshake ---- */

static inline bool nbd_reply_option(const struct nbd_client *c, uint32_t option, uint32_t type,
				    const void *data, uint32_t len)
{
	const struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, type, len;
	} r = { htobe64(UINT64_C(0x0003e889045565a9)), htobe32(option), htobe32(type), htobe32(len) };

	return nbd_give(c, &r, sizeof(r)) && nbd_give(c, data, len);
}

/* data: length and name of the export, number of queries, length and text of the only one. */
static inline bool nbd_set_context(struct nbd_client *c, const uint8_t *data, size_t len)
{
	static const char *const names[CONTEXTS] = { [CONTEXT_ALLOCATION] = "base:allocation",
						     [CONTEXT_BASE] = "qemu:dirty-bitmap:base",
						     [CONTEXT_DRAIN] = "qemu:dirty-bitmap:drain" };
	const bool has[CONTEXTS] = { [CONTEXT_ALLOCATION] = c->s->has_status,
				     [CONTEXT_BASE] = c->s->dirty[CONTEXT_BASE],
				     [CONTEXT_DRAIN] = c->s->dirty[CONTEXT_DRAIN] };
	uint8_t reply[100] = { 0, 0, 0, 1 };
	uint32_t export_len;
	const char *query;
	size_t n;

	memcpy(&export_len, data, 4);
	n = 12 + be32toh(export_len);
	if (len < n)
		return false;
	query = (const char *)data + n;
	for (enum context i = CONTEXT_ALLOCATION; i < CONTEXTS; i++) {
		if (!has[i] || strlen(names[i]) != len - n || memcmp(names[i], query, len - n) != 0)
			continue;
		c->context = i;
		memcpy(reply + 4, query, len - n);
		if (!nbd_reply_option(c, 10, 4, reply, (uint32_t)(4 + len - n)))
			return false;
	}
	return nbd_reply_option(c, 10, 1, NULL, 0);
}

static inline bool nbd_reply_go(const struct nbd_client *c)
{
	const struct __attribute__((packed)) {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} info = { 0, htobe64(c->s->size), htobe16(1 | 1 << 5) };

	return nbd_reply_option(c, 7, 3, &info, sizeof(info)) && nbd_reply_option(c, 7, 1, NULL, 0);
}

static inline bool nbd_handshake(struct nbd_client *c)
{
	const struct __attribute__((packed)) {
		uint64_t magic, option;
		uint16_t flags;
	} hello = { htobe64(UINT64_C(0x4e42444d41474943)), htobe64(UINT64_C(0x49484156454f5054)),
		    htobe16(3) };
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, len;
	} o;
	uint8_t data[4096];

	if (!nbd_give(c, &hello, sizeof(hello)) || !nbd_take(c, data, 4))
		return false;
	while (nbd_take(c, &o, sizeof(o)) && be32toh(o.len) <= sizeof(data) &&
	       nbd_take(c, data, be32toh(o.len))) {
		const uint32_t option = be32toh(o.option);
		bool good;

		if (option == 7)
			return nbd_reply_go(c);
		if (option == 8)
			good = nbd_reply_option(c, option, 1, NULL, 0);
		else if (option == 10)
			good = nbd_set_context(c, data, be32toh(o.len));
		else
			good = nbd_reply_option(c, option, UINT32_C(1) << 31 | 1, NULL, 0);
		if (!good)
			return false;
	}
	return false;
}

/* ---- requests ---- */

struct __attribute__((packed)) nbd_request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t len;
};

/* The last chunk of a reply. */
static inline bool nbd_give_chunk(const struct nbd_client *c, uint16_t type, uint64_t handle,
				  const void *data, uint32_t len, const void *more, uint32_t more_len)
{
	const struct __attribute__((packed)) {
		uint32_t magic;
		uint16_t flags, type;
		uint64_t handle;
		uint32_t len;
	} chunk = { htobe32(0x668e33efu), htobe16(1), htobe16(type), handle, htobe32(len + more_len) };

	return nbd_give(c, &chunk, sizeof(chunk)) && nbd_give(c, data, len) && nbd_give(c, more, more_len);
}

static inline bool nbd_give_error(const struct nbd_client *c, uint64_t handle)
{
	static const uint8_t eio[6] = { 0, 0, 0, 5, 0, 0 };

	return nbd_give_chunk(c, 1 << 15 | 1, handle, eio, sizeof(eio), NULL, 0);
}

static inline bool nbd_is_dirty(const struct nbd_server *s, enum context context, uint64_t cluster)
{
	return __atomic_load_n(&s->dirty[context][cluster], __ATOMIC_RELAXED);
}

static inline uint32_t nbd_state(const struct nbd_client *c, uint64_t offset, uint64_t len)
{
	const uint64_t cluster = offset / VMA_CLUSTER_SIZE;

	if (c->context != CONTEXT_ALLOCATION)
		return nbd_is_dirty(c->s, c->context, cluster);
	if (c->s->called_zero)
		return c->s->called_zero[cluster] ? 3 : 0;
	return io_is_zero(c->s->data + offset, len) ? 3 : 0;
}

static inline bool nbd_give_status(const struct nbd_client *c, uint64_t handle, uint64_t offset, uint64_t len)
{
	const uint64_t end = offset + len;
	uint32_t n = 0, *answer = xcalloc(3 + 2 * (len / VMA_CLUSTER_SIZE + 1), sizeof(*answer));
	bool good;

	answer[n++] = htobe32(1);
	while (offset < end && (!c->s->pieces_max || n < 1 + 2 * c->s->pieces_max)) {
		uint64_t next = (offset / VMA_CLUSTER_SIZE + 1) * VMA_CLUSTER_SIZE;
		uint32_t state;

		next = next < end ? next : end;
		state = nbd_state(c, offset, next - offset);
		if (n > 1 && answer[n - 1] == htobe32(state)) {
			answer[n - 2] = htobe32(be32toh(answer[n - 2]) + (uint32_t)(next - offset));
		} else {
			answer[n++] = htobe32((uint32_t)(next - offset));
			answer[n++] = htobe32(state);
		}
		offset = next;
	}
	good = nbd_give_chunk(c, 5, handle, answer, n * (uint32_t)sizeof(*answer), NULL, 0);
	free(answer);
	return good;
}

static inline void nbd_log(const struct nbd_client *c, const struct nbd_request_log *entry)
{
	struct nbd_server *s = c->s;

	pthread_mutex_lock(&s->lock);
	s->log = xreallocarray(s->log, s->n_log + 1, sizeof(*s->log));
	s->log[s->n_log++] = *entry;
	pthread_mutex_unlock(&s->lock);
}

static inline bool nbd_is_mistaken(const struct nbd_server *s, uint32_t first, uint32_t n)
{
	bool any = false;

	for (uint32_t i = first; i < first + n && n > 1 && s->mistakes_runs; i++)
		any |= nbd_is_dirty(s, CONTEXT_DRAIN, i);
	return any;
}

static inline bool nbd_give_wrong(const struct nbd_client *c, uint64_t handle, uint64_t at, uint32_t len)
{
	uint8_t *data = xmalloc(len);
	bool good;

	memset(data, 0xee, len);
	good = nbd_give_chunk(c, 1, handle, &at, sizeof(at), data, len);
	free(data);
	return good;
}

static inline bool nbd_answer_read(const struct nbd_client *c, uint64_t handle, uint64_t offset, uint32_t len)
{
	const uint64_t at = htobe64(offset);
	struct nbd_server *s = c->s;
	const uint32_t first = (uint32_t)(offset / VMA_CLUSTER_SIZE);

	if (s->on_read)
		s->on_read(s->opaque, first, (uint32_t)vma_clusters(len));
	if (first == s->read_fails_once) {
		s->read_fails_once = UINT32_MAX;
		return nbd_give_error(c, handle);
	}
	if (nbd_is_mistaken(s, first, (uint32_t)vma_clusters(len)))
		return nbd_give_wrong(c, handle, at, len);
	return nbd_give_chunk(c, 1, handle, &at, sizeof(at), s->data + offset, len);
}

static inline bool nbd_serve(const struct nbd_client *c)
{
	struct nbd_request q;
	uint64_t offset;
	uint32_t len;

	if (!nbd_take(c, &q, sizeof(q)) || be16toh(q.type) == NBD_DISC)
		return false;
	offset = be64toh(q.offset);
	len = be32toh(q.len);
	nbd_log(c,
		&(struct nbd_request_log){ be16toh(q.type), c->context, (uint32_t)(offset / VMA_CLUSTER_SIZE),
					   (uint32_t)vma_clusters(len) });
	if (be16toh(q.type) == NBD_STATUS && c->s->hangs_up[c->context])
		return false;
	switch (be16toh(q.type)) {
	case NBD_READ:
		return nbd_answer_read(c, q.handle, offset, len);
	case NBD_TRIM:
		return nbd_give_chunk(c, 0, q.handle, NULL, 0, NULL, 0);
	case NBD_STATUS:
		return c->s->fails[c->context] ? nbd_give_error(c, q.handle)
					       : nbd_give_status(c, q.handle, offset, len);
	default:
		return false;
	}
}

static inline void *nbd_client_thread(void *opaque)
{
	struct nbd_client *c = opaque;

	if (nbd_handshake(c)) {
		while (nbd_serve(c))
			;
	}
	close(c->fd);
	free(c);
	return NULL;
}

static inline void *nbd_server_thread(void *opaque)
{
	struct nbd_server *s = opaque;
	int fd;

	while (s->n_clients < sizeof(s->clients) / sizeof(s->clients[0]) &&
	       (fd = accept(s->listen_fd, NULL, NULL)) >= 0) {
		struct nbd_client *c = xcalloc(1, sizeof(*c));

		*c = (struct nbd_client){ .s = s, .fd = fd };
		pthread_create(&s->clients[s->n_clients++], NULL, nbd_client_thread, c);
	}
	return NULL;
}

/* The members down to opaque are set; the socket is made in the folder. */
static inline void nbd_server_start(struct nbd_server *s, const char *folder, const char *name)
{
	snprintf(s->path, sizeof(s->path), "%s/%s", folder, name);
	pthread_mutex_init(&s->lock, NULL);
	s->listen_fd = unix_socket_listen(s->path, 16, NULL);
	pthread_create(&s->thread, NULL, nbd_server_thread, s);
}

/* All clients have ended. */
static inline void nbd_server_end(struct nbd_server *s)
{
	shutdown(s->listen_fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < s->n_clients; i++)
		pthread_join(s->clients[i], NULL);
	close(s->listen_fd);
	unlink(s->path);
	free(s->log);
}

#endif

#include "copy/sink.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/unix-socket.h"

#define MAGIC_INIT     UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define MAGIC_OPTION   UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define MAGIC_REPLY_OP UINT64_C(0x0003e889045565a9)
#define MAGIC_REQUEST  0x25609513u
#define MAGIC_REPLY    0x67446698u

enum {
	OPT_EXPORT_NAME = 1,
	OPT_ABORT = 2,
	OPT_INFO = 6,
	OPT_GO = 7
};
enum {
	REP_ACK = 1,
	REP_INFO = 3
};
#define REP_ERR_UNSUP (UINT32_C(1) << 31 | 1)
#define OPTION_MAX    65536u

enum {
	CMD_READ,
	CMD_WRITE,
	CMD_DISC,
	CMD_FLUSH,
	CMD_TRIM,
	CMD_CACHE,
	CMD_WRITE_ZEROES
};
/* HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES */
#define EXPORT_FLAGS (1u | 1u << 2 | 1u << 3 | 1u << 5 | 1u << 6)
/* For these errors NBD and Linux use the same numbers. */
enum {
	NBD_EIO = 5,
	NBD_EINVAL = 22
};
#define WRITE_MAX (32u << 20)
/* Payload that is thrown away is received in pieces of this size. */
#define SCRATCH 65536u

struct sink {
	struct sink_options o;
	char *path;
	int listen_fd;
	int stop_fd[2]; /* a pipe; closing its end stops the thread */
	pthread_t thread;
	bool started;
	int fd; /* the connection; used by the thread only */
	uint8_t *scratch;
};

/* ---- bytes ---- */

/* Waits until the connection is ready for `events`; false: asked to stop. */
static bool wait_connection(const struct sink *s, short events)
{
	struct pollfd p[2] = { { .fd = s->fd, .events = events }, { .fd = s->stop_fd[0], .events = POLLIN } };

	while (poll(p, 2, -1) < 0) {
		if (errno != EINTR)
			return false;
	}
	return !p[1].revents;
}

/* Receives all len bytes; false at the end of the connection or when asked to stop. */
static bool receive_bytes(struct sink *s, void *data, size_t len)
{
	uint8_t *at = data;

	while (len) {
		ssize_t n = recv(s->fd, at, len, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!wait_connection(s, POLLIN))
				return false;
			continue;
		}
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_bytes(struct sink *s, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len) {
		ssize_t n = send(s->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!wait_connection(s, POLLOUT))
				return false;
			continue;
		}
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool discard_bytes(struct sink *s, uint64_t len)
{
	while (len) {
		size_t n = len < SCRATCH ? (size_t)len : SCRATCH;

		if (!receive_bytes(s, s->scratch, n))
			return false;
		len -= n;
	}
	return true;
}

/* ---- handshake ---- */

struct __attribute__((packed)) option {
	uint64_t magic;
	uint32_t option;
	uint32_t len;
};

struct __attribute__((packed)) option_reply {
	uint64_t magic;
	uint32_t option;
	uint32_t type;
	uint32_t len;
};

static bool reply_option(struct sink *s, uint32_t option, uint32_t type, const void *data, uint32_t len)
{
	const struct option_reply r = { .magic = htobe64(MAGIC_REPLY_OP),
					.option = htobe32(option),
					.type = htobe32(type),
					.len = htobe32(len) };

	return send_bytes(s, &r, sizeof(r)) && (!len || send_bytes(s, data, len));
}

static bool reply_export(struct sink *s, uint32_t option)
{
	const struct __attribute__((packed)) {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} info = { 0, htobe64(s->o.size), htobe16(EXPORT_FLAGS) };
	const struct __attribute__((packed)) {
		uint16_t type;
		uint32_t min, preferred, max;
	} sizes = { htobe16(3), htobe32(1), htobe32(s->o.align), htobe32(WRITE_MAX) };

	return reply_option(s, option, REP_INFO, &info, sizeof(info)) &&
	       reply_option(s, option, REP_INFO, &sizes, sizeof(sizes)) &&
	       reply_option(s, option, REP_ACK, NULL, 0);
}

static bool reply_export_name(struct sink *s, bool zeroes)
{
	struct __attribute__((packed)) {
		uint64_t size;
		uint16_t flags;
		uint8_t zero[124];
	} r = { .size = htobe64(s->o.size), .flags = htobe16(EXPORT_FLAGS) };

	return send_bytes(s, &r, sizeof(r) - (zeroes ? 0 : sizeof(r.zero)));
}

static bool run_handshake(struct sink *s)
{
	const struct __attribute__((packed)) {
		uint64_t magic, option;
		uint16_t flags;
	} hello = { htobe64(MAGIC_INIT), htobe64(MAGIC_OPTION), htobe16(3) };
	uint32_t client_flags;

	if (!send_bytes(s, &hello, sizeof(hello)) || !receive_bytes(s, &client_flags, sizeof(client_flags)))
		return false;
	for (;;) {
		struct option o;
		uint32_t option, len;

		if (!receive_bytes(s, &o, sizeof(o)) || be64toh(o.magic) != MAGIC_OPTION)
			return false;
		option = be32toh(o.option);
		len = be32toh(o.len);
		/* the socket is in a private folder, so any export name is accepted */
		if (len > OPTION_MAX || !discard_bytes(s, len))
			return false;
		if (option == OPT_EXPORT_NAME)
			return reply_export_name(s, !(be32toh(client_flags) & 2));
		if (option == OPT_ABORT)
			return false;
		if (option != OPT_GO && option != OPT_INFO) {
			if (!reply_option(s, option, REP_ERR_UNSUP, NULL, 0))
				return false;
			continue;
		}
		if (!reply_export(s, option))
			return false;
		if (option == OPT_GO)
			return true;
	}
}

/* ---- transmission ---- */

struct __attribute__((packed)) nbd_request {
	uint32_t magic;
	uint16_t flags;
	uint16_t type;
	uint64_t handle;
	uint64_t offset;
	uint32_t len;
};

static bool reply_request(struct sink *s, uint64_t handle, uint32_t error)
{
	const struct __attribute__((packed)) {
		uint32_t magic, error;
		uint64_t handle;
	} r = { htobe32(MAGIC_REPLY), htobe32(error), handle };

	return send_bytes(s, &r, sizeof(r));
}

static bool is_aligned(const struct sink *s, uint64_t offset, uint32_t len)
{
	if (!len || offset >= s->o.size || len > s->o.size - offset || offset % s->o.align)
		return false;
	return len % s->o.align == 0 || offset + len == s->o.size;
}

/* Receives the next piece of a write into the owner's memory.  False at the end of the connection. */
static bool receive_piece(struct sink *s, uint64_t offset, const struct sink_buffer *b)
{
	if (!b->data)
		return discard_bytes(s, b->length);
	if (!receive_bytes(s, b->data, b->length)) {
		s->o.ops->drop(s->o.opaque, b);
		return false;
	}
	s->o.ops->put(s->o.opaque, offset, b);
	return true;
}

static bool serve_write(struct sink *s, uint64_t offset, uint32_t len, uint32_t *ret_error)
{
	if (!is_aligned(s, offset, len)) {
		*ret_error = NBD_EINVAL;
		return discard_bytes(s, len);
	}
	while (len) {
		struct sink_buffer b = { 0 };

		if (s->o.ops->get(s->o.opaque, offset, len, &b) < 0) {
			*ret_error = NBD_EIO;
			return discard_bytes(s, len);
		}
		if (!receive_piece(s, offset, &b))
			return false;
		offset += b.length;
		len -= b.length;
	}
	return true;
}

static uint32_t serve_zeroes(struct sink *s, uint64_t offset, uint32_t len)
{
	if (!is_aligned(s, offset, len))
		return NBD_EINVAL;
	return s->o.ops->zero(s->o.opaque, offset, len) < 0 ? NBD_EIO : 0;
}

static bool serve_request(struct sink *s)
{
	struct nbd_request r;
	uint32_t error = 0, len;
	uint64_t offset;

	if (!receive_bytes(s, &r, sizeof(r)) || be32toh(r.magic) != MAGIC_REQUEST)
		return false;
	offset = be64toh(r.offset);
	len = be32toh(r.len);
	switch (be16toh(r.type)) {
	case CMD_WRITE:
		if (!serve_write(s, offset, len, &error))
			return false;
		break;
	case CMD_WRITE_ZEROES:
		error = serve_zeroes(s, offset, len);
		break;
	case CMD_FLUSH:
	case CMD_TRIM:
		break;
	case CMD_DISC:
		return false;
	case CMD_READ:
		error = NBD_EIO;
		break;
	default:
		error = NBD_EINVAL;
	}
	return reply_request(s, r.handle, error);
}

static void *sink_thread(void *opaque)
{
	struct sink *s = opaque;
	struct pollfd p[2] = { { .fd = s->listen_fd, .events = POLLIN },
			       { .fd = s->stop_fd[0], .events = POLLIN } };

	pthread_setname_np(pthread_self(), "sink");
	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (p[1].revents || !p[0].revents)
		return NULL;
	s->fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (s->fd < 0)
		return NULL;
	if (run_handshake(s)) {
		while (serve_request(s))
			;
	}
	close(s->fd);
	s->fd = -1;
	return NULL;
}

/* ---- start and end ---- */

int sink_new(const char *path, const struct sink_options *o, struct sink **ret, struct error **err)
{
	struct sink *s = xcalloc(1, sizeof(*s));
	int r = 0;

	s->o = *o;
	s->path = xstrdup(path);
	s->scratch = xmalloc(SCRATCH);
	s->listen_fd = s->fd = -1;
	if (pipe2(s->stop_fd, O_CLOEXEC) < 0) {
		s->stop_fd[0] = s->stop_fd[1] = -1;
		r = error_errno(err, errno, "creating a pipe");
	}
	if (r == 0)
		r = s->listen_fd = unix_socket_listen(s->path, 1, err);
	if (r >= 0) {
		r = thread_start(&s->thread, sink_thread, s, err);
		s->started = r == 0;
	}
	if (r < 0)
		sink_free(s);
	else
		*ret = s;
	return r;
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	if (s->stop_fd[1] >= 0)
		close(s->stop_fd[1]); /* the other end sees POLLHUP */
	if (s->started)
		pthread_join(s->thread, NULL);
	if (s->stop_fd[0] >= 0)
		close(s->stop_fd[0]);
	if (s->listen_fd >= 0) {
		close(s->listen_fd);
		unlink(s->path);
	}
	free(s->scratch);
	free(s->path);
	free(s);
}

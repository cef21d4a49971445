#include "qemu/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/trace.h"
#include "base/units.h"
#include "base/unix-socket.h"

enum {
	RECEIVE_CHUNK = 64 * 1024,
	CONNECT_RETRY_MS = 50,
};

uint64_t channel_deadline(int timeout_ms)
{
	return units_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000;
}

static int remaining_ms(uint64_t deadline)
{
	uint64_t now = units_now_ns();
	uint64_t ms;

	if (now >= deadline)
		return 0;
	ms = (deadline - now + 999999) / 1000000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void channel_clear(struct channel *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->path);
	buf_clear(&c->in);
	*c = (struct channel)CHANNEL_INIT;
}

/* Tries again until there is room in the backlog.  Returns the descriptor. */
static int connect_patiently(const char *path, uint64_t deadline, const struct cancel *cancel,
			     struct error **err)
{
	for (;;) {
		_cleanup_error_ struct error *mine = NULL;
		int r = unix_socket_connect(path, SOCK_STREAM, &mine);

		if (r != -EAGAIN) {
			error_keep_first(err, &mine);
			return r;
		}
		if (!remaining_ms(deadline))
			return error_set(err, ERR_TIMEOUT,
					 "cannot connect to socket '%s': it is busy with other clients",
					 path);
		r = cancel_sleep(cancel, CONNECT_RETRY_MS, err);
		if (r < 0)
			return r;
	}
}

/* fd does not block. */
static void take(struct channel *c, int fd, const char *name, const struct channel_limits *limits,
		 const struct cancel *cancel)
{
	c->fd = fd;
	c->path = xstrdup(name);
	c->limits = *limits;
	c->cancel = cancel;
}

void channel_adopt(struct channel *c, int fd, const char *name, const struct channel_limits *limits,
		   const struct cancel *cancel)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	take(c, fd, name, limits, cancel);
}

int channel_connect(struct channel *c, const char *path, const struct channel_limits *limits,
		    uint64_t deadline, const struct cancel *cancel, struct error **err)
{
	int fd = connect_patiently(path, deadline, cancel, err);

	if (fd < 0)
		return fd;
	take(c, fd, path, limits, cancel);
	return 0;
}

static int peer_gone(const struct channel *c, struct error **err)
{
	return error_set(err, ERR_GONE, "the peer at '%s' closed the connection", c->path);
}

/* Waits until the socket is ready for `events`. */
static int wait_ready(struct channel *c, short events, uint64_t deadline, struct error **err)
{
	struct pollfd p[2] = {
		{ .fd = c->fd, .events = events },
		{ .fd = c->cancel ? c->cancel->fd : -1, .events = POLLIN },
	};
	int n, r;

	for (;;) {
		r = cancel_check(c->cancel, err);
		if (r < 0)
			return r;
		n = poll(p, 2, remaining_ms(deadline));
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "unable to wait for '%s'", c->path);
		if (n > 0 && p[0].revents)
			return 0;
		if (n == 0 && !remaining_ms(deadline))
			return error_set(err, ERR_TIMEOUT, "got timeout");
	}
}

static void channel_trace(const struct channel *c, char sign, const char *data, size_t len)
{
	const char *slash;

	if (!trace_is_on(TRACE_QMP))
		return;
	slash = strrchr(c->path, '/');
	trace_write_bytes(TRACE_QMP, slash ? slash + 1 : c->path, sign, data, len);
}

/* Each command has a line of its own. */
static void trace_lines(const struct channel *c, const char *data, size_t len)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		const size_t n = end ? (size_t)(end - data) + 1 : len;

		channel_trace(c, '>', data, n);
		data += n;
		len -= n;
	}
}

static ssize_t send_some(int fd, const char *data, size_t len, int pass_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *head;

	memcpy(&iov.iov_base, &data, sizeof(data));
	if (pass_fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &pass_fd, sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

int channel_send(struct channel *c, const char *data, size_t len, int pass_fd, uint64_t deadline,
		 struct error **err)
{
	ssize_t n;
	int r;

	trace_lines(c, data, len);
	while (len > 0) {
		n = send_some(c->fd, data, len, pass_fd);
		if (n >= 0) {
			pass_fd = -1;
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EPIPE || errno == ECONNRESET)
			return peer_gone(c, err);
		if (errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, "unable to write to '%s'", c->path);
		r = wait_ready(c, POLLOUT, deadline, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Waits until some bytes have arrived, and appends them to the buffer. */
static int receive_some(struct channel *c, uint64_t deadline, struct error **err)
{
	ssize_t n;
	int r;

	/* a peer that never stops sending never makes recv() wait, so check the limits here too */
	r = cancel_check(c->cancel, err);
	if (r < 0)
		return r;
	if (!remaining_ms(deadline))
		return error_set(err, ERR_TIMEOUT, "got timeout");
	for (;;) {
		n = recv(c->fd, buf_reserve(&c->in, RECEIVE_CHUNK), RECEIVE_CHUNK, 0);
		if (n > 0) {
			buf_added(&c->in, (size_t)n);
			return 0;
		}
		if (n == 0 || errno == ECONNRESET)
			return peer_gone(c, err);
		if (errno != EAGAIN && errno != EINTR)
			return error_errno(err, errno, "unable to read from '%s'", c->path);
		r = wait_ready(c, POLLIN, deadline, err);
		if (r < 0)
			return r;
	}
}

/* The next `mark` in the received bytes; NULL: none so far. */
static char *find_mark(struct channel *c, char mark)
{
	char *at = NULL;

	if (c->in.len > c->scanned)
		at = memchr(c->in.data + c->scanned, mark, c->in.len - c->scanned);
	if (!at)
		c->scanned = c->in.len;
	return at;
}

/* Removes the line that channel_line() returned last from the buffer. */
static void drop_taken(struct channel *c)
{
	size_t len;

	if (c->taken) {
		len = c->taken;
		c->taken = 0;
		buf_consume(&c->in, len);
	}
}

static int too_long(const struct channel *c, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "a message from '%s' is longer than %zu bytes", c->path,
			 c->limits.message);
}

/* The next line without its newline, in c->in; valid until the next call. */
static int channel_line(struct channel *c, uint64_t deadline, char **ret, size_t *ret_len, struct error **err)
{
	char *end;
	int r;

	drop_taken(c);
	while (!(end = find_mark(c, '\n'))) {
		if (c->in.len > c->limits.message)
			return too_long(c, err);
		r = receive_some(c, deadline, err);
		if (r < 0)
			return r;
	}
	if ((size_t)(end - c->in.data) > c->limits.message)
		return too_long(c, err);
	*end = '\0';
	*ret = c->in.data;
	*ret_len = (size_t)(end - c->in.data);
	channel_trace(c, '<', *ret, *ret_len);
	c->taken = *ret_len + 1;
	c->scanned = 0;
	return 0;
}

int channel_skip_to(struct channel *c, char mark, uint64_t deadline, struct error **err)
{
	char *at;
	int r;

	drop_taken(c);
	c->scanned = 0;
	while (!(at = find_mark(c, mark))) {
		buf_reset(&c->in);
		c->scanned = 0;
		r = receive_some(c, deadline, err);
		if (r < 0)
			return r;
	}
	buf_consume(&c->in, (size_t)(at - c->in.data) + 1);
	c->scanned = 0;
	return 0;
}

static int parse_failed(const struct channel *c, const char *line, const char *why, struct error **err)
{
	return error_set(err, ERR_CORRUPT, "'%s' sent something that is no JSON message (%s): %.60s", c->path,
			 why, line);
}

static int channel_parse(const struct channel *c, const char *line, size_t len, struct json_object **ret,
			 struct error **err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_error_ struct error *why = NULL;

	if (json_parse(line, len, c->limits.memory, &o, &why) < 0)
		return parse_failed(c, line, error_message(why), err);
	if (!json_object_is_type(o, json_type_object))
		return parse_failed(c, line, "not an object", err);
	*ret = TAKE_PTR(o);
	return 0;
}

int channel_message(struct channel *c, uint64_t deadline, struct json_object **ret, struct error **err)
{
	size_t len = 0;
	char *line = NULL;
	int r;

	r = channel_line(c, deadline, &line, &len, err);
	return r < 0 ? r : channel_parse(c, line, len, ret, err);
}

int channel_result(struct json_object *answer, struct json_object **ret, struct error **err)
{
	struct json_object *error = json_get_obj(answer, "error"), *value;
	const char *desc = json_get_str(error, "desc");

	if (error)
		return error_set(err, ERR_PEER, "%s", desc ? desc : "unknown error");
	if (!json_object_object_get_ex(answer, "return", &value))
		return error_set(err, ERR_CORRUPT, "the answer has neither return nor error");
	if (ret)
		*ret = json_object_get(value);
	return 0;
}

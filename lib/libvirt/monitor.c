#include "libvirt/monitor.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/thread.h"
#include "qemu/qga.h"
#include "qemu/qmp.h"

enum {
	RECEIVE_CHUNK = 64 * 1024,
	SENTINEL = '\xff', /* as in qga.c */
	/* virErrorNumber */
	INTERNAL_ERROR = 1,
	OPERATION_TIMEOUT = 68,
	ARGUMENT_UNSUPPORTED = 74, /* no agent is configured */
	AGENT_UNRESPONSIVE = 86,
	AGENT_UNSYNCED = 97,
	AGENT_COMMAND_TIMEOUT = 111,
};

struct proxy {
	struct libvirt_session session;
	bool (*handle)(struct proxy *p, char *line); /* false: the conversation is over */
	int fd;                                      /* our end */
	int passed;                                  /* the descriptor that came last, -1: none */
	struct buf in;
};

static void drop_passed(struct proxy *p)
{
	if (p->passed >= 0)
		close(p->passed);
	p->passed = -1;
}

static void proxy_free(struct proxy *p)
{
	close(p->fd);
	drop_passed(p);
	buf_clear(&p->in);
	libvirt_session_close(&p->session);
	free(p);
}

/* ---- the socket ---- */

static bool say(const struct proxy *p, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(p->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static bool say_json(const struct proxy *p, struct json_object *o)
{
	return say(p, json_text(o)) && say(p, "\n");
}

static void keep_descriptor(struct proxy *p, struct msghdr *msg)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(msg);

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return;
	drop_passed(p);
	memcpy(&p->passed, CMSG_DATA(head), sizeof(p->passed));
}

static bool hear_some(struct proxy *p)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = buf_reserve(&p->in, RECEIVE_CHUNK), .iov_len = RECEIVE_CHUNK };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n;

	do
		n = recvmsg(p->fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	keep_descriptor(p, &msg);
	buf_added(&p->in, (size_t)n);
	return true;
}

/* The next line; NULL at the end of the stream.  Caller frees. */
static char *hear(struct proxy *p)
{
	const char *end;
	char *line;

	while (!p->in.len || !(end = memchr(p->in.data, '\n', p->in.len)))
		if (!hear_some(p))
			return NULL;
	line = xstrndup(p->in.data, (size_t)(end - p->in.data));
	buf_consume(&p->in, strlen(line) + 1);
	return line;
}

static void *body(void *opaque)
{
	struct proxy *p = opaque;

	for (;;) {
		_cleanup_free_ char *line = hear(p);

		if (!line || !p->handle(p, line))
			break;
	}
	proxy_free(p);
	return NULL;
}

/* ---- commands ---- */

/* Takes the id out of the command, so that libvirt gives it one.  Caller puts. */
static struct json_object *take_id(struct json_object *command)
{
	struct json_object *id = json_object_get(json_get_obj(command, "id"));

	json_object_object_del(command, "id");
	return id;
}

static bool answer_value(const struct proxy *p, const char *key, struct json_object *value,
			 struct json_object *id)
{
	_cleanup_json_ struct json_object *o = json_put_obj(json_new_obj(), key, value);

	json_put_obj(o, "id", json_object_get(id));
	return say_json(p, o);
}

static bool answer_error(const struct proxy *p, const char *text, struct json_object *id)
{
	struct json_object *error = json_new_str("class", "GenericError");

	return answer_value(p, "error", json_put_text(error, "desc", text), id);
}

/* ---- the monitor ---- */

/* libvirt's answer as an object.  An error of libvirt is an error answer, or (NULL) the end. */
static struct json_object *ask_monitor(struct proxy *p, struct json_object *command)
{
	const struct libvirt_api *api = &p->session.api;
	const char *name = json_get_str(command, "execute"), *text = json_text(command);
	const bool passes = p->passed >= 0 && name && !strcmp(name, "getfd");
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *reply = NULL;
	struct json_object *answer = NULL;
	int r = 0;

	if (passes && !api->monitor_command_with_files)
		error_set(&err, ERR_UNSUPPORTED, "libvirt cannot hand a file to QEMU: it needs libvirt 8.2");
	else if (passes)
		r = api->monitor_command_with_files(p->session.domain, text, 1, &p->passed, NULL, NULL,
						    &reply, 0);
	else
		r = api->monitor_command(p->session.domain, text, &reply, 0);
	/* it is QEMU's now; whoever waits for the end of a pipe must not wait for us */
	if (passes)
		drop_passed(p);
	if (!err && r < 0) {
		libvirt_error(api, &err);
		/* it has ended, or libvirt cannot be asked */
		if (api->domain_is_active(p->session.domain) != 1)
			return NULL;
	}
	if (!err && json_parse(reply, strlen(reply), QMP_MAX_MEMORY, &answer, &err) == 0 &&
	    json_object_is_type(answer, json_type_object))
		return answer;
	json_object_put(answer);
	answer = json_new_str("class", "GenericError");
	json_put_text(answer, "desc", err ? error_message(err) : "libvirt's answer is no object");
	return json_put_obj(json_new_obj(), "error", answer);
}

static bool handle_monitor(struct proxy *p, char *line)
{
	_cleanup_json_ struct json_object *command = NULL, *id = NULL, *answer = NULL;
	const char *name;

	if (json_parse(line, strlen(line), QMP_MAX_MEMORY, &command, NULL) < 0)
		return answer_error(p, "not JSON", NULL);
	id = take_id(command);
	name = json_get_str(command, "execute");
	if (name && !strcmp(name, "qmp_capabilities"))
		return answer_value(p, "return", json_new_obj(), id);
	answer = ask_monitor(p, command);
	if (!answer)
		return false;
	json_object_object_del(answer, "id");
	json_put_obj(answer, "id", json_object_get(id));
	return say_json(p, answer);
}

static bool greet(struct proxy *p)
{
	_cleanup_json_ struct json_object *command = json_new_str("execute", "query-version");
	_cleanup_json_ struct json_object *answer = ask_monitor(p, command), *greeting = NULL;
	struct json_object *version = json_get_obj(answer, "return"), *content;

	if (!answer)
		return false;
	if (!version)
		return say_json(p, answer);
	content = json_put_obj(json_new_obj(), "version", json_object_get(version));
	json_put_obj(content, "capabilities", json_new_array());
	greeting = json_put_obj(json_new_obj(), "QMP", content);
	return say_json(p, greeting);
}

static void *monitor_body(void *opaque)
{
	struct proxy *p = opaque;

	if (greet(p))
		return body(p);
	proxy_free(p);
	return NULL;
}

/* ---- the agent ---- */

#define FREEZE "guest-fsfreeze-freeze"
#define THAW   "guest-fsfreeze-thaw"

/* How long libvirt waits for the agent, in seconds, so that it does not give up before our caller. */
static int agent_seconds(const char *command)
{
	static const struct {
		const char *name;
		int seconds;
	} limits[] = {
		{ "guest-ping", QGA_PING_TIMEOUT_MS / 1000 },
		{ FREEZE, QGA_FREEZE_TIMEOUT_MS / 1000 * (QGA_FREEZE_POLLS + 1) },
		{ THAW, QGA_THAW_TIMEOUT_MS / 1000 },
		{ "guest-shutdown", QGA_SHUTDOWN_TIMEOUT_MS / 1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (!strcmp(limits[i].name, command))
			return limits[i].seconds;
	return QGA_STATUS_TIMEOUT_MS / 1000;
}

static bool agent_is_silent(int code)
{
	return code == AGENT_UNRESPONSIVE || code == AGENT_UNSYNCED || code == AGENT_COMMAND_TIMEOUT ||
	       code == OPERATION_TIMEOUT || code == ARGUMENT_UNSUPPORTED;
}

/*
 * What the agent refuses has the same code as the end of its channel ("End of file from agent socket"): facts
 * from qemuAgentCheckError() and qemuAgentIOProcess().
 */
static bool agent_has_gone(int code, const char *text)
{
	return code == INTERNAL_ERROR && !strstr(text, "execute QEMU agent command");
}

static void thaw_again(const struct proxy *p)
{
	free(p->session.api.agent_command(p->session.domain, "{\"execute\":\"" THAW "\"}",
					  QGA_THAW_TIMEOUT_MS / 1000, 0));
}

static bool hand_on_to_agent(struct proxy *p, const char *name, const char *text)
{
	const struct libvirt_api *api = &p->session.api;
	_cleanup_free_ char *answer = api->agent_command(p->session.domain, text, agent_seconds(name), 0);
	_cleanup_error_ struct error *err = NULL;
	int code;

	if (answer) {
		if (say(p, answer) && say(p, "\n"))
			return true;
		if (!strcmp(name, FREEZE))
			thaw_again(p);
		return false;
	}
	code = api->get_last_error_code();
	libvirt_error(api, &err);
	if (agent_is_silent(code) || agent_has_gone(code, error_message(err)) ||
	    api->domain_is_active(p->session.domain) != 1)
		return false;
	return answer_error(p, error_message(err), NULL);
}

static bool handle_agent(struct proxy *p, char *line)
{
	const char *text = *line == SENTINEL ? line + 1 : line;
	_cleanup_json_ struct json_object *command = NULL;
	const char *name;
	uint64_t id = 0;

	if (json_parse(text, strlen(text), QMP_MAX_MEMORY, &command, NULL) < 0)
		return answer_error(p, "not JSON", NULL);
	name = json_get_str(command, "execute");
	if (!name || strcmp(name, "guest-sync-delimited") != 0)
		return hand_on_to_agent(p, name ? name : "", text);
	json_get_u64(json_get_obj(command, "arguments"), "id", &id);
	text = (const char[]){ SENTINEL, 0 };
	return say(p, text) && answer_value(p, "return", json_object_new_uint64(id), NULL);
}

/* ---- both ---- */

static int start(struct libvirt_session *session, bool (*handle)(struct proxy *p, char *line),
		 void *(*main)(void *opaque), struct error **err)
{
	struct proxy *p = xcalloc(1, sizeof(*p));
	int ends[2], r = 0;
	pthread_t thread;

	*p = (struct proxy){ .session = *session, .handle = handle, .fd = -1, .passed = -1 };
	*session = (struct libvirt_session){ 0 };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		r = error_errno(err, errno, "cannot make a socket for libvirt's monitor");
		proxy_free(p);
		return r;
	}
	p->fd = ends[1];
	r = thread_start(&thread, main, p, err);
	if (r < 0) {
		close(ends[0]);
		proxy_free(p);
		return r;
	}
	pthread_detach(thread);
	return ends[0];
}

int libvirt_monitor_socket(struct libvirt_session *session, struct error **err)
{
	return start(session, handle_monitor, monitor_body, err);
}

int libvirt_agent_socket(struct libvirt_session *session, struct error **err)
{
	return start(session, handle_agent, body, err);
}

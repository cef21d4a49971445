#include "storage/mount.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/key.h"
#include "storage/path.h"
#include "storage/tool.h"

/* As in PVE: the user should learn soon that a server is down. */
#define CONNECT_TIMEOUT_MS 2000

/* ---- keys ---- */

static bool is_v6(const char *server)
{
	struct in6_addr addr;

	return inet_pton(AF_INET6, server, &addr) == 1;
}

/* It becomes an argument of mount, so it must not look like an option. */
static bool is_server(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");

	return (isalnum((unsigned char)text[0]) && !text[n]) || is_v6(text);
}

static bool is_path(const char *text)
{
	return text[0] == '/' && text[1] && !strpbrk(text, ";()");
}

static bool is_root_or_path(const char *text)
{
	return strcmp(text, "/") == 0 || is_path(text);
}

static bool is_options(const char *text)
{
	return *text && !strpbrk(text, " \t\r\n\f\v");
}

int mount_check(const struct storage *s, struct error **err)
{
	const char *const *required = s->ops->mount->required;
	static const struct {
		const char *key;
		bool (*good)(const char *text);
		const char *kind;
	} keys[] = {
		{ "server", is_server, "a host name or an address" },
		{ "export", is_root_or_path, "an absolute path" },
		{ "subdir", is_root_or_path, "an absolute path" },
		{ "options", is_options, "a list of mount options without blanks" },
	};

	for (size_t i = 0; required && required[i]; i++) {
		int r = storage_key_required(s, required[i], NULL, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = storage_key(s, keys[i].key);

		if (value && !keys[i].good(value))
			return error_set(err, ERR_INVALID, "storage '%s': %s '%s' is not %s", s->id,
					 keys[i].key, value, keys[i].kind);
	}
	return 0;
}

char *mount_server(const struct storage *s)
{
	const char *server = storage_key(s, "server");

	return is_v6(server) ? xasprintf("[%s]", server) : xstrdup(server);
}

static size_t length_without_slashes(const char *text)
{
	size_t n = strlen(text);

	while (n && text[n - 1] == '/')
		n--;
	return n;
}

bool mount_same_source(const char *a, const char *b)
{
	size_t n = length_without_slashes(a);

	return n == length_without_slashes(b) && memcmp(a, b, n) == 0;
}

/* ---- the server ---- */

static bool connects(const struct addrinfo *to)
{
	int fd = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);
	bool good = false;

	if (fd < 0)
		return false;
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		good = true;
	else if (errno == EINPROGRESS && poll(&p, 1, CONNECT_TIMEOUT_MS) == 1)
		good = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
	close(fd);
	return good;
}

static bool server_answers_at(const char *server, unsigned port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	_cleanup_free_ char *service = xasprintf("%u", port);
	struct addrinfo *list = NULL;
	bool good = false;

	if (getaddrinfo(server, service, &hints, &list) != 0)
		return false;
	for (const struct addrinfo *a = list; a && !good; a = a->ai_next)
		good = connects(a);
	freeaddrinfo(list);
	return good;
}

/* "port=" of the options; 0 without it, and if it is 0: mount finds the port then. */
static unsigned port_option(const struct storage *s)
{
	const char *text = storage_key(s, "options");
	_cleanup_strv_ char **options = text ? strv_split_list(text) : NULL;
	uint64_t port = 0;

	for (size_t i = 0; options && options[i]; i++) {
		const char *value;

		if (str_prefix(options[i], "port=", &value))
			units_parse_u64(value, 0, UINT16_MAX, "port", &port, NULL);
	}
	return (unsigned)port;
}

bool mount_server_answers(const struct storage *s, unsigned port, unsigned other)
{
	unsigned own = port_option(s);

	return server_answers_at(storage_key(s, "server"), own ? own : port) ||
	       server_answers_at(storage_key(s, "server"), other);
}

/* ---- the mount ---- */

/*
 * True if a mount that is_meant() accepts (NULL: any) is at the storage's path.  Follows links only if
 * nothing is mounted at the path itself, where that may hang.
 */
static bool has_mount(const struct storage *s,
		      bool (*is_meant)(const struct storage *, const struct mntent *))
{
	_cleanup_free_ char *real = NULL;

	if (path_find_mount(s->path, is_meant, s))
		return true;
	if (path_find_mount(s->path, NULL, s))
		return false;
	real = realpath(s->path, NULL);
	return real && path_find_mount(real, is_meant, s);
}

static bool is_mounted(const struct storage *s)
{
	return has_mount(s, s->ops->mount->is_ours);
}

/* A child asks, which can be killed: statfs() on a dead server never returns. */
static int ask_space(const struct storage *s, struct storage_status *ret, struct error **err)
{
	const char *const argv[] = { "stat", "-f", "--format=%S %b %f %a", "--", s->path, NULL };
	_cleanup_free_ char *out = NULL;
	uint64_t unit, blocks, unused, avail;
	int r = tool_run(&(struct tool){ .storage = s, .argv = argv, .timeout_s = MOUNT_ASK_TIMEOUT }, &out,
			 err);

	if (r < 0)
		return r;
	if (sscanf(out, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &unit, &blocks, &unused, &avail) != 4)
		return error_set(err, ERR_PEER, "storage '%s': cannot determine the space of '%s'", s->id,
				 s->path);
	*ret = (struct storage_status){ .total = blocks * unit,
					.used = (blocks - unused) * unit,
					.avail = avail * unit };
	return 0;
}

static int check_helper(const struct storage *s, const char *command, struct error **err)
{
	const struct mount_type *t = s->ops->mount;
	_cleanup_free_ char *path = xasprintf("/sbin/%s", t->helper);

	if (strcmp(command, "mount") != 0 || access(path, X_OK) == 0)
		return 0;
	return error_set(err, ERR_UNSUPPORTED, "storage '%s': '%s' not found: install the package %s", s->id,
			 path, t->package);
}

static int mount_storage(const struct storage *s, const struct log *log, struct error **err)
{
	_cleanup_strv_ char **argv = s->ops->mount->command(s);
	_cleanup_error_ struct error *mine = NULL;
	int r = check_helper(s, argv[0], err);

	if (r == 0)
		r = path_make_base(s, err);
	if (r < 0)
		return r;
	if (has_mount(s, NULL))
		log_warn(log, "storage '%s': something else is mounted on '%s', mounting over it", s->id,
			 s->path);
	r = tool_run(&(struct tool){ .storage = s,
				     .argv = (const char *const *)(const void *)argv,
				     .timeout_s = MOUNT_TIMEOUT },
		     NULL, &mine);
	/* another process may have been faster, and some helpers fail with status 0 */
	if (is_mounted(s))
		return 0;
	if (r == 0)
		return error_set(err, ERR_PEER,
				 "storage '%s': '%s' reported success, but '%s' is not mounted", s->id,
				 argv[0], s->path);
	error_keep_first(err, &mine);
	return r;
}

static int check_online(const struct storage *s, struct error **err)
{
	const struct mount_type *t = s->ops->mount;

	if (t->is_online && !t->is_online(s))
		return error_set(err, ERR_PEER, "storage '%s' is not online (no answer from '%s')", s->id,
				 storage_key(s, "server"));
	return 0;
}

int mount_activate(const struct storage *s, const struct log *log, struct error **err)
{
	struct storage_status st;
	int r = check_online(s, err);

	if (r == 0 && !is_mounted(s))
		r = mount_storage(s, log, err);
	if (r == 0)
		r = ask_space(s, &st, err);
	return r < 0 ? r : path_activate(s, log, err);
}

int mount_is_active(const struct storage *s, bool *ret, struct error **err)
{
	struct storage_status st;
	int r = check_online(s, err);

	*ret = is_mounted(s);
	if (r < 0 || !*ret)
		return r;
	r = ask_space(s, &st, err);
	return r < 0 ? r : path_is_active(s, ret, err);
}

int mount_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	if (!is_mounted(s))
		return error_set(err, ERR_NOT_FOUND, "storage '%s' is not mounted on '%s'", s->id, s->path);
	return ask_space(s, ret, err);
}

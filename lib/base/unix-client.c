/*
 * A listening socket and the sockets of its connections on that side have the name that it was bound to; the
 * kernel tells the inode of each one's peer, and /proc/PID/fd has "socket:[<inode>]" for it.
 */
#include "base/unix-client.h"

#include <dirent.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/units.h"

#define TCP_ESTABLISHED 1 /* linux/tcp_states.h, which unix sockets use too */
#define ANSWER_SIZE     ((size_t)32 << 10)
#define WAIT_S          2

struct peers {
	uint32_t *inodes;
	size_t n;
};

static bool ask(int fd)
{
	const struct {
		struct nlmsghdr head;
		struct unix_diag_req question;
	} message = {
		.head = { .nlmsg_len = sizeof(message),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.question = { .sdiag_family = AF_UNIX,
			      .udiag_states = 1U << TCP_ESTABLISHED,
			      .udiag_show = UDIAG_SHOW_VFS | UDIAG_SHOW_PEER },
	};

	return send(fd, &message, sizeof(message), 0) == (ssize_t)sizeof(message);
}

/* One socket: if it has the name with that inode, its peer is wanted. */
static void take_socket(const struct nlmsghdr *head, ino_t ino, struct peers *ret)
{
	const struct unix_diag_msg *m = NLMSG_DATA(head);
	uint32_t name = 0, peer = 0;
	long left = (long)head->nlmsg_len - (long)NLMSG_LENGTH(sizeof(*m));

	for (const struct rtattr *a = (const struct rtattr *)(const void *)(m + 1); RTA_OK(a, left);
	     a = RTA_NEXT(a, left)) {
		if (a->rta_type == UNIX_DIAG_VFS && RTA_PAYLOAD(a) >= sizeof(struct unix_diag_vfs))
			name = ((const struct unix_diag_vfs *)RTA_DATA(a))->udiag_vfs_ino;
		if (a->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(a) >= sizeof(peer))
			memcpy(&peer, RTA_DATA(a), sizeof(peer));
	}
	if (!peer || name != (uint32_t)ino)
		return;
	ret->inodes = xreallocarray(ret->inodes, ret->n + 1, sizeof(*ret->inodes));
	ret->inodes[ret->n++] = peer;
}

/* False after the last part of the answer. */
static bool take_part(const char *data, size_t len, ino_t ino, struct peers *ret)
{
	for (const struct nlmsghdr *head = (const struct nlmsghdr *)(const void *)data; NLMSG_OK(head, len);
	     head = NLMSG_NEXT(head, len)) {
		if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return false;
		take_socket(head, ino, ret);
	}
	return true;
}

/* Inodes of the sockets that are connected to the one whose name has this inode. */
static void find_peers(ino_t ino, struct peers *ret)
{
	const struct timeval limit = { .tv_sec = WAIT_S };
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	_cleanup_free_ char *data = xmalloc(ANSWER_SIZE);
	ssize_t n;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 || !ask(fd))
		return;
	do
		n = recv(fd, data, ANSWER_SIZE, 0);
	while (n > 0 && take_part(data, (size_t)n, ino, ret));
}

/* Whether the link /proc/PID/fd/N leads to one of the sockets. */
static bool is_peer(int dir, const char *name, const struct peers *peers)
{
	char target[64], wanted[64];
	const ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	for (size_t i = 0; i < peers->n; i++) {
		snprintf(wanted, sizeof(wanted), "socket:[%u]", peers->inodes[i]);
		if (!strcmp(target, wanted))
			return true;
	}
	return false;
}

static bool has_peer(const char *pid, const struct peers *peers)
{
	_cleanup_free_ char *path = xasprintf("/proc/%s/fd", pid);
	DIR *d = opendir(path);
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d)) != NULL)
		found = is_peer(dirfd(d), e->d_name, peers);
	if (d)
		closedir(d);
	return found;
}

pid_t unix_client(const char *path)
{
	struct peers peers = { 0 };
	struct stat st;
	DIR *d = NULL;
	struct dirent *e;
	uint64_t pid = 0;
	bool found = false;

	if (stat(path, &st) == 0)
		find_peers(st.st_ino, &peers);
	if (peers.n)
		d = opendir("/proc");
	while (d && !found && (e = readdir(d)) != NULL)
		found = units_parse_u64(e->d_name, 1, INT32_MAX, "pid", &pid, NULL) == 0 &&
			(pid_t)pid != getpid() && has_peer(e->d_name, &peers);
	if (d)
		closedir(d);
	free(peers.inodes);
	return found ? (pid_t)pid : 0;
}

#include "base/unix-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int unix_socket_check_path(const char *path, struct error **err)
{
	if (strlen(path) <= UNIX_SOCKET_PATH_MAX)
		return 0;
	return error_set(err, ERR_INVALID,
			 "socket path '%s' is longer than %zu bytes: use a shorter one, such as "
			 "a VZDUMP_ROOT that is a symbolic link",
			 path, UNIX_SOCKET_PATH_MAX);
}

static int unix_socket_address(const char *path, struct sockaddr_un *ret, struct error **err)
{
	int r = unix_socket_check_path(path, err);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (r == 0)
		memcpy(ret->sun_path, path, strlen(path));
	return r;
}

int unix_socket_connect(const char *path, int type, struct error **err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr;
	int r = unix_socket_address(path, &addr, err);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot create a socket");
	while (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		if (errno != EINTR)
			return error_errno(err, errno, "cannot connect to socket '%s'", path);
	return TAKE_FD(fd);
}

int unix_socket_listen(const char *path, int backlog, struct error **err)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr;
	int r = unix_socket_address(path, &addr, err);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(path, 0600) < 0 ||
	    listen(fd, backlog) < 0)
		return error_errno(err, errno, "cannot listen on '%s'", path);
	return TAKE_FD(fd);
}

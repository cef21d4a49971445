#include "sd-notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/units.h"

/* A path, or "@name" in the abstract name space. */
static int connect_to(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const size_t len = strlen(name);
	int fd;

	if ((name[0] != '/' && name[0] != '@') || len >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* In milliseconds; 0 if it is not for this process. */
static uint64_t watchdog_of_environment(void)
{
	const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
	uint64_t n;

	if (pid && (units_parse_u64(pid, 1, INT32_MAX, "pid", &n, NULL) < 0 || n != (uint64_t)getpid()))
		return 0;
	return usec && units_parse_u64(usec, 1, UINT64_MAX, "time", &n, NULL) == 0 ? n / 1000 : 0;
}

void sd_notify_open(struct sd_notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*n = (struct sd_notify){ .fd = name ? connect_to(name) : -1 };
	n->watchdog_ms = watchdog_of_environment();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}

void sd_notify_close(struct sd_notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void sd_notify_send(const struct sd_notify *n, const char *state)
{
	if (n->fd >= 0)
		send(n->fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void sd_notify_reloading(const struct sd_notify *n)
{
	_cleanup_free_ char *state = xasprintf("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, units_now_ns() / 1000);

	sd_notify_send(n, state);
}

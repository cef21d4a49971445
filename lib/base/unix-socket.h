/*
 * Unix sockets.  An address holds a path of up to UNIX_SOCKET_PATH_MAX bytes; a longer path is ERR_INVALID
 * here, with a message that says so.
 */
#ifndef VZDUMP_BASE_UNIX_SOCKET_H
#define VZDUMP_BASE_UNIX_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

#define UNIX_SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* Returns 0 or ERR_INVALID if path does not fit into an address. */
int unix_socket_check_path(const char *path, struct error **err);

/*
 * Connects without waiting and returns the descriptor, close-on-exec and non-blocking.  type is SOCK_STREAM
 * or SOCK_DGRAM.  -ENOENT: there is no such file; -ECONNREFUSED: no process listens; -EAGAIN: the queue
 * of the listening process is full (poll() cannot wait for room in it: try again later).
 */
int unix_socket_connect(const char *path, int type, struct error **err);

/*
 * Makes a stream socket that only its owner may connect to, listens and returns the descriptor
 * (close-on-exec, blocking).  The caller closes it and unlinks path.
 */
int unix_socket_listen(const char *path, int backlog, struct error **err);

#endif

/* Finds the process at the other end of a unix socket's connections, as the kernel's sock_diag(7) tells. */
#ifndef VZDUMP_BASE_UNIX_CLIENT_H
#define VZDUMP_BASE_UNIX_CLIENT_H

#include <sys/types.h>

/*
 * The first process other than this one that is connected to the stream socket at this path and was accepted
 * there, or 0: there is none, or it cannot be seen (another user's, unless we are root; another network
 * namespace; a kernel without unix_diag).
 */
pid_t unix_client(const char *path);

#endif

/* Among pve*.c. */
#ifndef VZDUMP_GUEST_PVE_INTERNAL_H
#define VZDUMP_GUEST_PVE_INTERNAL_H

#include "guest/guest-ops.h"

/*
 * guest_ops.status, by the QMP socket /run/qemu-server/<vmid>.qmp: a QEMU that answers there runs.  A pid
 * file of a living process without such a socket is an error, since nobody can tell then.
 *
 * The process is the one of the pid file, or the one that listens at the socket, if its command line has the
 * socket or pid file in it.  Else it may be a proxy, or who made the socket for QEMU, and stays unknown.
 */
int pve_status(const struct guest *g, struct guest_status *ret, struct error **err);

#endif

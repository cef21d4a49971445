/* Shared by pve*.c. */
#ifndef VZDUMP_GUEST_PVE_INTERNAL_H
#define VZDUMP_GUEST_PVE_INTERNAL_H

#include "guest/guest-ops.h"

/*
 * guest_ops.status, by the QMP socket /run/qemu-server/<vmid>.qmp: the guest runs if a process listens there.
 * If none does, but the process of the pid file lives, it is an error, because the state is unknown then.
 *
 * QEMU's process is that of the pid file, or the one that listens at the socket, if its command line contains
 * the socket or the pid file.  Otherwise it may be a proxy, or the program that made the socket for QEMU, and
 * the process stays unknown.
 */
int pve_status(const struct guest *g, struct guest_status *ret, struct error **err);

#endif

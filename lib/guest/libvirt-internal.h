/* Shared by libvirt*.c. */
#ifndef VZDUMP_GUEST_LIBVIRT_INTERNAL_H
#define VZDUMP_GUEST_LIBVIRT_INTERNAL_H

#include "guest/guest-ops.h"
#include "guest/mirror.h"

/*
 * Fills uid, gid and process of a running domain's QEMU.  It is the process of libvirt's pid file, if its
 * command line has the domain's uuid: /run/libvirt/qemu/<name>.pid, and
 * $XDG_RUNTIME_DIR/libvirt/qemu/run/<name>.pid for qemu:///session.  These paths are libvirt's own and have
 * no VZDUMP_ROOT.  Nothing is filled if it is not found.  Facts: qemuProcessStart(), virQEMUDriverConfigNew()
 * of libvirt.
 */
void libvirt_find_process(const struct mirror *m, struct guest_status *ret);

#endif

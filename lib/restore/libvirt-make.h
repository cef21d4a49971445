/* The XML of a libvirt guest from an archive of Proxmox VE or of a plain QEMU host, which has none. */
#ifndef VZDUMP_RESTORE_LIBVIRT_MAKE_H
#define VZDUMP_RESTORE_LIBVIRT_MAKE_H

#include "restore/libvirt-rewrite.h"

/*
 * Appends it: the hardware that the configuration (qemu-server.conf) describes, with the files as its disks.
 * A card whose bridge is not on this host goes to libvirt's network "default", with a warning; all that
 * libvirt has no like of, or that reaches out of the guest, is left out with one.
 */
int libvirt_make(const char *config, const struct libvirt_new *g, const struct log *log, struct buf *out,
		 struct error **err);

#endif

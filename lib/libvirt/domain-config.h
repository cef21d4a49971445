/*
 * The configuration of a libvirt guest in Proxmox VE's words, which goes into its archives, so that Proxmox
 * VE can restore them.  The values of disks are absolute paths with format=...
 *
 * 	name: web
 * 	virtio0: /var/lib/libvirt/images/web.qcow2,format=qcow2,discard=on
 * 	virtio1: /dev/vg/web-data,format=raw,backup=0
 * 	#vzdump#device:virtio0:virtio-disk0	of a running guest: the alias of the device in QEMU
 */
#ifndef VZDUMP_LIBVIRT_DOMAIN_CONFIG_H
#define VZDUMP_LIBVIRT_DOMAIN_CONFIG_H

#include "base/buf.h"
#include "base/error.h"
#include "libvirt/domain-xml.h"

#define DOMAIN_DEVICE_LINE "#vzdump#device:"

/*
 * Appends the configuration.
 * CD drives are empty, and floppies are left out: neither is backed up.  Read-only and transient disks are
 * backed up like any other, since the guest needs them, too.
 * A shareable disk gets backup=0 and a warning: other guests write to it, which no filter of this guest sees,
 * so a copy would be of no instant.  Those that our metadata excludes get backup=0.
 * A disk that is neither a file nor a block device, or that is passed through (lun), is an error which says
 * how to exclude it, ERR_UNSUPPORTED.  If it is excluded, it becomes a comment.
 * What Proxmox VE has no words for is left out; the archive has the XML, too.  warnings gets one line for
 * each thing to tell; it may be NULL.
 */
int domain_to_config(const struct domain *d, char ***warnings, struct buf *out, struct error **err);

#endif

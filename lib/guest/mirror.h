/*
 * Guests of libvirt.  Each has a mirror, <root>/var/lib/vzdump/libvirt/<vmid>.conf: its configuration in the
 * words of Proxmox VE, made from libvirt's XML, so that everything else sees it as any guest.  libvirt is
 * asked anew at each run that names the guest (libvirt-guests.h), and when the guest's turn comes; only
 * "lock:" is ours alone and stays.
 *
 *	#vzdump#libvirt:<uuid> <uri>		who it is, and whose
 *	#vzdump#domain:<name>			libvirt's name of it
 *	#vzdump#device:virtio0:virtio-disk0	the id of a disk's device in QEMU
 *	name: web
 *	virtio0: /var/lib/libvirt/images/web.qcow2,format=qcow2
 *
 * The archive gets it without the lines that begin with #vzdump#.  A guest of Proxmox VE with the same id
 * hides it.
 */
#ifndef VZDUMP_GUEST_MIRROR_H
#define VZDUMP_GUEST_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/paths.h"

/* Where the mirrors are, and one of them; there may be no such file.  Caller frees. */
char *mirror_folder(const struct paths *p);
char *mirror_path(const struct paths *p, uint32_t vmid);

/* Which guest of libvirt it is. */
struct mirror {
	char *uuid;
	char *uri;
	char *domain; /* its name */
};
void mirror_clear(struct mirror *m);
#define _cleanup_mirror_ _cleanup_(mirror_clear)

/* True if the id is that of a libvirt guest, and of none of Proxmox VE's on this node. */
bool mirror_has(const struct paths *p, uint32_t vmid);
/*
 * ERR_NOT_FOUND: there is no such file; ERR_INVALID: it is no mirror.  The caller clears *ret after success.
 */
int mirror_load(const struct paths *p, uint32_t vmid, struct mirror *ret, struct error **err);
/* The ids of all mirrors, ascending.  A missing folder counts as empty.  Caller frees *ret. */
int mirror_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err);
/*
 * Writes the mirror, with the lock of the one that it replaces, under the lock that guest_config_set_lock()
 * takes.  config: all other lines.
 */
int mirror_write(const struct paths *p, uint32_t vmid, const struct mirror *m, const char *config,
		 const struct cancel *cancel, struct error **err);
/* Removes it, unless it has a lock, or the guest a journal: then something is left to do for it. */
int mirror_drop(const struct paths *p, uint32_t vmid, struct error **err);

#endif

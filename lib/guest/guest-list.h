/*
 * The guests of the cluster, with their kind and node.  A guest id is used once in a cluster, by the guest
 * that has one of these files:
 *
 *	<root>/etc/pve/qemu-server/<vmid>.conf			a VM of this node
 *	<root>/etc/pve/lxc/<vmid>.conf				a container of this node
 *	<root>/etc/pve/nodes/<node>/{qemu-server,lxc}/<vmid>.conf	the same of any node
 *	<root>/var/lib/vzdump/libvirt/<vmid>.conf		a VM of libvirt on this node
 *
 * On a PVE host the first two are links to this node's folders in the third.  On other hosts they may be
 * folders, and there is no nodes/.  Facts: PVE::Cluster::get_vmlist, pmxcfs.
 */
#ifndef VZDUMP_GUEST_GUEST_LIST_H
#define VZDUMP_GUEST_GUEST_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/paths.h"

enum guest_kind {
	GUEST_VM,
	GUEST_CONTAINER,
	GUEST_LIBVIRT, /* of this node, see mirror.h; a VM, too, but none of Proxmox VE's */
};

struct guest_entry {
	uint32_t vmid;
	enum guest_kind kind;
	char *node; /* the other node that has it; NULL: this one */
	char *path; /* of its configuration */
};
void guest_entry_clear(struct guest_entry *e);
#define _cleanup_guest_entry_ _cleanup_(guest_entry_clear)

struct guest_list {
	struct guest_entry *entries;
	size_t n;
};

/*
 * All guests of all nodes, ascending by id, each id once: this node's guest counts before another node's, a
 * VM before a container.  A missing folder counts as empty.  The caller clears *ret, also after an error.
 */
int guest_list_load(const struct paths *p, struct guest_list *ret, struct error **err);
void guest_list_clear(struct guest_list *l);
#define _cleanup_guest_list_ _cleanup_(guest_list_clear)

/* The entry with this id, NULL if there is none.  Owned by l. */
const struct guest_entry *guest_list_find(const struct guest_list *l, uint32_t vmid);

/*
 * Finds the guest with this id, without reading all folders.  Returns 1 and fills *ret, which the caller
 * clears, or 0 if there is none.
 */
int guest_entry_find(const struct paths *p, uint32_t vmid, struct guest_entry *ret, struct error **err);

/*
 * "VM 105 on this node", "container 201 on node 'pve2'", "libvirt domain 'web' (id 201)", for messages.
 * Caller frees.
 */
char *guest_entry_describe(const struct paths *p, const struct guest_entry *e);

#endif

/*
 * Nodes of a disk that libvirt has detached while it was backed up.  libvirt then deletes the nodes that it
 * has made, but QEMU refuses while our filter uses them, and nobody deletes them later: the image would stay
 * open, and locked, until the guest ends.  libvirt forgets them and never uses their names again.
 *
 *	vzdump-scsi0-cbw ── libvirt-1-format ── libvirt-1-storage
 *	                     └─ backing: libvirt-3-format ── libvirt-3-storage
 */
#ifndef VZDUMP_QEMU_DETACHED_H
#define VZDUMP_QEMU_DETACHED_H

#include "base/error.h"
#include "qemu/blockgraph.h"
#include "qemu/qmp.h"

/*
 * Lists libvirt's nodes that are below a filter of ours, each before those that it uses.  NULL: none.  Caller
 * frees with strv_free().
 */
char **graph_below_filters(const struct blockgraph *g);
/* Deletes those of the listed nodes that nothing uses in the graph g, which is without our filters. */
int graph_del_unused(struct qmp *q, const struct blockgraph *g, char *const *names, struct error **err);

#endif

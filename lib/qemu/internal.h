/* Shared by the files of lib/qemu that make up graph.h; not for others. */
#ifndef VZDUMP_QEMU_INTERNAL_H
#define VZDUMP_QEMU_INTERNAL_H

#include "qemu/graph.h"
#include "qemu/view.h"

/* True for names of nodes, exports and bitmaps that this project makes.  NULL is not ours. */
bool graph_is_ours(const char *name);

/* File or device at the bottom of the node's chain of "file" children, or NULL. */
const char *graph_filename(const struct view *v, const char *node);

/* The query-block entry of a guest's disk, found as graph_find_disk() says; NULL: it has none. */
struct json_object *graph_find_device(const struct view *v, const char *key, const char *path);

/* QOM path of a query-block entry's device, or NULL.  Caller frees. */
char *graph_qom_path(struct json_object *device);

/*
 * Options for blockdev-reopen that keep the throttle filter as it is, with `file` as its child.
 * blockdev-reopen resets what is not named.
 */
int graph_throttle_options(const struct view *v, const char *throttle, const char *file,
			   struct json_object **ret, struct error **err);

/* A QOM property that is a string or link; NULL when there is none.  Caller frees. */
char *graph_qom_string(struct qmp *q, const char *path, const char *property);

/* IDE and SATA: a TRIM of the guest while the graph changes can lock stock QEMU up. */
bool graph_type_needs_stop(const char *qom_type);

/* graph_pause_begin() if the QEMU is a delicate one. */
int graph_quiet_begin(struct qmp *q, struct graph_pause *p, struct error **err);
/* Ends it; returns r, or the error of going on if r is none. */
int graph_quiet_end(struct qmp *q, struct graph_pause *p, int r, struct error **err);

/* A command between graph_quiet_begin() and graph_quiet_end().  Takes args over. */
int graph_execute_quietly(struct qmp *q, const char *command, struct json_object *args, struct error **err);

/* The guest's disk is that node from now on; throttling stays on top. */
int graph_place(struct qmp *q, const struct graph_disk *d, const char *node, struct error **err);

/* If others than the guest's disk hold that filter of ours: ERR_PEER, who it is, and the way out. */
int graph_pinned(struct qmp *q, const char *filter, struct error **err);

/* blockdev-del if there is such a node. */
int graph_del_node(struct qmp *q, const char *name, struct error **err);

#endif

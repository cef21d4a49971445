/* Finds other users of a filter of ours, which prevent that it is removed. */
#ifndef VZDUMP_QEMU_FILTER_USERS_H
#define VZDUMP_QEMU_FILTER_USERS_H

#include "base/error.h"
#include "qemu/blockgraph.h"
#include "qemu/qmp.h"

/*
 * 0 if only the guest's disk and nodes of ours use the node `filter` of the graph g.  Otherwise ERR_PEER,
 * with a message for the administrator: what uses it, and what to do.
 */
int graph_check_filter_users(struct qmp *q, const struct blockgraph *g, const char *filter,
			     struct error **err);

#endif

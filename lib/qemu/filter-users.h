/* Who else uses a filter of ours, so that it cannot be taken out from under the guest. */
#ifndef VZDUMP_QEMU_FILTER_USERS_H
#define VZDUMP_QEMU_FILTER_USERS_H

#include "base/error.h"
#include "qemu/qmp.h"

/*
 * 0 if nothing but the guest's disk and nodes of ours use the node `filter`.  Else ERR_PEER, in words for the
 * administrator: who uses it, and what to do.
 */
int graph_check_filter_users(struct qmp *q, const char *filter, struct error **err);

#endif

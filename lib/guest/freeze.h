/* Decides whether a guest's file systems are frozen, and thaws them. */
#ifndef VZDUMP_GUEST_FREEZE_H
#define VZDUMP_GUEST_FREEZE_H

#include "guest/guest-ops.h"

/*
 * Connects to the agent if file systems should be frozen: the agent is enabled in the configuration, freezing
 * is not turned off, the agent answers, and nothing is frozen yet.  Otherwise *ret is NULL, and the reason is
 * logged in PVE's words.  Caller closes *ret.
 */
void freeze_open_agent(const struct guest *g, const struct guest_config *conf, const struct cancel *cancel,
		       const struct log *log, struct qga **ret);

/*
 * Thaws.  A request to stop ends the wait for the answer; if it came before the call, the agent gets 1 s.
 * *ret_over is true if trying again is useless: the file systems are thawed, or the agent refuses and does
 * not report that they are frozen.
 */
int freeze_thaw(struct qga *a, const struct cancel *cancel, int timeout_ms, bool *ret_over,
		struct error **err);

#endif

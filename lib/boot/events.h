/* What QEMU reports of a guest that is tried: its events. */
#ifndef VZDUMP_BOOT_EVENTS_H
#define VZDUMP_BOOT_EVENTS_H

#include <stdbool.h>

#include "base/json.h"

#define BOOT_AGENT_PORT "boot-agent-port" /* id of the device */

struct boot_events {
	unsigned resets;  /* by the guest */
	bool shutdown;    /* by the guest: it has switched itself off */
	bool panicked;    /* by its pvpanic device */
	bool read_error;  /* a read of a disk failed: the archive's, as the guest has no other */
	bool write_error; /* a write failed, for one of these reasons: */
	bool no_room; /* there is no more room for the overlay; else a read of the archive failed for it */
	bool agent_is_there; /* the guest has opened the agent's port */
	char *device;        /* of the first failed request; NULL: none, or it is not known */
};

/* For qmp_on_event(); opaque is a struct boot_events. */
void boot_events_take(void *opaque, struct json_object *o);
void boot_events_clear(struct boot_events *e);

#endif

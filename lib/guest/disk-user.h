/* Checks whether a process has a guest's disk open for writing; the message says what to do about it. */
#ifndef VZDUMP_GUEST_DISK_USER_H
#define VZDUMP_GUEST_DISK_USER_H

#include <stdint.h>

#include "storage/host.h"

/*
 * For a guest that does not run according to its QMP socket.  -EBUSY: "QEMU (pid 4711) has '/srv/x.raw'
 * open for writing, but VM 123 has no QMP socket ...".  The rest, also `ignored`, as volume_check_unused().
 */
int disk_check_unused(const struct host *host, uint32_t vmid, const struct volume *v, const char *ignored,
		      struct error **err);

#endif

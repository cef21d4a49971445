/* qmrestore --libvirt: the guest is defined in libvirt. */
#ifndef VZDUMP_CLI_QMRESTORE_LIBVIRT_H
#define VZDUMP_CLI_QMRESTORE_LIBVIRT_H

#include "config/options.h"
#include "restore/restore.h"
#include "storage/host.h"

/* Refuses options that belong to the other kind of restore.  Also without --libvirt. */
int qmrestore_check_kind(const struct options *o, struct error **err);
/*
 * Restores, says how the guest starts, and starts it with --start.  Of p the vmid is not used.  connect: the
 * URI of vzdump.conf, or NULL.
 */
int qmrestore_libvirt(const struct host *host, const struct options *o, const char *connect,
		      struct restore_params *p, struct error **err);

#endif

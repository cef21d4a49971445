/* What several kinds of guest management do alike; see guest-ops.h for the meaning of each. */
#ifndef VZDUMP_GUEST_GUEST_COMMON_H
#define VZDUMP_GUEST_GUEST_COMMON_H

#include "guest/guest-ops.h"

/* guest_ops.shutdown by way of the guest's agent, or of its monitor. */
int guest_common_shutdown(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
			  const struct cancel *cancel, const struct log *log, struct error **err);
/* guest_ops.own_file with chown(). */
int guest_common_own_file(const struct guest *g, const struct guest_status *status, const char *path,
			  struct error **err);

#endif

/*
 * The guests that the cluster's HA manager controls, from <root>/etc/pve/ha/resources.cfg:
 *
 *	vm: 100
 *		group fast
 *		state started
 *
 * Facts: vm_is_ha_managed of PVE::HA::Config.
 */
#ifndef VZDUMP_GUEST_HA_H
#define VZDUMP_GUEST_HA_H

#include <stdint.h>

#include "base/error.h"
#include "base/paths.h"

/*
 * 1 if the HA manager keeps this guest running: a section with state "started", its old name "enabled", or
 * no state; 0 if it does not.  A missing file means that it controls no guest.
 */
int ha_keeps_running(const struct paths *p, uint32_t vmid, struct error **err);

#endif

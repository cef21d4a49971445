/*
 * What of an archive's XML of a libvirt guest may be taken over.  An archive may come from anywhere, and its
 * XML could name commands, files, devices and sockets of this host.  So only what is known to stay within the
 * guest, or within the host's networks, is taken over; see plan-allow.c for Proxmox VE's configurations.
 */
#ifndef VZDUMP_RESTORE_LIBVIRT_ALLOW_H
#define VZDUMP_RESTORE_LIBVIRT_ALLOW_H

#include <libxml/tree.h>
#include <stdbool.h>

#include "base/log.h"

/*
 * Removes from <domain> all that reaches out of the guest or is not known, with a warning for each.  With
 * keep nothing is removed, but warned of.  Sources of disks are none of its business, and neither is the
 * nvram of <os>.
 */
void libvirt_allow(xmlNode *domain, bool keep, const struct log *log);

#endif

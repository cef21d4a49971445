/* Proxmox VE's lines for the hardware of a libvirt guest, but for its disks. */
#ifndef VZDUMP_LIBVIRT_DOMAIN_HARDWARE_H
#define VZDUMP_LIBVIRT_DOMAIN_HARDWARE_H

#include "base/buf.h"
#include "libvirt/domain-xml.h"

/* Appends them. warnings gets a line for each device that is something else in Proxmox VE. */
void domain_hardware(const struct domain *d, char ***warnings, struct buf *out);

#endif

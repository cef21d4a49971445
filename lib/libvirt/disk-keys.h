/* Names of disks in Proxmox VE's configurations, and so in archives, for the disks of a libvirt guest. */
#ifndef VZDUMP_LIBVIRT_DISK_KEYS_H
#define VZDUMP_LIBVIRT_DISK_KEYS_H

#include <stddef.h>

#include "base/error.h"

struct domain_disk;

/*
 * Gives each disk its key, see domain_parse().  ERR_UNSUPPORTED: there are more disks than keys.
 */
int disk_keys_assign(struct domain_disk *disks, size_t n, struct error **err);

#endif

/* The <devices> of libvirt-make.h. */
#ifndef VZDUMP_RESTORE_LIBVIRT_MAKE_DEVICES_H
#define VZDUMP_RESTORE_LIBVIRT_MAKE_DEVICES_H

#include <libxml/tree.h>

#include "guest/guest.h"
#include "restore/libvirt-file.h"

/* Bytes of OVMF's variables for firmware of 4 MiB, which every distribution has. */
#define LIBVIRT_NVRAM_SIZE 540672u

int libvirt_make_devices(xmlNode *devices, const struct guest_config *c, const struct libvirt_new *g,
			 const struct log *log, struct error **err);

#endif

/*
 * Restores a guest to libvirt: its disks become raw files in a folder, and it is defined under a new name.
 *
 * The XML comes from the archive, or from its configuration if it is of another kind of host.  Nothing that
 * exists is changed: neither a guest nor a file.
 */
#ifndef VZDUMP_RESTORE_LIBVIRT_RESTORE_H
#define VZDUMP_RESTORE_LIBVIRT_RESTORE_H

#include "restore/restore.h"

/* The name of libvirt's XML in an archive. */
#define LIBVIRT_XML_NAME "libvirt.xml"

/* All borrowed. */
struct libvirt_restore {
	const char *name;
	const char *uri;    /* of libvirt; NULL: its default */
	const char *folder; /* for the disks */
};

/*
 * Of p are used: archive, fd, unique, keep_host_lines, bwlimit and the callbacks.  -EEXIST: there is a guest
 * or a file of that name.  After an error nothing is left, and the guest is not defined.
 */
int libvirt_restore(const struct host *host, const struct restore_params *p, const struct libvirt_restore *to,
		    struct error **err);

#endif

/* The files of a restored libvirt guest in its XML. */
#ifndef VZDUMP_RESTORE_LIBVIRT_FILE_H
#define VZDUMP_RESTORE_LIBVIRT_FILE_H

#include <libxml/tree.h>

#include "restore/libvirt-rewrite.h"

/* The file of that key, or NULL.  Borrowed. */
const struct libvirt_file *libvirt_file_find(const struct libvirt_new *g, const char *key);
/* Makes the raw image the source of a <disk> without one. */
void libvirt_file_set(xmlNode *disk, const char *path);

#endif

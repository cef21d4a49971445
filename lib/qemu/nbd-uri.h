/* URIs of NBD exports, as libnbd and qemu-img take them. */
#ifndef VZDUMP_QEMU_NBD_URI_H
#define VZDUMP_QEMU_NBD_URI_H

/*
 * "nbd+unix:///drive-scsi0?socket=/run/x.sock": an export of a server at a unix socket.  Characters
 * that have a meaning in a URI are escaped.  Caller frees.
 */
char *nbd_uri(const char *socket, const char *export);

#endif

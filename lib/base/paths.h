/*
 * Well-known paths, below the root that VZDUMP_ROOT names ("" for the real one):
 * /etc/pve/storage.cfg, /etc/pve/qemu-server/<vmid>.conf, /run/qemu-server/<vmid>.qmp, ...
 * Paths that are read from storage.cfg are not prefixed.
 */
#ifndef VZDUMP_BASE_PATHS_H
#define VZDUMP_BASE_PATHS_H

#include <stdint.h>

struct paths {
	char *root; /* no trailing slash; "" for none */
};

/* root may be NULL. */
void paths_init(struct paths *p, const char *root);
void paths_clear(struct paths *p);
/* root + the formatted absolute path.  Caller frees. */
char *paths_get(const struct paths *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Name of this node as PVE has it: the host name up to its first dot.  With a root, <root>/etc/hostname is
 * read first.  Caller frees.
 */
char *paths_nodename(const struct paths *p);

#endif

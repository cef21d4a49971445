/*
 * How a storage reaches its Ceph cluster; rbd and cephfs alike.  Files as PVE has them, beside
 * storage.cfg: ceph.conf for the host's own cluster (without monhost; Ceph's default where there is
 * none), else priv/ceph/<storage>.conf; the key in priv/ceph/<storage>.keyring (cephfs: .secret).
 * Facts: PVE::CephConfig.
 */
#ifndef VZDUMP_STORAGE_CEPH_H
#define VZDUMP_STORAGE_CEPH_H

#include "storage/storage.h"

/* priv/ceph/<storage>.<suffix>; NULL if there is no such file.  Caller frees. */
char *ceph_file(const struct storage *s, const char *suffix);
/* The configuration; NULL if there is none.  Caller frees. */
char *ceph_conf(const struct storage *s);

/* "[fd00::1]:6789" -> "fd00::1" and "6789"; no port: NULL.  The caller frees both. */
void ceph_split_host(const char *text, char **ret_host, char **ret_port);
/* The value of monhost as Ceph takes it: "10.0.0.1,[fd00::1]:6789"; QEMU with ";" between.  Caller frees. */
char *ceph_hosts(const char *monhost, char separator);

/* A key whose value, if there is one, must be a name (block_word_valid()). */
int ceph_check_word(const struct storage *s, const char *key, struct error **err);

#endif

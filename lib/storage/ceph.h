/*
 * How rbd and cephfs reach a Ceph cluster.  The files lie where PVE has them, beside storage.cfg: ceph.conf
 * for the host's own cluster (no monhost; without the file Ceph uses its default), else
 * priv/ceph/<storage>.conf.  The key is in priv/ceph/<storage>.keyring (cephfs: .secret).
 * Facts: PVE::CephConfig.
 */
#ifndef VZDUMP_STORAGE_CEPH_H
#define VZDUMP_STORAGE_CEPH_H

#include "storage/storage.h"

/* priv/ceph/<storage>.<suffix>; NULL if there is no such file.  Caller frees. */
char *ceph_file(const struct storage *s, const char *suffix);
/* The configuration; NULL if there is none.  Caller frees. */
char *ceph_conf(const struct storage *s);

/* "[fd00::1]:6789" -> "fd00::1" and "6789", or NULL if there is no port.  Caller frees both. */
void ceph_split_host(const char *text, char **ret_host, char **ret_port);
/* monhost as a list: "10.0.0.1,[fd00::1]:6789" for Ceph; QEMU's separator is ";".  Caller frees. */
char *ceph_hosts(const char *monhost, char separator);

/* ERR_INVALID if the key has a value that is not a name (block_word_valid()). */
int ceph_check_word(const struct storage *s, const char *key, struct error **err);

#endif

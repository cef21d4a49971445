/* The storage types, one file each in types/; registry.c lists them. */
#ifndef VZDUMP_STORAGE_TYPES_H
#define VZDUMP_STORAGE_TYPES_H

#include "storage/storage.h"

extern const struct storage_ops storage_dir_ops;
extern const struct storage_ops storage_btrfs_ops;
extern const struct storage_ops storage_nfs_ops;
extern const struct storage_ops storage_cifs_ops;
extern const struct storage_ops storage_cephfs_ops;
extern const struct storage_ops storage_lvm_ops;
extern const struct storage_ops storage_lvmthin_ops;
extern const struct storage_ops storage_zfspool_ops;
extern const struct storage_ops storage_rbd_ops;
extern const struct storage_ops storage_iscsi_ops;
extern const struct storage_ops storage_iscsidirect_ops;

#endif

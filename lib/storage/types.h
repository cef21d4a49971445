/* What the registry knows of each storage type's file, and what all types share. */
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

/* What volume_blockdev() gives for types without a way of their own: file or host_device. */
int volume_blockdev_by_path(const struct volume *v, struct json_object **ret, struct error **err);
/* What a file takes, as the file system counts, and its length. */
int volume_used_by_path(const struct volume *v, uint64_t *ret, uint64_t *ret_length, struct error **err);

/* What qemu-img info says of an image that has a path, up to 10 s.  Caller puts *ret. */
int volume_image_info(const struct volume *v, struct json_object **ret, struct error **err);

/*
 * True if name is a file name for an image ("vm-100-disk-0.qcow2"): one component without white
 * space that ends in a known format, which *ret is then.
 */
bool image_name_parse(const char *name, enum image_format *ret);

#endif

/* All storage types.  A new one is a file of its own and one line here. */
#include "storage/storage.h"
#include "storage/types.h"

/* clang-format off */
const struct storage_ops *const storage_types[] = {
	&storage_dir_ops,
	&storage_btrfs_ops,
	&storage_nfs_ops,
	&storage_cifs_ops,
	&storage_cephfs_ops,
	&storage_lvm_ops,
	&storage_lvmthin_ops,
	&storage_zfspool_ops,
	&storage_rbd_ops,
	&storage_iscsi_ops,
	&storage_iscsidirect_ops,
	NULL,
};
/* clang-format on */

/* Type "dir": a directory of this host.  Facts: PVE::Storage::DirPlugin. */
#include "storage/path.h"
#include "storage/types.h"

const struct storage_ops storage_dir_ops = {
	.type = "dir",
	.keys = "path content-dirs shared prune-backups max-protected-backups format mkdir "
		"create-base-path create-subdirs is_mountpoint bwlimit preallocation "
		"snapshot-as-volume-chain",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR | STORAGE_ISO | STORAGE_VZTMPL | STORAGE_BACKUP |
		   STORAGE_SNIPPETS | STORAGE_IMPORT,
	.content_default = STORAGE_IMAGES | STORAGE_ROOTDIR,
	.formats = 1U << IMAGE_RAW | 1U << IMAGE_QCOW2 | 1U << IMAGE_VMDK | 1U << IMAGE_SUBVOL,
	.format_default = IMAGE_RAW,
	.has_path = true,
	.activate = path_activate,
	.is_active = path_is_active,
	.status = path_status,
	.dir = path_dir,
	.list = path_list,
	.traits = path_traits,
	.fleecing_format = path_fleecing_format,
	.parse = path_parse,
	.volname = path_volname,
	.alloc = path_alloc,
	.free = path_free,
	.snapshots = path_snapshots,
	.snapshot_delete = path_snapshot_delete,
};

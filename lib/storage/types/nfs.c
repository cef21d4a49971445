/* Type "nfs": a directory on an NFS server.  Facts: PVE::Storage::NFSPlugin. */
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "storage/key.h"
#include "storage/mount.h"
#include "storage/path.h"
#include "storage/types.h"

#define NFS_PORT     2049
#define RPCBIND_PORT 111

/* "server:/export".  Caller frees. */
static char *nfs_source(const struct storage *s)
{
	_cleanup_free_ char *server = mount_server(s);

	return xasprintf("%s:%s", server, storage_key(s, "export"));
}

static bool nfs_is_ours(const struct storage *s, const struct mntent *mount)
{
	_cleanup_free_ char *source = nfs_source(s);

	return str_prefix(mount->mnt_type, "nfs", NULL) && mount_same_source(mount->mnt_fsname, source);
}

static char **nfs_command(const struct storage *s)
{
	_cleanup_free_ char *source = nfs_source(s);
	char **argv = NULL;

	strv_add(&argv, "mount");
	strv_add(&argv, "-t");
	strv_add(&argv, "nfs");
	strv_add(&argv, source);
	strv_add(&argv, s->path);
	if (storage_key(s, "options")) {
		strv_add(&argv, "-o");
		strv_add(&argv, storage_key(s, "options"));
	}
	return argv;
}

/* PVE runs showmount, which a server of version 4 alone does not answer. */
static bool nfs_is_online(const struct storage *s)
{
	return mount_server_answers(s, NFS_PORT, RPCBIND_PORT);
}

static const char *const required[] = { "server", "export", NULL };

static const struct mount_type nfs_mount = {
	.required = required,
	.is_ours = nfs_is_ours,
	.command = nfs_command,
	.helper = "mount.nfs",
	.package = "nfs-common",
	.is_online = nfs_is_online,
};

const struct storage_ops storage_nfs_ops = {
	.type = "nfs",
	.keys = "path content-dirs server export prune-backups max-protected-backups options "
		"format mkdir create-base-path create-subdirs bwlimit preallocation "
		"snapshot-as-volume-chain",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR | STORAGE_ISO | STORAGE_VZTMPL | STORAGE_BACKUP |
		   STORAGE_SNIPPETS | STORAGE_IMPORT,
	.content_default = STORAGE_IMAGES,
	.formats = 1U << IMAGE_RAW | 1U << IMAGE_QCOW2 | 1U << IMAGE_VMDK,
	.format_default = IMAGE_RAW,
	.shared = true,
	.has_path = true,
	.mount = &nfs_mount,
	.ask_interval_ms = MOUNT_ASK_INTERVAL_MS,
	.check = mount_check,
	.activate = mount_activate,
	.is_active = mount_is_active,
	.status = mount_status,
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

/*
 * Type "cephfs": a directory of a Ceph file system, mounted by the kernel or, with "fuse", by
 * ceph-fuse.  It holds backups and other files, but no images.  Facts: PVE::Storage::CephFSPlugin.
 *
 * With "fuse", PVE mounts through mount.fuse.ceph, which passes its options to a shell and ignores
 * monitors and subdir; ceph-fuse itself accepts both.
 */
#include <string.h>

#include "base/buf.h"
#include "base/strv.h"
#include "storage/ceph.h"
#include "storage/mount.h"
#include "storage/path.h"
#include "storage/key.h"
#include "storage/types.h"

static int cephfs_check(const struct storage *s, struct error **err)
{
	int r = mount_check(s, err);

	if (r == 0)
		r = ceph_check_word(s, "username", err);
	return r < 0 ? r : ceph_check_word(s, "fs-name", err);
}

static const char *subdir_of(const struct storage *s)
{
	return storage_key(s, "subdir") ? storage_key(s, "subdir") : "/";
}

static const char *user_of(const struct storage *s)
{
	return storage_key(s, "username") ? storage_key(s, "username") : "admin";
}

/* The kernel shows "<monitors>:<subdir>", or "<user>@<cluster>.<name>=<subdir>". */
static bool cephfs_is_ours(const struct storage *s, const struct mntent *mount)
{
	const char *source = mount->mnt_fsname;
	const char *subdir = subdir_of(s);
	size_t n = strlen(source), len = strlen(subdir);

	if (strcmp(mount->mnt_type, "fuse.ceph-fuse") == 0)
		return strcmp(source, "ceph-fuse") == 0;
	return str_prefix(mount->mnt_type, "ceph", NULL) && n > len && str_suffix(source, subdir) &&
	       strchr(":=", source[n - len - 1]);
}

/* NULL: without monhost. */
static char *monitors_of(const struct storage *s)
{
	const char *monhost = storage_key(s, "monhost");

	return monhost ? ceph_hosts(monhost, ',') : NULL;
}

static void add_option(char ***argv, const char *option, const char *value)
{
	if (!value)
		return;
	strv_add(argv, option);
	strv_add(argv, value);
}

static char **fuse_command(const struct storage *s)
{
	_cleanup_free_ char *conf = ceph_conf(s), *secret = ceph_file(s, "secret"), *hosts = monitors_of(s);
	char **argv = NULL;

	strv_add(&argv, "ceph-fuse");
	add_option(&argv, "--conf", conf ? conf : hosts ? "/dev/null" : NULL);
	add_option(&argv, "-m", hosts);
	add_option(&argv, "--id", user_of(s));
	add_option(&argv, "--keyfile", secret);
	add_option(&argv, "--client_fs", storage_key(s, "fs-name"));
	add_option(&argv, "-r", subdir_of(s));
	add_option(&argv, "-o", storage_key(s, "options"));
	strv_add(&argv, s->path);
	return argv;
}

static char **kernel_command(const struct storage *s)
{
	_cleanup_free_ char *conf = ceph_conf(s), *secret = ceph_file(s, "secret"), *hosts = monitors_of(s);
	_cleanup_buf_ struct buf options = BUF_INIT;
	char **argv = NULL;

	buf_addf(&options, "name=%s", user_of(s));
	if (secret)
		buf_addf(&options, ",secretfile=%s", secret);
	if (conf)
		buf_addf(&options, ",conf=%s", conf);
	if (storage_key(s, "fs-name"))
		buf_addf(&options, ",fs=%s", storage_key(s, "fs-name"));
	if (storage_key(s, "options"))
		buf_addf(&options, ",%s", storage_key(s, "options"));
	strv_add(&argv, "mount");
	add_option(&argv, "-t", "ceph");
	/* without monitors mount.ceph finds them in the configuration */
	strv_addf(&argv, "%s:%s", hosts ? hosts : "", subdir_of(s));
	strv_add(&argv, s->path);
	add_option(&argv, "-o", buf_str(&options));
	return argv;
}

static char **cephfs_command(const struct storage *s)
{
	return storage_key_flag(s, "fuse") ? fuse_command(s) : kernel_command(s);
}

static const struct mount_type cephfs_mount = {
	.is_ours = cephfs_is_ours,
	.command = cephfs_command,
	.helper = "mount.ceph",
	.package = "ceph-common",
};

const struct storage_ops storage_cephfs_ops = {
	.type = "cephfs",
	.keys = "path content-dirs monhost subdir options username format mkdir "
		"create-base-path create-subdirs fuse bwlimit keyring prune-backups "
		"max-protected-backups fs-name",
	.content = STORAGE_ISO | STORAGE_VZTMPL | STORAGE_BACKUP | STORAGE_SNIPPETS | STORAGE_IMPORT,
	.content_default = STORAGE_BACKUP,
	.format_default = IMAGE_RAW,
	.shared = true,
	.has_path = true,
	.mount = &cephfs_mount,
	.ask_interval_ms = MOUNT_ASK_INTERVAL_MS,
	.check = cephfs_check,
	.activate = mount_activate,
	.is_active = mount_is_active,
	.status = mount_status,
	.dir = path_dir,
	.list = path_list,
	.traits = path_traits,
	.fleecing_format = path_fleecing_format,
	.parse = path_parse,
};

/*
 * Type "cifs": a share of an SMB server.  The password lies beside storage.cfg, in
 * priv/storage/<storage>.pw ("password=..."), as PVE writes it; without that file the share is mounted as
 * guest.  Facts: PVE::Storage::CIFSPlugin.
 *
 * SMB's locks forbid writing even to their owner: QEMU, which locks bytes 100 to 250 of an image, then cannot
 * write its first cluster (seen with 6.1 and Samba 4.17).  With the mount option "nobrl", locks stay on this
 * host and do no harm; without it, our nodes use no locks.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "storage/key.h"
#include "storage/mount.h"
#include "storage/path.h"
#include "storage/types.h"
#include "storage/volume-path.h"

#define SMB_PORT     445
#define NETBIOS_PORT 139

/* "//server/share/subdir".  Caller frees. */
static char *cifs_source(const struct storage *s)
{
	_cleanup_free_ char *server = mount_server(s);

	return xasprintf("//%s/%s%s", server, storage_key(s, "share"),
			 storage_key(s, "subdir") ? storage_key(s, "subdir") : "");
}

static bool cifs_is_ours(const struct storage *s, const struct mntent *mount)
{
	_cleanup_free_ char *source = cifs_source(s);

	return (str_prefix(mount->mnt_type, "cifs", NULL) || strcmp(mount->mnt_type, "smb3") == 0) &&
	       mount_same_source(mount->mnt_fsname, source);
}

/* sec=krb5, krb5i or krb5p among the options: a ticket is used instead of a password. */
static bool uses_kerberos(const struct storage *s)
{
	_cleanup_free_ char *text = xstrdup(storage_key(s, "options") ? storage_key(s, "options") : "");
	_cleanup_strv_ char **options = NULL;

	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	options = strv_split_list(text);
	return options && (strv_contains(options, "sec=krb5") || strv_contains(options, "sec=krb5i") ||
			   strv_contains(options, "sec=krb5p"));
}

static void add_option(char ***argv, const char *name, const char *value)
{
	if (!value)
		return;
	strv_add(argv, "-o");
	strv_addf(argv, "%s%s", name, value);
}

static void add_user(char ***argv, const struct storage *s)
{
	_cleanup_free_ char *file = xasprintf("%s/priv/storage/%s.pw", s->config_dir, s->id);

	if (uses_kerberos(s))
		return;
	if (access(file, F_OK) < 0) {
		add_option(argv, "guest,username=", "guest");
		return;
	}
	add_option(argv, "username=", storage_key(s, "username"));
	add_option(argv, "credentials=", file);
	add_option(argv, "domain=", storage_key(s, "domain"));
}

static bool keeps_locks_here(const struct storage *s, const struct mntent *mount)
{
	return cifs_is_ours(s, mount) && hasmntopt(mount, "nobrl");
}

static int cifs_blockdev(const struct volume *v, struct json_object **ret, struct error **err)
{
	const struct storage *s = v->storage;
	int r = volume_blockdev_by_path(v, ret, err);

	if (r == 0 && !path_find_mount(s->path, keeps_locks_here, s))
		json_put_str(*ret, "locking", "off");
	return r;
}

static int cifs_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	const struct storage *s = v->storage;
	int r = path_alloc(v, size, cancel, err);

	if (r < 0 && r != -EEXIST && v->format == IMAGE_QCOW2 &&
	    !path_find_mount(s->path, keeps_locks_here, s))
		return error_wrap(err, r,
				  "storage '%s' is mounted without the option nobrl, which qemu-img needs: "
				  "add it to the section's options and mount it again",
				  s->id);
	return r;
}

static char **cifs_command(const struct storage *s)
{
	const char *version = storage_key(s, "smbversion");
	_cleanup_free_ char *source = cifs_source(s);
	char **argv = NULL;

	strv_add(&argv, "mount");
	strv_add(&argv, "-t");
	strv_add(&argv, "cifs");
	strv_add(&argv, source);
	strv_add(&argv, s->path);
	add_option(&argv, "", "soft");
	add_user(&argv, s);
	add_option(&argv, "vers=", version ? version : "default");
	add_option(&argv, "", storage_key(s, "options"));
	return argv;
}

static bool cifs_is_online(const struct storage *s)
{
	return mount_server_answers(s, SMB_PORT, NETBIOS_PORT);
}

static const char *const required[] = { "server", "share", NULL };

static const struct mount_type cifs_mount = {
	.required = required,
	.is_ours = cifs_is_ours,
	.command = cifs_command,
	.helper = "mount.cifs",
	.package = "cifs-utils",
	.is_online = cifs_is_online,
};

/*
 * The client reports a file whose length was set as fully allocated, and does not ask the server while
 * somebody has the file open under a lease (seen with 6.1).  A full file therefore counts as not known.
 */
static int cifs_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	uint64_t length;
	int r = volume_used_by_path(v, ret, &length, err);

	if (r == 0 && v->format == IMAGE_RAW && *ret >= length)
		r = error_set(err, ERR_UNSUPPORTED, "it is not known yet how much space '%s' takes", v->path);
	return r;
}

const struct storage_ops storage_cifs_ops = {
	.type = "cifs",
	.keys = "path content-dirs server share subdir prune-backups max-protected-backups "
		"format username password domain smbversion mkdir create-base-path "
		"create-subdirs bwlimit preallocation options snapshot-as-volume-chain",
	.content = STORAGE_IMAGES | STORAGE_ROOTDIR | STORAGE_ISO | STORAGE_VZTMPL | STORAGE_BACKUP |
		   STORAGE_SNIPPETS | STORAGE_IMPORT,
	.content_default = STORAGE_IMAGES,
	.formats = 1U << IMAGE_RAW | 1U << IMAGE_QCOW2 | 1U << IMAGE_VMDK,
	.format_default = IMAGE_RAW,
	.shared = true,
	.has_path = true,
	.mount = &cifs_mount,
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
	.blockdev = cifs_blockdev,
	.used = cifs_used,
	.alloc = cifs_alloc,
	.free = path_free,
	.snapshots = path_snapshots,
	.snapshot_delete = path_snapshot_delete,
};

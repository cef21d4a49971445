/*
 * Type "iscsi": LUNs of a target that this host is logged in to, each "<channel>.<id>.<lun>.<name in
 * /dev/disk/by-id>".  Read only: LUNs are neither allocated nor removed.  Facts: PVE::Storage::ISCSIPlugin.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/tool.h"
#include "storage/key.h"
#include "storage/image-list.h"
#include "storage/types.h"

#define SESSIONS "/sys/class/iscsi_session"
#define BY_ID    "/dev/disk/by-id"

static const struct tool_meaning meanings[] = {
	{ "No active sessions", ERR_NOT_FOUND },
	{ "already present", -EALREADY }, /* another login was faster */
	{ NULL, 0 },
};

static int iscsi_parse(struct volume *v, struct error **err)
{
	const char *at = v->volname;

	for (int i = 0; i < 3 && at; i++) {
		size_t digits = strspn(at, "0123456789");

		at = digits && at[digits] == '.' ? at + digits + 1 : NULL;
	}
	if (!at || !*at || *at == '.' || strpbrk(at, "/ \t\r\n\f\v"))
		return error_set(err, ERR_INVALID, "volume '%s': unable to parse iscsi volume name '%s'",
				 v->volid, v->volname);
	v->content = STORAGE_IMAGES;
	v->format = IMAGE_RAW;
	v->path = xasprintf(BY_ID "/%s", at);
	return 0;
}

static int iscsiadm(const struct storage *s, const char *const argv[], int timeout_s, char **ret,
		    struct error **err)
{
	return tool_run(
		&(struct tool){ .storage = s, .argv = argv, .timeout_s = timeout_s, .meanings = meanings },
		ret, err);
}

/* ERR_NOT_FOUND if there is no session with the target. */
static int find_session(const struct storage *s, struct error **err)
{
	static const char *const argv[] = { "iscsiadm", "--mode", "session", NULL };
	const char *target = storage_key(s, "target");
	_cleanup_free_ char *out = NULL;
	int r = iscsiadm(s, argv, TOOL_ASK, &out, err);
	size_t n = strlen(target);

	for (const char *at = r == 0 ? strstr(out, target) : NULL; at; at = strstr(at + 1, target))
		if (at > out && at[-1] == ' ' && (!at[n] || isspace((unsigned char)at[n])))
			return 0;
	return r < 0 ? r
		     : error_set(err, ERR_NOT_FOUND, "storage '%s': no session with target '%s'", s->id,
				 target);
}

/* The disks of a new session appear at once; udev makes their links some moments later. */
static void wait_for_links(const struct storage *s)
{
	const char *const argv[] = { "udevadm", "settle", "--timeout=10", NULL };

	/* without udev there are no links to wait for */
	tool_run(&(struct tool){ .storage = s, .argv = argv, .timeout_s = 2 * TOOL_ASK }, NULL, NULL);
}

static int iscsi_activate(const struct storage *s, const struct log *log, struct error **err)
{
	const char *target = storage_key(s, "target");
	const char *const discover[] = { "iscsiadm",
					 "--mode",
					 "discovery",
					 "--type",
					 "sendtargets",
					 "--portal",
					 storage_key(s, "portal"),
					 NULL };
	const char *const login[] = { "iscsiadm", "--mode", "node", "--targetname", target, "--login", NULL };
	_cleanup_error_ struct error *mine = NULL;
	int r = find_session(s, &mine);

	(void)log;
	if (r == ERR_NOT_FOUND) {
		error_free(TAKE_PTR(mine));
		r = iscsiadm(s, discover, TOOL_CHANGE, NULL, &mine);
		if (r == 0)
			r = iscsiadm(s, login, TOOL_CHANGE, NULL, &mine);
		if (r == -EALREADY) {
			error_free(TAKE_PTR(mine));
			r = 0;
		}
		if (r == 0)
			wait_for_links(s);
	}
	error_keep_first(err, &mine);
	return r;
}

static int iscsi_is_active(const struct storage *s, bool *ret, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = find_session(s, &mine);

	*ret = r == 0;
	if (r == ERR_NOT_FOUND)
		return 0;
	error_keep_first(err, &mine);
	return r;
}

/* Only checks for a session: a target does not report its space. */
static int iscsi_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	*ret = (struct storage_status){ 0 };
	return find_session(s, err);
}

/* ---- listing, from sysfs ---- */

/* The first line of a file in sysfs; "" if there is none.  Caller frees. */
static char *read_sysfs_line(const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (io_read_file(path, 4096, &text, NULL) < 0 || !text.len)
		return xstrdup("");
	return xstrdup(str_strip(text.data));
}

/* The name in /dev/disk/by-id of a device ("sdb"); NULL if it has none.  Caller frees. */
static char *stable_name(const char *device)
{
	_cleanup_free_ char *wanted = xasprintf("../../%s", device);
	DIR *d = opendir(BY_ID);
	struct dirent *e;
	char *found = NULL;

	while (d && !found && (e = readdir(d))) {
		_cleanup_free_ char *path = xasprintf(BY_ID "/%s", e->d_name);
		char target[256] = "";

		if ((str_prefix(e->d_name, "scsi-", NULL) || str_prefix(e->d_name, "dm-uuid-mpath-", NULL)) &&
		    readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, wanted) == 0)
			found = xstrdup(e->d_name);
	}
	if (d)
		closedir(d);
	return found;
}

/* The first entry of a directory in sysfs; NULL if there is none.  Caller frees. */
static char *first_entry(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char *found = NULL;

	while (d && !found && (e = readdir(d)))
		if (isalpha((unsigned char)e->d_name[0]))
			found = xstrdup(e->d_name);
	if (d)
		closedir(d);
	return found;
}

/* address: "<host>:<channel>:<id>:<lun>" on the SCSI bus. */
static void add_lun(struct image_list *list, const char *address)
{
	_cleanup_free_ char *base = xasprintf("/sys/bus/scsi/devices/%s", address);
	_cleanup_free_ char *type_path = xasprintf("%s/type", base);
	_cleanup_free_ char *block_path = xasprintf("%s/block", base);
	_cleanup_free_ char *type = read_sysfs_line(type_path), *device = first_entry(block_path);
	_cleanup_free_ char *holders = NULL, *holder = NULL, *stable = NULL, *size_path = NULL;
	_cleanup_free_ char *sectors = NULL, *place = NULL;
	uint64_t n = 0;

	if (strcmp(type, "0") != 0 || !device)
		return;
	holders = xasprintf("/sys/block/%s/holders", device);
	holder = first_entry(holders); /* multipath */
	stable = stable_name(holder ? holder : device);
	size_path = xasprintf("/sys/block/%s/size", holder ? holder : device);
	sectors = read_sysfs_line(size_path);
	if (!stable || units_parse_u64(sectors, 1, UINT64_MAX / 512, "size", &n, NULL) < 0)
		return;
	place = xstrdup(strchr(address, ':') + 1);
	for (char *at = place; *at; at++)
		if (*at == ':')
			*at = '.';
	image_list_add(list, (struct storage_image){ .volname = xasprintf("%s.%s", place, stable),
						     .format = IMAGE_RAW,
						     .size = n * 512 });
}

static void add_host(struct image_list *list, const char *host)
{
	_cleanup_free_ char *prefix = xasprintf("%s:", host);
	DIR *d = opendir("/sys/bus/scsi/devices");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (str_prefix(e->d_name, prefix, NULL))
			add_lun(list, e->d_name);
	if (d)
		closedir(d);
}

/* A session's device folder has an entry "target<host>:<channel>:<id>". */
static void add_session(struct image_list *list, const char *session)
{
	_cleanup_free_ char *path = xasprintf(SESSIONS "/%s/device", session);
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *rest;

		if (str_prefix(e->d_name, "target", &rest) && strchr(rest, ':')) {
			_cleanup_free_ char *host = xstrndup(rest, strcspn(rest, ":"));

			add_host(list, host);
			break;
		}
	}
	if (d)
		closedir(d);
}

static int iscsi_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		      struct error **err)
{
	struct image_list list = { 0 };
	DIR *d = vmid ? NULL : opendir(SESSIONS); /* LUNs have no owner */
	struct dirent *e;

	(void)err;
	while (d && (e = readdir(d))) {
		_cleanup_free_ char *path = xasprintf(SESSIONS "/%s/targetname", e->d_name);
		_cleanup_free_ char *target = read_sysfs_line(path);

		if (str_equal_null(target, storage_key(s, "target")))
			add_session(&list, e->d_name);
	}
	if (d)
		closedir(d);
	image_list_finish(&list, ret, ret_n);
	return 0;
}

const struct storage_ops storage_iscsi_ops = {
	.type = "iscsi",
	.keys = "portal target bwlimit",
	.tools = "iscsiadm",
	.content = STORAGE_IMAGES,
	.content_default = STORAGE_IMAGES,
	.formats = 1U << IMAGE_RAW,
	.format_default = IMAGE_RAW,
	.shared = true,
	.ask_interval_ms = 2000,
	.check = block_check_target,
	.activate = iscsi_activate,
	.is_active = iscsi_is_active,
	.status = iscsi_status,
	.list = iscsi_list,
	.traits = block_target_traits,
	.fleecing_format = block_fleecing_format,
	.parse = iscsi_parse,
};

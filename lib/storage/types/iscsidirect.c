/*
 * Type "iscsidirect": LUNs of a target, "lun<n>", that QEMU reaches by itself through libiscsi.  Read only:
 * LUNs are neither allocated nor removed.  Facts: PVE::Storage::ISCSIDirectPlugin.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/block.h"
#include "storage/in-use-process.h"
#include "storage/tool.h"
#include "storage/key.h"
#include "storage/image-list.h"
#include "storage/types.h"

/* "lun7" -> 7; false for any other name. */
static bool parse_lun(const char *name, uint64_t *ret)
{
	const char *digits;

	return str_prefix(name, "lun", &digits) && units_parse_u64(digits, 0, 16383, "LUN", ret, NULL) == 0;
}

static int direct_parse(struct volume *v, struct error **err)
{
	uint64_t lun;

	if (!parse_lun(v->volname, &lun))
		return error_set(err, ERR_INVALID,
				 "volume '%s': unable to parse iscsi volume name '%s' (not lun<n>)", v->volid,
				 v->volname);
	v->content = STORAGE_IMAGES;
	v->format = IMAGE_RAW;
	return 0;
}

/* A target does not report its space. */
static int direct_status(const struct storage *s, struct storage_status *ret, struct error **err)
{
	(void)s;
	(void)err;
	*ret = (struct storage_status){ 0 };
	return 0;
}

/* "Lun:1    Type:DIRECT_ACCESS (Size:9M)": the size is rounded; volume_size() has the exact one. */
static void add_line(struct image_list *list, const char *line)
{
	const char *at;
	_cleanup_free_ char *name = NULL;
	uint64_t lun;

	if (!str_prefix(line, "Lun:", &at))
		return;
	name = xasprintf("lun%.*s", (int)strspn(at, "0123456789"), at);
	if (parse_lun(name, &lun) && strstr(at, "(Size:"))
		image_list_add(list,
			       (struct storage_image){ .volname = TAKE_PTR(name), .format = IMAGE_RAW });
}

static int direct_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		       struct error **err)
{
	_cleanup_free_ char *portal = xasprintf("iscsi://%s", storage_key(s, "portal"));
	_cleanup_free_ char *out = NULL;
	const char *const argv[] = { "iscsi-ls", "-s", portal, NULL };
	struct image_list list = { 0 };
	bool ours = false;
	int r = 0;

	if (!vmid) /* LUNs have no owner */
		r = tool_run(&(struct tool){ .storage = s, .argv = argv, .timeout_s = TOOL_ASK }, &out, err);
	for (char *line = out, *next; line && *line; line = next) {
		const char *target;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		line = str_strip(line);
		if (str_prefix(line, "Target:", &target)) {
			_cleanup_free_ char *name = xstrndup(target, strcspn(target, " "));

			ours = str_equal_null(name, storage_key(s, "target"));
		} else if (ours) {
			add_line(&list, line);
		}
	}
	image_list_finish(&list, ret, ret_n);
	return r;
}

static int direct_blockdev(const struct volume *v, struct json_object **ret, struct error **err)
{
	uint64_t lun = 0;

	(void)err;
	parse_lun(v->volname, &lun);
	*ret = json_new_str("driver", "iscsi");
	json_put_str(*ret, "transport", "tcp");
	json_put_str(*ret, "portal", storage_key(v->storage, "portal"));
	json_put_str(*ret, "target", storage_key(v->storage, "target"));
	json_put_u64(*ret, "lun", lun);
	return 0;
}

static int direct_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_free_ char *url = xasprintf("iscsi://%s/%s/%s", storage_key(v->storage, "portal"),
					     storage_key(v->storage, "target"), v->volname + 3);
	const char *const argv[] = { "qemu-img", "info", "-U", "--output=json", "-f", "raw", url, NULL };
	_cleanup_json_ struct json_object *info = NULL;
	int r = tool_run_json(&(struct tool){ .storage = v->storage, .argv = argv, .timeout_s = TOOL_ASK },
			      &info, err);

	if (r == 0 && !tool_json_u64(info, "virtual-size", ret))
		r = error_set(err, ERR_PEER, "storage '%s': qemu-img info reports no size of '%s'",
			      v->storage->id, v->volname);
	return r;
}

static int direct_used(const struct volume *v, uint64_t *ret, struct error **err)
{
	(void)ret;
	return error_set(err, ERR_UNSUPPORTED, "it is not known how much space '%s' takes", v->volid);
}

static char *direct_qemu_name(const struct volume *v)
{
	uint64_t lun = 0;

	parse_lun(v->volname, &lun);
	return xasprintf("iscsi://%s/%s/%" PRIu64, storage_key(v->storage, "portal"),
			 storage_key(v->storage, "target"), lun);
}

/* True if the text has `before` followed by the LUN's number. */
static bool has_lun(const char *text, const char *before, uint64_t lun)
{
	_cleanup_free_ char *what = xasprintf("%s%" PRIu64, before, lun);

	for (const char *at = text; (at = strstr(at, what)); at++) {
		const char after = at[strlen(what)];

		if (after < '0' || after > '9')
			return true;
	}
	return false;
}

/* Matches a URL, a node in JSON, or a node's options. */
static bool names_lun(const char *command, const void *opaque)
{
	const struct volume *v = opaque;
	const char *target = storage_key(v->storage, "target");
	_cleanup_free_ char *url = xasprintf("%s/", target);
	uint64_t lun = 0;

	parse_lun(v->volname, &lun);
	return strstr(command, target) &&
	       (has_lun(command, url, lun) || has_lun(command, "\"lun\":", lun) ||
		has_lun(command, "\"lun\": ", lun) || has_lun(command, "lun=", lun));
}

static int direct_user(const struct volume *v, char **ret, struct error **err)
{
	_cleanup_free_ char *who = in_use_command(names_lun, v), *name = NULL;

	(void)err;
	if (!who)
		return USER_NONE;
	name = direct_qemu_name(v);
	*ret = xasprintf("%s has '%s' open, as its command line says", who, name);
	return USER_PROCESS;
}

const struct storage_ops storage_iscsidirect_ops = {
	.type = "iscsidirect",
	.keys = "portal target bwlimit",
	.tools = "iscsi-ls",
	.content = STORAGE_IMAGES,
	.content_default = STORAGE_IMAGES,
	.formats = 1U << IMAGE_RAW,
	.format_default = IMAGE_RAW,
	.shared = true,
	.check = block_check_target,
	.status = direct_status,
	.list = direct_list,
	.traits = block_target_traits,
	.fleecing_format = block_fleecing_format,
	.parse = direct_parse,
	.blockdev = direct_blockdev,
	.qemu_name = direct_qemu_name,
	.size = direct_size,
	.used = direct_used,
	.user = direct_user,
};

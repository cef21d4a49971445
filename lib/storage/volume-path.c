#include "storage/volume-path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file-system.h"
#include "base/json.h"
#include "base/process.h"
#include "storage/tool.h"

#define QEMU_IMG_TIMEOUT_MS 10000

/* Why stat() failed, from errno. */
static int stat_failed(const struct volume *v, struct error **err)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return error_set(
			err, ERR_NOT_FOUND,
			"volume '%s' does not exist (no file %s): correct its name, or bring it back",
			v->volid, v->path);
	return error_errno(err, errno, "volume '%s': cannot access '%s'", v->volid, v->path);
}

static int stat_volume(const struct volume *v, struct stat *ret, struct error **err)
{
	return stat(v->path, ret) == 0 ? 0 : stat_failed(v, err);
}

int volume_blockdev_by_path(const struct volume *v, struct json_object **ret, struct error **err)
{
	struct stat st;
	int r = stat_volume(v, &st, err);

	if (r < 0)
		return r;
	*ret = json_new_str("driver", S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode) ? "host_device" : "file");
	json_put_str(*ret, "filename", v->path);
	return 0;
}

/* ---- size ---- */

static int device_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_close_ int fd = open(v->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, ret) < 0)
		return error_errno(err, errno, "cannot determine size of volume '%s'", v->volid);
	return 0;
}

int volume_image_info(const struct volume *v, struct json_object **ret, struct error **err)
{
	const char *const argv[] = { "qemu-img",      "info", "-U",
				     "--output=json", "-f",   image_format_name(v->format),
				     v->path,         NULL };
	const struct process_options o = { .timeout_ms = QEMU_IMG_TIMEOUT_MS };
	_cleanup_(process_result_clear) struct process_result result = { 0 };
	int r = process_run_ok(argv, &o, &result, err);

	if (r < 0)
		return r;
	if (result.out && json_parse(result.out, strlen(result.out), JSON_TOOL_MEMORY, ret, NULL) == 0 &&
	    *ret)
		return 0;
	return error_set(err, ERR_PEER, "'qemu-img info' printed no JSON about '%s'", v->path);
}

static int image_size(const struct volume *v, uint64_t *ret, struct error **err)
{
	_cleanup_json_ struct json_object *info = NULL;
	int r = volume_image_info(v, &info, err);

	if (r == 0 && !tool_json_u64(info, "virtual-size", ret))
		r = error_set(err, ERR_PEER, "qemu-img info reports none");
	return r < 0 ? error_wrap(err, r, "cannot determine size of volume '%s'", v->volid) : 0;
}

int volume_size_by_path(const struct volume *v, uint64_t *ret, struct error **err)
{
	struct stat st;
	int r = stat_volume(v, &st, err);

	if (r < 0)
		return r;
	if (v->format != IMAGE_RAW)
		return image_size(v, ret, err);
	if (S_ISBLK(st.st_mode))
		return device_size(v, ret, err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID,
				 "cannot determine size of volume '%s': '%s' is neither file nor "
				 "block device",
				 v->volid, v->path);
	*ret = (uint64_t)st.st_size;
	return 0;
}

int volume_used_by_path(const struct volume *v, uint64_t *ret, uint64_t *ret_length, struct error **err)
{
	struct statx st;

	/* without FORCE_SYNC, NFS answers from its cache */
	if (statx(AT_FDCWD, v->path, AT_STATX_FORCE_SYNC, STATX_BLOCKS | STATX_SIZE | STATX_TYPE, &st) < 0)
		return stat_failed(v, err);
	if (!S_ISREG(st.stx_mode))
		return error_set(err, ERR_UNSUPPORTED, "it is not known how much space '%s' takes", v->path);
	*ret = st.stx_blocks * 512;
	*ret_length = st.stx_size;
	return 0;
}

/* ---- late errors ---- */

/* A file system that is not local writes pages back to another machine or process. */
bool volume_errors_come_late(const struct volume *v)
{
	struct stat st;
	struct statfs fs;

	/* librbd has a cache of its own */
	if (!v->path || stat(v->path, &st) < 0 || !S_ISREG(st.st_mode))
		return true;
	return statfs(v->path, &fs) == 0 && file_system_kind(&fs) != FILE_SYSTEM_LOCAL;
}

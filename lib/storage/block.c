#include "storage/block.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/key.h"

/* ---- names ---- */

static bool is_word(const char *text, size_t n)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.:+-";

	return n && strspn(text, allowed) >= n;
}

/* LVM allows 127 bytes, ZFS and RBD more, each including what the storage adds. */
#define NAME_MAX_BYTES 120

uint32_t block_name_owner(const char *name, const char *const prefixes[])
{
	const char *rest;

	if (strlen(name) > NAME_MAX_BYTES || !is_word(name, strlen(name)))
		return 0;
	for (size_t i = 0; prefixes[i]; i++) {
		uint32_t vmid = 0;
		size_t digits;

		if (!str_prefix(name, prefixes[i], &rest) || *rest++ != '-')
			continue;
		digits = strspn(rest, "0123456789");
		if (!digits || digits > 9 || rest[digits] != '-' || !rest[digits + 1])
			continue;
		for (size_t k = 0; k < digits; k++)
			vmid = vmid * 10 + (uint32_t)(rest[k] - '0');
		return vmid;
	}
	return 0;
}

uint32_t block_clone_owner(const char *volname, const char *const bases[], const char *const prefixes[],
			   const char **ret_name)
{
	const char *slash = strchr(volname, '/');

	*ret_name = volname;
	if (slash) {
		_cleanup_free_ char *base = xstrndup(volname, (size_t)(slash - volname));

		if (!block_name_owner(base, bases))
			return 0;
		*ret_name = slash + 1;
	}
	return block_name_owner(*ret_name, prefixes);
}

bool block_word_valid(const char *word)
{
	return is_word(word, strlen(word)) && word[0] != '-' && word[0] != '.';
}

/* ---- devices ---- */

static bool is_block(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

int block_wait(const struct volume *v, int timeout_s, struct error **err)
{
	bool udev = access("/run/udev/control", F_OK) == 0;

	/* without udev, the tools make the links themselves before they return */
	for (int ms = 0; ms < (udev ? timeout_s * 1000 : 1000); ms += 50) {
		if (is_block(v->path))
			return 0;
		usleep(50000);
	}
	if (!udev)
		return error_set(err, ERR_TIMEOUT,
				 "no device '%s' of volume '%s' appeared: udev, which makes it, is not "
				 "running",
				 v->path, v->volid);
	return error_set(err, ERR_TIMEOUT, "timeout: no device '%s' of volume '%s' found after %d sec.",
			 v->path, v->volid, timeout_s);
}

static uint64_t queue_limit(dev_t dev, const char *name)
{
	_cleanup_free_ char *path = xasprintf("/sys/dev/block/%u:%u/queue/%s", major(dev), minor(dev), name);
	_cleanup_buf_ struct buf text = BUF_INIT;
	uint64_t value = 0;

	if (io_read_file(path, 64, &text, NULL) < 0 || !text.len)
		return 0;
	units_parse_u64(str_strip(text.data), 0, UINT64_MAX, name, &value, NULL);
	return value;
}

uint64_t block_discard_granularity(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	return queue_limit(st.st_rdev, "discard_granularity");
}

/* ---- zeroing ---- */

#define GENTLE_BYTES_PER_S (10 * MIB)

/* Sleeps until `done` bytes have taken as long as they must at this rate (0: any). */
static int keep_pace(uint64_t begin_ns, uint64_t done, uint64_t bytes_per_s, const struct cancel *cancel,
		     struct error **err)
{
	uint64_t due_ms, took_ms;

	if (!bytes_per_s)
		return cancel_check(cancel, err);
	due_ms = done / bytes_per_s * 1000 + done % bytes_per_s * 1000 / bytes_per_s;
	took_ms = (units_now_ns() - begin_ns) / 1000000;
	return due_ms > took_ms ? cancel_sleep(cancel, (int)(due_ms - took_ms), err)
				: cancel_check(cancel, err);
}

int block_zero(const char *path, const struct block_zero_options *o, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_EXCL | O_CLOEXEC);
	uint64_t begin = units_now_ns(), rate = o->bytes_per_s, size = 0, n;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0)
		return error_errno(err, errno, "cannot open '%s' to zero it", path);
	if (!rate && o->gently && !queue_limit(st.st_rdev, "write_zeroes_max_bytes"))
		rate = GENTLE_BYTES_PER_S;
	for (uint64_t at = 0; at < size; at += n) {
		uint64_t range[2];
		int r;

		n = size - at < o->step ? size - at : o->step;
		range[0] = at;
		range[1] = n;
		if (ioctl(fd, BLKZEROOUT, range) < 0)
			return error_errno(err, errno, "cannot zero '%s' at %" PRIu64, path, at);
		r = keep_pace(begin, at + n, rate, o->cancel, err);
		if (r < 0)
			return r;
	}
	return fsync(fd) < 0 ? error_errno(err, errno, "cannot zero '%s'", path) : 0;
}

/* ---- callbacks ---- */

int block_check_target(const struct storage *s, struct error **err)
{
	int r = storage_key_required(s, "portal", NULL, err);

	return r < 0 ? r : storage_key_required(s, "target", NULL, err);
}

void block_target_traits(const struct storage *s, enum image_format format, struct image_traits *ret)
{
	(void)s;
	(void)format;
	*ret = (struct image_traits){ .discard_granularity = 4096, .size_granularity = 512 };
}

char *block_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format)
{
	(void)s;
	(void)vmid;
	(void)format;
	return xstrdup(name);
}

enum image_format block_fleecing_format(const struct storage *s)
{
	(void)s;
	return IMAGE_RAW;
}

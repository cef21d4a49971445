#include "storage/in-use.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/open-files.h"
#include "base/units.h"
#include "storage/image-lock.h"
#include "storage/in-use-device.h"

enum {
	POLL_MS = 100,
	LET_GO_MS = 2000,
	FORGET_MS = 35000, /* Ceph's watch of a client that died lasts 30 s */
	FORGET_POLL_MS = 1000,
};

/* ---- users ---- */

static char *file_process(const char *path, const struct stat *st, const char *ignored)
{
	const struct open_file file = open_file_of(st);
	const pid_t pid = open_files_writer(&file, 1, ignored);
	_cleanup_free_ char *who = pid ? in_use_process(pid) : NULL;

	return who ? xasprintf("%s has '%s' open for writing", who, path) : NULL;
}

/* With an ignored process, locks prove nothing: swtpm locks its whole file, which looks like QEMU's locks. */
static char *file_lock(const char *path, const char *ignored)
{
	_cleanup_close_ int fd = ignored ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || (!image_lock_is_held(fd, IMAGE_LOCK_USES, IMAGE_WRITES) &&
		       !image_lock_is_held(fd, IMAGE_LOCK_USES, IMAGE_RESIZES)))
		return NULL;
	return xasprintf("a QEMU that this host does not see (on another host, or in a container) has '%s' "
			 "open for writing, as its lock says",
			 path);
}

static char *file_user(const char *path, const struct stat *st, const char *ignored)
{
	char *who = file_process(path, st, ignored);

	if (!who)
		who = file_lock(path, ignored);
	return who ? who : in_use_loop(path, st, ignored);
}

static char *device_user(const char *path, const struct stat *st, const char *ignored)
{
	char *who = in_use_device(path, st, ignored);

	return who ? who : file_lock(path, ignored);
}

/* As storage_ops.user. */
static int find_user(const struct volume *v, const char *ignored, char **ret, struct error **err)
{
	struct stat st;
	int r;

	*ret = NULL;
	if (v->path && stat(v->path, &st) == 0) {
		if (S_ISREG(st.st_mode))
			*ret = file_user(v->path, &st, ignored);
		else if (S_ISBLK(st.st_mode))
			*ret = device_user(v->path, &st, ignored);
	}
	if (*ret)
		return USER_PROCESS;
	r = v->storage && v->storage->ops->user ? v->storage->ops->user(v, ret, err) : USER_NONE;
	/* a client without a name may be the ignored process: PVE maps an RBD image for swtpm */
	if (r == USER_NAMELESS && ignored) {
		free(*ret);
		*ret = NULL;
		r = USER_NONE;
	}
	return r;
}

int volume_check_unused(const struct volume *v, const char *ignored, const struct cancel *cancel,
			struct error **err)
{
	const uint64_t began = units_now_ns();

	for (bool again = false;; again = true) {
		_cleanup_free_ char *who = NULL;
		int r = find_user(v, ignored, &who, err);
		const bool lives = r == USER_PROCESS;
		const int poll_ms = lives ? POLL_MS : FORGET_POLL_MS;

		if (r <= 0)
			return r;
		/* by the clock: on a host with many processes, each search takes a while */
		if (again && (units_now_ns() - began) / 1000000 >= (lives ? LET_GO_MS : FORGET_MS))
			return error_set(err, -EBUSY, "%s", who);
		r = cancel_sleep(cancel, poll_ms, err);
		if (r < 0)
			return r;
	}
}

/* ---- marks ---- */

void volume_get_mark(const struct volume *v, struct volume_mark *ret)
{
	struct stat st;

	*ret = (struct volume_mark){ 0 };
	if (!v->path || stat(v->path, &st) < 0)
		return;
	if (S_ISBLK(st.st_mode)) {
		ret->known = in_use_sectors_written(st.st_rdev, &ret->value[0]);
	} else if (S_ISREG(st.st_mode) && !volume_errors_come_late(v)) {
		ret->known = true;
		ret->value[0] = (uint64_t)st.st_mtim.tv_sec;
		ret->value[1] = (uint64_t)st.st_mtim.tv_nsec;
	}
}

bool volume_was_written(const struct volume *v, const struct volume_mark *since)
{
	struct volume_mark now;

	/* then the file is not touched: its server may have stopped to answer */
	if (!since->known)
		return false;
	volume_get_mark(v, &now);
	return now.known && (now.value[0] != since->value[0] || now.value[1] != since->value[1]);
}

/* "lock:" in a guest's configuration file, and changing that file, under the flock that PVE's tools take. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/lock-holder.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest-internal.h"
#include "guest/guest.h"

#define LOCK_WAIT_NS (10 * UINT64_C(1000000000))
#define LOCK_POLL_MS 50

static int lock_timed_out(const char *file, struct error **err)
{
	_cleanup_free_ char *holder = lock_holder_text(file);

	return error_set(err, ERR_TIMEOUT, "can't lock file '%s' - got timeout: %s", file, holder);
}

/*
 * PVE makes the folder when the host starts.  Without PVE any user can make it, because all users may write
 * to /run/lock, and that user could then remove our locks.
 */
static int check_owner(const char *dir, struct error **err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return error_errno(err, errno, "cannot use lock folder '%s'", dir);
	if (!st.st_uid || st.st_uid == geteuid())
		return 0;
	return error_set(err, -EPERM,
			 "lock folder '%s' belongs to user %u, who could take the locks away: remove it", dir,
			 (unsigned)st.st_uid);
}

int guest_config_flock(const struct paths *p, uint32_t vmid, const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *dir = paths_get(p, "/run/lock/qemu-server");
	_cleanup_free_ char *file = xasprintf("%s/lock-%" PRIu32 ".conf", dir, vmid);
	uint64_t start = units_now_ns();
	_cleanup_close_ int fd = -1;
	int r = io_mkdir_p(dir, 0755, err);

	if (r == 0)
		r = check_owner(dir, err);
	if (r < 0)
		return r;
	/* if PVE has made the file, it keeps its mode */
	fd = io_open_lock(file);
	if (fd < 0)
		return error_errno(err, -fd, "can't open lock file '%s'", file);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, errno, "can't lock file '%s'", file);
		if (units_now_ns() - start > LOCK_WAIT_NS)
			return lock_timed_out(file, err);
		r = cancel_sleep(cancel, LOCK_POLL_MS, err);
		if (r < 0)
			return r;
	}
	return TAKE_FD(fd);
}

/*
 * The path without links: PVE's folders are links, and the file may be one.  -ENOENT if there is no such
 * file.  Caller frees *ret.
 */
static int config_target(const struct paths *p, uint32_t vmid, char **ret, struct error **err)
{
	_cleanup_free_ char *path = guest_config_path(p, vmid);

	*ret = realpath(path, NULL);
	return *ret ? 0 : error_errno(err, errno, "cannot find configuration file '%s'", path);
}

static int write_config(const struct paths *p, uint32_t vmid, const char *text, struct error **not_synced,
			struct error **err)
{
	_cleanup_free_ char *target = NULL;
	int r = config_target(p, vmid, &target, err);

	return r < 0 ? r : io_write_file_atomic(target, text, strlen(text), 0640, not_synced, err);
}

int guest_config_sync(const struct paths *p, uint32_t vmid, struct error **err)
{
	_cleanup_free_ char *target = NULL, *folder = NULL;
	int r = config_target(p, vmid, &target, err);

	if (r < 0)
		return r;
	folder = io_parent(target);
	return io_fsync_dir(folder, err);
}

/* "lock:" is inserted in front of the first line of one of these kinds. */
static bool is_after_lock(enum guest_line kind)
{
	return kind >= GUEST_LINE_PAIR;
}

/* Appends text with the line added; if there is no pair and no section, at the end. */
static void add_lock(const char *text, const char *lock, struct buf *out)
{
	const char *at = text;
	const char *line;
	size_t len;
	bool done = false;

	while (str_next_line(&at, &line, &len)) {
		if (!done && is_after_lock(guest_line_kind(line, len))) {
			buf_addf(out, "lock: %s\n", lock);
			done = true;
		}
		buf_add(out, line, (size_t)(at - line));
	}
	if (!done) {
		if (out->len && out->data[out->len - 1] != '\n')
			buf_addc(out, '\n');
		buf_addf(out, "lock: %s\n", lock);
	}
}

static bool is_lock(const void *opaque, const char *line)
{
	(void)opaque;
	return str_prefix(line, "lock:", NULL);
}

int guest_config_locked(const struct paths *p, uint32_t vmid, const char *lock, struct error **err)
{
	_cleanup_free_ char *path = guest_config_path(p, vmid);
	_cleanup_free_ char *journal = paths_get(p, "/var/lib/vzdump/%" PRIu32 ".journal", vmid);
	_cleanup_free_ char *holder = lock_holder(journal) ? lock_holder_text(journal) : NULL;
	char since[32] = "";
	struct stat st;
	struct tm tm;

	if (holder)
		return error_set(err, -EBUSY, "VM is locked (%s): the guest is %s", lock, holder);
	if (stat(path, &st) == 0 && localtime_r(&st.st_mtime, &tm))
		strftime(since, sizeof(since), ", last written %Y-%m-%d %H:%M:%S", &tm);
	return error_set(err, -EBUSY,
			 "VM is locked (%s): so says its configuration '%s'%s; if nothing works on the guest "
			 "any more, 'qm unlock %" PRIu32 "' or removing the line 'lock:' frees it",
			 lock, path, since, vmid);
}

int guest_config_set_lock(const struct paths *p, uint32_t vmid, const char *lock, const struct cancel *cancel,
			  struct error **not_synced, struct error **err)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_close_ int fd = guest_config_flock(p, vmid, cancel, err);
	int r;

	if (fd < 0)
		return fd;
	r = guest_config_load(p, vmid, NULL, &c, err);
	if (r < 0)
		return r;
	if (guest_config_lock(&c))
		return guest_config_locked(p, vmid, guest_config_lock(&c), err);
	add_lock(c.text, lock, &text);
	return write_config(p, vmid, buf_str(&text), not_synced, err);
}

int guest_config_remove_lock(const struct paths *p, uint32_t vmid, const char *lock, struct error **err)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_close_ int fd = guest_config_flock(p, vmid, NULL, err);
	const char *found;
	int r;

	if (fd < 0)
		return fd;
	r = guest_config_load(p, vmid, NULL, &c, err);
	if (r < 0)
		return r;
	found = guest_config_lock(&c);
	if (!found)
		return error_set(err, ERR_NOT_FOUND, "no lock found trying to remove '%s'  lock", lock);
	if (strcmp(found, lock) != 0)
		return error_set(err, -EBUSY, "found lock '%s' trying to remove '%s' lock", found, lock);
	guest_config_drop_lines(c.text, is_lock, NULL, &text);
	return write_config(p, vmid, buf_str(&text), NULL, err);
}

/*
 * The file has its lock from the first moment, because after a kill a file without it would look like a
 * guest. If the file system cannot check that the name is free as a part of the rename, another guest of this
 * id could be created in between.  PVE's flock, which we hold, prevents that on this node, and pmxcfs for
 * other nodes, as it allows each id only once.
 */
static int create_locked(const char *path, const char *lock, struct error **not_synced, struct error **err)
{
	_cleanup_free_ char *tmp = io_unfinished_name(path, (int)getpid());
	_cleanup_free_ char *text = xasprintf("lock: %s\n", lock);
	_cleanup_close_ int fd = io_create_fresh(tmp, 0640);
	int r = fd < 0 ? fd : io_write_all(fd, text, strlen(text));

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		error_errno(err, -r, "cannot create '%s'", path);
	else
		r = io_rename_new(tmp, path, not_synced, err);
	if (r < 0 && fd >= 0)
		unlink(tmp);
	return r;
}

int guest_config_create(const struct paths *p, uint32_t vmid, const char *lock, const struct cancel *cancel,
			struct error **not_synced, struct error **err)
{
	_cleanup_free_ char *path = guest_config_path(p, vmid);
	_cleanup_free_ char *dir = paths_get(p, "/etc/pve/qemu-server");
	_cleanup_close_ int lock_fd = guest_config_flock(p, vmid, cancel, err);
	int r;

	if (lock_fd < 0)
		return lock_fd;
	r = io_mkdir_p(dir, 0755, err);
	if (r < 0)
		return r;
	/* if there is a guest, nothing is written */
	r = access(path, F_OK) == 0 ? -EEXIST : create_locked(path, lock, not_synced, err);
	if (r == -EEXIST)
		return error_set(err, -EEXIST, "VM %" PRIu32 " already exists ('%s')", vmid, path);
	return r;
}

int guest_config_replace(const struct paths *p, uint32_t vmid, const char *text, struct error **not_synced,
			 struct error **err)
{
	_cleanup_close_ int fd = guest_config_flock(p, vmid, NULL, err);

	return fd < 0 ? fd : write_config(p, vmid, text, not_synced, err);
}

int guest_config_change(const struct paths *p, uint32_t vmid,
			int (*change)(void *opaque, const struct guest_config *now, struct buf *out,
				      struct error **err),
			void *opaque, struct error **not_synced, struct error **err)
{
	_cleanup_guest_config_ struct guest_config now = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_close_ int fd = guest_config_flock(p, vmid, NULL, err);
	int r = fd < 0 ? fd : guest_config_load(p, vmid, NULL, &now, err);

	if (r == 0)
		r = change(opaque, &now, &text, err);
	return r == 0 ? write_config(p, vmid, buf_str(&text), not_synced, err) : r;
}

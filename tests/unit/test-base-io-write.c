/* lib/base/io-write and io-tree: files that replace others, and folders that are somebody else's. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "tap.h"

#define ACL "system.posix_acl_access"

/* Version 2; user::rw-, user 65534: r--, group::r--, mask r--, other::---; numbers are little-endian. */
static const unsigned char acl[] = {
	2, 0,   0,   0,   0x01, 0,    6,    0, 255, 255, 255, 255, 0x02, 0,    4,
	0, 254, 255, 0,   0,    0x04, 0,    4, 0,   255, 255, 255, 255,  0x10, 0,
	4, 0,   255, 255, 255,  255,  0x20, 0, 0,   0,   255, 255, 255,  255,
};

static bool holds(const char *path, const char *want)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	return io_read_file(path, 100, &text, NULL) == 0 && !strcmp(buf_str(&text), want);
}

static bool write_text(const char *path, const char *text, mode_t mode)
{
	return io_write_file_atomic(path, text, strlen(text), mode, NULL, NULL) == 0;
}

static void test_attributes(const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/kept", dir);
	char got[sizeof(acl)] = "", user[8] = "";
	struct stat st;

	write_text(path, "old", 0640);
	ok(chmod(path, 0604) == 0 && write_text(path, "new", 0640) && stat(path, &st) == 0 &&
		   (st.st_mode & 07777) == 0604 && holds(path, "new"),
	   "a file that is replaced hands its mode down");
	if (geteuid() == 0)
		ok(chown(path, 1, 2) == 0 && write_text(path, "x", 0640) && stat(path, &st) == 0 &&
			   st.st_uid == 1 && st.st_gid == 2 && (st.st_mode & 07777) == 0604,
		   "  and its owner and group");
	if (setxattr(path, ACL, acl, sizeof(acl), 0) < 0 || setxattr(path, "user.a", "b", 1, 0) < 0)
		return;
	ok(write_text(path, "y", 0640) && getxattr(path, ACL, got, sizeof(got)) == sizeof(acl) &&
		   !memcmp(got, acl, sizeof(acl)) && getxattr(path, "user.a", user, sizeof(user)) == 1,
	   "  and its ACL and the user's attributes");
}

static void test_links(const char *dir)
{
	_cleanup_free_ char *victim = xasprintf("%s/victim", dir), *link = xasprintf("%s/link", dir);
	_cleanup_free_ char *tmp = io_unfinished_name(link, (int)getpid());
	_cleanup_close_ int fd = -1;
	struct stat st;

	write_text(victim, "precious", 0600);
	ok(symlink(victim, link) == 0 && symlink(victim, tmp) == 0 && write_text(link, "ours", 0644) &&
		   holds(victim, "precious") && lstat(link, &st) == 0 && S_ISREG(st.st_mode) &&
		   holds(link, "ours"),
	   "neither a link of the name nor one of the temporary file's name is written through");
	unlink(link);
	ok(symlink(victim, link) == 0 && (fd = io_create_fresh(link, 0600)) >= 0 &&
		   io_write_all(fd, "z", 1) == 0 && holds(victim, "precious") && holds(link, "z"),
	   "a fresh file takes the place of a link");
	ok(io_is_named(fd, link) && unlink(link) == 0 && !io_is_named(fd, link) &&
		   write_text(link, "z", 0600) && !io_is_named(fd, link),
	   "an open file that another one took the name of is told apart");
	unlink(link);
	ok(symlink(victim, link) == 0 && io_open_own_lock(link) == -ELOOP, "a lock is no link");
}

static void test_lock_mode(const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/lock", dir);
	_cleanup_close_ int fd = io_open_lock(path), again = -1, narrow = -1;
	struct stat st;

	ok(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600, "a new lock is its owner's alone");
	fchmod(fd, 0644);
	again = io_open_lock(path);
	ok(again >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0644, "another tool's keeps its mode");
	narrow = io_open_own_lock(path);
	ok(narrow >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600, "of ours others lose theirs");
}

static void test_rename(const char *dir)
{
	_cleanup_free_ char *a = xasprintf("%s/a", dir), *b = xasprintf("%s/b", dir);
	_cleanup_error_ struct error *err = NULL;

	write_text(a, "a", 0600);
	write_text(b, "b", 0600);
	ok(io_rename_new(a, b, NULL, &err) == -EEXIST && holds(b, "b") && err,
	   "a name that is taken stays so");
	ok(io_rename(a, b, NULL, NULL) == 0 && holds(b, "a"), "unless it may be replaced");
	ok(io_rename_new(b, a, NULL, NULL) == 0 && holds(a, "a"), "a free name is given");
}

/* ---- trees ---- */

static void make_tree(const char *dir, const char *name, char **ret_top, char **ret_inner)
{
	_cleanup_free_ char *file = NULL;

	*ret_top = xasprintf("%s/%s", dir, name);
	*ret_inner = xasprintf("%s/sub/inner", *ret_top);
	io_mkdir_p(*ret_inner, 0700, NULL);
	file = xasprintf("%s/file", *ret_inner);
	write_text(file, "x", 0600);
}

static void test_mounted(const char *dir)
{
	_cleanup_free_ char *top = NULL, *inner = NULL, *other = NULL, *kept = NULL, *beside = NULL;
	_cleanup_error_ struct error *err = NULL;

	make_tree(dir, "mounted", &top, &inner);
	other = xasprintf("%s/other", dir);
	kept = xasprintf("%s/kept", other);
	beside = xasprintf("%s/beside", top);
	mkdir(other, 0700);
	write_text(kept, "precious", 0600);
	write_text(beside, "x", 0600);
	/* the same file system, so its device number tells nothing */
	ok(mount(other, inner, NULL, MS_BIND, NULL) == 0 && io_remove_tree(top, &err) == -EBUSY &&
		   holds(kept, "precious") && access(beside, F_OK) < 0 && strstr(error_message(err), inner),
	   "what is mounted in a tree is left and named, and the rest goes");
	diag("%s", error_message(err));
	ok(umount(inner) == 0 && io_remove_tree(top, NULL) == 0 && access(top, F_OK) < 0,
	   "when it is not mounted any more all goes");
}

/* Of two file systems, whose device numbers the files of an overlay may show. */
static void test_overlay(const char *dir)
{
	_cleanup_free_ char *lower = xasprintf("%s/lower", dir), *low = xasprintf("%s/stale/low", lower);
	_cleanup_free_ char *base = xasprintf("%s/base", dir), *upper = xasprintf("%s/upper", base);
	_cleanup_free_ char *work = xasprintf("%s/work", base), *at = xasprintf("%s/at", base);
	_cleanup_free_ char *stale = xasprintf("%s/stale", at), *high = xasprintf("%s/sub/high", stale);
	_cleanup_free_ char *sub = xasprintf("%s/sub", stale), *below = xasprintf("%s/stale", lower);
	_cleanup_free_ char *options = xasprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);

	io_mkdir_p(below, 0700, NULL);
	write_text(low, "x", 0600);
	io_mkdir_p(base, 0700, NULL);
	if (mount("tmpfs", base, "tmpfs", 0, NULL) < 0)
		return;
	mkdir(upper, 0700);
	mkdir(work, 0700);
	mkdir(at, 0700);
	if (mount("overlay", at, "overlay", 0, options) == 0) {
		mkdir(sub, 0700);
		write_text(high, "x", 0600);
		ok(io_remove_tree(stale, NULL) == 0 && access(stale, F_OK) < 0,
		   "a tree on an overlayfs goes");
		umount(at);
	}
	umount(base);
}

int main(void)
{
	char dir[] = "/tmp/vzdump-test-XXXXXX";

	if (!mkdtemp(dir))
		return 1;
	umask(022);
	test_attributes(dir);
	test_links(dir);
	test_lock_mode(dir);
	test_rename(dir);
	/* mounts of our own, which end with us */
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) {
		test_mounted(dir);
		test_overlay(dir);
	}
	io_remove_tree(dir, NULL);
	return done_testing();
}

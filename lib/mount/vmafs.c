#include "mount/vmafs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "mount/mounted.h"
#include "mount/serve.h"

struct vmafs {
	struct vmafs_tree tree;
	struct fuse_session *session;
	bool mounted;
	sigset_t mask; /* the caller's */
};

/* SIG_BLOCK, SIG_UNBLOCK: those that end it. */
static void mask_signals(int how, sigset_t *ret_before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(how, &set, ret_before);
}

/* ---- before mounting ---- */

static int check_dir(const char *dir, struct error **err)
{
	bool empty = true;
	DIR *d = opendir(dir);

	if (!d && errno == ENOTCONN)
		return error_set(err, -ENOTCONN,
				 "'%s' is a mount whose process has died; run vma umount '%s' first", dir,
				 dir);
	if (!d)
		return error_errno(err, errno, "cannot mount at '%s'", dir);
	for (const struct dirent *e; empty && (e = readdir(d));)
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	if (!empty && vmafs_is_mounted(dir))
		return error_set(err, -EBUSY,
				 "an archive is mounted at '%s' already; run vma umount '%s' first", dir,
				 dir);
	if (!empty)
		return error_set(err, -ENOTEMPTY, "'%s' is not empty; give an empty folder", dir);
	return 0;
}

static int check_host(struct error **err)
{
	if (access("/dev/fuse", F_OK) < 0)
		return error_set(
			err, ERR_NOT_FOUND,
			"this host has no /dev/fuse: load the kernel module fuse (modprobe fuse), or let "
			"the container have the device");
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return error_errno(err, errno, "cannot use /dev/fuse");
	return 0;
}

/* ---- mounting ---- */

static int set_owner(struct vmafs *m, const struct vmafs_options *o, struct error **err)
{
	struct stat st;

	if (stat(o->archive, &st) < 0)
		return error_errno(err, errno, "cannot look at '%s'", o->archive);
	m->tree.owner = (struct stat){
		.st_uid = getuid(),
		.st_gid = getgid(),
		.st_mode = o->everybody ? 0444 : 0400,
	};
	return 0;
}

/* libfuse and fusermount3 explain themselves on standard error, which goes to a file in memory meanwhile. */
struct captured {
	int file, saved; /* -1: not captured */
};

static struct captured capture_begin(void)
{
	struct captured c = { .file = memfd_create("stderr", MFD_CLOEXEC) };

	c.saved = c.file < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (c.saved >= 0)
		dup2(c.file, STDERR_FILENO);
	return c;
}

/* The first line of it, which has the reason; NULL: none.  Caller frees. */
static char *capture_end(struct captured *c)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *at, *line;
	size_t len;

	if (c->saved >= 0) {
		dup2(c->saved, STDERR_FILENO);
		close(c->saved);
	}
	if (c->file >= 0 && lseek(c->file, 0, SEEK_SET) == 0)
		io_read_fd(c->file, "stderr", 65536, &text, NULL);
	if (c->file >= 0)
		close(c->file);
	at = buf_str(&text);
	return str_next_line(&at, &line, &len) && len ? xstrndup(line, len) : NULL;
}

static bool has_fusermount(void)
{
	const char *path = getenv("PATH");
	_cleanup_strv_ char **folders = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (const char *c = path ? path : "/usr/bin:/bin"; *c; c++)
		buf_addc(&b, *c == ':' ? ',' : *c);
	folders = strv_split_list(buf_str(&b));
	for (char **f = folders; f && *f; f++) {
		_cleanup_free_ char *program = xasprintf("%s/fusermount3", *f);

		if (access(program, X_OK) == 0)
			return true;
	}
	return false;
}

static int mount_failed(const char *dir, const char *words, struct error **err)
{
	if (geteuid() != 0 && !has_fusermount())
		return error_set(err, ERR_NOT_FOUND,
				 "cannot mount at '%s': there is no fusermount3; install the package fuse3",
				 dir);
	return error_set(err, ERR_PEER, "cannot mount at '%s'%s%s", dir, words ? ": " : "",
			 words ? words : "");
}

static int add_arguments(struct fuse_args *args, const struct vmafs_options *o)
{
	_cleanup_free_ char *path = realpath(o->archive, NULL);
	_cleanup_free_ char *name = xasprintf("fsname=%s", path ? path : o->archive);
	char *options = NULL;
	int r = fuse_opt_add_opt(&options,
				 "ro,nosuid,nodev,noatime,default_permissions,subtype=" VMAFS_SUBTYPE);

	if (r == 0 && o->everybody)
		r = fuse_opt_add_opt(&options, "allow_other");
	if (r == 0)
		r = fuse_opt_add_opt_escaped(&options, name);
	if (r == 0)
		r = fuse_opt_add_arg(args, "vma");
	if (r == 0)
		r = fuse_opt_add_arg(args, "-o");
	if (r == 0)
		r = fuse_opt_add_arg(args, options);
	free(options);
	return r;
}

static int start_session(struct vmafs *m, const struct vmafs_options *o, struct error **err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct captured captured = capture_begin();
	_cleanup_free_ char *words = NULL;

	if (add_arguments(&args, o) == 0)
		m->session = fuse_session_new(&args, &vmafs_ops, sizeof(vmafs_ops), &m->tree);
	m->mounted = m->session && fuse_session_mount(m->session, o->dir) == 0;
	fuse_opt_free_args(&args);
	words = capture_end(&captured);
	return m->mounted ? 0 : mount_failed(o->dir, words, err);
}

static int fill(struct vmafs *m, const struct vmafs_options *o, struct error **err)
{
	int r = vma_random_open(o->archive, 0, &m->tree.random, err);

	if (r == 0)
		r = check_host(err);
	if (r == 0)
		r = check_dir(o->dir, err);
	if (r == 0)
		r = set_owner(m, o, err);
	if (r < 0)
		return r;
	m->tree.failed = o->failed;
	m->tree.opaque = o->opaque;
	m->tree.files = vmafs_files_new(vma_random_header(m->tree.random), &m->tree.n_files);
	return start_session(m, o, err);
}

int vmafs_open(const struct vmafs_options *o, struct vmafs **ret, struct error **err)
{
	struct vmafs *m = xcalloc(1, sizeof(*m));
	int r;

	/* one that comes now would leave a mount that nobody serves */
	mask_signals(SIG_BLOCK, &m->mask);
	r = fill(m, o, err);
	*ret = NULL;
	if (r < 0)
		vmafs_free(m);
	else
		*ret = m;
	return r;
}

int vmafs_serve(struct vmafs *m, struct error **err)
{
	struct fuse_loop_config config = { .max_idle_threads = 10 };
	int r = fuse_set_signal_handlers(m->session);

	if (r == 0) {
		mask_signals(SIG_UNBLOCK, NULL);
		r = fuse_session_loop_mt(m->session, &config);
		mask_signals(SIG_BLOCK, NULL);
		fuse_remove_signal_handlers(m->session);
	}
	/* positive: a signal */
	return r < 0 ? error_errno(err, -r, "cannot answer the kernel any more") : 0;
}

int vmafs_answers(const char *dir, struct error **err)
{
	struct stat st;
	int r;

	do
		r = stat(dir, &st);
	while (r < 0 && errno == EINTR);
	if (r < 0 || !vmafs_is_mounted(dir))
		return error_set(err, ERR_GONE, "the process that serves '%s' has ended", dir);
	return 0;
}

void vmafs_free(struct vmafs *m)
{
	if (m->mounted)
		fuse_session_unmount(m->session);
	if (m->session)
		fuse_session_destroy(m->session);
	vmafs_files_free(m->tree.files, m->tree.n_files);
	if (m->tree.random)
		vma_random_free(m->tree.random);
	pthread_sigmask(SIG_SETMASK, &m->mask, NULL);
	free(m);
}

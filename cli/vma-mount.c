/* vma mount, vma umount: an archive as a folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "mount/vmafs.h"
#include "vma-commands.h"

static const char *const args[] = { "archive", "directory", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive: .vma.zst with an index, or .vma." },
	{ .name = "directory",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_DIRECTORY,
	  .description = "An empty directory." },
	{ .name = "foreground",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Stay in the foreground until it is unmounted; Ctrl-C unmounts it." },
	{ .name = "allow-other",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "All users of this host may read the disks, not only you. For users other than root "
			 "/etc/fuse.conf must have user_allow_other." },
};

static const struct option_table table = {
	.command = "vma mount",
	.summary = "mount an archive: its disks and configs as read-only files",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

static void say_failed(void *opaque, const char *message)
{
	const char *archive = opaque;

	fprintf(stderr, "%s: %s\n", archive, message);
}

/* A daemon has no standard error. */
static void log_failed(void *opaque, const char *message)
{
	const char *archive = opaque;

	syslog(LOG_ERR, "%s: %s", archive, message);
}

static int serve_in_foreground(struct vmafs_options *o, struct error **err)
{
	_cleanup_(vmafs_freep) struct vmafs *m = NULL;
	_cleanup_free_ char *dir = text_cleaned(o->dir);
	int r;

	o->failed = say_failed;
	r = vmafs_open(o, &m, err);
	if (r < 0)
		return r;
	printf("mounted at %s; Ctrl-C or vma umount ends it\n", dir);
	fflush(stdout);
	return vmafs_serve(m, err);
}

/* The descriptors that the shell knows must not keep its pipes open. */
static void leave_terminal(void)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0 || null < 0)
		_exit(EXIT_FAILED);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
}

/* The child: says through `told` what is wrong, or closes it when the folder is mounted. */
static _Noreturn void serve_as_daemon(const struct vmafs_options *o, int told)
{
	_cleanup_(vmafs_freep) struct vmafs *m = NULL;
	_cleanup_error_ struct error *err = NULL;
	int r = vmafs_open(o, &m, &err);

	if (r < 0) {
		io_write_all(told, error_message(err), strlen(error_message(err)));
		_exit(EXIT_FAILED);
	}
	leave_terminal();
	openlog("vma", LOG_PID, LOG_DAEMON);
	close(told);
	r = vmafs_serve(m, NULL);
	vmafs_free(TAKE_PTR(m));
	_exit(r < 0 ? EXIT_FAILED : 0);
}

static int hear(int told, const char *dir, struct error **err)
{
	_cleanup_buf_ struct buf words = BUF_INIT;
	int r = io_read_fd(told, "pipe", 65536, &words, err);

	if (r < 0)
		return r;
	return words.len ? error_set(err, ERR_PEER, "%s", buf_str(&words)) : vmafs_answers(dir, err);
}

static int serve_in_background(struct vmafs_options *o, struct error **err)
{
	_cleanup_close_ int told = -1;
	int ends[2];
	pid_t child;

	o->failed = log_failed;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	told = ends[0];
	fflush(NULL);
	child = fork();
	if (child == 0)
		serve_as_daemon(o, ends[1]);
	close(ends[1]);
	if (child < 0)
		return error_errno(err, errno, "cannot start the process that serves");
	return hear(told, o->dir, err);
}

static int run(struct options *o, struct error **err)
{
	/* absolute, as a daemon changes to the root folder */
	_cleanup_free_ char *dir = realpath(options_get(o, "directory"), NULL);
	struct vmafs_options mo = {
		.archive = options_get(o, "archive"),
		.dir = dir ? dir : options_get(o, "directory"),
		.everybody = options_bool(o, "allow-other"),
	};

	mo.opaque = (void *)mo.archive;
	return options_bool(o, "foreground") ? serve_in_foreground(&mo, err) : serve_in_background(&mo, err);
}

const struct command vma_command_mount = {
	.name = "mount",
	.table = &table,
	.run = run,
};

static const char *const umount_args[] = { "directory", NULL };

static const struct option umount_rows[] = {
	{ .name = "directory",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_DIRECTORY,
	  .description = "The directory that vma mount was given." },
};

static const struct option_table umount_table = {
	.command = "vma umount",
	.summary = "unmount an archive",
	.rows = umount_rows,
	.n_rows = ARRAY_SIZE(umount_rows),
	.args = umount_args,
};

static int umount_run(struct options *o, struct error **err)
{
	return vmafs_unmount(options_get(o, "directory"), err);
}

const struct command vma_command_umount = {
	.name = "umount",
	.table = &umount_table,
	.run = umount_run,
};

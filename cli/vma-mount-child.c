#include "vma-mount-child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "command.h"

void vma_mount_say(void *opaque, const char *message)
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

/* The descriptors that the shell knows must not keep its pipes open; no Ctrl-C is for us. */
static void leave_terminal(int up_to)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0 || null < 0)
		_exit(EXIT_FAILED);
	for (int fd = STDIN_FILENO; fd <= up_to; fd++)
		dup2(null, fd);
}

/* Says through `told` what is wrong, or closes it when the folder is mounted. */
static _Noreturn void serve(const struct vmafs_options *o, enum vma_mount_life life, pid_t parent, int told)
{
	_cleanup_error_ struct error *err = NULL;
	struct vmafs *m;
	int r;

	if (life == VMA_MOUNT_DIES_WITH_US) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		/* it may have died before */
		if (getppid() != parent) {
			rmdir(o->dir);
			_exit(EXIT_FAILED);
		}
	}
	r = vmafs_open(o, &m, &err);
	if (r < 0) {
		io_write_all(told, error_message(err), strlen(error_message(err)));
		_exit(EXIT_FAILED);
	}
	leave_terminal(life == VMA_MOUNT_STAYS ? STDERR_FILENO : STDOUT_FILENO);
	if (life == VMA_MOUNT_STAYS)
		openlog("vma", LOG_PID, LOG_DAEMON);
	close(told);
	r = vmafs_serve(m, NULL);
	vmafs_free(m);
	if (life == VMA_MOUNT_DIES_WITH_US)
		rmdir(o->dir);
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

int vma_mount_start(struct vmafs_options *o, enum vma_mount_life life, pid_t *ret, struct error **err)
{
	_cleanup_close_ int told = -1;
	const pid_t parent = getpid();
	int ends[2];
	pid_t child;

	o->failed = life == VMA_MOUNT_STAYS ? log_failed : vma_mount_say;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	told = ends[0];
	fflush(NULL);
	child = fork();
	if (child == 0)
		serve(o, life, parent, ends[1]);
	close(ends[1]);
	if (child < 0)
		return error_errno(err, errno, "cannot start the process that serves");
	if (ret)
		*ret = child;
	return hear(told, o->dir, err);
}

/*
 * A function that runs in a thread of its own, some of whose system calls are answered by the test: they
 * can fail or say something untrue at a chosen moment.  Threads that it starts are watched, too.
 */
#ifndef VZDUMP_TESTS_SYSCALLS_H
#define VZDUMP_TESTS_SYSCALLS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"

/* How a call is answered.  All zero: it is made. */
struct answer {
	bool is_made_up;
	int error; /* errno; 0: it returns value */
	int64_t value;
};
#define FAILS_WITH(e) ((struct answer){ .is_made_up = true, .error = (e) })
#define RETURNS(v)    ((struct answer){ .is_made_up = true, .value = (v) })

/* Watched are FICLONERANGE (nr is __NR_ioctl) and what is here. */
#define WATCHED_CALLS __NR_copy_file_range, __NR_pread64, __NR_fstatfs

struct watched {
	void (*body)(void *arg);
	/* In the thread that called watch().  The call's pointers are of this process. */
	struct answer (*on_call)(void *arg, const struct seccomp_data *call);
	void *arg;
	/* set by watch() */
	int listener, ready[2];
};

static int watch_this_thread(void)
{
	static const int calls[] = { WATCHED_CALLS };
	struct sock_filter code[8 + 2 * sizeof(calls) / sizeof(*calls)];
	struct sock_fprog program = { .filter = code };
	const struct sock_filter jump_if_not = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	const struct sock_filter notify = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	unsigned short n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		code[n] = jump_if_not;
		code[n++].k = (uint32_t)calls[i];
		code[n++] = notify;
	}
	code[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 3);
	n++;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, args[1]));
	code[n] = jump_if_not;
	code[n++].k = (uint32_t)FICLONERANGE;
	code[n++] = notify;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

static void *watched_thread(void *opaque)
{
	struct watched *w = opaque;

	w->listener = watch_this_thread();
	if (write(w->ready[1], "", 1) == 1 && w->listener >= 0)
		w->body(w->arg);
	return NULL;
}

/* False when all its threads have ended. */
static bool answer_one(struct watched *w)
{
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_resp response = { 0 };
	struct pollfd p = { .fd = w->listener, .events = POLLIN };
	struct answer a;

	if (poll(&p, 1, -1) < 0)
		return errno == EINTR;
	if (!(p.revents & POLLIN))
		return false;
	/* it may have gone in between */
	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return true;
	a = w->on_call(w->arg, &call.data);
	response.id = call.id;
	response.flags = a.is_made_up ? 0 : (uint32_t)SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	response.error = -a.error;
	response.val = a.value;
	ioctl(w->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	return true;
}

/* Returns when all threads have ended; false if the kernel cannot do that. */
__attribute__((unused)) static bool watch(struct watched *w)
{
	pthread_t thread;
	char byte;

	if (pipe2(w->ready, O_CLOEXEC) < 0 || pthread_create(&thread, NULL, watched_thread, w) != 0)
		return false;
	if (read(w->ready[0], &byte, 1) == 1 && w->listener >= 0)
		while (answer_one(w)) {
		}
	pthread_join(thread, NULL);
	close(w->ready[0]);
	close(w->ready[1]);
	if (w->listener < 0)
		return false;
	close(w->listener);
	return true;
}

#endif

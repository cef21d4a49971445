#include "signals.h"

#include <signal.h>
#include <time.h>

/* For the signal handler. */
static struct cancel stop_request = { .fd = -1 };

static void on_signal(int sig)
{
	(void)sig;
	cancel_request(&stop_request);
}

struct cancel *signals_cancel(void)
{
	return &stop_request;
}

int signals_catch(struct cancel **ret, struct error **err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP };
	struct sigaction catch = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	int r = cancel_init(&stop_request, err);

	for (size_t i = 0; i < ARRAY_SIZE(signals) && r == 0; i++)
		sigaction(signals[i], &catch, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	/*
	 * if we were stopped by Ctrl-Z, nobody would read QEMU's answers, and a reset of the guest would
	 * hang
	 */
	sigaction(SIGTSTP, &ignore, NULL);
	*ret = &stop_request;
	return r;
}

static sigset_t usr1(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return set;
}

void signals_keep_usr1(void)
{
	const sigset_t set = usr1();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

bool signals_usr1_came(void)
{
	const struct timespec at_once = { 0 };
	const sigset_t set = usr1();

	return sigtimedwait(&set, NULL, &at_once) == SIGUSR1;
}

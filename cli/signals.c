#include "signals.h"

#include <signal.h>

#include "base/mem.h"

/* What the signal handler sees. */
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
	/* stopped by Ctrl-Z, we would leave QEMU's answers lying and so stall the guest's reset */
	sigaction(SIGTSTP, &ignore, NULL);
	*ret = &stop_request;
	return r;
}

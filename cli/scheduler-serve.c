/* vzdump-scheduler: when passes are made. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "scheduler.h"
#include "sd-notify.h"

#define INTERVAL_MS        60000
#define NS_PER_MS          UINT64_C(1000000)
#define INTERVAL_S         60
#define MS_PER_S           1000
#define PIECES_OF_WATCHDOG 2

/* It goes on while the host is suspended, which the monotonic clock does not: that is a gap like others. */
static uint64_t uptime_s(void)
{
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	return (uint64_t)up.tv_sec;
}

int scheduler_once(const struct scheduler *s, struct error **err)
{
	return scheduler_pass(s, time(NULL), uptime_s(), err);
}

struct service {
	const struct scheduler *s;
	struct sd_notify notify;
	int signals;
};

/* /etc/localtime may have been replaced; glibc looks at it again only if TZ has changed in between. */
static void read_zone(void)
{
	if (getenv("TZ"))
		return;
	setenv("TZ", "UTC", 1);
	tzset();
	unsetenv("TZ");
	tzset();
}

static void make_pass(const struct service *v)
{
	_cleanup_error_ struct error *err = NULL;

	read_zone();
	if (scheduler_once(v->s, &err) < 0)
		log_error(v->s->log, "%s", error_message(err));
}

/* Until the next minute of the clock begins. */
static int ms_to_next_minute(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int)(INTERVAL_MS - now.tv_sec % INTERVAL_S * MS_PER_S - now.tv_nsec / (long)NS_PER_MS);
}

/* The number of a signal that came; 0: none within ms. */
static int wait_for_signal(const struct service *v, int ms)
{
	struct pollfd p = { .fd = v->signals, .events = POLLIN };
	struct signalfd_siginfo info;

	if (poll(&p, 1, ms) <= 0 || read(v->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

static void reap_supervisors(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* True if the service is to end. */
static bool heed(const struct service *v, int sig)
{
	switch (sig) {
	case 0:
		return false;
	case SIGCHLD:
		reap_supervisors();
		return false;
	case SIGHUP:
		sd_notify_reloading(&v->notify);
		make_pass(v);
		sd_notify_send(&v->notify, "READY=1");
		return false;
	default:
		return true;
	}
}

/* Waits for the next minute, and gives signs of life meanwhile.  True if the service is to end. */
static bool wait_for_minute(const struct service *v)
{
	const uint64_t end = units_now_ns() + (uint64_t)ms_to_next_minute() * NS_PER_MS;
	const uint64_t step = v->notify.watchdog_ms / PIECES_OF_WATCHDOG;

	for (;;) {
		const uint64_t now = units_now_ns();
		uint64_t ms = end > now ? (end - now) / NS_PER_MS + 1 : 0;

		sd_notify_send(&v->notify, "WATCHDOG=1");
		if (!ms)
			return false;
		if (step && ms > step)
			ms = step;
		if (heed(v, wait_for_signal(v, (int)ms)))
			return true;
	}
}

static int catch_signals(struct error **err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_errno(err, errno, "cannot wait for signals") : fd;
}

int scheduler_serve(const struct scheduler *s, struct error **err)
{
	struct service v = { .s = s, .signals = catch_signals(err) };

	if (v.signals < 0)
		return v.signals;
	sd_notify_open(&v.notify);
	make_pass(&v);
	sd_notify_send(&v.notify, "READY=1");
	while (!wait_for_minute(&v))
		make_pass(&v);
	sd_notify_send(&v.notify, "STOPPING=1");
	sd_notify_close(&v.notify);
	close(v.signals);
	return 0;
}

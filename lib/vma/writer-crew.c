#include "vma/writer-crew.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"
#include "vma/cond.h"

#define IOPRIO_WHO_PROCESS       1
#define IOPRIO_CLASS_BEST_EFFORT 2
#define IOPRIO_CLASS_IDLE        3
#define IOPRIO_CLASS_SHIFT       13
#define PVE_IONICE_IDLE          8
#define HANGS_MS                 1000
#define POLL_MS                  100

/* Sets it for the calling thread.  A kernel that has no such priority is no failure. */
static void set_io_priority(int ionice)
{
	int value = IOPRIO_CLASS_BEST_EFFORT << IOPRIO_CLASS_SHIFT | ionice;

	if (ionice < 0)
		return;
	if (ionice == PVE_IONICE_IDLE)
		value = IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT;
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value);
}

void crew_init(struct crew *c, unsigned max, int ionice)
{
	*c = (struct crew){ .max = max, .ionice = ionice };
	c->members = xcalloc(max, sizeof(*c->members));
	pthread_mutex_init(&c->lock, NULL);
	cond_init(&c->ended);
}

void crew_clear(struct crew *c)
{
	free(c->members);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->ended);
}

static void member_ended(struct crew *c)
{
	void (*on_last)(void *arg) = NULL;
	void *arg = NULL;

	pthread_mutex_lock(&c->lock);
	if (!--c->running) {
		on_last = c->on_last;
		arg = c->on_last_arg;
	}
	pthread_cond_broadcast(&c->ended);
	pthread_mutex_unlock(&c->lock);
	if (on_last)
		on_last(arg);
}

static void *run_member(void *arg)
{
	struct crew_member *m = arg;

	pthread_setname_np(pthread_self(), m->name);
	set_io_priority(m->crew->ionice);
	m->body(m->arg);
	member_ended(m->crew);
	return NULL;
}

int crew_start(struct crew *c, const char *name, void (*body)(void *arg), void *arg, struct error **err)
{
	struct crew_member *m = &c->members[c->n];
	int r;

	*m = (struct crew_member){ .crew = c, .body = body, .arg = arg };
	snprintf(m->name, sizeof(m->name), "%s", name);
	pthread_mutex_lock(&c->lock);
	c->running++;
	pthread_mutex_unlock(&c->lock);
	r = thread_start(&m->id, run_member, m, err);
	if (r < 0)
		member_ended(c);
	else
		c->n++;
	return r;
}

bool crew_wait(struct crew *c, int ms)
{
	bool all;

	pthread_mutex_lock(&c->lock);
	if (c->running)
		cond_wait_ms(&c->ended, &c->lock, ms);
	all = !c->running;
	pthread_mutex_unlock(&c->lock);
	return all;
}

/* Sets on_last under the lock under which the last thread looks at it. */
static bool leave_unless_ended(struct crew *c, void (*on_last)(void *arg), void *arg)
{
	const uint64_t end = units_now_ns() + HANGS_MS * UINT64_C(1000000);
	bool all;

	pthread_mutex_lock(&c->lock);
	while (c->running && units_now_ns() < end)
		cond_wait_ms(&c->ended, &c->lock, POLL_MS);
	all = !c->running;
	if (!all) {
		c->on_last = on_last;
		c->on_last_arg = arg;
	}
	pthread_mutex_unlock(&c->lock);
	return all;
}

bool crew_join(struct crew *c, void (*on_last)(void *arg), void *arg)
{
	_cleanup_free_ pthread_t *ids = xcalloc(c->n + 1, sizeof(*ids));
	const unsigned n = c->n;
	bool all;

	/* a crew that is left may be gone before leave_unless_ended() has returned */
	for (unsigned i = 0; i < n; i++)
		ids[i] = c->members[i].id;
	all = leave_unless_ended(c, on_last, arg);
	for (unsigned i = 0; i < n; i++) {
		if (all)
			pthread_join(ids[i], NULL);
		else
			pthread_detach(ids[i]);
	}
	return all;
}

/* Starting and ending the writer's threads. */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/units.h"
#include "vma/writer-internal.h"

#define IOPRIO_WHO_PROCESS       1
#define IOPRIO_CLASS_BEST_EFFORT 2
#define IOPRIO_CLASS_IDLE        3
#define IOPRIO_CLASS_SHIFT       13
#define PVE_IONICE_IDLE          8
#define HANGS_MS                 1000

/* Of the calling thread.  It is a wish; a kernel without it is no failure. */
static void set_io_priority(int ionice)
{
	int value = IOPRIO_CLASS_BEST_EFFORT << IOPRIO_CLASS_SHIFT | ionice;

	if (ionice < 0)
		return;
	if (ionice == PVE_IONICE_IDLE)
		value = IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT;
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value);
}

static void set_name(const struct writer_thread *t)
{
	_cleanup_free_ char *name = t->is_output ? xstrdup("vma-write") : xasprintf("vma-pack-%u", t->number);

	pthread_setname_np(pthread_self(), name);
}

static void ended(struct vma_writer *w)
{
	bool last_of_all;

	pthread_mutex_lock(&w->lock);
	w->running--;
	last_of_all = w->abandoned && !w->running;
	pthread_cond_broadcast(&w->free_cond);
	pthread_cond_broadcast(&w->done_cond);
	pthread_mutex_unlock(&w->lock);
	if (last_of_all)
		writer_free(w);
}

static void *body(void *arg)
{
	struct writer_thread *t = arg;
	struct error *err = NULL;
	int r;

	set_name(t);
	set_io_priority(t->w->o.ionice);
	r = t->is_output ? writer_output_run(t->w, &err) : writer_worker_run(t, &err);
	if (r < 0)
		writer_fail(t->w, &err);
	ended(t->w);
	return NULL;
}

static int init_worker(struct vma_writer *w, struct writer_thread *t, struct error **err)
{
	t->scratch = xmalloc(ZERO_FRAME_SIZE);
	return writer_is_zstd(w) ? frame_encoder_new(w->o.level, &t->encoder, err) : 0;
}

static int init_and_start(struct vma_writer *w, unsigned i, struct error **err)
{
	struct writer_thread *t = &w->threads[i];
	int r = 0;

	t->w = w;
	t->number = i;
	t->is_output = i == w->o.threads;
	if (!t->is_output)
		r = init_worker(w, t, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&w->lock);
	w->running++;
	pthread_mutex_unlock(&w->lock);
	r = thread_start(&t->id, body, t, err);
	if (r < 0)
		ended(w);
	else
		w->n_started++;
	return r;
}

int writer_threads_start(struct vma_writer *w, struct error **err)
{
	int r = 0;

	w->n_threads = w->o.threads + 1;
	w->threads = xcalloc(w->n_threads, sizeof(*w->threads));
	for (unsigned i = 0; r == 0 && i < w->n_threads; i++)
		r = init_and_start(w, i, err);
	return r;
}

/*
 * Told to end they end at once, but for one that hangs in write(2) on a file system that does not
 * answer: nothing but the end of the process ends that one.
 */
static bool have_ended(struct vma_writer *w)
{
	const uint64_t end = units_now_ns() + HANGS_MS * UINT64_C(1000000);
	bool all;

	pthread_mutex_lock(&w->lock);
	while (w->running && units_now_ns() < end)
		writer_wait_free(w);
	all = !w->running;
	w->abandoned = !all;
	pthread_mutex_unlock(&w->lock);
	return all;
}

bool writer_threads_join(struct vma_writer *w)
{
	_cleanup_free_ pthread_t *ids = xcalloc(w->n_started + 1, sizeof(*ids));
	const unsigned n = w->n_started;
	bool all;

	/* an abandoned writer may be gone before have_ended() has returned */
	for (unsigned i = 0; i < n; i++)
		ids[i] = w->threads[i].id;
	all = have_ended(w);
	for (unsigned i = 0; i < n; i++) {
		if (all)
			pthread_join(ids[i], NULL);
		else
			pthread_detach(ids[i]);
	}
	return all;
}

void writer_threads_clear(struct vma_writer *w)
{
	for (unsigned i = 0; i < w->n_threads && w->threads; i++) {
		frame_encoder_free(w->threads[i].encoder);
		free(w->threads[i].scratch);
	}
	free(w->threads);
	w->threads = NULL;
	w->n_threads = w->n_started = 0;
}

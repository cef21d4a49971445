/*
 * QEMU's monitor and the agent by way of libvirt, with functions in libvirt's place: simulated.  The real
 * libvirt is in tests/libvirt.
 */
#include "tap.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "libvirt/monitor.h"
#include "qemu/qga.h"
#include "qemu/qmp.h"

/* What the simulated libvirt does; set before a connection is opened. */
static struct {
	const char *answer; /* to commands but query-version; NULL: fails */
	const char *words;  /* why */
	int code;           /* the same as libvirt's number */
	bool ended;         /* the domain does not run */
	bool hangs;         /* the command waits for `go` */
	sem_t hung, go, closed, thawed;
	char last[256]; /* the last command */
	ino_t passed;   /* the file that came with it */
	unsigned closes;
} sim;

static int last_error_code(void)
{
	return sim.code;
}

static const char *last_error_message(void)
{
	return sim.words;
}

static void reset_last_error(void)
{
}

static int is_active(vir_domain *d)
{
	(void)d;
	return !sim.ended;
}

static int domain_free(vir_domain *d)
{
	(void)d;
	return 0;
}

static int connect_close(vir_connect *c)
{
	(void)c;
	sim.closes++;
	sem_post(&sim.closed);
	return 0;
}

static void maybe_hang(void)
{
	if (!sim.hangs)
		return;
	sem_post(&sim.hung);
	sem_wait(&sim.go);
}

static int monitor_command(vir_domain *d, const char *command, char **ret, unsigned flags)
{
	(void)d, (void)flags;
	if (strstr(command, "query-version") && !sim.ended) {
		*ret = xstrdup("{\"return\":{\"qemu\":{\"major\":9}},\"id\":\"libvirt-1\"}");
		return 0;
	}
	maybe_hang();
	snprintf(sim.last, sizeof(sim.last), "%s", command);
	*ret = sim.answer ? xstrdup(sim.answer) : NULL;
	return sim.answer ? 0 : -1;
}

static int monitor_with_files(vir_domain *d, const char *command, unsigned n_in, int *in, unsigned *n_out,
			      int **out, char **ret, unsigned flags)
{
	struct stat st = { 0 };

	(void)n_out, (void)out;
	if (n_in == 1)
		fstat(in[0], &st);
	sim.passed = st.st_ino;
	return monitor_command(d, command, ret, flags);
}

static char *agent_command(vir_domain *d, const char *command, int timeout_s, unsigned flags)
{
	(void)d, (void)timeout_s, (void)flags;
	if (strstr(command, "thaw"))
		sem_post(&sim.thawed);
	maybe_hang();
	snprintf(sim.last, sizeof(sim.last), "%s", command);
	return sim.answer ? xstrdup(sim.answer) : NULL;
}

static struct libvirt_session session(void)
{
	return (struct libvirt_session){
		.api = { .get_last_error_code = last_error_code,
			 .get_last_error_message = last_error_message,
			 .reset_last_error = reset_last_error,
			 .domain_is_active = is_active,
			 .domain_free = domain_free,
			 .connect_close = connect_close,
			 .monitor_command = monitor_command,
			 .monitor_command_with_files = monitor_with_files,
			 .agent_command = agent_command },
		/* never looked into */
		.connect = (vir_connect *)&sim,
		.domain = (vir_domain *)&sim,
	};
}

static int open_monitor(struct qmp **ret, struct error **err)
{
	struct libvirt_session s = session();
	const int fd = libvirt_monitor_socket(&s, err);

	return fd < 0 ? fd : qmp_open_socket(fd, "libvirt domain 'web'", 20000, NULL, ret, err);
}

static struct qga *open_agent(void)
{
	struct libvirt_session s = session();
	struct error *err = NULL;
	const int fd = libvirt_agent_socket(&s, &err);

	return qga_open_socket(fd, "agent", NULL);
}

static void says(const struct error *err, const char *part, const char *what)
{
	if (!ok(err && strstr(error_message(err), part), "%s", what))
		diag("said '%s'", error_message(err));
}

static void wait_closed(const char *what)
{
	sem_wait(&sim.closed);
	ok(true, "%s: the thread ends and closes its connection", what);
}

/* ---- the monitor ---- */

static void test_answers(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct json_object *o = NULL;
	struct qmp *q = NULL;
	struct stat st;
	int pipes[2] = { -1, -1 };

	sim.answer = "{\"return\":{\"running\":true},\"id\":\"libvirt-2\"}";
	ok(open_monitor(&q, &err) == 0, "a connection is opened");
	ok(json_walk(qmp_greeting_version(q), "qemu", NULL) != NULL, "its greeting has QEMU's version");
	ok(qmp_execute(q, "query-status", NULL, &o, &err) == 0 && json_get_bool(o, "running", false),
	   "an answer comes back with the id of its command");
	ok(!strstr(sim.last, "\"id\""), "libvirt gives the command its own id");
	json_object_put(o);
	ok(pipe(pipes) == 0 && fstat(pipes[0], &st) == 0 && qmp_pass_fd(q, "vz", pipes[0], &err) == 0 &&
		   sim.passed == st.st_ino,
	   "a descriptor is handed on");
	close(pipes[0]);
	ok(poll(&(struct pollfd){ .fd = pipes[1] }, 1, 0) == 1, "and then it is nobody's but QEMU's");
	sim.answer = "{\"error\":{\"class\":\"GenericError\",\"desc\":\"Node 'x' is busy\"},\"id\":\"l\"}";
	ok(qmp_execute(q, "blockdev-del", NULL, NULL, &err) == ERR_PEER, "QEMU may refuse");
	says(err, "Node 'x' is busy", "with QEMU's words");
	close(pipes[1]);
	qmp_close(q);
	wait_closed("the monitor");
}

static void test_refused(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct qmp *q = NULL;

	sim.answer = NULL;
	sim.code = 68;
	sim.words = "Timed out during operation: cannot acquire state change lock";
	ok(open_monitor(&q, &err) == 0 && qmp_execute(q, "query-block", NULL, NULL, &err) == ERR_PEER,
	   "libvirt may refuse a command");
	says(err, "cannot acquire state change lock", "with libvirt's words");
	sim.answer = "{\"return\":{}}";
	ok(qmp_execute(q, "query-status", NULL, NULL, NULL) == 0, "and the connection stays usable");
	qmp_close(q);
	wait_closed("the monitor");
}

static void test_ended(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct qmp *q = NULL;

	sim.answer = NULL;
	sim.code = 55;
	sim.words = "Requested operation is not valid: domain is not running";
	ok(open_monitor(&q, &err) == 0, "a guest runs");
	sim.ended = true;
	ok(qmp_execute(q, "query-status", NULL, NULL, &err) == ERR_GONE,
	   "and ends: the connection ends, too");
	qmp_close(q);
	wait_closed("the monitor");
	q = NULL;
	ok(open_monitor(&q, NULL) == ERR_GONE, "no connection can be opened to a guest that has ended");
	wait_closed("the monitor");
	sim.ended = false;
}

static void test_hangs(void)
{
	struct qmp *q = NULL;

	sim.answer = "{\"return\":{}}";
	ok(open_monitor(&q, NULL) == 0, "a connection is opened");
	sim.hangs = true;
	ok(qmp_execute_timeout(q, "query-status", NULL, 100, NULL, NULL) == ERR_TIMEOUT,
	   "a command that hangs in libvirt ends at its limit");
	sem_wait(&sim.hung);
	qmp_close(q);
	ok(sem_trywait(&sim.closed) < 0, "closing does not wait for it");
	sim.hangs = false;
	sem_post(&sim.go);
	wait_closed("when it returns");
}

static void test_late_answer(void)
{
	struct json_object *o = NULL;
	struct qmp *q = NULL;

	sim.answer = "{\"return\":{\"late\":true}}";
	ok(open_monitor(&q, NULL) == 0, "a connection is opened");
	sim.hangs = true;
	qmp_execute_timeout(q, "query-status", NULL, 100, NULL, NULL);
	sem_wait(&sim.hung);
	sim.hangs = false;
	/* the thread reads it after its answer to the first one */
	sem_post(&sim.go);
	ok(qmp_execute(q, "query-name", NULL, &o, NULL) == 0 && strstr(sim.last, "query-name"),
	   "a late answer is not taken for that of the next command");
	json_object_put(o);
	qmp_close(q);
	wait_closed("the monitor");
}

/* ---- the agent ---- */

static void test_agent(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct qga *a = open_agent();
	enum qga_fsfreeze_status status;
	int count = 0;

	sim.answer = "{\"return\":\"frozen\"}";
	ok(qga_status(a, &status, NULL) == 0 && status == QGA_FS_FROZEN &&
		   strstr(sim.last, "fsfreeze-status"),
	   "the agent's answers come back");
	sim.answer = "{\"return\":2}";
	ok(qga_freeze(a, NULL, &count, NULL) == 0 && count == 2, "it freezes file systems");
	sim.answer = NULL;
	sim.code = 1;
	sim.words = "internal error: unable to execute QEMU agent command: fs is weird";
	ok(qga_thaw(a, 20000, NULL, &err) == ERR_PEER, "it may refuse");
	says(err, "fs is weird", "with its words");
	sim.code = 86;
	sim.words = "Guest agent is not responding: QEMU guest agent is not connected";
	ok(qga_ping(a, NULL) == ERR_GONE, "an agent that does not answer ends the connection");
	qga_close(a);
	wait_closed("the agent");
	a = open_agent();
	sim.code = 1;
	sim.words = "internal error: End of file from agent socket";
	ok(qga_shutdown(a, &err) == 0, "a guest may be off before its agent has answered");
	qga_close(a);
	wait_closed("the agent of a guest that is off");
	while (sem_trywait(&sim.thawed) == 0)
		;
}

struct freezer {
	struct qga *agent;
	struct cancel cancel;
	int r;
};

static void *freeze(void *opaque)
{
	struct freezer *f = opaque;

	f->r = qga_freeze(f->agent, NULL, NULL, NULL);
	return NULL;
}

static void test_abandoned_freeze(void)
{
	struct freezer f = { .agent = open_agent() };
	pthread_t thread;

	cancel_init(&f.cancel, NULL);
	qga_set_cancel(f.agent, &f.cancel);
	sim.answer = "{\"return\":2}";
	sim.hangs = true;
	pthread_create(&thread, NULL, freeze, &f);
	sem_wait(&sim.hung);
	cancel_request(&f.cancel);
	pthread_join(thread, NULL);
	ok(f.r == ERR_CANCELED, "a request to stop ends the wait for a freeze");
	qga_close(f.agent);
	ok(sem_trywait(&sim.thawed) < 0, "the freeze goes on");
	sim.hangs = false;
	sem_post(&sim.go);
	sem_wait(&sim.thawed);
	ok(true, "and is undone when it is done after all");
	wait_closed("the agent");
	cancel_clear(&f.cancel);
}

int main(void)
{
	sem_init(&sim.hung, 0, 0);
	sem_init(&sim.go, 0, 0);
	sem_init(&sim.closed, 0, 0);
	sem_init(&sim.thawed, 0, 0);
	test_answers();
	test_refused();
	test_ended();
	test_hangs();
	test_late_answer();
	test_agent();
	test_abandoned_freeze();
	return done_testing();
}

/* QMP client against peers that behave badly, and against a real QEMU that is busy or dies. */
#include <errno.h>

#include "test-qemu.h"
#include "test-qemu-peer.h"

#include "qemu/blockgraph.h"

/* AddressSanitizer keeps what was freed. */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MIB 1024
#else
#define MEMORY_MIB 100
#endif

#define GREETING "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7}},\"capabilities\":[]}}\r\n"

/* Greets, and answers qmp_capabilities, which has id 1. */
static bool greet(int fd)
{
	char line[4096];

	say(fd, GREETING);
	if (!hear(fd, line, sizeof(line)))
		return false;
	say(fd, "{\"return\":{},\"id\":1}\r\n");
	return hear(fd, line, sizeof(line));
}

static void serve_garbage_greeting(int fd)
{
	say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
	sleep(5);
}

static void serve_silence(int fd)
{
	char line[64];

	hear(fd, line, sizeof(line));
}

/* Too slowly to reach the length that is refused before the time is over. */
static void serve_endless(int fd)
{
	char block[65536];

	memset(block, 'x', sizeof(block));
	if (greet(fd))
		while (io_write_all(fd, block, sizeof(block)) == 0)
			usleep(20000);
}

static void serve_events(int fd)
{
	if (greet(fd))
		while (io_write_all(fd, "{\"event\":\"RTC_CHANGE\"}\r\n", 24) == 0)
			;
}

static void serve_deep(int fd)
{
	if (!greet(fd))
		return;
	for (int i = 0; i < 100; i++)
		say(fd, "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	say(fd, "\n");
	sleep(5);
}

static void serve_bomb(int fd)
{
	if (!greet(fd))
		return;
	say_often(fd, "{\"id\":2,\"return\":[", "{},", 15 << 20, "{}]}\n");
	sleep(5);
}

#define NODE                                                                                                         \
	"{\"iops_rd\":0,\"detect_zeroes\":\"off\",\"image\":{\"virtual-size\":1,\"filename\":\"/x\",\"format\":"     \
	"\"raw\",\"dirty-flag\":false,\"format-specific\":{\"type\":\"file\",\"data\":{}}},\"ro\":false,\"cache\":"  \
	"{\"no-flush\":false,\"direct\":true,\"writeback\":true},\"dirty-bitmaps\":[{\"name\":\"b\",\"count\":0,"    \
	"\"granularity\":65536}],\"children\":[{\"node-name\":\"f\",\"child\":\"file\"}],\"drv\":\"raw\",\"iops\""   \
	":0,\"bps_wr\":0,\"write_threshold\":0,\"encrypted\":false,\"bps\":0,\"bps_rd\":0,\"file\":\"/a/long/name\"" \
	",\"iops_wr\":0},"

/* 6000 nodes as QEMU 10 describes them */
static void serve_many_nodes(int fd)
{
	char line[64];

	if (!greet(fd))
		return;
	say_often(fd, "{\"id\":2,\"return\":[", NODE, 6000 * strlen(NODE), "{}]}\n");
	hear(fd, line, sizeof(line));
}

static void serve_events_then_answer(int fd)
{
	char line[64];

	if (!greet(fd))
		return;
	say(fd, "{\"event\":\"STOP\"}\r\n{\"return\":7,\"id\":99}\n{\"return\":{\"a\":1},\"id\":2}\r\n");
	hear(fd, line, sizeof(line));
}

static void serve_late(int fd)
{
	char line[64];

	if (!greet(fd))
		return;
	usleep(300000);
	say(fd, "{\"return\":\"late\",\"id\":2}\n");
	if (hear(fd, line, sizeof(line)))
		say(fd, "{\"return\":\"good\",\"id\":3}\n");
	hear(fd, line, sizeof(line));
}

static void serve_error(int fd)
{
	char line[64];

	if (!greet(fd))
		return;
	say(fd, "{\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"No such thing\"},\"id\":2}\n");
	if (hear(fd, line, sizeof(line)))
		say(fd, "{\"id\":3}\n");
	hear(fd, line, sizeof(line));
}

static void serve_hangup(int fd)
{
	greet(fd);
}

/* Ends before its last answer about the block graph. */
static void serve_half_a_graph(int fd)
{
	char line[4096];

	if (!greet(fd))
		return;
	say(fd, "{\"return\":[],\"id\":2}\n");
	if (!hear(fd, line, sizeof(line)))
		return;
	say(fd, "{\"return\":[],\"id\":3}\n");
	hear(fd, line, sizeof(line));
}

/* Answers three commands only once all have arrived, and refuses the second. */
static void serve_together(int fd)
{
	char line[4096];

	if (!greet(fd) || !hear(fd, line, sizeof(line)) || !hear(fd, line, sizeof(line)))
		return;
	say(fd, "{\"event\":\"STOP\"}\n{\"return\":{},\"id\":2}\n{\"error\":{\"desc\":\"No\"},\"id\":3}\n");
	say(fd, "{\"return\":{},\"id\":4}\n");
	/* and ends after the first of the next two */
	if (hear(fd, line, sizeof(line)) && hear(fd, line, sizeof(line)))
		say(fd, "{\"return\":{},\"id\":5}\n");
}

static int open_to(struct peer *p, void (*serve)(int), struct qmp **q, struct error **err)
{
	peer_start(p, serve);
	return qmp_open(p->path, 1000, NULL, q, err);
}

static void end(struct peer *p, struct qmp *q, struct error **err)
{
	qmp_close(q);
	peer_stop(p);
	error_free(TAKE_PTR(*err));
}

static void test_openings(void)
{
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;

	ok(open_to(&p, serve_garbage_greeting, &q, &err) == ERR_CORRUPT && !q,
	   "what is no QMP is refused: %s", error_message(err));
	end(&p, NULL, &err);
	ok(open_to(&p, serve_silence, &q, &err) == ERR_TIMEOUT && strstr(err->message, "another client"),
	   "a busy monitor: %s", error_message(err));
	end(&p, NULL, &err);
	ok(qmp_open("/nonexistent/qmp", 1000, NULL, &q, &err) == -ENOENT, "no socket: %s",
	   error_message(err));
	error_free(TAKE_PTR(err));
}

static int run(struct qmp *q, const char *command, struct json_object **ret, struct error **err)
{
	return qmp_execute_timeout(q, command, json_new_str("x", "y"), 200, ret, err);
}

static void test_answers(void)
{
	struct json_object *ret = NULL;
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;
	uint64_t a = 0;

	open_to(&p, serve_events_then_answer, &q, &err);
	ok(run(q, "query-a", &ret, &err) == 0 && json_get_u64(ret, "a", &a) && a == 1,
	   "events and strangers' answers are skipped");
	json_object_put(ret);
	ret = NULL;
	end(&p, TAKE_PTR(q), &err);

	open_to(&p, serve_late, &q, &err);
	ok(run(q, "query-a", &ret, &err) == ERR_TIMEOUT && strstr(err->message, "'query-a'"),
	   "an answer that does not come: %s", error_message(err));
	error_free(TAKE_PTR(err));
	usleep(400000);
	ok(run(q, "query-b", &ret, &err) == 0 && !strcmp(json_object_get_string(ret), "good"),
	   "the late one is not taken for the next");
	json_object_put(ret);
	ret = NULL;
	end(&p, TAKE_PTR(q), &err);

	open_to(&p, serve_error, &q, &err);
	ok(run(q, "query-a", &ret, &err) == ERR_PEER && strstr(err->message, "No such thing") &&
		   strstr(err->message, "query-a"),
	   "QEMU's no: %s", error_message(err));
	error_free(TAKE_PTR(err));
	ok(run(q, "query-a", &ret, &err) == ERR_CORRUPT, "neither yes nor no");
	end(&p, TAKE_PTR(q), &err);
}

static void test_together(void)
{
	struct qmp_command list[] = { { .name = "stop" }, { .name = "qom-set" }, { .name = "cont" } };
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;

	open_to(&p, serve_together, &q, &err);
	ok(qmp_execute_together(q, list, 3, &err) == 0 && list[0].r == 0 && list[1].r == ERR_PEER &&
		   list[2].r == 0,
	   "commands are sent before the first answer: %s", error_message(list[1].err));
	ok(strstr(error_message(list[1].err), "'qom-set' failed: No") && !list[0].err && !list[2].err,
	   "each has its own answer");
	qmp_commands_clear(list, 3);
	list[0] = list[1] = (struct qmp_command){ .name = "query-a" };
	ok(qmp_execute_together(q, list, 2, &err) == ERR_GONE && list[0].r == 0 && list[1].r == ERR_GONE,
	   "what was not answered is known: %s", error_message(err));
	qmp_commands_clear(list, 2);
	end(&p, q, &err);
}

static void expect(void (*serve)(int), int code, const char *what)
{
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;

	if (open_to(&p, serve, &q, &err))
		diag("%s", error_message(err));
	ok(q && run(q, "query-a", NULL, &err) == code, "%s", what);
	diag("%s", error_message(err));
	end(&p, q, &err);
}

static void test_graph(void)
{
	_cleanup_blockgraph_ struct blockgraph g = { 0 };
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;

	open_to(&p, serve_half_a_graph, &q, &err);
	ok(blockgraph_load(q, &g, &err) == ERR_GONE &&
		   strstr(error_message(err), "x-debug-query-block-graph") &&
		   strstr(error_message(err), "closed the connection"),
	   "a graph that comes in part only is an error, with its cause: %s", error_message(err));
	end(&p, q, &err);
}

static void test_large(void)
{
	struct json_object *ret = NULL;
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;

	open_to(&p, serve_bomb, &q, &err);
	ok(qmp_execute(q, "query-block", NULL, NULL, &err) == ERR_CORRUPT, "15 MiB of {}, are refused: %s",
	   error_message(err));
	ok(peak_mib() < MEMORY_MIB, "before they are parsed (%ld MiB)", peak_mib());
	end(&p, TAKE_PTR(q), &err);

	open_to(&p, serve_many_nodes, &q, &err);
	ok(qmp_execute(q, "query-block", NULL, &ret, &err) == 0 && json_array_len(ret) > 6000,
	   "the nodes of a thousand disks are not: %s", error_message(err));
	json_object_put(ret);
	end(&p, q, &err);
}

static void test_cancel(void)
{
	struct error *err = NULL;
	struct cancel cancel;
	struct qmp *q = NULL;
	struct peer p;

	cancel_init(&cancel, NULL);
	open_to(&p, serve_late, &q, &err);
	qmp_set_cancel(q, &cancel);
	cancel_request(&cancel);
	ok(qmp_execute(q, "query-a", NULL, NULL, &err) == ERR_CANCELED, "a request to stop is seen");
	error_free(TAKE_PTR(err));
	ok(qmp_set_cancel(q, NULL) == &cancel, "and can be put aside");
	end(&p, q, &err);
	cancel_clear(&cancel);
}

static void release_after(const char *path, int ms)
{
	struct qmp *other = NULL;

	if (fork() == 0) {
		struct error *err = NULL;

		qmp_open(path, 5000, NULL, &other, &err);
		usleep((unsigned)ms * 1000);
		_exit(0);
	}
	usleep(200000);
}

static void test_real(void)
{
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct qemu_features f = { 0 };
	struct vm vm;

	vm_init(&vm, false);
	vm_start(&vm);
	release_after(vm.qmp_path, 1000);
	ok(qmp_open(vm.qmp_path, 300, NULL, &q, &err) == ERR_TIMEOUT, "held by another client: %s",
	   error_message(err));
	error_free(TAKE_PTR(err));
	ok(qmp_open(vm.qmp_path, 5000, NULL, &q, &err) == 0, "and waited for until it leaves");
	ok(qemu_probe(q, &f, &err) == 0 && f.major >= 7 && qemu_require_filter(&f, &err) == 0,
	   "QEMU %d.%d.%d can do it", f.major, f.minor, f.micro);
	ok(f.snapshot_access && f.cbw_timeout && f.throttle, "its drivers and their options are known");
	f = (struct qemu_features){ 0 };
	ok(qemu_look(q, &f, &err) == 0 && f.major >= 7 && f.block_export_add && f.blockdev_reopen,
	   "queries alone show its commands");
	ok(qmp_execute(q, "no-such-command", NULL, NULL, &err) == ERR_PEER &&
		   strstr(error_message(err), "no-such-command"),
	   "unknown command: %s", error_message(err));
	error_free(TAKE_PTR(err));
	vm_kill(&vm);
	ok(qmp_execute(q, "query-status", NULL, NULL, &err) == ERR_GONE, "QEMU dies: %s", error_message(err));
	error_free(TAKE_PTR(err));
	qmp_close(q);
	vm_clear(&vm);
	while (wait(NULL) > 0)
		;
}

static void test_versions(void)
{
	struct qemu_features f = { .major = 7, .minor = 2 };
	struct error *err = NULL;

	ok(qemu_cbw_timeout(&f, 45) == 30 && qemu_cbw_timeout(&f, 4) == 4 && qemu_cbw_timeout(&f, 1) == 1,
	   "cbw-timeout steers round the overflow");
	f.major = 9;
	f.minor = 1;
	ok(qemu_cbw_timeout(&f, 45) == 45, "where there is none it stays");
	ok(qemu_require_filter(&f, &err) == ERR_UNSUPPORTED && strstr(err->message, "7.1"),
	   "a QEMU without the filter: %s", error_message(err));
	error_free(err);
}

int main(void)
{
	test_openings();
	test_answers();
	test_together();
	expect(serve_hangup, ERR_GONE, "hang-up");
	expect(serve_endless, ERR_TIMEOUT, "a line without end");
	expect(serve_events, ERR_TIMEOUT, "events without end");
	expect(serve_deep, ERR_CORRUPT, "deep nesting");
	test_graph();
	test_large();
	test_cancel();
	test_versions();
	test_real();
	return done_testing();
}

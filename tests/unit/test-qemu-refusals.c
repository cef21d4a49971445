/* Steps of which QEMU refuses one: a fake one, before 9.0 and with iothreads, that never does `cont`. */
#include "test-qemu.h"
#include "test-qemu-peer.h"

#include "base/json.h"
#include "qemu/pause.h"

/* How often it says that its guest runs. */
static int runs;

static const char *refuse(void)
{
	return "\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}";
}

/* The first export has gone by itself; the second goes soon. */
static const char *answer(const char *command, struct json_object *args)
{
	static int asked_exports;
	const char *id = json_get_str(args, "id");

	if (!strcmp(command, "cont") || (id && !strcmp(id, "vzdump-a-export")))
		return refuse();
	if (!strcmp(command, "query-iothreads"))
		return "\"return\":[{\"id\":\"io0\"}]";
	if (!strcmp(command, "query-status"))
		return runs-- > 0 ? "\"return\":{\"running\":true}" : "\"return\":{\"running\":false}";
	if (!strcmp(command, "query-block-exports") && !asked_exports++)
		return "\"return\":[{\"id\":\"vzdump-b-export\"}]";
	if (!strcmp(command, "x-debug-query-block-graph"))
		return "\"return\":{\"nodes\":[],\"edges\":[]}";
	return str_prefix(command, "query-", NULL) && strcmp(command, "query-version") != 0 ? "\"return\":[]"
											    : "\"return\":{}";
}

static void serve(int fd)
{
	char line[4096];

	say(fd, "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7}},\"capabilities\":[]}}\n");
	while (hear(fd, line, sizeof(line))) {
		_cleanup_json_ struct json_object *o = NULL;
		_cleanup_free_ char *text = NULL;
		uint64_t id = 0;

		json_parse(line, strlen(line), 1 << 20, &o, NULL);
		json_get_u64(o, "id", &id);
		text = xasprintf("{%s,\"id\":%ju}\n",
				 answer(json_get_str(o, "execute"), json_get_obj(o, "arguments")),
				 (uintmax_t)id);
		say(fd, text);
	}
}

static struct qmp *open_peer(struct peer *p, int n)
{
	struct error *err = NULL;
	struct qmp *q = NULL;

	runs = n;
	peer_start(p, serve);
	qmp_open(p->path, 5000, NULL, &q, &err);
	die_on(err, "qmp_open");
	return q;
}

static void close_peer(struct peer *p, struct qmp *q)
{
	qmp_close(q);
	peer_stop(p);
}

static void test_cont(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct peer p;
	struct qmp *q = open_peer(&p, 9);

	ok(graph_del_node(q, "vzdump-x", &err) == ERR_PEER,
	   "a node is deleted, but the guest does not go on: %s", err ? error_message(err) : "not told");
	close_peer(&p, q);
}

static void test_paused_meanwhile(void)
{
	struct qmp_command list[] = { { .name = "qom-set" } };
	_cleanup_error_ struct error *err = NULL;
	uint64_t ns = 1;
	struct peer p;
	struct qmp *q = open_peer(&p, 1);

	ok(graph_execute_in_pause(q, list, 1, &ns, &err) == 0 && list[0].r == 0 && ns == 0,
	   "a guest that somebody else pauses while its disks are written out stays paused");
	close_peer(&p, q);
}

static void test_gone_by_itself(void)
{
	char a[] = "vzdump-a-export", b[] = "vzdump-b-export", *const ids[] = { a, b, NULL };
	_cleanup_error_ struct error *err = NULL;
	struct peer p;
	struct qmp *q = open_peer(&p, 0);

	ok(graph_del_exports(q, ids, &err) == 0, "one export is gone already, the other is waited for");
	close_peer(&p, q);
}

int main(void)
{
	test_cont();
	test_paused_meanwhile();
	test_gone_by_itself();
	return done_testing();
}

/* What a QEMU has, learnt from commands that it refuses, with its refusals in any words. */
#include "test-qemu.h"
#include "test-qemu-peer.h"

#include "base/json.h"
#include "qemu/probe.h"

/* A QEMU of which one part is missing. */
static const char *missing;

static bool has(const char *name)
{
	return strcmp(name, missing) != 0 && strcmp(name, "vzdump-unknown") != 0;
}

static void refuse(char *ret, size_t size, const char *what, const char *name)
{
	snprintf(ret, size, "\"error\":{\"class\":\"GenericError\",\"desc\":\"%s: %s (%s)\"}", name, what,
		 name);
}

static void refuse_option(char *ret, size_t size, struct json_object *args)
{
	static const char *const options[] = { "on-cbw-error", "cbw-timeout", "vzdump-unknown" };

	refuse(ret, size, "missing", "file");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (json_get_array(args, options[i]))
			refuse(ret, size, has(options[i]) ? "no list" : "not expected", options[i]);
}

static void answer(char *ret, size_t size, const char *command, struct json_object *args)
{
	const char *driver = json_get_str(args, "driver");

	snprintf(ret, size, "\"return\":{}");
	if (!strcmp(command, "query-version"))
		snprintf(ret, size, "\"return\":{\"qemu\":{\"major\":7,\"minor\":0,\"micro\":3}}");
	else if (!strcmp(command, "query-commands"))
		snprintf(ret, size,
			 "\"return\":[{\"name\":\"nbd-server-start\"},{\"name\":\"%s\"},"
			 "{\"name\":\"block-export-add\"}]",
			 has("blockdev-reopen") ? "blockdev-reopen" : "x-blockdev-reopen");
	else if (driver && !has(driver))
		refuse(ret, size, "no driver", driver);
	else if (driver)
		refuse_option(ret, size, args);
	else if (!strcmp(command, "block-export-add"))
		refuse(ret, size,
		       has("bitmaps") &&
				       json_object_is_type(json_array_at(json_get_array(args, "bitmaps"), 0),
							   json_type_object)
			       ? "without a node"
			       : "no text",
		       "bitmaps[0]");
}

/* Ends at a command that it does not expect. */
static void serve(int fd)
{
	char line[4096], result[512], text[600];
	uint64_t id = 0;

	say(fd, "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7}},\"capabilities\":[]}}\r\n");
	while (hear(fd, line, sizeof(line))) {
		_cleanup_json_ struct json_object *o = NULL;
		const char *command;

		if (json_parse(line, strcspn(line, "\n"), 1 << 20, &o, NULL) < 0)
			return;
		command = json_get_str(o, "execute");
		json_get_u64(o, "id", &id);
		if (!strcmp(command, "query-qmp-schema"))
			return;
		answer(result, sizeof(result), command, json_get_obj(o, "arguments"));
		snprintf(text, sizeof(text), "{%s,\"id\":%u}\n", result, (unsigned)id);
		say(fd, text);
	}
}

static int probe(const char *without, int (*fn)(struct qmp *, struct qemu_features *, struct error **),
		 struct qemu_features *ret)
{
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;
	int r;

	missing = without;
	*ret = (struct qemu_features){ 0 };
	peer_start(&p, serve);
	r = qmp_open(p.path, 5000, NULL, &q, &err);
	if (r == 0)
		r = fn(q, ret, &err);
	if (r < 0)
		diag("%s", error_message(err));
	qmp_close(q);
	peer_stop(&p);
	error_free(err);
	return r;
}

static unsigned bits(const struct qemu_features *f)
{
	return f->copy_before_write | f->on_cbw_error << 1 | f->cbw_timeout << 2 | f->snapshot_access << 3 |
	       f->throttle << 4 | f->blockdev_reopen << 5 | f->nbd_server_start << 6 |
	       f->block_export_add << 7 | f->export_bitmaps << 8;
}

int main(void)
{
	static const struct {
		const char *without;
		unsigned lost;
	} cases[] = {
		{ "nothing", 0 },
		{ "copy-before-write", 7 },
		{ "on-cbw-error", 1 << 1 },
		{ "cbw-timeout", 1 << 2 },
		{ "snapshot-access", 1 << 3 },
		{ "throttle", 1 << 4 },
		{ "blockdev-reopen", 1 << 5 },
		{ "bitmaps", 1 << 8 },
	};
	struct qemu_features f;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ok(probe(cases[i].without, qemu_probe, &f) == 0 && bits(&f) == (0x1ffu & ~cases[i].lost) &&
			   f.major == 7 && f.minor == 0 && f.micro == 3,
		   "a QEMU without %s", cases[i].without);
	ok(probe("blockdev-reopen", qemu_look, &f) == 0 && bits(&f) == (0x1ffu & ~(1u << 5)),
	   "queries alone show commands only");
	return done_testing();
}

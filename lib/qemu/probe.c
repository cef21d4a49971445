#include "qemu/probe.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"

/* No QEMU has anything of that name. */
#define UNKNOWN "vzdump-unknown"

/*
 * Facts, on 7.2.22, 10.0.2 and 11.1.3: QEMU reads all arguments of a command before it does anything, and
 * refuses the command if one is missing, unknown or of another type.  So a command that misses an argument
 * shows whether QEMU knows the others.  query-qmp-schema would tell the same, but QEMU needs 75 to 130 ms of
 * its main loop for it, and one of these commands 0.2 to 0.5 ms.
 */
struct trial {
	struct qmp *q;
	int r; /* the first error; later questions are not asked */
	struct error **err;
};

/* What QEMU says to the command, in its own words.  Takes ownership of args.  NULL: it did not answer. */
static char *ask(struct trial *t, const char *command, struct json_object *args)
{
	_cleanup_error_ struct error *refusal = NULL;
	int r;

	if (t->r < 0) {
		json_object_put(args);
		return NULL;
	}
	r = qmp_execute(t->q, command, args, NULL, &refusal);
	if (r == ERR_PEER)
		return xstrdup(error_message(refusal));
	t->r = r < 0 ? r
		     : error_set(t->err, ERR_CORRUPT, "QEMU accepts a '%s' that is not complete", command);
	error_keep_first(t->err, &refusal);
	return NULL;
}

/* `refusal`, which is about UNKNOWN, as if it were about `name`.  Caller frees. */
static char *about(const char *refusal, const char *name)
{
	struct buf b = BUF_INIT;
	const char *at;

	buf_adds(&b, "");
	for (; (at = strstr(refusal, UNKNOWN)); refusal = at + strlen(UNKNOWN)) {
		buf_add(&b, refusal, (size_t)(at - refusal));
		buf_adds(&b, name);
	}
	buf_adds(&b, refusal);
	return buf_steal(&b);
}

/* QEMU knows `name` if it refuses it in another way than a name that it cannot know. */
static bool knows(const char *refusal_of_unknown, const char *name, const char *refusal)
{
	_cleanup_free_ char *same = NULL;

	if (!refusal_of_unknown || !refusal)
		return false;
	same = about(refusal_of_unknown, name);
	return strcmp(same, refusal) != 0;
}

/* All other members are missing. */
static char *ask_driver(struct trial *t, const char *driver)
{
	return ask(t, "blockdev-add", json_new_str("driver", driver));
}

static bool has_driver(struct trial *t, const char *refusal_of_unknown, const char *driver)
{
	_cleanup_free_ char *refusal = ask_driver(t, driver);

	return knows(refusal_of_unknown, driver, refusal);
}

/* No option is an empty list. */
static char *ask_filter_option(struct trial *t, const char *option)
{
	struct json_object *o = json_new_str("driver", "copy-before-write");

	json_put_str(o, "file", UNKNOWN);
	json_put_str(o, "target", UNKNOWN);
	return ask(t, "blockdev-add", json_put_obj(o, option, json_new_array()));
}

static bool has_filter_option(struct trial *t, const char *refusal_of_unknown, const char *option)
{
	_cleanup_free_ char *refusal = ask_filter_option(t, option);

	return knows(refusal_of_unknown, option, refusal);
}

static void try_drivers(struct trial *t, struct qemu_features *f)
{
	_cleanup_free_ char *no_driver = ask_driver(t, UNKNOWN), *no_option = NULL;

	f->copy_before_write = has_driver(t, no_driver, "copy-before-write");
	f->snapshot_access = has_driver(t, no_driver, "snapshot-access");
	f->throttle = has_driver(t, no_driver, "throttle");
	if (!f->copy_before_write)
		return;
	no_option = ask_filter_option(t, UNKNOWN);
	f->on_cbw_error = has_filter_option(t, no_option, "on-cbw-error");
	f->cbw_timeout = has_filter_option(t, no_option, "cbw-timeout");
}

static char *ask_bitmap(struct trial *t, struct json_object *bitmap)
{
	struct json_object *o = json_new_str("type", "nbd");

	json_put_str(o, "id", UNKNOWN);
	json_put_str(o, "node-name", UNKNOWN);
	json_put_obj(o, "bitmaps", json_append(json_new_array(), bitmap));
	return ask(t, "block-export-add", o);
}

/*
 * True if an element may be {node, name}: then the bitmap may belong to another node than the exported one.
 * An object without members and a list are refused alike unless an object is right.
 */
static bool takes_bitmaps_by_node(struct trial *t)
{
	_cleanup_free_ char *object = ask_bitmap(t, json_new_obj());
	_cleanup_free_ char *list = ask_bitmap(t, json_new_array());

	return object && list && strcmp(object, list) != 0;
}

static int probe_commands(struct qmp *q, struct qemu_features *f, struct error **err)
{
	const struct {
		const char *name;
		bool *present;
	} wanted[] = {
		{ "blockdev-reopen", &f->blockdev_reopen },
		{ "nbd-server-start", &f->nbd_server_start },
		{ "block-export-add", &f->block_export_add },
	};
	_cleanup_json_ struct json_object *commands = NULL;
	int r = qmp_execute(q, "query-commands", NULL, &commands, err);

	for (size_t i = 0; i < json_array_len(commands); i++)
		for (size_t k = 0; k < ARRAY_SIZE(wanted); k++)
			if (str_equal_null(json_get_str(json_array_at(commands, i), "name"), wanted[k].name))
				*wanted[k].present = true;
	return r;
}

static int version_part(struct json_object *version, const char *key)
{
	uint64_t value;

	return json_get_u64(version, key, &value) && value < 100000 ? (int)value : 0;
}

static int probe_version(struct qmp *q, struct qemu_features *f, struct error **err)
{
	_cleanup_json_ struct json_object *answer = NULL;
	struct json_object *version;
	int r;

	r = qmp_execute(q, "query-version", NULL, &answer, err);
	if (r < 0)
		return r;
	version = json_get_obj(answer, "qemu");
	f->major = version_part(version, "major");
	f->minor = version_part(version, "minor");
	f->micro = version_part(version, "micro");
	return 0;
}

int qemu_look(struct qmp *q, struct qemu_features *ret, struct error **err)
{
	struct qemu_features f = {
		.copy_before_write = true,
		.on_cbw_error = true,
		.cbw_timeout = true,
		.snapshot_access = true,
		.throttle = true,
		.export_bitmaps = true,
	};
	int r = probe_version(q, &f, err);

	if (r == 0)
		r = probe_commands(q, &f, err);
	if (r == 0)
		*ret = f;
	return r;
}

int qemu_probe(struct qmp *q, struct qemu_features *ret, struct error **err)
{
	struct trial t = { .q = q, .err = err };
	struct qemu_features f = { 0 };

	t.r = probe_version(q, &f, err);
	if (t.r == 0)
		t.r = probe_commands(q, &f, err);
	try_drivers(&t, &f);
	if (f.block_export_add)
		f.export_bitmaps = takes_bitmaps_by_node(&t);
	if (t.r == 0)
		*ret = f;
	return t.r;
}

static bool qemu_version_at_least(const struct qemu_features *f, int major, int minor, int micro)
{
	if (f->major != major)
		return f->major > major;
	if (f->minor != minor)
		return f->minor > minor;
	return f->micro >= micro;
}

int qemu_require_filter(const struct qemu_features *f, struct error **err)
{
	const struct {
		bool present;
		const char *what, *since;
	} needs[] = {
		{ f->block_export_add, "command block-export-add", "5.2" },
		{ f->nbd_server_start, "command nbd-server-start", "1.3" },
		{ f->blockdev_reopen, "command blockdev-reopen", "6.1" },
		{ f->copy_before_write, "driver copy-before-write", "6.2" },
		{ f->snapshot_access, "driver snapshot-access", "7.0" },
		{ f->export_bitmaps, "exports with the bitmap of another node", "7.0" },
		{ f->on_cbw_error, "copy-before-write option on-cbw-error", "7.1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		if (!needs[i].present)
			return error_set(err, ERR_UNSUPPORTED,
					 "QEMU %d.%d.%d lacks what the backup of a running guest "
					 "needs: %s (QEMU has it since %s; 7.1 is the oldest that "
					 "has all, use that or mode 'stop')",
					 f->major, f->minor, f->micro, needs[i].what, needs[i].since);
	return 0;
}

/* The time in nanoseconds that is left if it is cut to 32 bits. */
static uint32_t truncated_ns(unsigned seconds)
{
	return (uint32_t)(seconds * UINT64_C(1000000000));
}

unsigned qemu_cbw_timeout(const struct qemu_features *f, unsigned seconds)
{
	unsigned best = seconds;

	if (qemu_version_at_least(f, 9, 1, 0))
		return seconds;
	/*
	 * stable branches may have the fix, so do not go below 4 s: choose a time that is long with and
	 * without it
	 */
	for (unsigned s = seconds; s > 4; s--)
		if (truncated_ns(s) > truncated_ns(best))
			best = s;
	return best;
}

uint64_t qemu_cbw_timeout_ns(const struct qemu_features *f, unsigned seconds)
{
	if (qemu_version_at_least(f, 9, 1, 0))
		return seconds * UINT64_C(1000000000);
	return truncated_ns(qemu_cbw_timeout(f, seconds));
}

bool qemu_reads_mixed_ranges(const struct qemu_features *f)
{
	return qemu_version_at_least(f, 10, 0, 0);
}

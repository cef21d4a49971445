#include "storage/tool.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/units.h"

/* Debian's names. */
static const struct {
	const char *tool, *package;
} packages[] = {
	{ "lvs", "lvm2" },
	{ "vgs", "lvm2" },
	{ "vgscan", "lvm2" },
	{ "lvcreate", "lvm2" },
	{ "lvremove", "lvm2" },
	{ "lvrename", "lvm2" },
	{ "lvchange", "lvm2" },
	{ "zfs", "zfsutils-linux" },
	{ "zpool", "zfsutils-linux" },
	{ "rbd", "ceph-common" },
	{ "ceph", "ceph-common" },
	{ "iscsiadm", "open-iscsi" },
	{ "iscsi-ls", "libiscsi-bin" },
	{ "btrfs", "btrfs-progs" },
	{ "mount", "mount" },
	{ "ceph-fuse", "ceph-fuse" },
	{ "qemu-img", "qemu-utils" },
	{ "qemu-storage-daemon", "qemu-system-common" },
};

const char *tool_package(const char *program)
{
	for (size_t i = 0; i < ARRAY_SIZE(packages); i++)
		if (strcmp(packages[i].tool, program) == 0)
			return packages[i].package;
	return NULL;
}

static int tool_not_found(const struct tool *t, struct error **err)
{
	const char *package = tool_package(t->argv[0]);

	if (package)
		return error_set(err, ERR_UNSUPPORTED,
				 "storage '%s': command '%s' not found: install the package %s or correct "
				 "PATH",
				 t->storage->id, t->argv[0], package);
	return error_set(err, ERR_UNSUPPORTED,
			 "storage '%s': command '%s' not found: install it or correct PATH", t->storage->id,
			 t->argv[0]);
}

/* Joins the last two lines in place: rbd prints the errno alone on the last one. */
static const char *last_lines(char *text)
{
	char *stripped = str_strip(text);
	char *newline = strrchr(stripped, '\n');

	if (!newline)
		return stripped;
	*newline = ' ';
	newline = strrchr(stripped, '\n');
	return newline ? str_strip(newline + 1) : stripped;
}

static int tool_failed(const struct tool *t, struct process_result *result, struct error **err)
{
	_cleanup_free_ char *command = process_describe(t->argv);
	int code = ERR_PEER;
	const char *line;

	for (const struct tool_meaning *m = t->meanings; m && m->text; m++) {
		if (strstr(result->errout, m->text)) {
			code = m->code;
			break;
		}
	}
	line = last_lines(result->errout);
	return error_set(err, code, "storage '%s': '%s' failed: %s", t->storage->id, command,
			 *line ? line : "it printed no error message");
}

static int run_once(const struct tool *t, char **ret_out, struct error **err)
{
	const bool asks = t->timeout_s <= TOOL_ASK;
	/* mount does its work in a helper, which must not go on alone */
	const struct process_options o = {
		.timeout_ms = t->timeout_s * 1000,
		.group = true,
		.cancel = t->cancel ? t->cancel
			  : asks    ? t->storage->cancel
				    : NULL,
		.cancel_ignored = t->cancel ? 0 : cancel_count(t->storage->cancel),
	};
	_cleanup_(process_result_clear) struct process_result result = { 0 };
	_cleanup_error_ struct error *mine = NULL;
	int r = process_run(t->argv, &o, &result, &mine);

	if (r == ERR_NOT_FOUND)
		return tool_not_found(t, err);
	if (r == ERR_TIMEOUT) {
		_cleanup_free_ char *command = process_describe(t->argv);

		return error_set(err, ERR_TIMEOUT,
				 "storage '%s': '%s' gave no result within %d s and was killed",
				 t->storage->id, command, t->timeout_s);
	}
	if (r < 0) {
		error_keep_first(err, &mine);
		return error_wrap(err, r, "storage '%s'", t->storage->id);
	}
	if (result.status != 0)
		return tool_failed(t, &result, err);
	if (ret_out)
		*ret_out = TAKE_PTR(result.out);
	return 0;
}

int tool_run(const struct tool *t, char **ret_out, struct error **err)
{
	for (unsigned i = 0;; i++) {
		_cleanup_error_ struct error *mine = NULL;
		int r = run_once(t, ret_out, &mine);

		if (r != -EBUSY || i >= t->busy_tries) {
			error_keep_first(err, &mine);
			return r;
		}
		r = cancel_sleep(t->cancel, 1000, err);
		if (r < 0)
			return r;
	}
}

int tool_run_json(const struct tool *t, struct json_object **ret, struct error **err)
{
	_cleanup_free_ char *out = NULL;
	_cleanup_free_ char *command = NULL;
	int r = tool_run(t, &out, err);

	if (r < 0)
		return r;
	if (out && json_parse(out, strlen(out), JSON_TOOL_MEMORY, ret, NULL) == 0 && *ret)
		return 0;
	command = process_describe(t->argv);
	return error_set(err, ERR_PEER, "storage '%s': '%s' printed no JSON", t->storage->id, command);
}

bool tool_json_u64(struct json_object *o, const char *key, uint64_t *ret)
{
	const char *text = json_get_str(o, key);

	return text ? units_parse_u64(text, 0, UINT64_MAX, key, ret, NULL) == 0 : json_get_u64(o, key, ret);
}

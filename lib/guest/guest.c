#include "guest/guest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest-internal.h"
#include "guest/mirror.h"
#include "config/propstr.h"
#include "config/schema.h"

#define CONF_MAX (8 * 1024 * 1024)

char *guest_config_path(const struct paths *p, uint32_t vmid)
{
	_cleanup_free_ char *mirror = mirror_path(p, vmid);
	char *path = paths_get(p, "/etc/pve/qemu-server/%" PRIu32 ".conf", vmid);

	if (access(path, F_OK) == 0 || access(mirror, F_OK) < 0)
		return path;
	free(path);
	return TAKE_PTR(mirror);
}

void guest_config_clear(struct guest_config *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->pairs[i].key);
		free(c->pairs[i].value);
	}
	free(c->pairs);
	free(c->text);
	*c = (struct guest_config){ 0 };
}

/* ---- lines ---- */

enum guest_line guest_line_kind(const char *line, size_t len)
{
	_cleanup_free_ char *copy = xstrndup(line, len);
	char *text = str_strip(copy);
	size_t n = strlen(text);

	if (n == 0)
		return GUEST_LINE_EMPTY;
	if (line[0] == '#')
		return GUEST_LINE_COMMENT;
	if (line[0] != '[' || text[n - 1] != ']')
		return GUEST_LINE_PAIR;
	if (strcasecmp(text, "[PENDING]") == 0)
		return GUEST_LINE_PENDING;
	if (str_prefix(text, "[special:", NULL))
		return GUEST_LINE_SPECIAL;
	return GUEST_LINE_SNAPSHOT;
}

/* The length of "[a-z][a-z_-]*[0-9]*" before a colon, 0 if there is no such key. */
static size_t key_length(const char *line)
{
	size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_-");

	if (n == 0 || line[0] == '_' || line[0] == '-')
		return 0;
	n += strspn(line + n, "0123456789");
	return line[n] == ':' ? n : 0;
}

static void set_pair(struct guest_config *c, const char *key, const char *value)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->pairs[i].key, key) == 0) {
			free(c->pairs[i].value);
			c->pairs[i].value = xstrdup(value);
			return;
		}
	}
	c->pairs = xreallocarray(c->pairs, c->n + 1, sizeof(*c->pairs));
	c->pairs[c->n++] = (struct guest_pair){ xstrdup(key), xstrdup(value) };
}

/* Changes line. */
static void parse_pair(struct guest_config *c, char *line, const struct log *log)
{
	size_t n = key_length(line);
	char *value = n ? str_strip(line + n + 1) : NULL;

	if (!n || !*value) {
		log_warn(log, "vm %" PRIu32 " - unable to parse config: %s", c->vmid, line);
		return;
	}
	line[n] = '\0';
	set_pair(c, strcmp(line, "cdrom") == 0 ? "ide2" : line, value);
}

void guest_config_parse(uint32_t vmid, const char *text, const struct log *log, struct guest_config *ret)
{
	const char *at = text;
	const char *line;
	size_t len;

	*ret = (struct guest_config){ .vmid = vmid, .text = xstrdup(text) };
	while (str_next_line(&at, &line, &len)) {
		enum guest_line kind = guest_line_kind(line, len);
		_cleanup_free_ char *copy = NULL;

		if (kind >= GUEST_LINE_SNAPSHOT)
			return;
		if (kind != GUEST_LINE_PAIR)
			continue;
		copy = xstrndup(line, len);
		parse_pair(ret, copy, log);
	}
}

int guest_config_load(const struct paths *p, uint32_t vmid, const struct log *log, struct guest_config *ret,
		      struct error **err)
{
	_cleanup_free_ char *path = guest_config_path(p, vmid);
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *e = NULL;
	int r = io_read_file(path, CONF_MAX, &text, &e);

	if (r == -ENOENT)
		return error_set(err, ERR_NOT_FOUND, "unable to find VM '%" PRIu32 "' (no file %s)", vmid,
				 path);
	if (r < 0) {
		error_keep_first(err, &e);
		return r;
	}
	if (strlen(buf_str(&text)) != text.len)
		return error_set(err, ERR_INVALID, "configuration file '%s' holds a NUL byte", path);
	guest_config_parse(vmid, buf_str(&text), log, ret);
	return 0;
}

const char *guest_config_get(const struct guest_config *c, const char *key)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->pairs[i].key, key) == 0)
			return c->pairs[i].value;
	return NULL;
}

bool guest_config_is_template(const struct guest_config *c)
{
	const char *value = guest_config_get(c, "template");
	bool on;

	return value && units_parse_bool(value, &on) && on;
}

const char *guest_config_lock(const struct guest_config *c)
{
	return guest_config_get(c, "lock");
}

/* ---- agent ---- */

static const char *const agent_types[] = { "virtio", "isa", NULL };
static const struct propstr_key agent_keys[] = {
	{ .name = "enabled", .value = { .type = VALUE_BOOL }, .is_default = true, .required = true },
	{ .name = "freeze-fs", .value = { .type = VALUE_BOOL }, .fallback = "1" },
	{ .name = "freeze-fs-on-backup", .alias = "freeze-fs" },
	{ .name = "guest-fsfreeze", .alias = "freeze-fs" },
	{ .name = "fstrim_cloned_disks", .value = { .type = VALUE_BOOL } },
	{ .name = "type", .value = { .type = VALUE_ENUM, .values = agent_types } },
};
static const struct propstr_format agent_format = {
	.name = "agent",
	.keys = agent_keys,
	.n_keys = ARRAY_SIZE(agent_keys),
};

void guest_config_agent(const struct guest_config *c, const struct log *log, struct guest_agent *ret)
{
	const char *value = guest_config_get(c, "agent");
	_cleanup_propstr_ struct propstr p = { 0 };
	_cleanup_error_ struct error *err = NULL;

	*ret = (struct guest_agent){ 0 };
	if (!value)
		return;
	if (propstr_parse(&agent_format, value, &p, &err) < 0) {
		log_warn(log, "vm %" PRIu32 " - unable to parse value of 'agent' - %s", c->vmid,
			 error_message(err));
		return;
	}
	ret->enabled = propstr_get_bool(&p, "enabled");
	ret->freeze = ret->enabled && propstr_get_bool(&p, "freeze-fs");
}

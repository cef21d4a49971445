/* Reads /etc/vzdump.conf. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "config/vzdump-options.h"

#define CONF_MAX (1024 * 1024)

/* exclude-path takes several patterns on one line, quoted as in a shell. */
static int set_patterns(struct options *o, const char *name, const char *value, struct error **err)
{
	_cleanup_strv_ char **patterns = strv_split_args(value);
	int r = 0;

	if (!patterns)
		return error_set(err, ERR_INVALID, "a quote is not closed in '%s'", value);
	for (size_t i = 0; patterns[i] && r == 0; i++)
		r = options_set(o, name, patterns[i], err);
	return r;
}

/*
 * PVE ignores unknown keys silently, so that an administrator notices the typing error in "fleecng: 1" only when
 * the guest has been slow.
 */
static void warn_unknown(const struct option_table *t, const char *file, const char *key,
			 const struct log *log)
{
	struct nearest n = nearest_begin(key);
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; i < t->n_rows; i++)
		if (!(t->rows[i].flags & OPTION_CLI_ONLY))
			nearest_offer(&n, t->rows[i].name);
	hint = nearest_hint(&n);
	log_warn(log, "unknown key '%s' in '%s' is ignored%s", key, file, hint);
}

/* PVE takes an empty value of these keys as not given; for others it is an error. */
static bool may_be_empty(const char *key)
{
	static const char *const keys[] = { "connect",        "dumpdir",     "mailto", "metrics",
					    "notes-template", "pool",        "script", "start-paused-command",
					    "tmpdir",         "exclude-path" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

/* When a guest waits to be started again, it would be too late for this check. */
static int check_command(const char *key, const char *value, struct error **err)
{
	_cleanup_strv_ char **words = NULL;

	if (!str_suffix(key, "-command"))
		return 0;
	words = strv_split_args(value);
	if (words && words[0])
		return 0;
	return error_set(err, ERR_INVALID,
			 words ? "value '%s' is not a command" : "a quote is not closed in '%s'", value);
}

static int set_value(struct options *o, const char *key, const char *value, struct error **err)
{
	int r = check_command(key, value, err);

	if (r == 0)
		r = options_set(o, key, value, err);
	return r;
}

static void set_line(struct options *o, const char *file, const char *key, const char *value,
		     const struct log *log)
{
	const struct option *row = option_find(o->table, key);
	_cleanup_error_ struct error *err = NULL;
	int r = 0;

	if (!row)
		warn_unknown(o->table, file, key, log);
	if (!row || (row->flags & OPTION_CLI_ONLY))
		return;
	if (!*value && may_be_empty(key)) {
		options_unset(o, key);
	} else if (row->flags & OPTION_ARRAY) {
		r = set_patterns(o, key, value, &err);
	} else {
		options_unset(o, key);
		r = set_value(o, key, value, &err);
	}
	if (r < 0)
		log_warn(log, "parse error in '%s' - '%s': %s", file, key, error_message(err));
}

static void parse_line(struct options *o, const char *file, char *line, const struct log *log)
{
	char *colon;
	char *value;

	line = str_strip(line);
	if (!*line || *line == '#')
		return;
	colon = strchr(line + 1, ':');
	if (*line == ':' || !colon || strcspn(line, " \t") < (size_t)(colon - line)) {
		log_warn(log, "ignore config line: %s (in '%s', whose lines are 'key: value')", line, file);
		return;
	}
	*colon = '\0';
	value = str_strip(colon + 1);
	set_line(o, file, line, value, log);
}

void vzdump_conf_parse(const char *text, const char *file, struct options *o, const struct log *log)
{
	const char *at;
	size_t len;

	while (str_next_line(&text, &at, &len)) {
		_cleanup_free_ char *line = xstrndup(at, len);

		parse_line(o, file, line, log);
	}
	if (options_given(o, "storage") && options_given(o, "dumpdir")) {
		log_warn(log, "both 'storage' and 'dumpdir' defined in '%s' - ignoring 'dumpdir'", file);
		options_unset(o, "dumpdir");
	}
}

int vzdump_conf_load(const struct paths *p, struct options *ret, const struct log *log, struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/vzdump.conf");
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *e = NULL;
	int r;

	options_init(ret, &vzdump_options);
	r = io_read_file(file, CONF_MAX, &text, &e);
	if (r < 0 && r != -ENOENT) {
		error_keep_first(err, &e);
		return r;
	}
	if (r >= 0)
		vzdump_conf_parse(buf_str(&text), file, ret, log);
	return 0;
}

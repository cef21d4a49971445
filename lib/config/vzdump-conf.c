/* /etc/vzdump.conf, and what holds when both it and the command line speak. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "config/formats.h"
#include "place/notes-template.h"
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
 * PVE takes unknown keys without a word, and so an administrator learns that "fleecng: 1" was none when
 * the guest has already waited.
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

/* Of these PVE's program takes an empty value for none; of others it is a bad one. */
static bool may_be_empty(const char *key)
{
	static const char *const keys[] = { "dumpdir", "mailto",      "notes-template",
					    "pool",    "script",      "start-paused-command",
					    "tmpdir",  "exclude-path" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

/* What is only found out when a guest waits to be started again would be too late. */
static int check_command(const char *key, const char *value, struct error **err)
{
	_cleanup_strv_ char **words = NULL;

	if (!str_suffix(key, "-command"))
		return 0;
	words = strv_split_args(value);
	if (words && words[0])
		return 0;
	return error_set(err, ERR_INVALID,
			 words ? "value '%s' is no command" : "a quote is not closed in '%s'", value);
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
		log_warn(log, "ignore config line: %s", line);
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

/* "max-workers=8,pbs-entries-max=5": a's keys, then those only b has.  Both were checked. */
static char *merge_performance(const char *a, const char *b)
{
	_cleanup_propstr_ struct propstr pa = { 0 };
	_cleanup_propstr_ struct propstr pb = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT;

	propstr_parse(&performance_format, a, &pa, NULL);
	propstr_parse(&performance_format, b, &pb, NULL);
	buf_adds(&out, a);
	for (size_t i = 0; i < pb.n; i++)
		if (!propstr_has(&pa, pb.pairs[i].key))
			buf_addf(&out, "%s%s=%s", out.len ? "," : "", pb.pairs[i].key, pb.pairs[i].value);
	return buf_steal(&out);
}

/*
 * Not taken as they are: those merged in their own way, and those that choose guests, as PVE has
 * chosen them before it reads the file.
 */
static bool taken_apart(const char *name)
{
	static const char *const names[] = {
		"exclude-path", "prune-backups", "performance", "vmid", "all",
		"exclude",      "pool",          "node",        "stop", "quiet",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool is_target(const char *name)
{
	return strcmp(name, "storage") == 0 || strcmp(name, "dumpdir") == 0;
}

static int merge_row(struct options *cli, const struct options *conf, const char *name, struct error **err)
{
	int r = options_set(cli, name, options_get(conf, name), err);

	if (r < 0)
		error_prefix(err, "option '%s' of vzdump.conf", name);
	return r;
}

/* As PVE: what is there, but empty, is none.  Only now, as "--script ''" puts vzdump.conf's out of force. */
static void drop_empty(struct options *o)
{
	static const char *const names[] = { "dumpdir", "script", "tmpdir" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (options_given(o, names[i]) && !*options_get(o, names[i]))
			options_unset(o, names[i]);
}

int vzdump_options_merge(struct options *cli, const struct options *conf, struct error **err)
{
	bool target = options_given(cli, "storage") || options_given(cli, "dumpdir");
	char *const *patterns = options_array(conf, "exclude-path");
	int r = 0;

	for (size_t i = 0; i < conf->table->n_rows && r == 0; i++) {
		const char *name = conf->table->rows[i].name;

		if (!options_given(conf, name) || options_given(cli, name) || taken_apart(name) ||
		    (target && is_target(name)))
			continue;
		r = merge_row(cli, conf, name, err);
	}
	for (size_t i = 0; r == 0 && patterns && patterns[i]; i++)
		r = options_set(cli, "exclude-path", patterns[i], err);
	if (r == 0 && options_given(conf, "performance")) {
		const char *own = options_given(cli, "performance") ? options_get(cli, "performance") : "";
		_cleanup_free_ char *merged = merge_performance(own, options_get(conf, "performance"));

		r = options_set(cli, "performance", merged, err);
	}
	drop_empty(cli);
	return r;
}

void vzdump_options_warn(const struct options *o, const struct log *log)
{
	const char *text = options_get(o, "fleecing");
	_cleanup_propstr_ struct propstr p = { 0 };
	const char *storage;

	if (!text || propstr_parse(&fleecing_format, text, &p, NULL) < 0)
		return;
	storage = propstr_get(&p, "storage");
	/* enabled=0 beside it is meant */
	if (storage && !propstr_has(&p, "enabled"))
		log_warn(log,
			 "fleecing is off, though storage '%s' is given for it: "
			 "enabled=1,storage=%s turns it on",
			 storage, storage);
}

static bool names_guests(const struct options *o)
{
	const char *ids = options_get(o, "vmid");
	_cleanup_strv_ char **list = ids ? strv_split_list(ids) : NULL;

	return strv_len(list) > 0;
}

static int check_notes(const struct options *o, struct error **err)
{
	const char *template = options_get(o, "notes-template");
	const int r = template ? notes_template_check(template, err) : 0;

	if (r < 0)
		error_prefix(err, "vzdump: option --notes-template");
	return r;
}

int vzdump_options_verify(struct options *o, struct error **err)
{
	const char *pool = options_get(o, "pool");
	const bool has_pool = pool && *pool, guests = names_guests(o);
	static const char *const rivals[] = { "all", "exclude", "pool" };
	const char *exclude = options_get(o, "exclude");

	for (size_t i = 0; i < ARRAY_SIZE(rivals); i++) {
		const char *value = options_get(o, rivals[i]);

		if (guests && value && *value && strcmp(value, "0") != 0)
			return error_set(err, ERR_INVALID,
					 "vzdump: option --%s conflicts with guest ids, give only "
					 "one of them",
					 rivals[i]);
	}
	if (check_notes(o, err) < 0)
		return ERR_INVALID;
	if (exclude && !has_pool)
		return options_set(o, "all", "1", err);
	if (!guests && !has_pool && !options_bool(o, "all") && !options_bool(o, "stop") &&
	    !options_bool(o, "cleanup"))
		return error_set(
			err, ERR_INVALID,
			"vzdump: no guest given, name guest ids or use --all or --pool (see --help)");
	return 0;
}

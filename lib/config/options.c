#include "config/options.h"
#include "config/value.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"

/* ---- the set ---- */

void options_init(struct options *o, const struct option_table *t)
{
	*o = (struct options){
		.table = t,
		.values = xcalloc(t->n_rows, sizeof(*o->values)),
	};
}

void options_clear(struct options *o)
{
	for (size_t i = 0; o->values && i < o->table->n_rows; i++)
		strv_free(o->values[i]);
	free(o->values);
	*o = (struct options){ 0 };
}

const struct option *option_find(const struct option_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_rows; i++)
		if (strcmp(t->rows[i].name, name) == 0)
			return &t->rows[i];
	return NULL;
}

bool option_is_argument(const struct option_table *t, const struct option *row)
{
	if (t->list_arg && strcmp(t->list_arg, row->name) == 0)
		return true;
	for (size_t i = 0; t->args && t->args[i]; i++)
		if (strcmp(t->args[i], row->name) == 0)
			return true;
	return false;
}

static char ***values_of(const struct options *o, const char *name)
{
	const struct option *row = option_find(o->table, name);

	assert(row);
	return &o->values[row - o->table->rows];
}

bool options_given(const struct options *o, const char *name)
{
	return *values_of(o, name) != NULL;
}

const char *options_get(const struct options *o, const char *name)
{
	char **values = *values_of(o, name);

	return values ? values[0] : option_find(o->table, name)->fallback;
}

bool options_bool(const struct options *o, const char *name)
{
	const char *value = options_get(o, name);

	return value && strcmp(value, "1") == 0;
}

int64_t options_int(const struct options *o, const char *name)
{
	const char *value = options_get(o, name);

	return value ? strtoimax(value, NULL, 10) : 0;
}

char *const *options_array(const struct options *o, const char *name)
{
	return *values_of(o, name);
}

void options_unset(struct options *o, const char *name)
{
	char ***values = values_of(o, name);

	strv_free(*values);
	*values = NULL;
}

static bool asks_for_nothing(const struct option *row, const char *value)
{
	return row->fallback && strcmp(row->fallback, value) == 0;
}

/* Replaces, appends or joins, depending on the row. */
static void store_value(char ***values, const struct option *row, const char *value)
{
	if (*values && (row->value.type == VALUE_VMID_LIST || row->value.type == VALUE_MAIL_LIST)) {
		_cleanup_free_ char *joined = xasprintf("%s,%s", (*values)[0], value);

		strv_free(*values);
		*values = NULL;
		strv_add(values, joined);
		return;
	}
	if (*values && !(row->flags & OPTION_ARRAY)) {
		strv_free(*values);
		*values = NULL;
	}
	strv_add(values, value);
}

int options_set(struct options *o, const char *name, const char *value, struct error **err)
{
	const struct option *row = option_find(o->table, name);
	_cleanup_free_ char *kept = NULL;
	int r;

	assert(row);
	r = value_check(&row->value, value, &kept, err);
	if (r < 0)
		return r;
	if ((row->flags & OPTION_LATER) && !asks_for_nothing(row, kept))
		return error_set(err, ERR_UNSUPPORTED, "value '%s' is not supported yet, leave it out",
				 value);
	store_value(&o->values[row - o->table->rows], row, kept);
	return 0;
}

/* ---- the command line ---- */

bool option_on_command_line(const struct option_table *t, const struct option *row)
{
	return !(row->flags & OPTION_CONF_ONLY) && !(t->list_arg && strcmp(t->list_arg, row->name) == 0);
}

static void unknown_option(const struct option_table *t, const char *name, struct error **err)
{
	struct nearest n = nearest_begin(name);
	_cleanup_free_ char *hint = NULL;

	for (size_t i = 0; i < t->n_rows; i++)
		if (option_on_command_line(t, &t->rows[i]))
			nearest_offer(&n, t->rows[i].name);
	hint = n.best ? xasprintf("did you mean --%s?", n.best) : xstrdup("see --help");
	error_set(err, ERR_INVALID, "unknown option --%s (%s)", name, hint);
}

/* "--fleec" is --fleecing, though there is --fleecing-limit too: the shorter, or NULL if none begins the other. */
static const struct option *shorter_of(const struct option *a, const struct option *b)
{
	if (str_prefix(b->name, a->name, NULL))
		return a;
	return str_prefix(a->name, b->name, NULL) ? b : NULL;
}

const struct option *option_lookup(const struct option_table *t, const char *name, struct error **err)
{
	const struct option *found = NULL;
	size_t len = strlen(name);

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct option *row = &t->rows[i];

		if (!option_on_command_line(t, row) || strncasecmp(row->name, name, len) != 0)
			continue;
		if (!row->name[len])
			return row;
		if (found && !shorter_of(found, row)) {
			error_set(err, ERR_INVALID, "option --%s is ambiguous (--%s or --%s)", name,
				  found->name, row->name);
			return NULL;
		}
		found = found ? shorter_of(found, row) : row;
	}
	if (!found)
		unknown_option(t, name, err);
	return found;
}

bool option_is_word(const char *word)
{
	return word[0] == '-' && word[1] && strcmp(word, "--") != 0;
}

/* Splits "--name=value" or "-name": returns a copy of the name; *ret_value is NULL without "=". */
static char *split_word(const char *arg, const char **ret_value)
{
	const char *name = arg + (arg[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");

	*ret_value = name[len] ? name + len + 1 : NULL;
	return xstrndup(name, len);
}

/* The word may also be an argument of the command. */
bool option_is_bool_value(const struct option_table *t, const char *next)
{
	bool on;
	_cleanup_strv_ char **ids = NULL;

	if (!next || option_is_word(next) || strcmp(next, "--") == 0)
		return false;
	if (units_parse_bool(next, &on))
		return true;
	if (t->args)
		return false;
	if (!t->list_arg)
		return true;
	ids = strv_split_list(next);
	for (size_t i = 0; ids && ids[i]; i++)
		if (!vmid_parse(ids[i]))
			return true;
	return false;
}

/* next: the following word, or NULL. */
static int take_option(struct options *o, const char *arg, const char *next, bool *used_next,
		       struct error **err)
{
	const char *value;
	_cleanup_free_ char *name = split_word(arg, &value);
	const struct option *row = option_lookup(o->table, name, err);
	int r;

	*used_next = false;
	if (!row)
		return ERR_INVALID;
	if (row->value.type == VALUE_BOOL) {
		*used_next = !value && option_is_bool_value(o->table, next);
		if (!value || !*value)
			value = *used_next ? next : "1";
	} else {
		*used_next = !value && next;
		if (*used_next)
			value = next;
		else if (!value)
			return error_set(err, ERR_INVALID, "option --%s needs a value", row->name);
	}
	r = options_set(o, row->name, value, err);
	if (r < 0)
		return error_wrap(err, r, "option --%s", row->name);
	return r;
}

static int set_argument(struct options *o, const char *name, const char *value, struct error **err)
{
	int r = options_set(o, name, value, err);

	if (r < 0)
		return error_wrap(err, r, "argument <%s>", name);
	return r;
}

static int take_arguments(struct options *o, char *const *args, struct error **err)
{
	const struct option_table *t = o->table;
	size_t n_names = 0;

	while (t->args && t->args[n_names])
		n_names++;
	for (size_t i = 0; args && args[i]; i++) {
		const char *name = t->list_arg;
		int r;

		if (!name && i < n_names)
			name = t->args[i];
		else if (!name && n_names && option_find(t, t->args[n_names - 1])->flags & OPTION_ARRAY)
			name = t->args[n_names - 1];
		if (!name)
			return error_set(err, ERR_INVALID, "unexpected argument '%s' (see --help)", args[i]);
		r = set_argument(o, name, args[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_rows(const struct options *o, struct error **err)
{
	for (size_t i = 0; i < o->table->n_rows; i++) {
		const struct option *row = &o->table->rows[i];

		if ((row->flags & OPTION_REQUIRED) && !o->values[i])
			return error_set(err, ERR_INVALID,
					 option_is_argument(o->table, row)
						 ? "argument <%s> is missing (see --help)"
						 : "option --%s is missing (see --help)",
					 row->name);
		if (row->requires && o->values[i] && !options_given(o, row->requires))
			return error_set(err, ERR_INVALID, "option --%s needs --%s too", row->name,
					 row->requires);
	}
	return 0;
}

/* True if arg asks for help or version, which ends parsing. */
static bool take_info(struct options *o, const char *arg)
{
	if (strcmp(arg, "--help") == 0 || strcmp(arg, "-help") == 0 || strcmp(arg, "-h") == 0)
		o->help = true;
	else if (strcmp(arg, "--version") == 0)
		o->version = true;
	return o->help || o->version;
}

static int parse_words(struct options *o, int argc, char *const argv[], struct error **err)
{
	_cleanup_strv_ char **args = NULL;
	bool only_arguments = false;
	int r;

	for (int i = 1; i < argc; i++) {
		bool used_next;

		if (only_arguments || (!option_is_word(argv[i]) && strcmp(argv[i], "--") != 0)) {
			strv_add(&args, argv[i]);
			continue;
		}
		if (strcmp(argv[i], "--") == 0) {
			only_arguments = true;
			continue;
		}
		if (take_info(o, argv[i]))
			return 0;
		r = take_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used_next, err);
		if (r < 0)
			return r;
		i += used_next;
	}
	r = take_arguments(o, args, err);
	return r < 0 ? r : check_rows(o, err);
}

int options_parse(const struct option_table *t, int argc, char *const argv[], struct options *ret,
		  struct error **err)
{
	int r;

	options_init(ret, t);
	r = parse_words(ret, argc, argv, err);
	if (r < 0)
		return error_wrap(err, r, "%s", t->command);
	return r;
}

/* Which option or argument of which command is being typed. */
#include "complete.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

/* The meaning of the words in front of the cursor. */
struct line {
	const struct option_table *table;
	char ***values;               /* per row, as far as given */
	const struct option *pending; /* whose value is being typed; NULL: none */
	bool only_arguments;
	size_t n_args;
};

/* ---- the words in front ---- */

static void add_value(struct line *l, const struct option *row, const char *value)
{
	strv_add(&l->values[row - l->table->rows], value);
}

/* The row that takes the argument number n; NULL: none does. */
static const struct option *argument_row(const struct option_table *t, size_t n)
{
	size_t n_names = 0;

	if (t->list_arg)
		return option_find(t, t->list_arg);
	while (t->args && t->args[n_names])
		n_names++;
	if (n >= n_names && n_names && option_find(t, t->args[n_names - 1])->flags & OPTION_ARRAY)
		n = n_names - 1;
	return n < n_names ? option_find(t, t->args[n]) : NULL;
}

/*
 * Reads the option in words[at]; returns the number of its words.  Its value may be the word under the
 * cursor.
 */
static size_t read_option(struct line *l, char *const *words, size_t n, size_t at)
{
	const char *name = words[at] + (words[at][1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	_cleanup_free_ char *key = xstrndup(name, len);
	const struct option *row = option_lookup(l->table, key, NULL);
	const char *next = at + 1 < n ? words[at + 1] : NULL;

	if (!row)
		return 1;
	if (name[len] || (row->value.type == VALUE_BOOL && next && !option_is_bool_value(l->table, next))) {
		add_value(l, row, name[len] ? name + len + 1 : "1");
		return 1;
	}
	if (next)
		add_value(l, row, next);
	else
		l->pending = row;
	return 2;
}

static void read_words(struct line *l, char *const *words, size_t n)
{
	for (size_t i = 0; i < n;) {
		const struct option *row = argument_row(l->table, l->n_args);

		if (!l->only_arguments && option_is_word(words[i])) {
			i += read_option(l, words, n, i);
			continue;
		}
		if (!l->only_arguments && !strcmp(words[i], "--")) {
			l->only_arguments = true;
		} else {
			if (row)
				add_value(l, row, words[i]);
			l->n_args++;
		}
		i++;
	}
}

/* ---- the word under the cursor ---- */

static bool may_repeat(const struct option *row)
{
	return (row->flags & OPTION_ARRAY) || row->value.type == VALUE_VMID_LIST;
}

static void offer_options(struct completion *c, const struct line *l)
{
	for (size_t i = 0; i < l->table->n_rows; i++) {
		const struct option *row = &l->table->rows[i];

		if (!option_on_command_line(l->table, row) || option_is_argument(l->table, row) ||
		    (l->values[i] && !may_repeat(row)))
			continue;
		complete_add(c, "--", row->name, row->description);
	}
	complete_add(c, "--", "help", "Show the options");
	complete_add(c, "--", "version", "Show the version");
}

/* "--name=value" */
static void offer_joined(struct completion *c, const struct line *l)
{
	const char *name = c->word + (c->word[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	_cleanup_free_ char *key = xstrndup(name, len);
	_cleanup_free_ char *head = xstrndup(c->word, (size_t)(name - c->word) + len + 1);
	const struct option *row = option_lookup(l->table, key, NULL);

	if (row)
		complete_value(c, row, head, l->values[row - l->table->rows]);
}

static void offer_argument(struct completion *c, const struct line *l)
{
	const struct option *row = argument_row(l->table, l->n_args);

	if (row)
		complete_value(c, row, "", l->values[row - l->table->rows]);
}

static void offer_word(struct completion *c, const struct line *l)
{
	if (l->pending && l->pending->value.type != VALUE_BOOL) {
		complete_value(c, l->pending, "", l->values[l->pending - l->table->rows]);
		return;
	}
	if (!l->only_arguments && c->word[0] == '-') {
		if (strchr(c->word, '='))
			offer_joined(c, l);
		else
			offer_options(c, l);
		return;
	}
	if (l->pending)
		complete_value(c, l->pending, "", NULL);
	offer_argument(c, l);
	if (!c->n && !*c->word && !l->only_arguments)
		offer_options(c, l);
}

/* words: n of them in front of c->word. */
static void complete_command(struct completion *c, const struct option_table *t, char *const *words, size_t n)
{
	struct line l = { .table = t, .values = xcalloc(t->n_rows, sizeof(*l.values)) };
	const struct option *archive = option_find(t, "archive");

	read_words(&l, words, n);
	if (archive && l.values[archive - t->rows])
		c->archive = xstrdup(l.values[archive - t->rows][0]);
	offer_word(c, &l);
	for (size_t i = 0; i < t->n_rows; i++)
		strv_free(l.values[i]);
	free(l.values);
}

/* The names of the commands, where no word stands in front. */
static void offer_commands(struct completion *c, const struct command_set *set)
{
	for (size_t i = 0; set->commands[i]; i++)
		if (set->commands[i]->name)
			complete_add(c, "", set->commands[i]->name, set->commands[i]->table->summary);
	if (!set->commands[0]->name)
		return;
	complete_add(c, "", "help", "Show the commands");
	if (*c->word == '-') {
		complete_add(c, "--", "help", "Show the commands");
		complete_add(c, "--", "version", "Show the version");
	}
}

static void complete_tool(struct completion *c, const struct command_set *set, char *const *words, size_t n)
{
	for (size_t i = 0; n && set->commands[i]; i++) {
		const struct command *command = set->commands[i];

		if (command->name && !strcmp(command->name, words[0])) {
			complete_command(c, command->table, words + 1, n - 1);
			return;
		}
	}
	if (!set->commands[0]->name)
		complete_command(c, set->commands[0]->table, words, n);
	if (!n)
		offer_commands(c, set);
}

/* ---- from and to the shell ---- */

static void print_lines(const struct completion *c)
{
	for (size_t i = 0; i < c->n; i++)
		printf("%s\t%s\n", c->list[i].text, c->list[i].description);
}

static void complete_bash(const struct command_set *set, const char *line)
{
	char quote;
	const char *raw;
	_cleanup_strv_ char **words = complete_split_line(line, &quote, &raw);
	size_t n = strv_len(words);
	struct completion c;

	if (n < 2)
		return;
	complete_begin(&c, words[n - 1]);
	complete_tool(&c, set, words + 1, n - 2);
	complete_print_bash(&c, quote, raw);
	complete_end(&c);
}

static void complete_words(const struct command_set *set, const char *index, char *const *words, size_t n)
{
	struct completion c;
	uint64_t at;

	if (units_parse_u64(index, 0, n, "index", &at, NULL) < 0)
		return;
	complete_begin(&c, at < n ? words[at] : "");
	complete_tool(&c, set, words, at);
	print_lines(&c);
	complete_end(&c);
}

bool complete_wanted(int argc, char *const argv[])
{
	return argc >= 2 && str_prefix(argv[1], "--complete-", NULL);
}

int complete_main(const struct command_set *set, int argc, char *argv[])
{
	if (argc == 3 && !strcmp(argv[1], "--complete-bash"))
		complete_bash(set, argv[2]);
	else if (argc >= 4 && !strcmp(argv[1], "--complete-words") && !strcmp(argv[3], "--"))
		complete_words(set, argv[2], argv + 4, (size_t)argc - 4);
	return 0;
}

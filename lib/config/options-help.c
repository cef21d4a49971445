#include <string.h>

#include "config/options.h"
#include "config/value.h"

#define WIDTH 79

/* Appends text in lines broken between words, each indented by `indent` blanks. */
static void add_wrapped(struct buf *out, const char *text, int indent)
{
	size_t column = 0;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (column && column + 1 + len > WIDTH) {
			buf_addc(out, '\n');
			column = 0;
		}
		if (column == 0) {
			buf_addf(out, "%*s", indent, "");
			column = (size_t)indent;
		} else {
			buf_addc(out, ' ');
			column++;
		}
		buf_add(out, text, len);
		column += len;
		text += len + strspn(text + len, " ");
	}
	buf_addc(out, '\n');
}

static void add_usage(const struct option_table *t, struct buf *out)
{
	buf_addf(out, "USAGE: %s", t->command);
	if (t->list_arg)
		buf_addf(out, " [<%s> ...]", t->list_arg);
	for (size_t i = 0; t->args && t->args[i]; i++) {
		const unsigned flags = option_find(t, t->args[i])->flags;

		buf_addf(out, flags & OPTION_REQUIRED ? " <%s>" : " [<%s>%s]", t->args[i],
			 flags & OPTION_ARRAY ? " ..." : "");
	}
	buf_adds(out, " [OPTIONS]\n\n");
}

static void add_option(const struct option_table *t, const struct option *row, struct buf *out)
{
	_cleanup_free_ char *type = value_describe(&row->value);
	_cleanup_buf_ struct buf text = BUF_INIT;

	if (option_is_argument(t, row))
		buf_addf(out, "  <%s>", row->name);
	else
		buf_addf(out, "  --%s %s", row->name, type);
	if (row->fallback && *row->fallback)
		buf_addf(out, " (default: %s)", row->fallback);
	buf_addc(out, '\n');

	buf_adds(&text, row->description);
	if (row->flags & OPTION_ARRAY)
		buf_adds(&text, " May be given several times.");
	if (row->requires)
		buf_addf(&text, " Needs --%s.", row->requires);
	if (row->flags & OPTION_CONTAINERS)
		buf_adds(&text, " Without effect on VMs.");
	if (row->flags & OPTION_LATER)
		buf_adds(&text, " Not supported yet.");
	add_wrapped(out, buf_str(&text), 8);
}

void options_help(const struct option_table *t, struct buf *out)
{
	add_usage(t, out);
	if (t->summary) {
		add_wrapped(out, t->summary, 0);
		buf_addc(out, '\n');
	}
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].flags & OPTION_CONF_ONLY)
			continue;
		add_option(t, &t->rows[i], out);
	}
	buf_adds(out, "  --help\n        Show this help.\n");
	buf_adds(out, "  --version\n        Show the version.\n");
}

/* The helper table: in text aligned with blanks, in HTML with thin lines. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "notify/template-internal.h"

/* Mail readers drop style sheets, but not the style of an element. */
#define CELL "style=\"border:1px solid #999;padding:3px 8px;text-align:left;overflow-wrap:break-word\""

/* Row by row, the labels first. */
struct grid {
	char **cells;
	size_t n;
	size_t columns, rows;
};

static void grid_clear(struct grid *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->cells[i]);
	free(g->cells);
}

static void grid_add(struct grid *g, char *cell)
{
	g->cells = tpl_grow(g->cells, g->n, sizeof(*g->cells));
	g->cells[g->n++] = cell;
}

/* Text shows null as a word, as PVE does; in HTML the cell stays empty. */
static char *cell_text(struct json_object *column, struct json_object *value, enum template_output output)
{
	const char *renderer = json_get_str(column, "renderer");
	char *formatted = renderer ? tpl_format(renderer, value) : NULL;
	struct buf text = BUF_INIT;

	if (formatted)
		return formatted;
	if (!value && output == TEMPLATE_TEXT)
		buf_adds(&text, "null");
	else
		tpl_add_value(&text, value);
	return buf_steal(&text);
}

/* Fails if the columns are not as in guest-table. */
static int fill(struct grid *g, struct json_object *table, enum template_output output, struct error **err)
{
	struct json_object *columns = json_get_array(json_get_obj(table, "schema"), "columns");
	struct json_object *rows = json_get_array(table, "data");

	if (!columns || !rows)
		return error_set(err, ERR_INVALID, "the value is no table");
	g->columns = json_array_len(columns);
	g->rows = 1 + json_array_len(rows);
	for (size_t i = 0; i < g->columns; i++) {
		const char *label = json_get_str(json_array_at(columns, i), "label");

		if (!label || !json_get_str(json_array_at(columns, i), "id"))
			return error_set(err, ERR_INVALID, "a column of the table has no label or no id");
		grid_add(g, xstrdup(label));
	}
	for (size_t row = 0; row < json_array_len(rows); row++)
		for (size_t i = 0; i < g->columns; i++) {
			struct json_object *column = json_array_at(columns, i);
			const char *id = json_get_str(column, "id");

			grid_add(g, cell_text(column, json_get_obj(json_array_at(rows, row), id), output));
		}
	return 0;
}

/* ---- text ---- */

/* Bytes from the beginning of the longest cell of a column to the next column. */
static size_t width_of(const struct grid *g, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < g->n; i += g->columns)
		if (strlen(g->cells[i]) > width)
			width = strlen(g->cells[i]);
	return width + 4;
}

/* Characters, so that those of several bytes keep the columns straight. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void add_text_row(const struct grid *g, size_t first, const size_t *widths, struct buf *out)
{
	for (size_t i = 0; i < g->columns; i++) {
		const char *cell = g->cells[first + i];
		const size_t padding = widths[i] - text_width(cell);

		buf_adds(out, cell);
		memset(buf_reserve(out, padding), ' ', padding);
		buf_added(out, padding);
	}
	buf_addc(out, '\n');
}

static int add_text_table(const struct grid *g, struct buf *out, struct error **err)
{
	_cleanup_free_ size_t *widths = xcalloc(g->columns + 1, sizeof(*widths));
	size_t line = 1;

	for (size_t i = 0; i < g->columns; i++) {
		widths[i] = width_of(g, i);
		line += widths[i];
	}
	if (g->n && line > TEMPLATE_MAX_OUTPUT / g->rows)
		return error_set(err, ERR_INVALID, "the table is larger than %zu MiB",
				 TEMPLATE_MAX_OUTPUT >> 20);
	for (size_t i = 0; i < g->n; i += g->columns)
		add_text_row(g, i, widths, out);
	return 0;
}

/* ---- HTML ---- */

static void add_html_row(const struct grid *g, size_t first, const char *tag, struct buf *out)
{
	buf_adds(out, "<tr>");
	for (size_t i = 0; i < g->columns; i++) {
		const char *cell = g->cells[first + i];

		buf_addf(out, "<%s " CELL ">", tag);
		tpl_add_html(out, cell, strlen(cell));
		buf_addf(out, "</%s>", tag);
	}
	buf_adds(out, "</tr>\n");
}

static void add_html_table(const struct grid *g, struct buf *out)
{
	buf_adds(out, "<table style=\"border-collapse:collapse\">\n");
	for (size_t i = 0; i < g->n; i += g->columns)
		add_html_row(g, i, i ? "td" : "th", out);
	buf_adds(out, "</table>\n");
}

int tpl_table(struct json_object *table, enum template_output output, struct buf *out, struct error **err)
{
	_cleanup_(grid_clear) struct grid g = { .rows = 1 };
	int r = fill(&g, table, output, err);

	if (r < 0)
		return r;
	if (output == TEMPLATE_TEXT)
		return add_text_table(&g, out, err);
	add_html_table(&g, out);
	return 0;
}

/* pvesm status: the storages of this node. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "json-out.h"
#include "pvesm-commands.h"

static const struct option rows[] = {
	{ .name = "content",
	  .complete = COMPLETE_CONTENT,
	  .description = "Only storages that are enabled and for one of these content types." },
	{ .name = "enabled",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Only storages that are enabled." },
	PVESM_FORMAT_ROW,
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .complete = COMPLETE_STORAGE,
	  .description = "Only this storage." },
};

static const struct option_table table = {
	.command = "pvesm status",
	.summary = "show the storages",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

struct row {
	const struct storage *s;
	bool enabled, active;
	struct storage_status status;
};

static bool is_wanted(const struct pvesm *p, const struct storage *s, struct options *o, unsigned content)
{
	const char *id = options_get(o, "storage");

	if (id && strcmp(id, s->id) != 0)
		return false;
	if ((content || options_bool(o, "enabled")) && !storage_enabled(&p->storages, s))
		return false;
	return !content || s->content & content;
}

static void fill_row(const struct pvesm *p, struct row *row)
{
	_cleanup_error_ struct error *err = NULL;
	const struct storage *s;
	int r;

	row->enabled = storage_enabled(&p->storages, row->s);
	if (!row->enabled)
		return;
	r = storage_get(&p->storages, row->s->id, 0, &s, &err);
	if (r == 0)
		r = storage_activate(s, &p->log, &err);
	if (r == 0)
		r = storage_status(s, &row->status, &err);
	row->active = r == 0;
	if (r < 0) {
		row->status = (struct storage_status){ 0 };
		log_warn(&p->log, "%s", error_message(err));
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return strcmp(x->s->id, y->s->id);
}

static void print_text(const struct row *list, size_t n)
{
	int width = 0;

	for (size_t i = 0; i < n; i++)
		if ((int)strlen(list[i].s->id) > width)
			width = (int)strlen(list[i].s->id);
	width++;
	printf("%-*s %10s %10s %15s %15s %15s %8s\n", width, "Name", "Type", "Status", "Total (KiB)",
	       "Used (KiB)", "Available (KiB)", "%");
	for (size_t i = 0; i < n; i++) {
		const struct storage_status *st = &list[i].status;

		printf("%-*s %10s %10s %15" PRIu64 " %15" PRIu64 " %15" PRIu64, width, list[i].s->id,
		       list[i].s->type,
		       !list[i].enabled ? "disabled"
		       : list[i].active ? "active"
					: "inactive",
		       st->total / 1024, st->used / 1024, st->avail / 1024);
		if (list[i].enabled)
			printf(" % 7.2f%%\n", st->total ? (double)st->used * 100.0 / (double)st->total : 0.0);
		else
			printf(" %8s\n", "N/A");
	}
}

static char *content_text(const struct storage *s)
{
	/* by name, as PVE */
	static const enum storage_content all[] = { STORAGE_BACKUP, STORAGE_IMAGES,  STORAGE_IMPORT,
						    STORAGE_ISO,    STORAGE_ROOTDIR, STORAGE_SNIPPETS,
						    STORAGE_VZTMPL };
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (s->content & all[i])
			buf_addf(&b, "%s%s", b.len ? "," : "", storage_content_name(all[i]));
	return buf_steal(&b);
}

static struct json_object *to_json(const struct row *list, size_t n)
{
	struct json_object *all = json_new_array();

	for (size_t i = 0; i < n; i++) {
		const struct row *row = &list[i];
		struct json_object *o = json_new_obj();
		_cleanup_free_ char *content = content_text(row->s);

		json_put_int(o, "active", row->active);
		json_put_u64(o, "avail", row->status.avail);
		json_put_text(o, "content", content);
		json_put_int(o, "enabled", row->enabled);
		json_put_int(o, "shared", row->s->shared);
		json_put_text(o, "storage", row->s->id);
		json_put_u64(o, "total", row->status.total);
		json_put_text(o, "type", row->s->type);
		json_put_u64(o, "used", row->status.used);
		if (row->status.total)
			json_put_double(o, "used_fraction",
					(double)row->status.used / (double)row->status.total);
		json_append(all, o);
	}
	return all;
}

static int run(struct options *o, struct error **err)
{
	_cleanup_pvesm_ struct pvesm p;
	_cleanup_free_ struct row *list = NULL;
	const char *id = options_get(o, "storage");
	unsigned content;
	size_t n = 0;
	int r = pvesm_open(&p, err);

	if (r == 0)
		r = pvesm_parse_content(options_get(o, "content"), &content, err);
	if (r < 0)
		return r;
	if (id && !storage_find(&p.storages, id))
		return storage_unknown(&p.storages, id, err);
	list = xcalloc(p.storages.n, sizeof(*list));
	for (size_t i = 0; i < p.storages.n; i++)
		if (is_wanted(&p, &p.storages.storages[i], o, content)) {
			list[n].s = &p.storages.storages[i];
			fill_row(&p, &list[n++]);
		}
	if (n)
		qsort(list, n, sizeof(*list), compare_rows);
	if (pvesm_is_text(o))
		print_text(list, n);
	else
		pvesm_print_json(o, to_json(list, n));
	return 0;
}

const struct command pvesm_command_status = { .name = "status", .table = &table, .run = run };

/* pvesm list: the volumes of a storage. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "json-out.h"
#include "pvesm-commands.h"
#include "place/content.h"

static const char *const args[] = { "storage", NULL };

static const struct option rows[] = {
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_STORAGE,
	  .description = "The storage." },
	{ .name = "content",
	  .complete = COMPLETE_CONTENT,
	  .description = "Only volumes of this type: images, rootdir, vztmpl, iso, backup, snippets, "
			 "import." },
	PVESM_FORMAT_ROW,
	{ .name = "vmid",
	  .value = { .type = VALUE_VMID },
	  .complete = COMPLETE_VMID,
	  .description = "Only volumes of this guest." },
};

static const struct option_table table = {
	.command = "pvesm list",
	.summary = "list the volumes on a storage",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

static void print_row(const struct storage_volume *v, int name_width, int size_width)
{
	_cleanup_free_ char *size = xasprintf("%s%" PRIu64, v->approximate ? "~" : "", v->size);
	_cleanup_free_ char *volid = text_cleaned(v->volid);

	printf("%-*s %-7s %-9s %*s", name_width, volid, v->format, storage_content_name(v->content),
	       size_width, size);
	if (v->vmid)
		printf(" %" PRIu32, v->vmid);
	putchar('\n');
}

static int by_format(const void *a, const void *b)
{
	const struct storage_volume *const *x = a, *const *y = b;
	int r = strcmp((*x)->format, (*y)->format);

	return r ? r : strcasecmp((*x)->volid, (*y)->volid);
}

/* Guests' volumes come first. */
static void print_text(const struct storage_volume *list, size_t n)
{
	_cleanup_free_ const struct storage_volume **others = xcalloc(n + 1, sizeof(*others));
	int name_width = 0, size_width;
	uint64_t largest = 0;
	bool approximate = false;
	size_t n_others = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *volid = text_cleaned(list[i].volid);

		if ((int)strlen(volid) > name_width)
			name_width = (int)strlen(volid);
		if (list[i].size > largest)
			largest = list[i].size;
		approximate = approximate || list[i].approximate;
	}
	size_width = snprintf(NULL, 0, "%" PRIu64, largest) + approximate;
	printf("%-*s %-7s %-9s %*s %s\n", name_width, "Volid", "Format", "Type", size_width, "Size", "VMID");
	for (size_t i = 0; i < n; i++) {
		if (list[i].vmid)
			print_row(&list[i], name_width, size_width);
		else
			others[n_others++] = &list[i];
	}
	qsort(others, n_others, sizeof(const struct storage_volume *), by_format);
	for (size_t i = 0; i < n_others; i++)
		print_row(others[i], name_width, size_width);
}

static struct json_object *to_json(const struct storage_volume *list, size_t n)
{
	struct json_object *all = json_new_array();

	for (size_t i = 0; i < n; i++) {
		const struct storage_volume *v = &list[i];
		struct json_object *o = json_new_obj();

		json_put_text(o, "content", storage_content_name(v->content));
		if (v->ctime)
			json_put_int(o, "ctime", v->ctime);
		json_put_text(o, "format", v->format);
		if (v->notes && *v->notes)
			json_put_text(o, "notes", v->notes);
		if (v->parent)
			json_put_text(o, "parent", v->parent);
		if (v->is_protected)
			json_put_int(o, "protected", 1);
		json_put_u64(o, v->approximate ? "approximate-size" : "size", v->size);
		if (v->subtype)
			json_put_text(o, "subtype", v->subtype);
		if (v->content == STORAGE_IMAGES || v->content == STORAGE_ROOTDIR)
			json_put_u64(o, "used", v->used);
		if (v->vmid)
			json_put_u64(o, "vmid", v->vmid);
		json_put_text(o, "volid", v->volid);
		json_append(all, o);
	}
	return all;
}

static int run(struct options *o, struct error **err)
{
	_cleanup_pvesm_ struct pvesm p;
	struct storage_volume *list = NULL;
	const struct storage *s;
	unsigned content;
	size_t n = 0;
	int r = pvesm_open(&p, err);

	if (r == 0)
		r = storage_get(&p.storages, options_get(o, "storage"), 0, &s, err);
	if (r == 0)
		r = pvesm_parse_content(options_get(o, "content"), &content, err);
	if (r == 0)
		r = storage_content_list(s, options_given(o, "vmid") ? (uint32_t)options_int(o, "vmid") : 0,
					 content, &p.log, &list, &n, err);
	if (r < 0)
		return r;
	if (pvesm_is_text(o))
		print_text(list, n);
	else
		pvesm_print_json(o, to_json(list, n));
	storage_volumes_free(list, n);
	return 0;
}

const struct command pvesm_command_list = { .name = "list", .table = &table, .run = run };

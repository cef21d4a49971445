/* vma ls: what is inside an archive, a disk of it, a file system of that. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"
#include "json-out.h"
#include "show.h"
#include "vma-commands.h"
#include "vma-inside.h"

static const char *const formats[] = { "text", "json", NULL };
static const char *const args[] = { "place", "path", NULL };

static const struct option rows[] = {
	{ .name = "place",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE_PLACE,
	  .description = "ARCHIVE, ARCHIVE:DISK, ARCHIVE:DISK:PARTITION, ARCHIVE:LVM or "
			 "ARCHIVE:LVM:GROUP/VOLUME." },
	{ .name = "path",
	  .description = "A folder or file in there; it may also follow PLACE after a colon." },
	{ .name = "guestfs",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Read by libguestfs also what can be read without." },
	{ .name = "output-format",
	  .value = { .type = VALUE_ENUM, .values = formats },
	  .fallback = "text",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print it." },
};

static const struct option_table table = {
	.command = "vma ls",
	.summary = "list disks, their partitions, and the files in these",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

/* ---- the archive ---- */

static struct json_object *disks_json(const struct vma_inside *x)
{
	const struct vma_header *h = vma_random_header(x->random);
	struct json_object *list = json_new_array();

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		struct json_object *o;

		if (!h->devices[i].name)
			continue;
		o = json_new_obj();
		json_put_text(o, "disk", h->devices[i].name);
		json_put_u64(o, "size", h->devices[i].size);
		json_put_u64(o, "used", vma_random_stored(x->random, (uint8_t)i));
		json_append(list, o);
	}
	return list;
}

static void print_disks(const struct vma_inside *x)
{
	const struct vma_header *h = vma_random_header(x->random);

	show("%-20s %15s %15s\n", "DISK", "SIZE", "USED");
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name)
			show("%-20s %15" PRIu64 " %15" PRIu64 "\n", h->devices[i].name, h->devices[i].size,
			     vma_random_stored(x->random, (uint8_t)i));
}

/* ---- a disk ---- */

static struct json_object *partitions_json(const struct inside_table *t)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < t->n; i++) {
		const struct inside_part *p = &t->parts[i];
		struct json_object *o = json_new_obj();

		json_put_u64(o, "partition", p->number);
		json_put_u64(o, "offset", p->offset);
		json_put_u64(o, "size", p->size);
		json_put_text(o, "type", p->type);
		json_put_text(o, "name", p->name);
		json_put_text(o, "file-system", p->fs);
		json_put_text(o, "label", p->label);
		json_put_text(o, "uuid", p->uuid);
		json_append(list, o);
	}
	return list;
}

/* A name or a label may have a newline in it, which would pass for the next line. */
static char *one_line(const char *name)
{
	char *text = xstrdup(name ? name : "");

	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = '?';
	return text;
}

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

static void print_partitions(const struct inside_table *t)
{
	show("%-9s %15s %15s %-12s %-16s %s\n", "PARTITION", "OFFSET", "SIZE", "FILE SYSTEM", "LABEL",
	     "TYPE");
	for (size_t i = 0; i < t->n; i++) {
		const struct inside_part *p = &t->parts[i];
		_cleanup_free_ char *label = one_line(p->label);

		show("%-9u %15" PRIu64 " %15" PRIu64 " %-12s %-16s %s\n", p->number, p->offset, p->size,
		     or_dash(p->fs), or_dash(label), or_dash(p->type));
	}
}

static struct json_object *volumes_json(const struct inside_volumes *l)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < l->n; i++) {
		struct json_object *o = json_new_obj();

		json_put_text(o, "volume", l->items[i].name);
		json_put_u64(o, "size", l->items[i].size);
		json_put_text(o, "file-system", l->items[i].fs);
		json_put_text(o, "label", l->items[i].label);
		json_append(list, o);
	}
	return list;
}

static void print_volumes(const struct inside_volumes *l)
{
	show("%-30s %15s %-12s %s\n", "VOLUME", "SIZE", "FILE SYSTEM", "LABEL");
	for (size_t i = 0; i < l->n; i++) {
		_cleanup_free_ char *label = one_line(l->items[i].label);

		show("%-30s %15" PRIu64 " %-12s %s\n", l->items[i].name, l->items[i].size,
		     or_dash(l->items[i].fs), or_dash(label));
	}
}

/* ---- a folder ---- */

static const char *type_of(mode_t mode)
{
	return S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : S_ISREG(mode) ? "file" : "special";
}

static struct json_object *entries_json(const struct inside_entries *l)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < l->n; i++) {
		const struct inside_entry *e = &l->items[i];
		struct json_object *o = json_new_obj();
		char mode[16];

		snprintf(mode, sizeof(mode), "%04o", e->mode & 07777u);
		json_put_text(o, "name", e->name);
		json_put_str(o, "type", type_of(e->mode));
		json_put_str(o, "mode", mode);
		json_put_u64(o, "uid", e->uid);
		json_put_u64(o, "gid", e->gid);
		json_put_u64(o, "size", e->size);
		json_put_int(o, "mtime", e->mtime);
		json_put_text(o, "target", e->link);
		json_append(list, o);
	}
	return list;
}

/* "drwxr-xr-x". */
static void mode_text(char ret[11], mode_t mode)
{
	static const char letters[] = "rwxrwxrwx";

	ret[0] = S_ISDIR(mode)    ? 'd'
		 : S_ISLNK(mode)  ? 'l'
		 : S_ISCHR(mode)  ? 'c'
		 : S_ISBLK(mode)  ? 'b'
		 : S_ISFIFO(mode) ? 'p'
		 : S_ISSOCK(mode) ? 's'
				  : '-';
	for (unsigned i = 0; i < 9; i++)
		ret[i + 1] = mode & (0400u >> i) ? letters[i] : '-';
	if (mode & S_ISUID)
		ret[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		ret[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		ret[9] = mode & S_IXOTH ? 't' : 'T';
	ret[10] = '\0';
}

static void print_entries(const struct inside_entries *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct inside_entry *e = &l->items[i];
		_cleanup_free_ char *name = one_line(e->name), *link = one_line(e->link);
		const time_t when = (time_t)e->mtime;
		char mode[11], date[32] = "?";
		struct tm tm;

		mode_text(mode, e->mode);
		if (localtime_r(&when, &tm))
			strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
		show("%s %5u %5u %12" PRIu64 " %s %s%s%s\n", mode, e->uid, e->gid, e->size, date, name,
		     e->link ? " -> " : "", link);
	}
}

/* A folder, or the file itself. */
static int read_entries(struct vma_inside *x, const char *path, struct inside_entries *ret,
			struct error **err)
{
	_cleanup_error_ struct error *no_folder = NULL;
	struct inside_entry e = { 0 };
	int r = x->reader.ops->list(x->reader.x, path, ret, &no_folder);

	if (r != -ENOTDIR) {
		error_keep_first(err, &no_folder);
		return r;
	}
	r = x->reader.ops->look(x->reader.x, path, &e, err);
	if (r == 0)
		inside_entries_add(ret, &e);
	return r;
}

/* ---- the command ---- */

static int list_files(struct vma_inside *x, const struct options *o, const char *path, bool json,
		      struct error **err)
{
	_cleanup_inside_entries_ struct inside_entries l = { 0 };
	int r = vma_inside_open_reader(x, options_bool(o, "guestfs"), err);

	if (r == 0)
		r = read_entries(x, path ? path : "/", &l, err);
	if (r < 0)
		return r;
	inside_entries_sort(&l);
	if (json)
		json_out_print(entries_json(&l), JSON_C_TO_STRING_PRETTY);
	else
		print_entries(&l);
	return 0;
}

static int list_volumes(struct vma_inside *x, bool json, struct error **err)
{
	_cleanup_inside_volumes_ struct inside_volumes l = { 0 };
	int r = vma_inside_volumes(x, &l, err);

	if (r < 0)
		return r;
	if (json)
		json_out_print(volumes_json(&l), JSON_C_TO_STRING_PRETTY);
	else
		print_volumes(&l);
	return 0;
}

static int list_partitions(struct vma_inside *x, bool json, struct error **err)
{
	int r = vma_inside_read_table(x, err);

	if (r < 0)
		return r;
	if (json)
		json_out_print(partitions_json(&x->table), JSON_C_TO_STRING_PRETTY);
	else
		print_partitions(&x->table);
	return 0;
}

static int list(struct vma_inside *x, const struct options *o, struct error **err)
{
	const char *path = options_get(o, "path");
	const bool json = !strcmp(options_get(o, "output-format"), "json");

	if (path && x->place.path)
		return error_set(err, ERR_INVALID, "two paths are given: '%s' and '%s'", x->place.path, path);
	path = path ? path : x->place.path;
	if (x->place.volume || x->place.partition >= 0 || (x->dev && path))
		return list_files(x, o, path, json, err);
	if (path)
		return error_set(err, ERR_INVALID,
				 "'%s': name a disk or volume before the path (vma ls %s shows them)", path,
				 x->place.archive);
	if (x->place.lvm)
		return list_volumes(x, json, err);
	if (x->dev)
		return list_partitions(x, json, err);
	if (json)
		json_out_print(disks_json(x), JSON_C_TO_STRING_PRETTY);
	else
		print_disks(x);
	return 0;
}

static int run(struct options *o, struct error **err)
{
	struct vma_inside x;
	int r = vma_inside_open(&x, options_get(o, "place"), err);

	if (r == 0)
		r = list(&x, o, err);
	vma_inside_close(&x);
	return r;
}

const struct command vma_command_ls = {
	.name = "ls",
	.table = &table,
	.run = run,
};

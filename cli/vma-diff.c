/* vma diff: what differs between the disks of two archives of one chain. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "json-out.h"
#include "vma-commands.h"
#include "vma/diff.h"

#define EXIT_DIFFERENT 1 /* as diff(1), cmp(1) and qemu-img compare */

static const char *const formats[] = { "text", "json", NULL };
static const char *const args[] = { "archive", "other", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "An archive of a chain." },
	{ .name = "other",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "Another archive of that chain." },
	{ .name = "map",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "List the places that differ, too." },
	{ .name = "output-format",
	  .value = { .type = VALUE_ENUM, .values = formats },
	  .fallback = "text",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print it." },
};

static const struct option_table table = {
	.command = "vma diff",
	.summary = "compare the disks of two incremental backups",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

struct comparison {
	struct vma_base *archives[2];
	bool map;
	struct vma_diff_totals totals;
	struct json_object *disks; /* NULL: text is printed */
};

/* A disk while it is compared. */
struct compared_disk {
	const char *name;
	uint8_t devs[2];
	uint64_t sizes[2];
	bool map;
	struct json_object *ranges; /* NULL: text is printed */
};

static const char *const kind_names[] = {
	[VMA_DIFF_DATA] = "data",
	[VMA_DIFF_ZERO] = "zero",
	[VMA_DIFF_NONE] = "none",
};

static void add_range_json(struct json_object *ranges, const struct vma_diff_range *r)
{
	struct json_object *o = json_new_obj(), *kinds = json_new_array();

	json_put_u64(o, "offset", r->offset);
	json_put_u64(o, "length", r->len);
	for (unsigned i = 0; i < 2; i++)
		json_append_str(kinds, kind_names[r->kinds[i]]);
	json_append(ranges, json_put_obj(o, "kinds", kinds));
}

static void on_range(void *opaque, const struct vma_diff_range *r)
{
	const struct compared_disk *d = opaque;

	if (d->ranges)
		add_range_json(d->ranges, r);
	else
		printf("differs: %s: %" PRIu64 " bytes at %" PRIu64 " (%s, %s)\n", d->name, r->len, r->offset,
		       kind_names[r->kinds[0]], kind_names[r->kinds[1]]);
}

static void print_disk(const struct compared_disk *d, const struct vma_diff_totals *t)
{
	printf("%s: clusters that differ: %" PRIu64 ", bytes: %" PRIu64, d->name, t->clusters, t->bytes);
	if (!d->devs[0] || !d->devs[1])
		printf("; it is only in the %s archive", d->devs[0] ? "first" : "second");
	else if (d->sizes[0] != d->sizes[1])
		printf("; its size is %" PRIu64 " and %" PRIu64, d->sizes[0], d->sizes[1]);
	putchar('\n');
}

static struct json_object *disk_json(const struct compared_disk *d, const struct vma_diff_totals *t)
{
	struct json_object *o = json_new_obj(), *sizes = json_new_array();

	json_put_text(o, "name", d->name);
	for (unsigned i = 0; i < 2; i++)
		json_append(sizes, d->devs[i] ? json_object_new_uint64(d->sizes[i]) : NULL);
	json_put_obj(o, "sizes", sizes);
	json_put_u64(o, "clusters", t->clusters);
	json_put_u64(o, "bytes", t->bytes);
	return o;
}

/* devs[0] or devs[1] may be 0: that archive does not have the disk. */
static int compare_disk(struct comparison *c, const char *name, const uint8_t devs[2], struct error **err)
{
	_cleanup_free_ char *clean = text_cleaned(name);
	struct compared_disk d = { .name = c->disks ? name : clean, .devs = { devs[0], devs[1] } };
	struct vma_diff_totals t;
	int r;

	for (unsigned i = 0; i < 2; i++)
		d.sizes[i] = vma_base_header(c->archives[i])->devices[devs[i]].size;
	d.ranges = c->disks && c->map ? json_new_array() : NULL;
	r = vma_diff_disk(c->archives, devs, c->map ? on_range : NULL, &d, &t, err);
	if (r == 0) {
		c->totals.clusters += t.clusters;
		c->totals.bytes += t.bytes;
	}
	if (r == 0 && c->disks)
		json_append(c->disks, json_put_obj(disk_json(&d, &t), "ranges", d.ranges));
	else if (r == 0)
		print_disk(&d, &t);
	else
		json_object_put(d.ranges);
	return r;
}

/* The id of the device of that name, or 0. */
static uint8_t find_device(const struct vma_base *b, const char *name)
{
	const struct vma_header *h = vma_base_header(b);

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name && !strcmp(h->devices[i].name, name))
			return (uint8_t)i;
	return 0;
}

/* The disks of the first archive, then those that only the second one has. */
static int compare_disks(struct comparison *c, struct error **err)
{
	int r = 0;

	for (unsigned which = 0; which < 2; which++)
		for (unsigned i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++) {
			const char *name = vma_base_header(c->archives[which])->devices[i].name;
			uint8_t devs[2];

			if (!name || (which == 1 && find_device(c->archives[0], name)))
				continue;
			devs[which] = (uint8_t)i;
			devs[!which] = find_device(c->archives[!which], name);
			r = compare_disk(c, name, devs, err);
		}
	return r;
}

static void print_totals(struct comparison *c)
{
	struct json_object *o;

	if (!c->disks) {
		printf("total: clusters that differ: %" PRIu64 ", bytes: %" PRIu64 "\n", c->totals.clusters,
		       c->totals.bytes);
		return;
	}
	o = json_put_obj(json_new_obj(), "disks", TAKE_PTR(c->disks));
	json_put_u64(o, "clusters", c->totals.clusters);
	json_put_u64(o, "bytes", c->totals.bytes);
	json_out_print(o, JSON_C_TO_STRING_PRETTY);
}

static int open_archive(const char *path, struct vma_base **ret, struct error **err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "cannot open archive '%s'", path)
		      : vma_base_open(fd, path, ret, err);
}

static int open_both(const char *const paths[2], struct comparison *c, struct error **err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = open_archive(paths[i], &c->archives[i], err);
	if (r == 0)
		r = vma_diff_check((const struct vma_base *const *)c->archives, err);
	if (r == ERR_UNSUPPORTED) {
		_cleanup_free_ char *why = xstrdup(err ? error_message(*err) : "");

		if (err)
			error_free(TAKE_PTR(*err));
		return error_set(err, r,
				 "cannot compare '%s' with '%s' (%s): take both apart by vma extract, and "
				 "compare by cmp",
				 paths[0], paths[1], why);
	}
	return r;
}

static int run(struct options *o, struct error **err)
{
	const char *const paths[2] = { options_get(o, "archive"), options_get(o, "other") };
	struct comparison c = { .map = options_bool(o, "map") };
	int r = open_both(paths, &c, err);

	if (!strcmp(options_get(o, "output-format"), "json"))
		c.disks = json_new_array();
	if (r == 0)
		r = compare_disks(&c, err);
	if (r == ERR_CORRUPT)
		error_prefix(err, "an archive is damaged (vma verify shows how)");
	if (r == 0)
		print_totals(&c);
	json_object_put(c.disks);
	for (unsigned i = 0; i < 2; i++)
		vma_base_free(c.archives[i]);
	return r < 0 ? r : c.totals.bytes ? EXIT_DIFFERENT : 0;
}

const struct command vma_command_diff = {
	.name = "diff",
	.table = &table,
	.run = run,
};

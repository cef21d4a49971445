/* pvesm alloc, free, path, extractconfig: one volume. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "pvesm-commands.h"
#include "show.h"
#include "place/backup-path.h"
#include "place/place.h"
#include "vma/reader.h"

static const char *const volume_args[] = { "volume", NULL };

#define VOLUME_ROW                                                                       \
	{                                                                                \
		.name = "volume", .flags = OPTION_REQUIRED, .complete = COMPLETE_VOLUME, \
		.description = "The volume: <storage>:<name>."                           \
	}

/* A volume of a storage; no path. */
static int open_volume(const struct pvesm *p, const char *volid, struct volume *ret, struct error **err)
{
	if (*volid == '/')
		return error_set(err, ERR_INVALID, "unable to parse volume ID '%s': it is a path", volid);
	return volume_open(&p->storages, volid, NULL, ret, err);
}

/* ---- alloc ---- */

static const char *const alloc_args[] = { "storage", "vmid", "filename", "size", NULL };
static const char *const image_formats[] = { "raw", "qcow2", "vmdk", NULL };

static const struct option alloc_rows[] = {
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_STORAGE_IMAGES,
	  .description = "The storage." },
	{ .name = "vmid",
	  .value = { .type = VALUE_VMID },
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_VMID,
	  .description = "The guest it belongs to." },
	{ .name = "filename",
	  .flags = OPTION_REQUIRED,
	  .description = "Its name, vm-<vmid>-...; '' for the next free vm-<vmid>-disk-<n>." },
	{ .name = "size",
	  .flags = OPTION_REQUIRED,
	  .description = "Size in KiB, or with M or G after it in MiB or GiB." },
	{ .name = "format",
	  .value = { .type = VALUE_ENUM, .values = image_formats },
	  .complete = COMPLETE_ENUM,
	  .description = "Default: the extension of the name, else the storage's own." },
	PVESM_FORMAT_ROW,
};

static const struct option_table alloc_table = {
	.command = "pvesm alloc",
	.summary = "make a disk image",
	.rows = alloc_rows,
	.n_rows = ARRAY_SIZE(alloc_rows),
	.args = alloc_args,
};

static int parse_size(const char *text, uint64_t *ret, struct error **err)
{
	const size_t digits = strspn(text, "0123456789");
	_cleanup_free_ char *number = xstrndup(text, digits);
	const char *suffix = text + digits;
	uint64_t unit = KIB;

	if (!strcmp(suffix, "M"))
		unit = MIB;
	else if (!strcmp(suffix, "G"))
		unit = GIB;
	if ((*suffix && unit == KIB) || units_parse_u64(number, 1, INT64_MAX / unit, "size", ret, NULL) < 0)
		return error_set(err, ERR_INVALID,
				 "size: unable to parse size '%s': give KiB, or a number with M or G", text);
	*ret *= unit;
	return 0;
}

/* From the extension of name, which is cut off, and --format; the two must not differ. */
static int choose_format(struct options *o, const struct storage *s, char *name, enum image_format *ret,
			 struct error **err)
{
	const char *given = options_get(o, "format");
	char *dot = strrchr(name, '.');
	int of_name = dot ? image_format_parse(dot + 1) : -1;

	*ret = given ? (enum image_format)image_format_parse(given) : s->format;
	if (of_name < 0 || of_name == IMAGE_SUBVOL)
		return 0;
	if (given && (enum image_format)of_name != *ret)
		return error_set(err, ERR_INVALID, "format: different storage formats (%s != %s)", given,
				 dot + 1);
	*ret = (enum image_format)of_name;
	*dot = '\0';
	return 0;
}

static int check_name(const char *name, uint32_t vmid, struct error **err)
{
	_cleanup_free_ char *prefix = xasprintf("vm-%" PRIu32 "-", vmid);

	return !*name || (str_prefix(name, prefix, NULL) && !strchr(name, '/'))
		       ? 0
		       : error_set(err, ERR_INVALID, "illegal name '%s' - should be '%s*'", name, prefix);
}

static int alloc_run(struct options *o, struct error **err)
{
	_cleanup_pvesm_ struct pvesm p;
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_free_ char *name = xstrdup(options_get(o, "filename"));
	struct volume_alloc a = { .vmid = (uint32_t)options_int(o, "vmid") };
	const struct storage *s;
	int r = pvesm_open(&p, err);

	if (r == 0)
		r = storage_get(&p.storages, options_get(o, "storage"), STORAGE_IMAGES, &s, err);
	if (r == 0)
		r = parse_size(options_get(o, "size"), &a.size, err);
	if (r == 0)
		r = choose_format(o, s, name, &a.format, err);
	if (r == 0)
		r = check_name(name, a.vmid, err);
	if (r == 0)
		r = storage_activate(s, &p.log, err);
	a.name = *name ? name : NULL;
	if (r == 0)
		r = volume_alloc(s, &a, &v, err);
	if (r < 0)
		return r;
	if (pvesm_is_text(o))
		show("successfully created '%s'\n", v.volid);
	else
		pvesm_print_text(o, v.volid);
	return 0;
}

const struct command pvesm_command_alloc = { .name = "alloc", .table = &alloc_table, .run = alloc_run };

/* ---- free ---- */

static const struct option free_rows[] = {
	VOLUME_ROW,
	PVESM_FORMAT_ROW,
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .complete = COMPLETE_STORAGE,
	  .description = "The storage, for a volume's name without one." },
};

static const struct option_table free_table = {
	.command = "pvesm free",
	.summary = "remove a volume",
	.rows = free_rows,
	.n_rows = ARRAY_SIZE(free_rows),
	.args = volume_args,
};

static int remove_backup(struct pvesm *p, const struct volume *v, struct error **err)
{
	_cleanup_place_ struct place *place = NULL;
	const char *name = strrchr(v->volname, '/') + 1;
	int r = place_of_storage(v->storage, &place, err);

	if (r < 0)
		return r;
	if (!place_exists(place, name))
		return error_errno(err, ENOENT, "cannot remove '%s'", v->volid);
	return place_remove(place, name, &p->log, err);
}

static int free_run(struct options *o, struct error **err)
{
	_cleanup_pvesm_ struct pvesm p;
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_free_ char *volid = NULL;
	int r = pvesm_open(&p, err);

	if (r == 0)
		r = pvesm_volume_id(o, &volid, err);
	if (r == 0)
		r = open_volume(&p, volid, &v, err);
	if (r == 0)
		r = storage_activate(v.storage, &p.log, err);
	if (r == 0)
		r = v.content == STORAGE_BACKUP ? remove_backup(&p, &v, err) : volume_free(&v, err);
	if (r < 0)
		return r;
	if (pvesm_is_text(o))
		show("Removed volume '%s'\n", volid);
	else
		pvesm_print_text(o, volid);
	return 0;
}

const struct command pvesm_command_free = { .name = "free", .table = &free_table, .run = free_run };

/* ---- path ---- */

static const struct option path_rows[] = { VOLUME_ROW, PVESM_FORMAT_ROW };

static const struct option_table path_table = {
	.command = "pvesm path",
	.summary = "print where a volume is: a path, or what QEMU's tools take for one",
	.rows = path_rows,
	.n_rows = ARRAY_SIZE(path_rows),
	.args = volume_args,
};

static int path_run(struct options *o, struct error **err)
{
	_cleanup_pvesm_ struct pvesm p;
	_cleanup_volume_ struct volume v = { 0 };
	_cleanup_free_ char *path = NULL;
	int r = pvesm_open(&p, err);

	if (r == 0)
		r = open_volume(&p, options_get(o, "volume"), &v, err);
	if (r < 0)
		return r;
	path = volume_qemu_name(&v);
	pvesm_print_text(o, path);
	return 0;
}

const struct command pvesm_command_path = { .name = "path", .table = &path_table, .run = path_run };

/* ---- extractconfig ---- */

static const struct option extract_rows[] = {
	{ .name = "volume",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_BACKUP,
	  .description = "The backup: <storage>:backup/<file>, or a path." },
	PVESM_FORMAT_ROW,
};

static const struct option_table extract_table = {
	.command = "pvesm extractconfig",
	.summary = "print the guest's configuration out of a backup",
	.rows = extract_rows,
	.n_rows = ARRAY_SIZE(extract_rows),
	.args = volume_args,
};

static int find_config(const char *path, char **ret, struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct vma_header *h;
	int r;

	if (fd < 0)
		return error_errno(err, errno, "cannot open archive '%s'", path);
	r = vma_reader_new(fd, 1, NULL, &reader, err);
	if (r < 0)
		return error_wrap(err, r, "cannot read archive '%s'", path);
	h = vma_reader_header(reader);
	for (unsigned i = 0; i < h->n_configs; i++)
		if (!strcmp(h->configs[i].name, "qemu-server.conf")) {
			*ret = xstrndup((const char *)h->configs[i].data, h->configs[i].len);
			return 0;
		}
	return error_set(err, ERR_NOT_FOUND, "archive '%s' holds no guest's configuration", path);
}

static int extract_run(struct options *o, struct error **err)
{
	_cleanup_pvesm_ struct pvesm p;
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *text = NULL;
	int r = pvesm_open(&p, err);

	if (r == 0)
		r = backup_path(&p.storages, options_get(o, "volume"), &p.log, &path, err);
	if (r == 0)
		r = find_config(path, &text, err);
	if (r < 0)
		return r;
	pvesm_print_text(o, text);
	return 0;
}

const struct command pvesm_command_extractconfig = { .name = "extractconfig",
						     .table = &extract_table,
						     .run = extract_run };

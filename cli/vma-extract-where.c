/* Where the disks of vma extract go: --drives, --to and --readmap. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "qemu/nbd-uri.h"
#include "signals.h"
#include "vma-extract.h"

#define MAP_LINE_MAX 8192

/* The device of that name, or 0. */
static unsigned device_of(const struct extract *x, const char *name)
{
	unsigned i = VMA_MAX_DEVICES;

	while (i && !str_equal_null(x->h->devices[i].name, name))
		i--;
	return i;
}

static int find_device(const struct extract *x, const char *name, unsigned *ret, struct error **err)
{
	struct nearest n = nearest_begin(name);
	_cleanup_free_ char *hint = NULL;

	*ret = device_of(x, name);
	if (*ret)
		return 0;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		nearest_offer(&n, x->h->devices[i].name);
	hint = nearest_hint(&n);
	return error_set(err, ERR_NOT_FOUND, "disk '%s' is not in the archive%s%s", name, hint,
			 *hint ? "" : " (vma list shows what there is)");
}

int extract_choose_drives(struct extract *x, struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	int r = 0;

	if (!options_given(x->o, "drives")) {
		for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
			x->wanted[i] = x->h->devices[i].name != NULL;
		return 0;
	}
	/* the state of a guest is no drive: it comes along, as in Proxmox's vma */
	x->wanted[device_of(x, VMA_VMSTATE)] = true;
	names = strv_split_list(options_get(x->o, "drives"));
	for (size_t i = 0; r == 0 && names && names[i]; i++) {
		unsigned dev = 0;

		r = find_device(x, names[i], &dev, err);
		x->wanted[dev] = r == 0;
	}
	return r;
}

/* The format that the first bytes of an existing file show, or NULL. */
static const char *format_of(const struct target *t)
{
	static const struct {
		const char *format, *magic;
	} formats[] = {
		{ "qcow2", "QFI\xfb" },
		{ "vmdk", "KDMV" },
		{ "vmdk", "# Disk DescriptorFile" },
	};
	char head[32];
	ssize_t n = t->anew ? pread(t->fd, head, sizeof(head), 0) : -1;

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		size_t len = strlen(formats[i].magic);

		if (n >= (ssize_t)len && !memcmp(head, formats[i].magic, len))
			return formats[i].format;
	}
	return NULL;
}

/* --to writes raw data; with such a name, or into such a file, others would take it for that format. */
static int check_format(const struct target *t, const char *disk, struct error **err)
{
	const char *format = str_suffix(t->path, ".qcow2")  ? "qcow2"
			     : str_suffix(t->path, ".vmdk") ? "vmdk"
							    : format_of(t);

	if (t->nbd || !format)
		return 0;
	return error_set(err, ERR_INVALID,
			 "option --to: '%s' is %s by its name or content, and --to writes raw images; use "
			 "--readmap with a line format=%s:0:%s=%s for an image that qemu-img has made, or "
			 "remove it and give another name",
			 t->path, format, format, disk, t->path);
}

static int open_to(struct extract *x, const char *value, struct error **err)
{
	const char *path = strchr(value, '=');
	_cleanup_free_ char *name = path ? xstrndup(value, (size_t)(path - value)) : NULL;
	unsigned dev = 0;
	int r;

	if (!path || !path[1])
		return error_set(err, ERR_INVALID, "option --to: '%s' is not <disk>=<path>", value);
	if (strstr(path + 1, "://") && !target_is_uri(path + 1))
		return error_set(err, ERR_UNSUPPORTED,
				 "option --to: '%s' is neither a file or block device nor an NBD URI "
				 "(nbd://host/export, nbd+unix:///export?socket=path)",
				 path + 1);
	r = find_device(x, name, &dev, err);
	if (r < 0)
		return r;
	if (x->mapped[dev])
		return error_set(err, ERR_INVALID, "option --to: disk '%s' is given twice", name);
	x->mapped[dev] = true;
	if (!x->wanted[dev])
		return error_set(err, ERR_INVALID, "option --to: disk '%s' is not among --drives", name);
	r = target_open(&x->targets[dev], path + 1, x->h->devices[dev].size, err);
	return r < 0 ? r : check_format(&x->targets[dev], name, err);
}

int extract_open_to(struct extract *x, struct error **err)
{
	char *const *to = options_array(x->o, "to");
	int r = 0;

	for (size_t i = 0; r == 0 && to && to[i]; i++)
		r = open_to(x, to[i], err);
	return r;
}

/* ---- the map that qmrestore of Proxmox sends ---- */

/* The limit of the disk's group, or its own. */
static struct pace *pace_of(struct extract *x, unsigned dev, const struct readmap_line *l)
{
	for (unsigned i = 1; l->group && i <= VMA_MAX_DEVICES; i++)
		if (str_equal_null(x->maps[i].group, l->group) && i != dev)
			return x->pace[i];
	pace_init(&x->paces[dev], l->bps);
	return &x->paces[dev];
}

/* As in Proxmox's vma, --drives takes precedence over the map. */
static int map_line(struct extract *x, const char *text, struct error **err)
{
	_cleanup_(readmap_line_clear) struct readmap_line l = { 0 };
	int r = readmap_parse(text, &l, err);
	unsigned dev;

	if (r < 0)
		return r;
	dev = device_of(x, l.disk);
	if (!dev) {
		fprintf(stderr, "warning: option --readmap: disk '%s' is not in the archive\n", l.disk);
		return 0;
	}
	if (l.skip)
		x->wanted[dev] = false;
	if (!x->wanted[dev])
		return 0;
	if (x->mapped[dev])
		return error_set(err, ERR_INVALID, "option --readmap: disk '%s' is given twice", l.disk);
	x->mapped[dev] = true;
	x->pace[dev] = l.bps ? pace_of(x, dev, &l) : NULL;
	x->maps[dev] = l;
	l = (struct readmap_line){ 0 };
	return 0;
}

static int start_daemon(struct extract *x, struct error **err)
{
	struct vma_daemon_image images[VMA_MAX_DEVICES];
	size_t n = 0;
	int r;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const struct readmap_line *l = &x->maps[i];

		if (l->image && !readmap_is_raw(l))
			images[n++] = (struct vma_daemon_image){
				.export = l->disk, .path = l->image, .format = l->format, .writable = true
			};
	}
	if (!n)
		return 0;
	r = signals_catch(&x->stop, err);
	if (r == 0)
		r = vma_daemon_start(&x->daemon, images, n, x->stop, err);
	return r < 0 ? error_wrap(err, r, "option --readmap") : 0;
}

static int open_mapped(struct extract *x, struct error **err)
{
	int r = start_daemon(x, err);

	for (unsigned i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++) {
		const struct readmap_line *l = &x->maps[i];
		_cleanup_free_ char *uri = NULL;

		if (!x->mapped[i] || !l->image)
			continue;
		uri = readmap_is_raw(l) ? xstrdup(l->image)
					: nbd_uri(x->daemon.storage_daemon.socket, l->disk);
		x->targets[i].cancel = x->stop;
		r = target_open_existing(&x->targets[i], uri, x->h->devices[i].size,
					 l->write_zero ? TARGET_HOLDS_DATA : TARGET_READS_ZERO, err);
	}
	return r;
}

int extract_read_map(struct extract *x, struct error **err)
{
	const char *path = options_get(x->o, "readmap");
	char line[MAP_LINE_MAX];
	FILE *f;
	int r = 0;

	if (!path)
		return 0;
	vma_print_content(x->h);
	f = fopen(path, "re");
	if (!f)
		return error_errno(err, errno, "cannot open '%s'", path);
	while (r == 0 && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!line[0] || !strcmp(line, "done"))
			break;
		r = map_line(x, line, err);
	}
	fclose(f);
	return r < 0 ? r : open_mapped(x, err);
}

/* ---- all of them ---- */

static int check_target(const struct extract *x, unsigned dev, struct error **err)
{
	const struct target *t = &x->targets[dev];

	if (target_is_file(t, x->archive_fd))
		return error_set(err, ERR_INVALID, "'%s' is the archive itself; give another target",
				 t->path);
	for (unsigned i = 1; i < dev; i++)
		if (target_is_open(&x->targets[i]) && target_is_same(t, &x->targets[i]))
			return error_set(err, ERR_INVALID,
					 "disks '%s' and '%s' would both go to '%s'; give each its own",
					 x->h->devices[i].name, x->h->devices[dev].name, t->path);
	return target_lock(t, err);
}

int extract_check_targets(const struct extract *x, struct error **err)
{
	int r = 0;

	for (unsigned i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++)
		if (target_is_open(&x->targets[i]))
			r = check_target(x, i, err);
	return r;
}

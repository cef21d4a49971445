#include "place/content.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "place/place.h"
#include "storage/path.h"
#include "storage/tool.h"
#include "storage/volume-path.h"

struct listing {
	const struct storage *s;
	struct storage_volume *volumes;
	size_t n;
};

static struct storage_volume *add_volume(struct listing *l, enum storage_content content, const char *volname)
{
	struct storage_volume *v;

	l->volumes = xreallocarray(l->volumes, l->n + 1, sizeof(*l->volumes));
	v = &l->volumes[l->n++];
	*v = (struct storage_volume){ .content = content };
	v->volid = xasprintf("%s:%s", l->s->id, volname);
	return v;
}

void storage_volumes_free(struct storage_volume *volumes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(volumes[i].volid);
		free(volumes[i].format);
		free(volumes[i].subtype);
		free(volumes[i].notes);
		free(volumes[i].parent);
	}
	free(volumes);
}

/* ---- images ---- */

/* True if this cluster has a container of that vmid. */
static bool is_of_container(const struct storage *s, uint32_t vmid)
{
	_cleanup_free_ char *own = NULL, *pattern = NULL;
	glob_t found = { 0 };
	bool any;

	if (!s->config_dir)
		return false;
	own = xasprintf("%s/lxc/%" PRIu32 ".conf", s->config_dir, vmid);
	pattern = xasprintf("%s/nodes/*/lxc/%" PRIu32 ".conf", s->config_dir, vmid);
	any = access(own, F_OK) == 0 || glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
	globfree(&found);
	return any;
}

/* The part after "../" of "../9000/base-9000-disk-0.qcow2", the backing file of PVE's linked clones; else NULL. */
static const char *base_of_clone(const char *backing)
{
	enum image_format format;
	const char *rest, *name;

	if (!backing || !str_prefix(backing, "../", &rest))
		return NULL;
	name = rest + strspn(rest, "0123456789");
	return name > rest && *name == '/' && image_name_parse(name + 1, &format) ? rest : NULL;
}

/* For an image that cannot be opened now, or is not of the format in its name. */
static void describe_unreadable(const struct volume *v, const struct storage_image *image,
				const struct log *log, const struct error *err, struct storage_volume *ret)
{
	struct stat st;

	if (stat(v->path, &st) < 0 || !S_ISREG(st.st_mode)) {
		/* for example, a logical volume that is not active */
		ret->approximate = true;
		ret->size = image->used;
		return;
	}
	log_warn(log, "image '%s' is not in expected format '%s', querying as raw: %s", v->path,
		 image_format_name(image->format), error_message(err));
	free(ret->format);
	ret->format = xstrdup("invalid");
	ret->size = (uint64_t)st.st_size;
}

/* Its size and its base, if only the image itself has them. */
static void read_image_info(const struct storage *s, const struct storage_image *image, const struct log *log,
			    struct storage_volume *ret)
{
	struct volume v = { .storage = s, .volid = ret->volid, .volname = strchr(ret->volid, ':') + 1 };
	_cleanup_json_ struct json_object *info = NULL;
	_cleanup_error_ struct error *err = NULL;
	const char *backing, *base;

	if (s->ops->parse(&v, NULL) < 0)
		return;
	if (!v.path || v.format == IMAGE_RAW || v.format == IMAGE_SUBVOL) {
		volume_size(&v, &ret->size, NULL);
	} else if (volume_image_info(&v, &info, &err) < 0) {
		describe_unreadable(&v, image, log, err, ret);
	} else {
		tool_json_u64(info, "virtual-size", &ret->size);
		backing = json_get_str(info, "backing-filename");
		base = base_of_clone(backing);
		if (backing && !ret->parent)
			ret->parent = xstrdup(backing);
		if (base) {
			free(ret->volid);
			ret->volid = xasprintf("%s:%s/%s", s->id, base, image->volname);
		}
	}
	free(v.path);
}

/* kinds: STORAGE_IMAGES, STORAGE_ROOTDIR, or both. */
static int add_images(struct listing *l, uint32_t vmid, unsigned kinds, const struct log *log,
		      struct error **err)
{
	struct storage_image *images = NULL;
	size_t n = 0;
	int r = storage_list(l->s, vmid, &images, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const enum storage_content kind =
			is_of_container(l->s, images[i].vmid) ? STORAGE_ROOTDIR : STORAGE_IMAGES;
		struct storage_volume *v;

		if (!(kinds & kind))
			continue;
		v = add_volume(l, kind, images[i].volname);
		v->format = xstrdup(image_format_name(images[i].format));
		v->size = images[i].size;
		v->used = images[i].used;
		v->vmid = images[i].vmid;
		v->ctime = images[i].ctime;
		v->parent = TAKE_PTR(images[i].parent);
		if (!v->size)
			read_image_info(l->s, &images[i], log, v);
	}
	if (r == 0)
		storage_images_free(images, n);
	return r;
}

/* ---- backups ---- */

static char *backup_format(const struct archive_name *n)
{
	if (!strcmp(n->format, "tar") && str_suffix(n->filename, ".tgz"))
		return xstrdup("tgz");
	return *n->compression ? xasprintf("%s.%s", n->format, n->compression) : xstrdup(n->format);
}

static void add_backup(struct listing *l, const struct place *p, const struct backup *b)
{
	_cleanup_free_ char *volname = xasprintf("backup/%s", b->name.filename);
	struct storage_volume *v = add_volume(l, STORAGE_BACKUP, volname);

	v->format = backup_format(&b->name);
	v->size = b->size;
	v->vmid = b->name.vmid;
	v->ctime = b->ctime;
	v->subtype = xstrdup(*b->name.type ? b->name.type : "unknown");
	v->is_protected = b->is_protected;
	if (place_notes(p, b->name.filename, &v->notes, NULL) == 0)
		v->notes[strcspn(v->notes, "\n")] = '\0';
}

static int add_backups(struct listing *l, uint32_t vmid, struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	_cleanup_place_ struct place *p = NULL;
	int r = place_of_storage(l->s, &p, err);

	if (r == 0)
		r = place_list(p, NULL, vmid, &b, err);
	for (size_t i = 0; i < b.n; i++)
		add_backup(l, p, &b.list[i]);
	return r;
}

/* ---- files ---- */

static void add_file(struct listing *l, enum storage_content content, const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_free_ char *volname = xasprintf("%s/%s", storage_content_name(content), name);
	_cleanup_free_ char *format = path_file_format(content, name);
	struct storage_volume *v;
	struct stat st;

	if (*name == '.' || !format || stat(path, &st) < 0 || S_ISDIR(st.st_mode))
		return;
	v = add_volume(l, content, volname);
	v->format = TAKE_PTR(format);
	v->size = (uint64_t)st.st_size;
	v->ctime = st.st_ctime;
}

static int add_files(struct listing *l, enum storage_content content, struct error **err)
{
	_cleanup_free_ char *dir = NULL;
	struct dirent *e;
	DIR *d;

	/* not all types have directories */
	if (storage_dir(l->s, content, &dir, NULL) < 0)
		return 0;
	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read '%s'", dir);
	while ((e = readdir(d)) != NULL)
		add_file(l, content, dir, e->d_name);
	closedir(d);
	return 0;
}

/* ---- all ---- */

static int compare_volumes(const void *a, const void *b)
{
	const struct storage_volume *x = a, *y = b;

	return strcasecmp(x->volid, y->volid);
}

int storage_content_list(const struct storage *s, uint32_t vmid, unsigned content, const struct log *log,
			 struct storage_volume **ret, size_t *ret_n, struct error **err)
{
	static const enum storage_content files[] = { STORAGE_ISO, STORAGE_VZTMPL, STORAGE_SNIPPETS,
						      STORAGE_IMPORT };
	const unsigned wanted = s->content & (content ? content : ~0u);
	struct listing l = { .s = s };
	int r = storage_activate(s, log, err);

	if (r == 0 && wanted & (STORAGE_IMAGES | STORAGE_ROOTDIR))
		r = add_images(&l, vmid, wanted, log, err);
	if (r == 0 && wanted & STORAGE_BACKUP)
		r = add_backups(&l, vmid, err);
	/* as PVE, which lists the last two whichever guest is asked for */
	for (size_t i = vmid ? 2 : 0; r == 0 && i < ARRAY_SIZE(files); i++)
		if (wanted & files[i])
			r = add_files(&l, files[i], err);
	if (r < 0) {
		storage_volumes_free(l.volumes, l.n);
		return r;
	}
	if (l.n)
		qsort(l.volumes, l.n, sizeof(*l.volumes), compare_volumes);
	*ret = l.volumes;
	*ret_n = l.n;
	return 0;
}

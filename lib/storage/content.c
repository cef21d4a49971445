#include "storage/content.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/backups.h"

struct list {
	const struct storage *s;
	struct storage_volume *volumes;
	size_t n;
};

static struct storage_volume *add(struct list *l, enum storage_content content, const char *volname)
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
	}
	free(volumes);
}

/* ---- images ---- */

/* The size of an image whose listing does not tell it. */
static uint64_t image_size(const struct storage *s, const struct storage_image *image)
{
	_cleanup_free_ char *volid = xasprintf("%s:%s", s->id, image->volname);
	struct volume v = { .storage = s, .volid = volid, .volname = strchr(volid, ':') + 1 };
	uint64_t size = 0;

	if (image->size)
		return image->size;
	if (s->ops->parse(&v, NULL) == 0 && volume_size(&v, &size, NULL) < 0)
		size = 0;
	free(v.path);
	return size;
}

static int add_images(struct list *l, uint32_t vmid, struct error **err)
{
	struct storage_image *images = NULL;
	size_t n = 0;
	int r = storage_list(l->s, vmid, &images, &n, err);

	for (size_t i = 0; i < n; i++) {
		struct storage_volume *v = add(l, STORAGE_IMAGES, images[i].volname);

		v->format = xstrdup(image_format_name(images[i].format));
		v->size = image_size(l->s, &images[i]);
		v->used = images[i].used;
		v->vmid = images[i].vmid;
	}
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

static void add_backup(struct list *l, const struct backup *b)
{
	_cleanup_free_ char *volname = xasprintf("backup/%s", b->name.filename);
	struct storage_volume *v = add(l, STORAGE_BACKUP, volname);

	v->format = backup_format(&b->name);
	v->size = b->size;
	v->vmid = b->name.vmid;
	v->ctime = b->ctime;
	v->subtype = xstrdup(*b->name.type ? b->name.type : "unknown");
	v->is_protected = b->is_protected;
	if (backup_get_notes(b->path, &v->notes, NULL) == 0)
		v->notes[strcspn(v->notes, "\n")] = '\0';
}

static int add_backups(struct list *l, uint32_t vmid, struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	_cleanup_free_ char *dir = NULL;
	int r = storage_dir(l->s, STORAGE_BACKUP, &dir, err);

	if (r == 0)
		r = backups_list(dir, NULL, vmid, &b, err);
	for (size_t i = 0; i < b.n; i++)
		add_backup(l, &b.list[i]);
	return r;
}

/* ---- files ---- */

static bool has_suffix_nocase(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcasecmp(name + n - m, suffix);
}

/* The format a file counts as, NULL if it is none of that content.  Caller frees. */
static char *file_format(enum storage_content content, const char *name)
{
	static const char *const packings[] = { "gz", "xz", "zst", "bz2" };
	static const char *const imports[] = { "ova", "ovf", "qcow2", "raw", "vmdk" };

	if (content == STORAGE_ISO && (has_suffix_nocase(name, ".iso") || has_suffix_nocase(name, ".img")))
		return xstrdup("iso");
	for (size_t i = 0; content == STORAGE_VZTMPL && i < ARRAY_SIZE(packings); i++) {
		_cleanup_free_ char *suffix = xasprintf(".tar.%s", packings[i]);

		if (str_suffix(name, suffix))
			return xasprintf("t%s", packings[i]);
	}
	if (content == STORAGE_VZTMPL && str_suffix(name, ".tar"))
		return xstrdup("tar");
	for (size_t i = 0; content == STORAGE_IMPORT && i < ARRAY_SIZE(imports); i++) {
		_cleanup_free_ char *suffix = xasprintf(".%s", imports[i]);

		if (has_suffix_nocase(name, suffix))
			return xstrdup(imports[i]);
	}
	return content == STORAGE_SNIPPETS ? xstrdup("snippet") : NULL;
}

static void add_file(struct list *l, enum storage_content content, const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_free_ char *volname = xasprintf("%s/%s", storage_content_name(content), name);
	_cleanup_free_ char *format = file_format(content, name);
	struct storage_volume *v;
	struct stat st;

	if (*name == '.' || !format || stat(path, &st) < 0 || S_ISDIR(st.st_mode))
		return;
	v = add(l, content, volname);
	v->format = TAKE_PTR(format);
	v->size = (uint64_t)st.st_size;
	v->ctime = st.st_ctime;
}

static int add_files(struct list *l, enum storage_content content, struct error **err)
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

static int compare(const void *a, const void *b)
{
	const struct storage_volume *x = a, *y = b;

	return strcasecmp(x->volid, y->volid);
}

int storage_content_list(const struct storage *s, uint32_t vmid, unsigned content,
			 const struct log *log, struct storage_volume **ret, size_t *ret_n,
			 struct error **err)
{
	static const enum storage_content files[] = { STORAGE_ISO, STORAGE_VZTMPL, STORAGE_SNIPPETS,
						      STORAGE_IMPORT };
	const unsigned wanted = s->content & (content ? content : ~0u);
	struct list l = { .s = s };
	int r = storage_activate(s, log, err);

	if (r == 0 && wanted & STORAGE_IMAGES)
		r = add_images(&l, vmid, err);
	if (r == 0 && wanted & STORAGE_BACKUP)
		r = add_backups(&l, vmid, err);
	for (size_t i = 0; r == 0 && !vmid && i < ARRAY_SIZE(files); i++)
		if (wanted & files[i])
			r = add_files(&l, files[i], err);
	if (r < 0) {
		storage_volumes_free(l.volumes, l.n);
		return r;
	}
	if (l.n)
		qsort(l.volumes, l.n, sizeof(*l.volumes), compare);
	*ret = l.volumes;
	*ret_n = l.n;
	return 0;
}

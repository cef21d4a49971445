/* Compares the disks of the running QEMU with the configuration, and warns about differences. */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/unclaimed.h"
#include "source/live.h"

/* ---- each disk ---- */

/* Other names mean nothing outside of QEMU: passed descriptors, option strings, relative paths. */
static bool is_comparable(const char *filename)
{
	return (*filename == '/' && !str_prefix(filename, "/dev/fdset/", NULL) &&
		!str_prefix(filename, "/proc/", NULL)) ||
	       strstr(filename, "://") || str_prefix(filename, "rbd:", NULL);
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	if (!strcmp(a, b))
		return true;
	if (stat(a, &x) < 0 || stat(b, &y) < 0)
		return false;
	if (S_ISBLK(x.st_mode))
		return S_ISBLK(y.st_mode) && x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* For a volume without a path.  If it is a guest's image, QEMU's filename contains its name. */
static bool names_volume(const char *filename, const struct volume *v)
{
	const char *slash = strrchr(v->volname, '/');

	return !v->vmid || strstr(filename, slash ? slash + 1 : v->volname);
}

void compare_disk(const struct sources *s, const struct source *d)
{
	const char *filename = d->live->graph.filename;
	const struct volume *v = d->volume;

	if (is_comparable(filename) && !(v->path ? same_file(filename, v->path) : names_volume(filename, v)))
		log_warn(s->p.log,
			 "%s: QEMU has '%s' there, the configuration says '%s'%s%s%s: QEMU's disk is saved",
			 d->conf->key, filename, v->volid, v->path ? " ('" : "", v->path ? v->path : "",
			 v->path ? "')" : "");
	if (d->live->graph.encrypted)
		log_warn(
			s->p.log,
			"%s: QEMU decrypts this disk (LUKS): the archive holds plain text, so keep it as safe "
			"as the key",
			d->conf->key);
}

/* ---- all of them ---- */

/* The path of a disk, also of one that is left out.  NULL: QEMU's disk is found by its name instead. */
static char *path_of(const struct sources *s, const struct guest_disk *d)
{
	_cleanup_volume_ struct volume v = { 0 };

	if (volume_open(s->p.host->storages, d->volid, d->format, &v, NULL) < 0 || !v.path)
		return NULL;
	return xstrdup(v.path);
}

void compare_guest(const struct sources *s, const struct blockgraph *g)
{
	const size_t n = s->p.conf_disks->n;
	_cleanup_free_ struct graph_claim *claims = xcalloc(n, sizeof(*claims));
	_cleanup_strv_ char **others = NULL, **paths = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct guest_disk *d = &s->p.conf_disks->disks[i];
		char *path = path_of(s, d);

		strv_add(&paths, path ? path : "");
		free(path);
	}
	for (size_t i = 0; i < n; i++)
		claims[i] = (struct graph_claim){ .key = s->p.conf_disks->disks[i].key,
						  .id = s->p.conf_disks->disks[i].device,
						  .path = *paths[i] ? paths[i] : NULL };
	others = graph_find_unclaimed(g, claims, n);
	for (size_t i = 0; others && others[i]; i++)
		log_warn(s->p.log,
			 "QEMU has a disk that the configuration does not name: %s; it is not saved",
			 others[i]);
}

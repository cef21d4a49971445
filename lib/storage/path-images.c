/* Images as files: their names, and the list of them. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strv.h"
#include "storage/image-list.h"
#include "storage/path.h"

/* ---- names ---- */

/* The vmid that a guest's directory is named after; 0 if text is anything but digits. */
static uint32_t owner_of(const char *text)
{
	uint32_t vmid = 0;

	if (!*text || strlen(text) > 9)
		return 0;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		vmid = vmid * 10 + (uint32_t)(*text - '0');
	}
	return vmid;
}

/*
 * "<vmid>/<name>", or "<vmid>/<base>/<vmid>/<name>" for a linked clone; both lie at
 * images/<last vmid>/<name>.  parts is a copy of the volname, into which *ret_dir and *ret_name point.
 */
static bool split_image(char *parts, const char **ret_dir, const char **ret_name,
			enum image_format *ret_format)
{
	char *part[4];
	size_t n = 0;

	for (char *at = parts; at && n < 4; n++) {
		part[n] = at;
		at = strchr(at, '/');
		if (at)
			*at++ = '\0';
		if (n == 3 && at)
			return false;
	}
	if (n != 2 && n != 4)
		return false;
	for (size_t i = 0; i < n; i += 2)
		if (!owner_of(part[i]) || !image_name_parse(part[i + 1], ret_format))
			return false;
	*ret_dir = part[n - 2];
	*ret_name = part[n - 1];
	return true;
}

int path_parse(struct volume *v, struct error **err)
{
	_cleanup_free_ char *parts = xstrdup(v->volname);
	_cleanup_free_ char *images = NULL;
	const char *dir, *name;

	if (path_parse_file(v))
		return 0;
	if (str_prefix(v->volname, "vzdump-", NULL))
		return error_set(err, ERR_INVALID,
				 "volume '%s' is no image: a backup is named '%s:backup/%s'", v->volid,
				 v->storage->id, v->volname);
	if (!split_image(parts, &dir, &name, &v->format))
		return error_set(err, ERR_INVALID,
				 "volume '%s': '%s' is neither an image (<vmid>/vm-<vmid>-disk-0.raw) nor "
				 "a file of another kind (backup/..., iso/..., vztmpl/..., snippets/..., "
				 "import/...)",
				 v->volid, v->volname);
	images = path_content_dir(v->storage, STORAGE_IMAGES);
	v->content = STORAGE_IMAGES;
	v->vmid = owner_of(dir);
	v->path = xasprintf("%s/%s/%s", images, dir, name);
	return 0;
}

char *path_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format)
{
	(void)s;
	return xasprintf("%" PRIu32 "/%s.%s", vmid, name, image_format_name(format));
}

/* ---- listing ---- */

struct listing {
	path_entry_fn *read_entry;
	struct image_list images;
};

bool path_entry(const char *dir, const char *entry, char **ret_name, enum image_format *ret_format,
		struct stat *ret_st)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, entry);

	if (!image_name_parse(entry, ret_format) || stat(path, ret_st) < 0)
		return false;
	*ret_name = xstrdup(entry);
	return true;
}

static void add_image(struct listing *list, const char *dir, const char *owner, const char *entry)
{
	_cleanup_free_ char *name = NULL;
	enum image_format format;
	struct stat st;

	if (!list->read_entry(dir, entry, &name, &format, &st))
		return;
	image_list_add(&list->images, (struct storage_image){
					      .volname = xasprintf("%s/%s", owner, name),
					      .vmid = owner_of(owner),
					      .format = format,
					      .used = (uint64_t)st.st_blocks * 512,
					      .ctime = st.st_ctime,
				      });
}

static int list_owner(struct listing *list, const char *dir, const char *owner, struct error **err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, owner);
	struct dirent *entry;
	DIR *d = opendir(path);

	if (!d && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (!d)
		return error_errno(err, errno, "cannot read directory '%s'", path);
	while ((entry = readdir(d)))
		add_image(list, path, owner, entry->d_name);
	closedir(d);
	return 0;
}

static int list_owners(struct listing *list, const char *dir, struct error **err)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int r = 0;

	if (!d && errno == ENOENT)
		return 0;
	if (!d)
		return error_errno(err, errno, "cannot read directory '%s'", dir);
	while (r == 0 && (entry = readdir(d)))
		if (owner_of(entry->d_name))
			r = list_owner(list, dir, entry->d_name, err);
	closedir(d);
	return r;
}

int path_list_by(const struct storage *s, uint32_t vmid, path_entry_fn *read_entry,
		 struct storage_image **ret, size_t *ret_n, struct error **err)
{
	_cleanup_free_ char *dir = path_content_dir(s, STORAGE_IMAGES);
	_cleanup_free_ char *owner = xasprintf("%" PRIu32, vmid);
	struct listing list = { .read_entry = read_entry };
	int r = vmid ? list_owner(&list, dir, owner, err) : list_owners(&list, dir, err);

	if (r < 0) {
		storage_images_free(list.images.images, list.images.n);
		return r;
	}
	image_list_finish(&list.images, ret, ret_n);
	return 0;
}

int path_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
	      struct error **err)
{
	return path_list_by(s, vmid, path_entry, ret, ret_n, err);
}

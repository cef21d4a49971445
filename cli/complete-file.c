/* Files, volumes of storages, and what an archive's header names. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/strv.h"
#include "complete.h"
#include "storage/archive-name.h"
#include "vma/reader.h"

/* ---- files ---- */

/* True for any name with an archive's extension. */
static bool is_archive(const char *name)
{
	static const char *const suffixes[] = { ".vma",     ".vma.zst", ".vma.gz",
						".vma.lzo", ".vma.bz2", ".vma.xz" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (str_suffix(name, suffixes[i]))
			return true;
	return false;
}

static bool is_kind(const char *name, enum option_complete kind)
{
	return kind == COMPLETE_FILE || (kind == COMPLETE_ARCHIVE && is_archive(name));
}

static bool is_directory(DIR *dir, const char *name)
{
	struct stat st;

	return fstatat(dirfd(dir), name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* front: the directory as it was typed, with its slash, or "" */
static DIR *open_typed(const char *front)
{
	const char *home = getenv("HOME");
	_cleanup_free_ char *path = str_prefix(front, "~/", NULL) && home ? xasprintf("%s%s", home, front + 1)
									  : xstrdup(*front ? front : ".");

	return opendir(path);
}

void complete_files(struct completion *c, const char *head, enum option_complete kind)
{
	const char *text = c->word + strlen(head);
	const char *slash = strrchr(text, '/');
	const char *base = slash ? slash + 1 : text;
	_cleanup_free_ char *front = xstrndup(text, (size_t)(base - text));
	_cleanup_free_ char *whole = xasprintf("%s%s", head, front);
	DIR *dir = open_typed(front);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;
		_cleanup_free_ char *folder = xasprintf("%s/", name);

		if ((*name == '.' && *base != '.') || !strcmp(name, ".") || !strcmp(name, "..") ||
		    !str_prefix(name, base, NULL))
			continue;
		if (is_directory(dir, name))
			complete_add(c, whole, folder, "");
		else if (is_kind(name, kind))
			complete_add(c, whole, name, "");
	}
	if (dir)
		closedir(dir);
}

/* ---- volumes ---- */

static void offer_backups(struct completion *c, const struct storage *s, const char *head, bool only_vma)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *front = xasprintf("%s%s:backup/", head, s->id);
	DIR *dir;
	struct dirent *entry;

	if (storage_dir(s, STORAGE_BACKUP, &path, NULL) < 0)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		_cleanup_archive_name_ struct archive_name a = { 0 };

		if (archive_name_parse(entry->d_name, &a, NULL) >= 0 &&
		    (!only_vma || !strcmp(a.format, "vma")))
			complete_add(c, front, entry->d_name, "");
	}
	if (dir)
		closedir(dir);
}

static void offer_images_of(struct completion *c, const char *front, const char *path, const char *vmid)
{
	_cleanup_free_ char *folder = xasprintf("%s/%s", path, vmid);
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		enum image_format format;
		_cleanup_free_ char *name = xasprintf("%s/%s", vmid, entry->d_name);

		if (image_name_parse(entry->d_name, &format))
			complete_add(c, front, name, "");
	}
	if (dir)
		closedir(dir);
}

static void offer_images(struct completion *c, const struct storage *s, const char *head)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *front = xasprintf("%s%s:", head, s->id);
	DIR *dir;
	struct dirent *entry;

	if (storage_dir(s, STORAGE_IMAGES, &path, NULL) < 0)
		return;
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (vmid_parse(entry->d_name))
			offer_images_of(c, front, path, entry->d_name);
	if (dir)
		closedir(dir);
}

/* Only storages with a directory can be listed without running a program. */
static bool can_list(const struct completion *c, const struct storage *s, unsigned content)
{
	return s->ops && s->ops->dir && s->path && (s->content & content) && storage_enabled(&c->storages, s);
}

void complete_volumes(struct completion *c, const char *head, enum option_complete kind)
{
	const unsigned content = kind == COMPLETE_BACKUP ? STORAGE_BACKUP : STORAGE_BACKUP | STORAGE_IMAGES;
	const char *text = c->word + strlen(head);

	for (size_t i = 0; i < c->storages.n; i++) {
		const struct storage *s = &c->storages.storages[i];
		_cleanup_free_ char *id = xasprintf("%s:", s->id);

		if (!can_list(c, s, content))
			continue;
		if (!str_prefix(text, id, NULL)) {
			complete_add(c, head, id, s->type);
			continue;
		}
		if (s->content & STORAGE_BACKUP)
			offer_backups(c, s, head, kind == COMPLETE_BACKUP);
		if (kind == COMPLETE_VOLUME && (s->content & STORAGE_IMAGES))
			offer_images(c, s, head);
	}
	if (kind == COMPLETE_BACKUP && !strchr(text, ':'))
		complete_files(c, head, COMPLETE_ARCHIVE);
}

/* ---- inside an archive ---- */

/*
 * Opens the archive on the line, a path or volume id; -1 if there is none that can be read without waiting.
 */
static int open_archive(const struct completion *c)
{
	_cleanup_volume_ struct volume v = { 0 };
	const char *path = c->archive;
	_cleanup_free_ char *home_path = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!path)
		return -1;
	if (path[0] != '/' && strchr(path, ':')) {
		if (volume_open(&c->storages, path, NULL, &v, NULL) < 0)
			return -1;
		path = v.path;
	} else if (str_prefix(path, "~/", NULL) && getenv("HOME")) {
		home_path = xasprintf("%s%s", getenv("HOME"), path + 1);
		path = home_path;
	}
	/* a fifo would wait for its writer */
	fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return TAKE_FD(fd);
}

/* "drive-scsi0,drive-..." */
static void offer_disks(struct completion *c, const struct vma_header *h, const char *head)
{
	const char *text = c->word + strlen(head);
	const char *comma = strrchr(text, ',');
	_cleanup_free_ char *front = xstrndup(c->word, (size_t)((comma ? comma + 1 : text) - c->word));
	_cleanup_strv_ char **used = strv_split_list(front + strlen(head));

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name && !strv_contains(used, h->devices[i].name))
			complete_add(c, front, h->devices[i].name, "");
}

static void offer_disk_to(struct completion *c, const struct vma_header *h, const char *head)
{
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		_cleanup_free_ char *text = h->devices[i].name ? xasprintf("%s=", h->devices[i].name) : NULL;

		if (text && strcmp(text, c->word + strlen(head)) != 0)
			complete_add(c, head, text, "");
	}
}

/* "a.vma:drive-scsi0:"; head ends with the archive's colon. */
static void offer_places(struct completion *c, const struct vma_header *h, const char *head)
{
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		_cleanup_free_ char *text = h->devices[i].name ? xasprintf("%s:", h->devices[i].name) : NULL;

		if (text)
			complete_add(c, head, text, "");
	}
}

void complete_archive(struct completion *c, const char *head, enum option_complete kind)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = open_archive(c);
	const struct vma_header *h;

	if (fd < 0 || vma_reader_new(fd, 1, NULL, &reader, NULL) < 0)
		return;
	h = vma_reader_header(reader);
	if (kind == COMPLETE_ARCHIVE_DISKS)
		offer_disks(c, h, head);
	else if (kind == COMPLETE_ARCHIVE_DISK_TO)
		offer_disk_to(c, h, head);
	else if (kind == COMPLETE_ARCHIVE_PLACE)
		offer_places(c, h, head);
	else
		for (unsigned i = 0; i < h->n_configs; i++)
			complete_add(c, head, h->configs[i].name, "");
}

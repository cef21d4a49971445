/*
 * What all storage types with a directory share: dir; btrfs, which makes raw images in its own way; nfs, cifs
 * and cephfs, which mount it (mount.h).  Images are <path>/images/<vmid>/<name>, backups lie in <path>/dump;
 * content-dirs changes that.  A function path_X() that is not explained here is the callback X of struct
 * storage_ops.  Facts: PVE::Storage::Plugin.
 */
#ifndef VZDUMP_STORAGE_PATH_H
#define VZDUMP_STORAGE_PATH_H

#include <mntent.h>
#include <sys/stat.h>

#include "storage/storage.h"

/* "<path>/dump".  Caller frees. */
char *path_content_dir(const struct storage *s, enum storage_content content);

int path_dir(const struct storage *s, enum storage_content content, char **ret, struct error **err);
/* path_prepare(), then makes the content directories if configured, and checks that they are distinct. */
int path_activate(const struct storage *s, const struct log *log, struct error **err);
int path_is_active(const struct storage *s, bool *ret, struct error **err);
/* Checks that the path answers and that the mount point, if one is required, is mounted; path_make_base(). */
int path_prepare(const struct storage *s, struct error **err);
/* Makes the base directory if configured; ERR_NOT_FOUND if there is none then. */
int path_make_base(const struct storage *s, struct error **err);
/* True if there is a mount at exactly this path that is_meant() accepts (NULL: any). */
bool path_find_mount(const char *path, bool (*is_meant)(const struct storage *s, const struct mntent *mount),
		     const struct storage *s);
/* The file system's; an error if a required mount point is not mounted. */
int path_status(const struct storage *s, struct storage_status *ret, struct error **err);

int path_parse(struct volume *v, struct error **err);
/* The part of path_parse() for files other than images: "backup/<archive>", "iso/<file>".  False for others. */
bool path_parse_file(struct volume *v);
/*
 * The format of a file of content ISO, VZTMPL, SNIPPETS or IMPORT by its name ("iso", "tgz", "snippet", "ova");
 * NULL if the name does not suit the content.  Caller frees.
 */
char *path_file_format(enum storage_content content, const char *name);
char *path_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format);
int path_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
	      struct error **err);
/*
 * Describes an entry of a guest's directory: its name as an image (caller frees), its format, and what stat()
 * says of the file.  False if it is not an image.
 */
typedef bool path_entry_fn(const char *dir, const char *entry, char **ret_name, enum image_format *ret_format,
			   struct stat *ret_st);
/* As path_list(), for a type whose images lie differently. */
int path_list_by(const struct storage *s, uint32_t vmid, path_entry_fn *read_entry,
		 struct storage_image **ret, size_t *ret_n, struct error **err);
/* path_list() uses this one: each file is an image. */
path_entry_fn path_entry;
void path_traits(const struct storage *s, enum image_format format, struct image_traits *ret);
enum image_format path_fleecing_format(const struct storage *s);
int path_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err);
int path_free(const struct volume *v, struct error **err);
int path_snapshots(const struct volume *v, char ***ret, struct error **err);
int path_snapshot_delete(const struct volume *v, const char *name, struct error **err);
/* Makes v->path, an empty file, with its directory.  Returns a descriptor; -EEXIST if there is one. */
int path_create_file(const struct volume *v, struct error **err);
/* Removes the directory of a guest if this was its last image. */
void path_remove_empty_dir(const char *image);

#endif

/*
 * What all storage types with a directory share: dir, btrfs with its own way to make raw images, nfs,
 * cifs and cephfs with a mount (mount.h).  Images are <path>/images/<vmid>/<name>, backups lie in
 * <path>/dump; content-dirs moves them.  Each path_X() fits the callback X of struct storage_ops.
 * Facts: PVE::Storage::Plugin.
 */
#ifndef VZDUMP_STORAGE_PATH_H
#define VZDUMP_STORAGE_PATH_H

#include <mntent.h>
#include <sys/stat.h>

#include "storage/storage.h"

/* "<path>/dump".  Caller frees. */
char *path_content_dir(const struct storage *s, enum storage_content content);

int path_dir(const struct storage *s, enum storage_content content, char **ret, struct error **err);
int path_activate(const struct storage *s, const struct log *log, struct error **err);
/* The first part of it: the mount point if one is asked for, and the base directory. */
int path_prepare(const struct storage *s, struct error **err);
/* And of that: the base directory, made if configured. */
int path_make_base(const struct storage *s, struct error **err);
/* True if a mount at exactly this path is one of those meant (NULL: any). */
bool path_find_mount(const char *path, bool (*is_meant)(const struct storage *s, const struct mntent *mount),
		     const struct storage *s);
/* Of the file system; also an error while a mount point that is asked for is missing. */
int path_status(const struct storage *s, struct storage_status *ret, struct error **err);

int path_parse(struct volume *v, struct error **err);
/* The part of path_parse() for all but images: "backup/<archive>", "iso/<file>", ...  False if it is none. */
bool path_parse_file(struct volume *v);
/*
 * What a file of content ISO, VZTMPL, SNIPPETS or IMPORT counts as by its name ("iso", "tgz", "snippet",
 * "ova"), NULL if it is none.  Caller frees.
 */
char *path_file_format(enum storage_content content, const char *name);
char *path_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format);
int path_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
	      struct error **err);
/*
 * The same where images lie otherwise.  look says what an entry of a guest's directory is: its name
 * as an image (the caller frees it), its format, what stat() says of the file; false: no image.
 */
typedef bool path_look_fn(const char *dir, const char *entry, char **ret_name, enum image_format *ret_format,
			  struct stat *ret_st);
int path_list_by(const struct storage *s, uint32_t vmid, path_look_fn *look, struct storage_image **ret,
		 size_t *ret_n, struct error **err);
/* The look of path_list(). */
path_look_fn path_look;
void path_traits(const struct storage *s, enum image_format format, struct image_traits *ret);
enum image_format path_fleecing_format(const struct storage *s);
int path_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err);
int path_free(const struct volume *v, struct error **err);
int path_snapshots(const struct volume *v, char ***ret, struct error **err);
int path_snapshot_delete(const struct volume *v, const char *name, struct error **err);
/* Parts of alloc and free: the new file (a descriptor), and removing the directory of a guest that has no
 * images any more. */
int path_create_file(const struct volume *v, struct error **err);
void path_remove_empty_dir(const char *image);

#endif

/*
 * What all storage types with a directory share: dir now, nfs, cifs and btrfs by adding a mount or
 * another way to make images.  Images are <path>/images/<vmid>/<name>, backups lie in <path>/dump;
 * content-dirs moves them.  Each path_X() fits the callback X of struct storage_ops.
 * Facts: PVE::Storage::Plugin.
 */
#ifndef VZDUMP_STORAGE_PATH_H
#define VZDUMP_STORAGE_PATH_H

#include "storage/storage.h"

/* "<path>/dump".  Caller frees. */
char *path_content_dir(const struct storage *s, enum storage_content content);

int path_dir(const struct storage *s, enum storage_content content, char **ret, struct error **err);
int path_activate(const struct storage *s, const struct log *log, struct error **err);
/* Of the file system; also an error while a mount point that is asked for is missing. */
int path_status(const struct storage *s, struct storage_status *ret, struct error **err);

int path_parse(struct volume *v, struct error **err);
char *path_volname(const struct storage *s, uint32_t vmid, const char *name,
		   enum image_format format);
int path_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
	      struct error **err);
void path_traits(const struct storage *s, enum image_format format, struct image_traits *ret);
enum image_format path_fleecing_format(const struct storage *s);
int path_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel,
	       struct error **err);
int path_free(const struct volume *v, struct error **err);

#endif

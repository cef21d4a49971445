/*
 * What the path of a volume shows: its size, what it takes, how QEMU opens it.  For types without a way of
 * their own, and for those that add to it.
 */
#ifndef VZDUMP_STORAGE_VOLUME_PATH_H
#define VZDUMP_STORAGE_VOLUME_PATH_H

#include "storage/storage.h"

/* volume_blockdev(): file or host_device. */
int volume_blockdev_by_path(const struct volume *v, struct json_object **ret, struct error **err);
/* volume_size(). */
int volume_size_by_path(const struct volume *v, uint64_t *ret, struct error **err);
/* What a file takes, as the file system counts, and its length; both in bytes. */
int volume_used_by_path(const struct volume *v, uint64_t *ret, uint64_t *ret_length, struct error **err);
/* What qemu-img info says of an image that has a path, within 10 s.  Caller puts *ret. */
int volume_image_info(const struct volume *v, struct json_object **ret, struct error **err);

#endif

/*
 * Answers from the path of a volume: its size, the space it takes, how QEMU opens it.  For types without
 * callbacks of their own, and for callbacks that add to it.
 */
#ifndef VZDUMP_STORAGE_VOLUME_PATH_H
#define VZDUMP_STORAGE_VOLUME_PATH_H

#include "storage/storage.h"

/* For volume_blockdev(): file or host_device. */
int volume_blockdev_by_path(const struct volume *v, struct json_object **ret, struct error **err);
/* For volume_size(). */
int volume_size_by_path(const struct volume *v, uint64_t *ret, struct error **err);
/* For volume_used(): the space a file takes, as its file system counts, and its length, both in bytes. */
int volume_used_by_path(const struct volume *v, uint64_t *ret, uint64_t *ret_length, struct error **err);
/* The output of `qemu-img info` for an image that has a path; up to 10 s.  Caller puts *ret. */
int volume_image_info(const struct volume *v, struct json_object **ret, struct error **err);

#endif

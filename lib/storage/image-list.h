/* The list of images that a type's list callback makes. */
#ifndef VZDUMP_STORAGE_IMAGE_LIST_H
#define VZDUMP_STORAGE_IMAGE_LIST_H

#include "storage/storage.h"

struct image_list {
	struct storage_image *images;
	size_t n;
};

/* Adds image and takes over what it owns.  The returned entry may be changed until the next call. */
struct storage_image *image_list_add(struct image_list *l, struct storage_image image);
/* Sorts by name and hands the list to the caller (storage_images_free()); l is empty then. */
void image_list_finish(struct image_list *l, struct storage_image **ret, size_t *ret_n);

#endif

#include "storage/image-list.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct storage_image *image_list_add(struct image_list *l, struct storage_image image)
{
	l->images = xreallocarray(l->images, l->n + 1, sizeof(*l->images));
	l->images[l->n] = image;
	return &l->images[l->n++];
}

static int compare_images(const void *a, const void *b)
{
	const struct storage_image *x = a, *y = b;

	return strcmp(x->volname, y->volname);
}

void image_list_finish(struct image_list *l, struct storage_image **ret, size_t *ret_n)
{
	if (l->n)
		qsort(l->images, l->n, sizeof(*l->images), compare_images);
	*ret = l->images;
	*ret_n = l->n;
	*l = (struct image_list){ 0 };
}

void storage_images_free(struct storage_image *images, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(images[i].volname);
		free(images[i].parent);
	}
	free(images);
}

/* What a storage holds, of every content type: images, backups, ISO images, templates, snippets. */
#ifndef VZDUMP_PLACE_CONTENT_H
#define VZDUMP_PLACE_CONTENT_H

#include "storage/storage.h"

struct storage_volume {
	char *volid;
	enum storage_content content;
	char *format;     /* "raw", "vma.zst", "iso", "tgz", "snippet"; "invalid": not the one in its name */
	uint64_t size;    /* bytes; of an image, its virtual size */
	bool approximate; /* size is the space that it takes, since its virtual size is not known now */
	uint64_t used;    /* bytes of an image on the storage; 0: unknown */
	char *parent;     /* of an image: the image or snapshot that it is based on; NULL */
	uint32_t vmid;    /* owner; 0: none */
	int64_t ctime;    /* 0: unknown */
	char *subtype;    /* of a backup: "qemu", "lxc", ..., "unknown"; else NULL */
	char *notes;      /* of a backup, the first line; NULL */
	bool is_protected;
};

/*
 * Volumes of these content types (a set; 0: all), as far as the storage is configured for them, sorted by id
 * regardless of case; of one guest unless vmid is 0.  Activates the storage.  Warns in log about an image
 * that is not of its format.  Caller frees by storage_volumes_free().  Facts: PVE::Storage::volume_list.
 */
int storage_content_list(const struct storage *s, uint32_t vmid, unsigned content, const struct log *log,
			 struct storage_volume **ret, size_t *ret_n, struct error **err);
void storage_volumes_free(struct storage_volume *volumes, size_t n);

#endif

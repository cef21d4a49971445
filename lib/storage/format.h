/* What a storage can hold, the formats of images, and their names. */
#ifndef VZDUMP_STORAGE_FORMAT_H
#define VZDUMP_STORAGE_FORMAT_H

#include <stdbool.h>

enum storage_content {
	STORAGE_IMAGES = 1 << 0,
	STORAGE_ROOTDIR = 1 << 1,
	STORAGE_ISO = 1 << 2,
	STORAGE_VZTMPL = 1 << 3,
	STORAGE_BACKUP = 1 << 4,
	STORAGE_SNIPPETS = 1 << 5,
	STORAGE_IMPORT = 1 << 6,
};

enum image_format {
	IMAGE_RAW,
	IMAGE_QCOW2,
	IMAGE_VMDK,
	IMAGE_SUBVOL,
	IMAGE_FORMATS
};

/* "images", "backup", ...; "none" for anything but a single content type. */
const char *storage_content_name(enum storage_content c);
/* 0 if there is no content type of that name. */
unsigned storage_content_parse(const char *name);
/* All names; NULL-terminated. */
extern const char *const storage_content_names[];

/* "raw", "qcow2", ... and back; -1 for an unknown name. */
const char *image_format_name(enum image_format f);
int image_format_parse(const char *name);
/*
 * True if name is the file name of an image ("vm-100-disk-0.qcow2"): one component without white space whose
 * extension is a known format; *ret is that format.
 */
bool image_name_parse(const char *name, enum image_format *ret);

#endif

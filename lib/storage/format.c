#include "storage/format.h"

#include <stddef.h>
#include <string.h>

#include "base/strv.h"

const char *const storage_content_names[] = {
	"images", "rootdir", "iso", "vztmpl", "backup", "snippets", "import", NULL,
};
static const char *const format_names[IMAGE_FORMATS] = { "raw", "qcow2", "vmdk", "subvol" };

const char *storage_content_name(enum storage_content c)
{
	for (size_t i = 0; storage_content_names[i]; i++)
		if ((unsigned)c == 1U << i)
			return storage_content_names[i];
	return "none";
}

unsigned storage_content_parse(const char *name)
{
	for (size_t i = 0; storage_content_names[i]; i++)
		if (strcmp(storage_content_names[i], name) == 0)
			return 1U << i;
	return 0;
}

const char *image_format_name(enum image_format f)
{
	return format_names[f];
}

int image_format_parse(const char *name)
{
	for (int i = 0; i < IMAGE_FORMATS; i++)
		if (strcmp(format_names[i], name) == 0)
			return i;
	return -1;
}

bool image_name_parse(const char *name, enum image_format *ret)
{
	const char *dot = strrchr(name, '.');
	int format = dot ? image_format_parse(dot + 1) : -1;

	if (format < 0 || dot == name || strpbrk(name, "/ \t\r\n\f\v"))
		return false;
	/* snapshots: they belong to an image, but are none themselves */
	if (format == IMAGE_QCOW2 && str_prefix(name, "snap-", NULL))
		return false;
	*ret = (enum image_format)format;
	return true;
}

/* The files of a restored libvirt guest in its XML. */
#include "restore/libvirt-file.h"

#include <string.h>

#include "libvirt/xml.h"

const struct libvirt_file *libvirt_file_find(const struct libvirt_new *g, const char *key)
{
	for (size_t i = 0; i < g->n; i++)
		if (!strcmp(g->files[i].key, key))
			return &g->files[i];
	return NULL;
}

void libvirt_file_set(xmlNode *disk, const char *path)
{
	xmlNode *driver = xml_find(disk, "driver");

	if (!driver)
		driver = xml_add(disk, "driver", NULL);
	while (driver->children)
		xml_remove(driver->children);
	xml_set_attr(driver, "name", "qemu");
	xml_set_attr(driver, "type", "raw");
	xml_set_attr(disk, "type", "file");
	xml_set_attr(xml_add(disk, "source", NULL), "file", path);
}

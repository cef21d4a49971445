#include "mount/files.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

#define NAME_LEN (NAME_MAX - 8) /* room for ".raw" and some underscores */

static bool is_taken(const struct vmafs_file *files, size_t n, const char *name)
{
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return true;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(files[i].name, name))
			return true;
	return false;
}

/* An archive's names are without slashes and control characters; this makes them names of files. */
static char *unique_name(const struct vmafs_file *files, size_t n, char *name)
{
	while (is_taken(files, n, name)) {
		char *longer = xasprintf("%s_", name);

		free(name);
		name = longer;
	}
	return name;
}

char *vmafs_disk_name(const struct vma_header *h, unsigned dev)
{
	return xasprintf("%.*s.raw", NAME_LEN, h->devices[dev].name);
}

struct vmafs_file *vmafs_files_new(const struct vma_header *h, size_t *ret_n)
{
	struct vmafs_file *files = xcalloc(VMA_MAX_DEVICES + VMA_MAX_CONFIGS, sizeof(*files));
	size_t n = 0;

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		if (!h->devices[i].name)
			continue;
		files[n] = (struct vmafs_file){
			.name = unique_name(files, n, vmafs_disk_name(h, i)),
			.size = h->devices[i].size,
			.dev = (uint8_t)i,
		};
		n++;
	}
	for (unsigned i = 0; i < h->n_configs; i++) {
		char *name = xasprintf("%.*s", NAME_LEN, h->configs[i].name);

		files[n] = (struct vmafs_file){
			.name = unique_name(files, n, name),
			.size = h->configs[i].len,
			.config = &h->configs[i],
		};
		n++;
	}
	*ret_n = n;
	return files;
}

void vmafs_files_free(struct vmafs_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(files[i].name);
	free(files);
}

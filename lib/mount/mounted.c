#include "mount/mounted.h"

#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#define TYPE "fuse." VMAFS_SUBTYPE

char *vmafs_real_path(const char *dir)
{
	_cleanup_free_ char *path = realpath(dir, NULL), *parent = NULL, *copy = NULL;
	const char *name;
	size_t len = strlen(dir);

	if (path)
		return TAKE_PTR(path);
	while (len > 1 && dir[len - 1] == '/')
		len--;
	copy = xstrndup(dir, len);
	parent = io_parent(copy);
	path = realpath(parent, NULL);
	if (!path)
		return NULL;
	name = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy;
	return xasprintf("%s/%s", strcmp(path, "/") != 0 ? path : "", name);
}

bool vmafs_is_mounted(const char *dir)
{
	_cleanup_free_ char *path = vmafs_real_path(dir);
	FILE *f = path ? setmntent("/proc/self/mounts", "re") : NULL;
	struct mntent entry;
	bool found = false;
	char text[16384];

	/* the last one of a folder lies on top */
	while (f && getmntent_r(f, &entry, text, sizeof(text)))
		if (!strcmp(entry.mnt_dir, path))
			found = !strcmp(entry.mnt_type, TYPE);
	if (f)
		endmntent(f);
	return found;
}

#include "inside/guestfs-library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "inside/guestfs.h"

#define FILE_NAME "libguestfs.so.0"

/* clang-format off */
static const struct {
	const char *name;
	size_t offset; /* of its member */
} functions[] = {
#define FUNCTION(name) { "guestfs_" #name, offsetof(struct guestfs_library, name) }
	FUNCTION(create),
	FUNCTION(close),
	FUNCTION(last_error),
	FUNCTION(last_errno),
	FUNCTION(set_error_handler),
	FUNCTION(set_backend),
	FUNCTION(set_backend_setting),
	FUNCTION(add_drive_opts),
	FUNCTION(launch),
	FUNCTION(list_partitions),
	FUNCTION(list_devices),
	FUNCTION(part_to_partnum),
	FUNCTION(part_to_dev),
	FUNCTION(lvs),
	FUNCTION(vfs_type),
	FUNCTION(vfs_label),
	FUNCTION(blockdev_getsize64),
	FUNCTION(mount_options),
	FUNCTION(statns),
	FUNCTION(lstatns),
	FUNCTION(lstatnslist),
	FUNCTION(free_statns),
	FUNCTION(free_statns_list),
	FUNCTION(ls),
	FUNCTION(readlink),
	FUNCTION(readlinklist),
	FUNCTION(download),
	FUNCTION(tar_out_opts),
#undef FUNCTION
};
/* clang-format on */

int guestfs_library_load(struct guestfs_library *ret, struct error **err)
{
	*ret = (struct guestfs_library){ .handle = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL) };
	if (!ret->handle)
		return error_set(err, ERR_NOT_FOUND,
				 "libguestfs is not installed: apt-get install " INSIDE_GUESTFS_PACKAGES
				 " (%s)",
				 dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *function = dlsym(ret->handle, functions[i].name);

		if (!function) {
			guestfs_library_unload(ret);
			return error_set(err, ERR_UNSUPPORTED,
					 FILE_NAME " has no function %s: it is too old (1.28 has it)",
					 functions[i].name);
		}
		memcpy((char *)ret + functions[i].offset, &function, sizeof(function));
	}
	return 0;
}

void guestfs_library_unload(struct guestfs_library *l)
{
	if (l->handle)
		dlclose(l->handle);
	*l = (struct guestfs_library){ 0 };
}

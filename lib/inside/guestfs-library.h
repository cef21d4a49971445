/*
 * libguestfs.so.0, loaded at run time: only the functions that we call.  Its interface never changes,
 * guestfs(3). Those that return int return -1 for an error, and pointers are NULL then.  Optional arguments
 * come in pairs of a number and a value, and -1 ends them.
 */
#ifndef VZDUMP_INSIDE_GUESTFS_LIBRARY_H
#define VZDUMP_INSIDE_GUESTFS_LIBRARY_H

#include <stdint.h>

#include "base/error.h"

typedef struct guestfs_h guestfs_h;

struct guestfs_statns {
	int64_t st_dev, st_ino, st_mode, st_nlink, st_uid, st_gid, st_rdev, st_size, st_blksize, st_blocks;
	int64_t st_atime_sec, st_atime_nsec, st_mtime_sec, st_mtime_nsec, st_ctime_sec, st_ctime_nsec;
	int64_t st_spare[6];
};

struct guestfs_statns_list {
	uint32_t len;
	struct guestfs_statns *val;
};

enum {
	/* of add_drive_opts */
	GUESTFS_READONLY = 0, /* int */
	GUESTFS_FORMAT = 1,   /* string */
	/* of tar_out_opts */
	GUESTFS_NUMERICOWNER = 1, /* int */
	GUESTFS_END = -1,
};

/* The name of each member is that of its function without "guestfs_". */
struct guestfs_library {
	guestfs_h *(*create)(void);
	void (*close)(guestfs_h *g);
	const char *(*last_error)(guestfs_h *g);
	int (*last_errno)(guestfs_h *g);
	void (*set_error_handler)(guestfs_h *g, void (*cb)(guestfs_h *g, void *opaque, const char *msg),
				  void *opaque);
	int (*set_backend)(guestfs_h *g, const char *backend);
	int (*set_backend_setting)(guestfs_h *g, const char *name, const char *value);
	int (*add_drive_opts)(guestfs_h *g, const char *file, ...);
	int (*launch)(guestfs_h *g);
	char **(*list_partitions)(guestfs_h *g);
	char **(*list_devices)(guestfs_h *g);
	int (*part_to_partnum)(guestfs_h *g, const char *partition);
	char *(*part_to_dev)(guestfs_h *g, const char *partition);
	char **(*lvs)(guestfs_h *g);
	char *(*vfs_type)(guestfs_h *g, const char *device);
	char *(*vfs_label)(guestfs_h *g, const char *device);
	int64_t (*blockdev_getsize64)(guestfs_h *g, const char *device);
	int (*mount_options)(guestfs_h *g, const char *options, const char *device, const char *at);
	struct guestfs_statns *(*statns)(guestfs_h *g, const char *path);
	struct guestfs_statns *(*lstatns)(guestfs_h *g, const char *path);
	struct guestfs_statns_list *(*lstatnslist)(guestfs_h *g, const char *path, char *const *names);
	void (*free_statns)(struct guestfs_statns *s);
	void (*free_statns_list)(struct guestfs_statns_list *l);
	char **(*ls)(guestfs_h *g, const char *path);
	char *(*readlink)(guestfs_h *g, const char *path);
	char **(*readlinklist)(guestfs_h *g, const char *path, char *const *names);
	int (*download)(guestfs_h *g, const char *path, const char *file);
	int (*tar_out_opts)(guestfs_h *g, const char *path, const char *file, ...);
	void *handle;
};

/* ERR_NOT_FOUND: it is not installed. */
int guestfs_library_load(struct guestfs_library *ret, struct error **err);
void guestfs_library_unload(struct guestfs_library *l);

#endif

/* vma mount, vma umount: an archive as a folder. */
#include <stdio.h>

#include "base/text.h"
#include "mount/vmafs.h"
#include "vma-commands.h"
#include "vma-mount-child.h"

static const char *const args[] = { "archive", "directory", NULL };

static const struct option rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive: .vma.zst with an index, or .vma." },
	{ .name = "directory",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_DIRECTORY,
	  .description = "An empty directory." },
	{ .name = "foreground",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Stay in the foreground until it is unmounted; Ctrl-C unmounts it." },
	{ .name = "allow-other",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "All users of this host may read the disks, not only you. For users other than root "
			 "/etc/fuse.conf must have user_allow_other." },
};

static const struct option_table table = {
	.command = "vma mount",
	.summary = "mount an archive: its disks and configs as read-only files",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

static int serve_in_foreground(struct vmafs_options *o, struct error **err)
{
	_cleanup_(vmafs_freep) struct vmafs *m = NULL;
	_cleanup_free_ char *dir = text_cleaned(o->dir);
	int r;

	o->failed = vma_mount_say;
	r = vmafs_open(o, &m, err);
	if (r < 0)
		return r;
	printf("mounted at %s; Ctrl-C or vma umount ends it\n", dir);
	fflush(stdout);
	return vmafs_serve(m, err);
}

static int run(struct options *o, struct error **err)
{
	/* absolute, as a daemon changes to the root folder */
	_cleanup_free_ char *dir = realpath(options_get(o, "directory"), NULL);
	struct vmafs_options mo = {
		.archive = options_get(o, "archive"),
		.dir = dir ? dir : options_get(o, "directory"),
		.everybody = options_bool(o, "allow-other"),
	};

	mo.opaque = (void *)mo.archive;
	return options_bool(o, "foreground") ? serve_in_foreground(&mo, err)
					     : vma_mount_start(&mo, VMA_MOUNT_STAYS, NULL, err);
}

const struct command vma_command_mount = {
	.name = "mount",
	.table = &table,
	.run = run,
};

static const char *const umount_args[] = { "directory", NULL };

static const struct option umount_rows[] = {
	{ .name = "directory",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_DIRECTORY,
	  .description = "The directory that vma mount was given." },
};

static const struct option_table umount_table = {
	.command = "vma umount",
	.summary = "unmount an archive",
	.rows = umount_rows,
	.n_rows = ARRAY_SIZE(umount_rows),
	.args = umount_args,
};

static int umount_run(struct options *o, struct error **err)
{
	return vmafs_unmount(options_get(o, "directory"), err);
}

const struct command vma_command_umount = {
	.name = "umount",
	.table = &umount_table,
	.run = umount_run,
};

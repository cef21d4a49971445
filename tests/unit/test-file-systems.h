/*
 * Real file systems in files, for this process only: they are in a mount namespace of its own and so go
 * when it ends, in whatever way.
 */
#ifndef VZDUMP_TESTS_FILE_SYSTEMS_H
#define VZDUMP_TESTS_FILE_SYSTEMS_H

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/process.h"
#include "tap.h"

/* Where they are mounted; a folder in it for each. */
static char fs_base[] = "/tmp/test-file-systems-XXXXXX";

/* Runs a program to its end.  Returns NULL, or what it said, which the caller frees. */
static char *fs_tool(const char *const argv[])
{
	struct process_result result = { 0 };
	_cleanup_error_ struct error *err = NULL;
	char *said = process_run_ok(argv, NULL, &result, &err) == 0 ? NULL : xstrdup(error_message(err));

	process_result_clear(&result);
	return said;
}
#define FS_TOOL(...) fs_tool((const char *const[]){ __VA_ARGS__, NULL })

/* False if nothing can be mounted. */
__attribute__((unused)) static bool fs_begin(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mkdtemp(fs_base);
}

static char *fs_mount_image(const char *type, const char *image, const char *dir)
{
	char *why;

	if (!strcmp(type, "ext4"))
		why = FS_TOOL("mkfs.ext4", "-q", "-m", "0", image);
	else if (!strcmp(type, "btrfs"))
		why = FS_TOOL("mkfs.btrfs", "-q", "-m", "single", image);
	else if (!strcmp(type, "xfs-16k"))
		why = FS_TOOL("mkfs.xfs", "-q", "-b", "size=16384", image);
	else
		why = FS_TOOL("mkfs.xfs", "-q", image);
	return why ? why : FS_TOOL("mount", "-o", "loop", image, dir);
}

/*
 * Mounts a new one of that type (tmpfs, xfs, xfs-16k, btrfs, ext4) and size ("300M").  *ret is its folder,
 * which the caller frees.  If that cannot be had here, says so as a skipped test.
 */
__attribute__((unused)) static bool fs_mount(const char *type, const char *size, char **ret)
{
	static int n;
	_cleanup_free_ char *image = xasprintf("%s/image", fs_base);
	_cleanup_free_ char *option = xasprintf("size=%s", size);
	_cleanup_free_ char *why = NULL;

	*ret = xasprintf("%s/%s-%d", fs_base, type, n++);
	if (mkdir(*ret, 0755) < 0)
		why = xstrdup(strerror(errno));
	else if (!strcmp(type, "tmpfs"))
		why = FS_TOOL("mount", "-t", "tmpfs", "-o", option, "tmpfs", *ret);
	else if (!(why = FS_TOOL("truncate", "-s", size, image)))
		why = fs_mount_image(type, image, *ret);
	/* the loop device keeps it */
	unlink(image);
	if (why)
		ok(true, "%s # skip it cannot be mounted here: %.200s", type, why);
	return !why;
}

/* Takes all down. */
__attribute__((unused)) static void fs_end(void)
{
	_cleanup_free_ char *lost = FS_TOOL("sh", "-c", "umount \"$0\"/*; rmdir \"$0\"/* \"$0\"", fs_base);

	if (!ok(!lost, "nothing of the file systems is left"))
		diag("%s", lost);
}

#endif

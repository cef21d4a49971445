/*
 * Preloaded: a call about a path that holds a text does not come back, as on a server of files that is
 * away.  HANG_AT=<call>:<text>, "any" for each call that is here; the file HANG_SEEN is made then.  With
 * HANG_FROM only when that file exists.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void hang_if(const char *call, const char *path)
{
	const char *at = getenv("HANG_AT"), *seen = getenv("HANG_SEEN"), *from = getenv("HANG_FROM");
	size_t n;

	if (!at || !seen || (from && faccessat(AT_FDCWD, from, F_OK, 0) < 0))
		return;
	n = strcspn(at, ":");
	if ((strncmp(at, "any:", 4) != 0 && (n != strlen(call) || strncmp(at, call, n) != 0)) ||
	    at[n] != ':' || !strstr(path, at + n + 1))
		return;
	close(open(seen, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (;;)
		pause();
}

static void hang_if_open(const char *call, int fd)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	hang_if(call, path);
}

int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	hang_if_open("fsync", fd);
	return real(fd);
}

/* What pread() is with 64-bit offsets. */
ssize_t pread64(int fd, void *buf, size_t count, off64_t offset)
{
	ssize_t (*real)(int, void *, size_t, off64_t) =
		(ssize_t(*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");

	hang_if_open("pread", fd);
	return real(fd, buf, count, offset);
}

/* What is copied from. */
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
	ssize_t (*real)(int, off64_t *, int, off64_t *, size_t, unsigned) =
		(ssize_t(*)(int, off64_t *, int, off64_t *, size_t, unsigned))dlsym(RTLD_NEXT,
										    "copy_file_range");

	hang_if_open("copy", in);
	return real(in, in_at, out, out_at, len, flags);
}

/* What statvfs() is with 64-bit offsets. */
int statvfs64(const char *path, struct statvfs64 *buf)
{
	int (*real)(const char *, struct statvfs64 *) =
		(int (*)(const char *, struct statvfs64 *))dlsym(RTLD_NEXT, "statvfs64");

	hang_if("statvfs", path);
	return real(path, buf);
}

int access(const char *path, int mode)
{
	int (*real)(const char *, int) = (int (*)(const char *, int))dlsym(RTLD_NEXT, "access");

	hang_if("access", path);
	return real(path, mode);
}

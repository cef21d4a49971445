/*
 * Preloaded: one allocation of a program fails, the FAIL_MALLOC_AT-th (from 1) of those that
 * FAIL_MALLOC_FROM, a part of the path of a library or program, calls for.  Only in the program called
 * FAIL_MALLOC_IN, not in its children.  The file FAIL_MALLOC_MARK is made when it has failed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc's own, under names that are not replaced here */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_long seen;

static bool is_from(const void *caller)
{
	const char *from = getenv("FAIL_MALLOC_FROM");
	Dl_info info;

	return !from || (dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, from));
}

static bool fails(const void *caller)
{
	const char *at = getenv("FAIL_MALLOC_AT"), *in = getenv("FAIL_MALLOC_IN"),
		   *mark = getenv("FAIL_MALLOC_MARK");

	if (!at || !in || strcmp(in, program_invocation_short_name) != 0 || !is_from(caller) ||
	    atomic_fetch_add(&seen, 1) + 1 != strtol(at, NULL, 10))
		return false;
	if (mark)
		close(open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || fails(__builtin_return_address(0)))
		return NULL;
	return __libc_realloc(p, bytes);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

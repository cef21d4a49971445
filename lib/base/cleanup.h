/*
 * Ownership helpers: a variable that owns something says so where it is declared.
 *
 *	_cleanup_(buf_clear) struct buf b = BUF_INIT;
 *	_cleanup_free_ char *s = xstrdup("x");
 *	...
 *	return TAKE_PTR(s);	// ownership leaves with the value
 */
#ifndef VZDUMP_BASE_CLEANUP_H
#define VZDUMP_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Defines fn##p(T **), for _cleanup_(x_freep) on a pointer that x_free() frees. */
#define DEFINE_CLEANUP(type, fn)          \
	static inline void fn##p(type *p) \
	{                                 \
		if (*p)                   \
			fn(*p);           \
	}

/* The value of the pointer variable, which is NULL afterwards. */
#define TAKE_PTR(p)                            \
	({                                     \
		__typeof__(p) take_ptr_ = (p); \
		(p) = NULL;                    \
		take_ptr_;                     \
	})

/* The value of the descriptor variable, which is -1 afterwards. */
#define TAKE_FD(fd)                  \
	({                           \
		int take_fd_ = (fd); \
		(fd) = -1;           \
		take_fd_;            \
	})

static inline void cleanup_freep_(void *p)
{
	void *value;

	__builtin_memcpy(&value, p, sizeof(value));
	free(value);
}
#define _cleanup_free_ _cleanup_(cleanup_freep_)

static inline void cleanup_closep_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define _cleanup_close_ _cleanup_(cleanup_closep_)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif

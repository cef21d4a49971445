/*
 * Small allocations.  If there is no memory they abort the process, after one line that says so: on a
 * Linux host nothing sane is left to do then, and the next run finds in the journal what to undo.  Large
 * buffers (extents, maps) are allocated with error returns instead.
 */
#ifndef VZDUMP_BASE_MEM_H
#define VZDUMP_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

/* Says so on standard error and aborts. */
_Noreturn void out_of_memory(void);
/* p, which a library has allocated; NULL is the end, as of an allocation of ours. */
void *xcheck(void *p);
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
/* n * size is checked for overflow. */
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
/* NULL stays NULL. */
char *xstrdup_null(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

#endif

/*
 * Small allocations.  If there is no memory, they abort the process after a line that says so: no sensible
 * recovery is left on a Linux host, and the next start undoes what the journal lists.  Large buffers
 * (extents, maps) are allocated with error returns instead.
 */
#ifndef VZDUMP_BASE_MEM_H
#define VZDUMP_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

/* Writes "out of memory" to standard error and aborts. */
_Noreturn void out_of_memory(void);
/* Returns p, which a library has allocated; aborts as above if it is NULL. */
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

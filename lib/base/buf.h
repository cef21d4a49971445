/* A growing byte buffer, always with a NUL after its len bytes, so that data is a string. */
#ifndef VZDUMP_BASE_BUF_H
#define VZDUMP_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/cleanup.h"

struct buf {
	char *data; /* NULL until something is added */
	size_t len;
	size_t cap;
};
#define BUF_INIT  \
	{         \
		0 \
	}

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for n more bytes and returns where to write them; buf_added() then adds those n bytes. */
char *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Empties the buffer and keeps its memory. */
void buf_reset(struct buf *b);
/* The text, "" when empty.  Owned by the buffer. */
const char *buf_str(const struct buf *b);
/* Hands the text (never NULL) to the caller and leaves the buffer empty. */
char *buf_steal(struct buf *b);
void buf_clear(struct buf *b);

#define _cleanup_buf_ _cleanup_(buf_clear)

#endif

/* Base64 with padding, as mail and configurations have it (RFC 4648, section 4). */
#ifndef VZDUMP_BASE_BASE64_H
#define VZDUMP_BASE_BASE64_H

#include <stddef.h>

#include "base/buf.h"

/* Appends the text, without line breaks. */
void base64_encode(const void *data, size_t len, struct buf *out);
/*
 * Appends what text stands for.  ERR_INVALID, with *out unchanged, unless text is what base64_encode() would
 * write: no blanks, padded, no bits set behind the end.
 */
int base64_decode(const char *text, struct buf *out);

#endif

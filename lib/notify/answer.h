/*
 * What a server answers, for an error text.  Servers repeat what they were sent, be it the path of a URL; so
 * an answer that has a piece of a secret in it is not shown at all.
 */
#ifndef VZDUMP_NOTIFY_ANSWER_H
#define VZDUMP_NOTIFY_ANSWER_H

#include <stddef.h>

/* What is worth keeping of an answer, in bytes. */
#define ANSWER_KEPT ((size_t)8192)

/*
 * The beginning of the answer as one harmless line, in quotes; NULL if it is empty.  A note takes its place
 * if six bytes of a secret are in it (or the whole of a shorter one), in upper or lower case, as they are or
 * escaped for a URL, JSON or HTML, or in base64, also with something in front of it; and if the secret is
 * base64, decoded.  Secrets (NULL-terminated) may be longer than what is really secret, as a URL's path.
 * Caller frees.
 */
char *answer_excerpt(const char *data, size_t len, const char *const *secrets);

#endif

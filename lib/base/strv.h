/* NULL-terminated arrays of owned strings, and splitting as PVE does it. */
#ifndef VZDUMP_BASE_STRV_H
#define VZDUMP_BASE_STRV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

size_t strv_len(char *const *v);
/* Appends a copy.  *v may be NULL. */
void strv_add(char ***v, const char *s);
void strv_addf(char ***v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool strv_contains(char *const *v, const char *s);
/* Splits at commas, semicolons and white space; drops empty parts (PVE::Tools::split_list). */
char **strv_split_list(const char *s);
/*
 * Splits names, which may have blanks if the list has a comma or semicolon: "my guest,web", "my guest,".
 * Without one it is strv_split_list().
 */
char **strv_split_names(const char *s);
/* Splits like a shell would, without expansion: quotes and backslashes.  NULL if a quote is open. */
char **strv_split_args(const char *s);
/* "a, b".  Caller frees. */
char *strv_join(char *const *v, const char *separator);
void strv_free(char **v);
DEFINE_CLEANUP(char **, strv_free)
#define _cleanup_strv_ _cleanup_(strv_freep)

/* True if s starts with prefix; *ret_rest (if not NULL) is what follows. */
bool str_prefix(const char *s, const char *prefix, const char **ret_rest);
bool str_suffix(const char *s, const char *suffix);
bool str_equal_null(const char *a, const char *b);
/* Removes white space at both ends, in place, and returns the beginning of the rest. */
char *str_strip(char *s);
/* The line at *at, without its newline, as a part of the text; moves *at past it.  False at the end. */
bool str_next_line(const char **at, const char **ret_line, size_t *ret_len);
/* As PVE::Tools::shellquote: unchanged if harmless, else in single quotes.  Caller frees. */
char *str_shellquote(const char *s);

#endif

#include "base/strv.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

size_t strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

static void add_owned(char ***v, char *s)
{
	size_t n = strv_len(*v);

	*v = xreallocarray(*v, n + 2, sizeof(**v));
	(*v)[n] = s;
	(*v)[n + 1] = NULL;
}

void strv_add(char ***v, const char *s)
{
	add_owned(v, xstrdup(s));
}

void strv_addf(char ***v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_owned(v, xvasprintf(fmt, ap));
	va_end(ap);
}

bool strv_contains(char *const *v, const char *s)
{
	for (; v && *v; v++) {
		if (!strcmp(*v, s))
			return true;
	}
	return false;
}

char **strv_split_list(const char *s)
{
	static const char separators[] = ",; \t\r\n\f\v";
	char **v = xcalloc(1, sizeof(*v));

	while (*(s += strspn(s, separators))) {
		size_t len = strcspn(s, separators);

		add_owned(&v, xstrndup(s, len));
		s += len;
	}
	return v;
}

char **strv_split_names(const char *s)
{
	static const char separators[] = ",;";
	char **v;

	if (!strpbrk(s, separators))
		return strv_split_list(s);
	v = xcalloc(1, sizeof(*v));
	while (*(s += strspn(s, separators))) {
		size_t len = strcspn(s, separators);
		_cleanup_free_ char *name = xstrndup(s, len);

		if (*str_strip(name))
			strv_add(&v, str_strip(name));
		s += len;
	}
	return v;
}

/* Appends the first word of s to word.  Returns the end of the word, NULL if a quote is open. */
static const char *split_word(const char *s, struct buf *word)
{
	char quote = 0;

	for (; *s && (quote || !isspace((unsigned char)*s)); s++) {
		if (quote && *s == quote) {
			quote = 0;
		} else if (!quote && (*s == '\'' || *s == '"')) {
			quote = *s;
		} else {
			if (*s == '\\' && quote != '\'' && s[1])
				s++;
			buf_addc(word, *s);
		}
	}
	return quote ? NULL : s;
}

char **strv_split_args(const char *s)
{
	_cleanup_strv_ char **v = xcalloc(1, sizeof(*v));

	for (;;) {
		_cleanup_buf_ struct buf word = BUF_INIT;

		while (isspace((unsigned char)*s))
			s++;
		if (!*s)
			return TAKE_PTR(v);
		s = split_word(s, &word);
		if (!s)
			return NULL;
		add_owned(&v, buf_steal(&word));
	}
}

char *strv_join(char *const *v, const char *separator)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (; v && *v; v++) {
		if (b.len)
			buf_adds(&b, separator);
		buf_adds(&b, *v);
	}
	return buf_steal(&b);
}

void strv_free(char **v)
{
	for (char **at = v; at && *at; at++)
		free(*at);
	free(v);
}

bool str_prefix(const char *s, const char *prefix, const char **ret_rest)
{
	size_t len = strlen(prefix);

	if (strncmp(s, prefix, len) != 0)
		return false;
	if (ret_rest)
		*ret_rest = s + len;
	return true;
}

bool str_suffix(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len >= n && !strcmp(s + len - n, suffix);
}

bool str_equal_null(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

char *str_strip(char *s)
{
	size_t len;

	while (isspace((unsigned char)*s))
		s++;
	len = strlen(s);
	while (len && isspace((unsigned char)s[len - 1]))
		s[--len] = '\0';
	return s;
}

bool str_next_line(const char **at, const char **ret_line, size_t *ret_len)
{
	size_t len = strcspn(*at, "\n");

	if (!**at)
		return false;
	*ret_line = *at;
	*ret_len = len;
	*at += len + ((*at)[len] == '\n');
	return true;
}

char *str_shellquote(const char *s)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				       "@%+=:,./-_";
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (*s && !s[strspn(s, harmless)])
		return xstrdup(s);
	buf_addc(&b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_adds(&b, "'\\''");
		else
			buf_addc(&b, *s);
	}
	buf_addc(&b, '\'');
	return buf_steal(&b);
}

#include "config/notes-template.h"

#include <string.h>

#include "base/buf.h"

static const char *const variables[] = { "cluster", "guestname", "node", "vmid" };

/* The length of the name if s begins with "{{name}}", whatever the name; else 0. */
static size_t variable_length(const char *s)
{
	size_t len;

	if (s[0] != '{' || s[1] != '{')
		return 0;
	len = strcspn(s + 2, " \t\r\n\f\v{}");
	return len && s[2 + len] == '}' && s[3 + len] == '}' ? len : 0;
}

/* Index of the variable of that name, which has len bytes; ARRAY_SIZE(variables) if there is none. */
static size_t find_variable(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(variables); i++)
		if (strlen(variables[i]) == len && strncmp(variables[i], name, len) == 0)
			break;
	return i;
}

/* The length of a backslash and the character after it. */
static size_t escape_length(const char *s)
{
	size_t len = 2;

	while (((unsigned char)s[len] & 0xc0) == 0x80) /* the rest of a character in UTF-8 */
		len++;
	return len;
}

static void add_problem(struct buf *out, const char *what, const char *text, size_t len, size_t at)
{
	buf_addf(out, "%s%s '%.*s' at char %zu", out->len ? ", " : "", what, (int)len, text, at);
}

int notes_template_check(const char *template, struct error **err)
{
	_cleanup_buf_ struct buf problems = BUF_INIT;

	if (strchr(template, '\n'))
		return error_set(err, ERR_INVALID, "contains a line feed: write \\n for a new line");
	for (const char *s = template; *s; s++) {
		if (*s == '\\' && s[1]) {
			if (s[1] != 'n' && s[1] != '\\')
				add_problem(&problems, "escape sequence", s, escape_length(s),
					    (size_t)(s - template));
			s++;
		}
	}
	for (const char *s = template; *s; s++) {
		const size_t len = variable_length(s);

		if (len && find_variable(s + 2, len) == ARRAY_SIZE(variables))
			add_problem(&problems, "variable", s + 2, len, (size_t)(s + 2 - template));
	}
	if (!problems.len)
		return 0;
	return error_set(err, ERR_INVALID,
			 "found unknown: %s (known are \\n, \\\\, {{cluster}}, {{guestname}}, {{node}} and "
			 "{{vmid}})",
			 buf_str(&problems));
}

char *notes_template_expand(const char *template, const struct notes_values *values)
{
	const char *const by_variable[] = { values->cluster, values->guestname, values->node, values->vmid };
	_cleanup_buf_ struct buf out = BUF_INIT;

	for (const char *s = template; *s;) {
		const size_t len = variable_length(s);
		const size_t i = len ? find_variable(s + 2, len) : ARRAY_SIZE(variables);

		if (i < ARRAY_SIZE(variables)) {
			buf_adds(&out, by_variable[i]);
			s += len + 4;
		} else if (*s == '\\' && s[1]) {
			buf_addc(&out, s[1] == 'n' ? '\n' : s[1]);
			s += 2;
		} else {
			buf_addc(&out, *s++);
		}
	}
	return buf_steal(&out);
}

/* How bash writes words: quotes, backslashes, and the characters that separate words for it. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "complete.h"

/* Reads one word from *at on, without its quotes. */
static void read_word(const char **at, struct buf *word, char *quote)
{
	const char *s = *at;

	*quote = 0;
	for (; *s && (*quote || !isspace((unsigned char)*s)); s++) {
		if (*quote ? *s == *quote : *s == '\'' || *s == '"')
			*quote = *quote ? 0 : *s;
		else if (*s == '\\' && s[1] && *quote != '\'' && (!*quote || strchr("\"\\$`", s[1])))
			buf_addc(word, *++s);
		else
			buf_addc(word, *s);
	}
	*at = s;
}

static bool is_assignment(const char *word)
{
	size_t len = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return len && word[len] == '=' && !isdigit((unsigned char)*word);
}

char **complete_split_line(const char *line, char *ret_quote, const char **ret_raw)
{
	char **words = NULL;
	const char *at = line;

	*ret_quote = 0;
	do {
		_cleanup_buf_ struct buf word = BUF_INIT;

		while (isspace((unsigned char)*at))
			at++;
		*ret_raw = at;
		read_word(&at, &word, ret_quote);
		if (words || !is_assignment(buf_str(&word)))
			strv_add(&words, buf_str(&word));
	} while (*at);
	return words;
}

/* Adds text as it is typed inside the open quote, or without one (0). */
static void add_quoted(struct buf *out, const char *text, char quote)
{
	const char *special = quote == '"' ? "\"\\$`" : " \t\"'\\$`&|;()<>*?[]{}!#";

	if (!quote && str_prefix(text, "~/", NULL)) {
		buf_adds(out, "~/");
		text += 2;
	}
	for (; *text; text++) {
		if (quote == '\'' && *text == '\'')
			buf_adds(out, "'\\'");
		else if (quote != '\'' && strchr(special, *text))
			buf_addc(out, '\\');
		buf_addc(out, *text);
	}
}

/*
 * Where the word begins for bash: after the open quote, else after the last ":" or "=", which are in
 * COMP_WORDBREAKS by default.
 */
static size_t word_start(const char *raw, char quote)
{
	size_t start = 0;

	if (quote)
		return (size_t)(strrchr(raw, quote) + 1 - raw);
	for (size_t i = 0; raw[i]; i++) {
		if (raw[i] == '\\' && raw[i + 1])
			i++;
		else if (raw[i] == ':' || raw[i] == '=')
			start = i + 1;
	}
	return start;
}

void complete_print_bash(const struct completion *c, char quote, const char *raw)
{
	_cleanup_free_ char *head = xstrndup(raw, word_start(raw, quote));
	_cleanup_buf_ struct buf cut = BUF_INIT;
	const char *at = head;
	char ignored;

	read_word(&at, &cut, &ignored);
	for (size_t i = 0; i < c->n; i++) {
		_cleanup_buf_ struct buf text = BUF_INIT;

		add_quoted(&text, c->list[i].text + cut.len, quote);
		printf("%s\t%s\n", buf_str(&text), c->list[i].description);
	}
}

#include "notify/answer.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"

#define SHOWN   200 /* bytes of an answer */
#define TELLING 6   /* bytes of a secret that are a piece of it, and no accident */

static void lower(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		s[i] = (char)tolower((unsigned char)s[i]);
}

/* Both are in lower case. */
static bool has_piece(const struct buf *text, const char *secret)
{
	const size_t len = strlen(secret), piece = len < TELLING ? len : TELLING;

	for (size_t i = 0; piece > 0 && i + piece <= len; i++)
		if (memmem(text->data, text->len, secret + i, piece))
			return true;
	return false;
}

/* Takes the secret over, which may be NULL. */
static bool has_form(const struct buf *text, char *secret)
{
	_cleanup_free_ char *form = secret;

	if (!form)
		return false;
	lower(form, strlen(form));
	return has_piece(text, form);
}

static char *html_form(const char *secret)
{
	struct buf out = BUF_INIT;

	for (; *secret; secret++)
		switch (*secret) {
		case '&':
			buf_adds(&out, "&amp;");
			break;
		case '<':
			buf_adds(&out, "&lt;");
			break;
		case '>':
			buf_adds(&out, "&gt;");
			break;
		case '"':
			buf_adds(&out, "&quot;");
			break;
		case '\'':
			buf_adds(&out, "&#39;");
			break;
		default:
			buf_addc(&out, *secret);
		}
	return buf_steal(&out);
}

/* As json-c writes it, with the quotes cut off; slash says whether "/" is escaped. */
static char *json_form(const char *secret, bool slash)
{
	_cleanup_json_ struct json_object *o = xcheck(json_object_new_string(secret));
	const char *text = slash ? json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN) : json_text(o);

	return text ? xstrndup(text + 1, strlen(text) - 2) : NULL;
}

/* libcurl's memory is not ours to free(). */
static char *url_form(const char *secret, bool encode)
{
	char *text = encode ? curl_easy_escape(NULL, secret, 0) : curl_easy_unescape(NULL, secret, 0, NULL);
	char *copy = xstrdup_null(text);

	curl_free(text);
	return copy;
}

/*
 * Within base64 of something longer, as "user:secret", the secret's own begins with its first, second or
 * third byte.
 */
static bool has_base64(const struct buf *text, const char *secret)
{
	bool found = false;

	for (unsigned skip = 0; skip < 3 && *secret && !found; skip++, secret++) {
		struct buf form = BUF_INIT;

		base64_encode(secret, strlen(secret), &form);
		found = has_form(text, buf_steal(&form));
	}
	return found;
}

/* What "Basic dXNlcjpzZWNyZXQ=" stands for, by its last word; NULL if that is no base64, or tells nothing. */
static char *plain_form(const char *secret)
{
	const char *blank = strrchr(secret, ' ');
	_cleanup_buf_ struct buf plain = BUF_INIT;

	if (base64_decode(blank ? blank + 1 : secret, &plain) < 0 || plain.len < TELLING)
		return NULL;
	return buf_steal(&plain);
}

static bool repeats(const struct buf *text, const char *secret)
{
	return has_form(text, xstrdup(secret)) || has_form(text, url_form(secret, true)) ||
	       has_form(text, url_form(secret, false)) || has_form(text, json_form(secret, true)) ||
	       has_form(text, json_form(secret, false)) || has_form(text, html_form(secret)) ||
	       has_base64(text, secret) || has_form(text, plain_form(secret));
}

static bool repeats_any(const char *data, size_t len, const char *const *secrets)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	bool found = false;

	buf_add(&text, data, len);
	lower(text.data, text.len);
	for (; *secrets && !found; secrets++)
		found = repeats(&text, *secrets);
	return found;
}

/* The first bytes without half a character at the end.  Cleaned text is UTF-8. */
static void cut(char *s)
{
	size_t len = SHOWN;

	if (strlen(s) <= SHOWN)
		return;
	while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	s[len] = '\0';
}

char *answer_excerpt(const char *data, size_t len, const char *const *secrets)
{
	_cleanup_free_ char *text = NULL;
	const char *end;
	char *line;

	if (!len)
		return NULL;
	if (repeats_any(data, len, secrets))
		return xstrdup("(its text is not shown, because a piece of a secret may be in it)");
	end = memchr(data, '\0', len);
	text = xstrndup(data, end ? (size_t)(end - data) : len);
	line = str_strip(text_clean(text));
	cut(line);
	return *line ? xasprintf("\"%s\"", line) : NULL;
}

#include "notify/mail.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"

enum {
	LINE_MAX_BYTES = 998,   /* RFC 5322, without the end of the line */
	FOLD_BYTES = 900,       /* headers that are longer are folded */
	WORD_BYTES = 39,        /* "Subject: =?utf-8?B?" + 52 + "?=" is less than the 76 of RFC 2047 */
	BASE64_LINE_BYTES = 54, /* 72 characters */
};

/* Appends s with a blank for each control character, so that no text makes a header of its own. */
static void add_clean(struct buf *out, const char *s)
{
	for (; *s; s++)
		buf_addc(out, (unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s);
}

static bool is_ascii(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s >= 0x80)
			return false;
	}
	return true;
}

/* The bytes of s, at most WORD_BYTES, that end with a whole character of UTF-8. */
static size_t word_length(const char *s)
{
	size_t n = strnlen(s, WORD_BYTES + 1);

	if (n <= WORD_BYTES)
		return n;
	for (n = WORD_BYTES; n > 1 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

/* As encoded words (RFC 2047), each on a line of its own. */
static void add_encoded(struct buf *out, const char *s)
{
	for (size_t n; *s; s += n) {
		n = word_length(s);
		buf_adds(out, "=?utf-8?B?");
		base64_encode(s, n, out);
		buf_adds(out, s[n] ? "?=\n " : "?=");
	}
}

/* Text of a header: as it is if it may be, else encoded. */
static void add_text(struct buf *out, const char *s)
{
	_cleanup_buf_ struct buf clean = BUF_INIT;

	add_clean(&clean, s);
	/* what looks like an encoded word would be decoded */
	if (is_ascii(buf_str(&clean)) && !strstr(buf_str(&clean), "=?") && clean.len < FOLD_BYTES)
		buf_adds(out, buf_str(&clean));
	else
		add_encoded(out, buf_str(&clean));
}

/* A display name: in quotes if it has more than words (RFC 5322, 3.2.3). */
static void add_name(struct buf *out, const char *name)
{
	_cleanup_buf_ struct buf clean = BUF_INIT;

	add_clean(&clean, name);
	if (!clean.len || clean.len >= FOLD_BYTES || !is_ascii(clean.data) ||
	    !strpbrk(clean.data, "()<>[]:;@\\,.\"")) {
		add_text(out, buf_str(&clean));
		return;
	}
	buf_addc(out, '"');
	for (const char *at = clean.data; *at; at++) {
		if (*at == '"' || *at == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *at);
	}
	buf_addc(out, '"');
}

static void add_recipients(struct buf *out, const char *const *recipients)
{
	size_t line = out->len;

	buf_adds(out, "To: ");
	for (size_t i = 0; recipients[i]; i++) {
		if (i)
			buf_addc(out, ',');
		if (i && out->len - line + strlen(recipients[i]) > FOLD_BYTES) {
			buf_addc(out, '\n');
			line = out->len;
		}
		if (i)
			buf_addc(out, ' ');
		add_clean(out, recipients[i]);
	}
	buf_addc(out, '\n');
}

/* RFC 5322, in English whatever the locale is. */
static void add_date(struct buf *out, time_t time)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	long minutes;

	localtime_r(&time, &tm);
	minutes = tm.tm_gmtoff / 60;
	buf_addf(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d %c%02ld%02ld\n", days + 3 * tm.tm_wday,
		 tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 minutes < 0 ? '-' : '+', labs(minutes) / 60, labs(minutes) % 60);
}

/*
 * Whether text can be sent as it is: ASCII in lines that are short enough, without the boundary, and without
 * a line of one dot, at which sendmail stops reading.
 */
static bool is_7bit(const char *text, const char *boundary)
{
	if (!is_ascii(text) || strchr(text, '\r') || strstr(text, boundary))
		return false;
	for (const char *at = text; *at;) {
		const size_t len = strcspn(at, "\n");

		if (len > LINE_MAX_BYTES || (len == 1 && *at == '.'))
			return false;
		at += len + (at[len] == '\n');
	}
	return true;
}

static void add_base64_lines(struct buf *out, const char *text)
{
	const size_t len = strlen(text);

	for (size_t at = 0; at < len; at += BASE64_LINE_BYTES) {
		base64_encode(text + at, len - at < BASE64_LINE_BYTES ? len - at : BASE64_LINE_BYTES, out);
		buf_addc(out, '\n');
	}
}

static void add_part(struct buf *out, const char *boundary, const char *type, const char *text)
{
	const bool plain = is_7bit(text, boundary);

	buf_addf(out, "--%s\nContent-Type: %s;\n\tcharset=\"UTF-8\"\nContent-Transfer-Encoding: %s\n\n",
		 boundary, type, plain ? "7bit" : "base64");
	if (!plain) {
		add_base64_lines(out, text);
		return;
	}
	buf_adds(out, text);
	if (out->data[out->len - 1] != '\n')
		buf_addc(out, '\n');
}

static void add_crlf(struct buf *out, const struct buf *mail)
{
	for (size_t i = 0; i < mail->len; i++) {
		if (mail->data[i] == '\n')
			buf_addc(out, '\r');
		buf_addc(out, mail->data[i]);
	}
}

void mail_compose(const struct mail_head *head, const struct notify_message *m, enum mail_lines lines,
		  struct buf *out)
{
	_cleanup_free_ char *boundary = xasprintf("----_=_NextPart_002_%lld", (long long)m->time);
	_cleanup_buf_ struct buf mail = BUF_INIT;

	buf_addf(&mail, "Content-Type: multipart/alternative;\n\tboundary=\"%s\"\n", boundary);
	buf_adds(&mail, "MIME-Version: 1.0\nSubject: ");
	add_text(&mail, m->title);
	buf_adds(&mail, "\nFrom: ");
	add_name(&mail, head->author);
	buf_adds(&mail, " <");
	add_clean(&mail, head->from);
	buf_adds(&mail, ">\n");
	add_recipients(&mail, head->recipients);
	add_date(&mail, m->time);
	buf_adds(&mail, "Auto-Submitted: auto-generated;\n\n"
			"This mail has a text and an HTML part, in MIME format.\n\n");
	add_part(&mail, boundary, "text/plain", m->text);
	if (m->html)
		add_part(&mail, boundary, "text/html", m->html);
	buf_addf(&mail, "--%s--\n", boundary);
	if (lines == MAIL_CRLF)
		add_crlf(out, &mail);
	else
		buf_add(out, mail.data, mail.len);
}

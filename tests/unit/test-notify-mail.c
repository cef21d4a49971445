#include "notify/mail.h"

#include <sys/mman.h>

#include "base/base64.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/text.h"
#include "test-config-util.h"

/* Saturday, 2026-11-28, 22:05:09 in Vienna. */
#define WHEN 1795899909

static const char *const two[] = { "a@example.com", "root", NULL };

static char *compose(const struct mail_head *head, const struct notify_message *m, enum mail_lines lines)
{
	_cleanup_buf_ struct buf mail = BUF_INIT;

	buf_adds(&mail, "");
	mail_compose(head, m, lines, &mail);
	return buf_steal(&mail);
}

/* What Python's parser reads in it; "" if it finds anything wrong.  Caller frees. */
static char *parsed(const char *mail)
{
	static const char *const argv[] = { "python3", "tests/lib/mail_parts.py", NULL };
	_cleanup_close_ int fd = memfd_create("mail", MFD_CLOEXEC);
	struct process_result result = { 0 };
	struct error *err = NULL;
	char *out = xstrdup("");

	if (fd < 0 || io_write_all(fd, mail, strlen(mail)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (process_run_ok(argv, &(struct process_options){ .stdin_fd = fd }, &result, &err) == 0) {
		free(out);
		out = xstrdup(result.out);
	} else {
		diag("%s", error_message(err));
	}
	error_free(err);
	process_result_clear(&result);
	return out;
}

static void is_written_as_pve_does(void)
{
	const struct mail_head head = { .author = "Proxmox VE", .from = "root", .recipients = two };
	const struct notify_message m = {
		.time = WHEN,
		.title = "vzdump backup status (pve1.example.com): backup successful",
		.text = "Details\n=======\n",
		.html = "<p>Details</p>",
	};
	static const char want[] = "Content-Type: multipart/alternative;\n"
				   "\tboundary=\"----_=_NextPart_002_1795899909\"\n"
				   "MIME-Version: 1.0\n"
				   "Subject: vzdump backup status (pve1.example.com): backup successful\n"
				   "From: Proxmox VE <root>\n"
				   "To: a@example.com, root\n"
				   "Date: Sat, 28 Nov 2026 22:05:09 +0100\n"
				   "Auto-Submitted: auto-generated;\n"
				   "\n"
				   "This mail has a text and an HTML part, in MIME format.\n"
				   "\n"
				   "------_=_NextPart_002_1795899909\n"
				   "Content-Type: text/plain;\n"
				   "\tcharset=\"UTF-8\"\n"
				   "Content-Transfer-Encoding: 7bit\n"
				   "\n"
				   "Details\n"
				   "=======\n"
				   "------_=_NextPart_002_1795899909\n"
				   "Content-Type: text/html;\n"
				   "\tcharset=\"UTF-8\"\n"
				   "Content-Transfer-Encoding: 7bit\n"
				   "\n"
				   "<p>Details</p>\n"
				   "------_=_NextPart_002_1795899909--\n";
	_cleanup_free_ char *lf = compose(&head, &m, MAIL_LF), *crlf = compose(&head, &m, MAIL_CRLF);
	_cleanup_buf_ struct buf without = BUF_INIT;
	size_t returns = 0, newlines = 0;

	same(lf, want, "headers and parts are those of PVE, in its order");
	for (const char *at = crlf; *at; at++) {
		if (*at == '\r')
			returns += at[1] == '\n';
		else
			buf_addc(&without, *at);
		newlines += *at == '\n';
	}
	same(buf_str(&without), want, "for SMTP it is the same");
	ok(returns == newlines && newlines == 25, "with CR before each LF");
}

static void reads_well(void)
{
	/* clang-format off */
	static const struct {
		const char *what, *author, *from, *title, *text, *html, *want;
	} rows[] = {
		{ "plain", "Proxmox VE", "root", "title", "text", "<p>html</p>",
		  "Subject: title\nFrom: Proxmox VE|root\n"
		  "-- text/plain utf-8 7bit\ntext\n-- text/html utf-8 7bit\n<p>html</p>\n" },
		{ "not ASCII", "Käufer & Söhne", "x@y.at", "Sicherung für höst: fehlgeschlagen", "Größe: 1 €\n", "<b>Größe</b>",
		  "Subject: Sicherung für höst: fehlgeschlagen\nFrom: Käufer & Söhne|x@y.at\n"
		  "-- text/plain utf-8 base64\nGröße: 1 €\n-- text/html utf-8 base64\n<b>Größe</b>\n" },
		{ "specials in a name", "Backup (night), \"big\" \\ one. <x@y>", "x@y.at", "a", "b", "c",
		  "Subject: a\nFrom: Backup (night), \"big\" \\ one. <x@y>|x@y.at\n"
		  "-- text/plain utf-8 7bit\nb\n-- text/html utf-8 7bit\nc\n" },
		{ "headers in names", "A\nBcc: evil@x", "x@y.at", "t\r\nBcc: evil@x\r\n\r\nbody", "b", "c",
		  "Subject: t  Bcc: evil@x    body\nFrom: A Bcc: evil@x|x@y.at\n"
		  "-- text/plain utf-8 7bit\nb\n-- text/html utf-8 7bit\nc\n" },
		{ "what looks encoded", "=?utf-8?B?eA==?=", "x@y.at", "=?utf-8?Q?x?= y", "b", "c",
		  "Subject: =?utf-8?Q?x?= y\nFrom: =?utf-8?B?eA==?=|x@y.at\n"
		  "-- text/plain utf-8 7bit\nb\n-- text/html utf-8 7bit\nc\n" },
		{ "long, not ASCII", "x", "x@y.at",
		  "ααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααα ω", "b", "c",
		  "Subject: ααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααααα ω\n"
		  "From: x|x@y.at\n-- text/plain utf-8 7bit\nb\n-- text/html utf-8 7bit\nc\n" },
		{ "dots, From and the boundary in the text", "x", "x@y.at", "a",
		  ".\nFrom me\n..\n------_=_NextPart_002_1795899909--\nend", ".",
		  "Subject: a\nFrom: x|x@y.at\n"
		  "-- text/plain utf-8 base64\n.\nFrom me\n..\n------_=_NextPart_002_1795899909--\nend\n"
		  "-- text/html utf-8 base64\n.\n" },
		{ "what ends a mail for sendmail", "x", "x@y.at", "a", "one\n.\ntwo\n", ".x\nx.\n. \n",
		  "Subject: a\nFrom: x|x@y.at\n"
		  "-- text/plain utf-8 base64\none\n.\ntwo\n-- text/html utf-8 7bit\n.x\nx.\n. \n" },
		{ "no HTML", "x", "x@y.at", "a", "b", NULL,
		  "Subject: a\nFrom: x|x@y.at\n-- text/plain utf-8 7bit\nb\n" },
		{ "no words", "", "x@y.at", "", "", "",
		  "Subject: \nFrom: |x@y.at\n-- text/plain utf-8 7bit\n\n-- text/html utf-8 7bit\n\n" },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct mail_head head = { rows[i].author, rows[i].from, two };
		const struct notify_message m = {
			.time = WHEN, .title = rows[i].title, .text = rows[i].text, .html = rows[i].html
		};

		for (enum mail_lines lines = MAIL_LF; lines <= MAIL_CRLF; lines++) {
			_cleanup_free_ char *mail = compose(&head, &m, lines), *got = parsed(mail);
			const char *parts = strstr(rows[i].want, "-- ");
			_cleanup_free_ char *want = xasprintf(
				"Content-Type: multipart/alternative\nMIME-Version: 1.0\n%.*sTo: |a@example.com |root\n"
				"Date: "
				"1795899909 +0100\nAuto-Submitted: auto-generated;\n%s",
				(int)(parts - rows[i].want), rows[i].want, parts);

			same(got, want, rows[i].what);
		}
	}
}

/* RFC 5322: at most 998 bytes; RFC 2047: 76 where there are encoded words. */
static void has_short_lines(void)
{
	_cleanup_strv_ char **recipients = NULL;
	char title[2001] = "", text[3001] = "";
	const struct notify_message m = { .time = WHEN, .title = title, .text = text };
	struct mail_head head = { .author = title, .from = "x" };
	_cleanup_free_ char *mail = NULL, *got = NULL;
	size_t longest = 0;

	memset(title, 't', sizeof(title) - 1);
	memset(text, 'x', sizeof(text) - 1);
	for (unsigned i = 0; i < 100; i++)
		strv_addf(&recipients, "somebody-%u@mail.example.com", i);
	head.recipients = (const char *const *)recipients;
	mail = compose(&head, &m, MAIL_LF);
	for (const char *at = mail; *at; at += strcspn(at, "\n") + 1)
		longest = strcspn(at, "\n") > longest ? strcspn(at, "\n") : longest;
	ok(longest <= 998 && longest > 500, "no line is longer than 998 bytes");
	got = parsed(mail);
	ok(strstr(got, title) && strstr(got, text), "and all is there");
	ok(strstr(got, "|somebody-0@mail.example.com |somebody-1@") && strstr(got, "|somebody-99@mail"),
	   "with every recipient");
}

/* The longest line of mail with encoded words, in bytes; 0 if a word has other than whole characters. */
static size_t longest_encoded(const char *mail)
{
	size_t longest = 0;

	for (const char *at = mail; (at = strstr(at, "=?utf-8?B?")); at += 10) {
		_cleanup_free_ char *word = xstrndup(at + 10, strcspn(at + 10, "?")), *utf8 = NULL;
		_cleanup_buf_ struct buf plain = BUF_INIT;
		const char *line = at;
		size_t len;

		if (base64_decode(word, &plain) < 0)
			return 0;
		utf8 = text_as_utf8(buf_str(&plain));
		if (strcmp(utf8, buf_str(&plain)) != 0)
			return 0;
		while (line > mail && line[-1] != '\n')
			line--;
		len = strcspn(line, "\n");
		longest = len > longest ? len : longest;
	}
	return longest;
}

/* RFC 2047: a word has whole characters, and is in a line of at most 76 bytes. */
static void cuts_between_characters(void)
{
	const struct mail_head head = { .author = "x", .from = "x", .recipients = two };

	for (unsigned shift = 0; shift < 4; shift++) {
		_cleanup_free_ char *title =
			xasprintf("%.*s%s", (int)shift, "xxx", "💾€α💾€α💾€α💾€α💾€α💾€α💾€α💾€α💾€α💾€α");
		const struct notify_message m = { .time = WHEN, .title = title, .text = "" };
		_cleanup_free_ char *mail = compose(&head, &m, MAIL_LF);
		const size_t longest = longest_encoded(mail);

		ok(longest > 60 && longest <= 76, "encoded words are cut between characters (%zu)", longest);
	}
}

int main(void)
{
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	is_written_as_pve_does();
	reads_well();
	has_short_lines();
	cuts_between_characters();
	return done_testing();
}

#include "notify/sendmail.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"

/* An open file with the text, at its beginning. */
static int text_file(const struct buf *text, struct error **err)
{
	_cleanup_close_ int fd = memfd_create("mail", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return error_errno(err, errno, "cannot make a file in memory for the mail");
	r = io_write_all(fd, text->data, text->len);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, r < 0 ? -r : errno, "cannot write a file in memory for the mail");
	return TAKE_FD(fd);
}

static const char **make_argv(const struct mail_head *head)
{
	static const char *const begin[] = { "sendmail", "-B", "8BITMIME", "-f" };
	const char **argv;
	size_t n = 0, rcpts = 0;

	while (head->recipients[rcpts])
		rcpts++;
	argv = xcalloc(ARRAY_SIZE(begin) + 3 + rcpts, sizeof(*argv));
	for (; n < ARRAY_SIZE(begin); n++)
		argv[n] = begin[n];
	argv[n++] = head->from;
	argv[n++] = "--";
	for (size_t i = 0; i < rcpts; i++)
		argv[n++] = head->recipients[i];
	return argv;
}

int sendmail_send(const struct mail_head *head, const struct notify_message *m, const struct notify_limits *l,
		  struct error **err)
{
	_cleanup_free_ const char **argv = make_argv(head);
	_cleanup_buf_ struct buf mail = BUF_INIT;
	_cleanup_close_ int fd = -1;

	mail_compose(head, m, MAIL_LF, &mail);
	fd = text_file(&mail, err);
	if (fd < 0)
		return fd;
	return process_run_ok(argv,
			      &(struct process_options){ .timeout_ms = l->timeout_ms,
							 .stdin_fd = fd,
							 .group = true,
							 .cancel = l->cancel,
							 .cancel_ignored = l->cancel_ignored },
			      NULL, err);
}

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static int set_message(struct error **err, int code, char *message)
{
	if (!err) {
		free(message);
		return code;
	}
	if (*err)
		error_free(*err);
	text_clean(message);
	*err = xcalloc(1, sizeof(**err));
	(*err)->code = code;
	(*err)->message = message;
	return code;
}

int error_set(struct error **err, int code, const char *fmt, ...)
{
	va_list ap;
	char *message;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	return set_message(err, code, message);
}

int error_errno(struct error **err, int errnum, const char *fmt, ...)
{
	va_list ap;
	_cleanup_free_ char *text = NULL;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return set_message(err, errnum ? -errnum : -EIO,
			   xasprintf("%s: %s", text, strerror(errnum ? errnum : EIO)));
}

__attribute__((format(printf, 2, 0))) static void put_in_front(struct error *e, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = xvasprintf(fmt, ap), *rest = e->message;

	e->message = xasprintf("%s: %s", text, rest);
	text_clean(e->message);
}

int error_wrap(struct error **err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err || !*err)
		return code;
	va_start(ap, fmt);
	put_in_front(*err, fmt, ap);
	va_end(ap);
	(*err)->code = code;
	return code;
}

void error_prefix(struct error **err, const char *fmt, ...)
{
	va_list ap;

	if (!err || !*err)
		return;
	va_start(ap, fmt);
	put_in_front(*err, fmt, ap);
	va_end(ap);
}

void error_keep_first(struct error **dst, struct error **src)
{
	if (!*src)
		return;
	if (dst && !*dst)
		*dst = TAKE_PTR(*src);
	else
		error_free(TAKE_PTR(*src));
}

const char *error_message(const struct error *err)
{
	return err && err->message ? err->message : "unknown error";
}

void error_free(struct error *err)
{
	if (!err)
		return;
	free(err->message);
	free(err);
}

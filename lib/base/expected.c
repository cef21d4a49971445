#include "base/expected.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"

int expected_init(struct expected *ret, const char *text, struct error **err)
{
	_cleanup_free_ char *inner = NULL;
	const size_t len = text ? strlen(text) : 0;
	char why[200];
	int r;

	*ret = (struct expected){ .text = text };
	if (text && !len)
		return error_set(err, ERR_INVALID, "the text to expect is empty");
	if (len < 3 || text[0] != '/' || text[len - 1] != '/')
		return 0;
	inner = xstrndup(text + 1, len - 2);
	r = regcomp(&ret->regex, inner, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
	ret->is_regex = r == 0;
	if (r == 0)
		return 0;
	regerror(r, &ret->regex, why, sizeof(why));
	return error_set(err, ERR_INVALID, "'%s' is no extended regular expression: %s", text, why);
}

void expected_clear(struct expected *e)
{
	if (e->is_regex)
		regfree(&e->regex);
	*e = (struct expected){ 0 };
}

bool expected_matches(const struct expected *e, const char *text)
{
	if (!e->text)
		return false;
	return e->is_regex ? regexec(&e->regex, text, 0, NULL, 0) == 0 : strstr(text, e->text) != NULL;
}

#include "config/value.h"

#include "base/mem.h"
#include "config/propstr.h"

static int check_propstr(const struct value_schema *s, const char *value, char **ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	int r = propstr_parse(s->propstr, value, &p, err);

	if (r == 0 && ret)
		*ret = xstrdup(value);
	return r;
}

int value_check(const struct value_schema *s, const char *value, char **ret, struct error **err)
{
	return s->type == VALUE_PROPSTR ? check_propstr(s, value, ret, err)
					: value_check_plain(s, value, ret, err);
}

char *value_describe(const struct value_schema *s)
{
	return s->type == VALUE_PROPSTR ? propstr_describe(s->propstr) : value_describe_plain(s);
}

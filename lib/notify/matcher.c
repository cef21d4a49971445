#include "notify/matcher.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "config/schema.h"

/* Steps of the matcher; PCRE2's own limit is ten times as much, which takes seconds. */
#define MATCH_LIMIT 1000000

static void field_clear(struct match_field *f)
{
	free(f->name);
	strv_free(f->exact);
	pcre2_code_free(f->regex);
	*f = (struct match_field){ 0 };
}

void matcher_clear(struct matcher *m)
{
	for (size_t i = 0; i < m->n_fields; i++)
		field_clear(&m->fields[i]);
	free(m->fields);
	free(m->severities);
	free(m->calendars);
	free(m->name);
	strv_free(m->targets);
	*m = (struct matcher){ 0 };
}

/* The parts between the commas, without the blanks around them; also empty ones. */
static char **split_values(const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char **values = NULL;

	for (char *at = copy, *comma; at; at = comma) {
		comma = strchr(at, ',');
		if (comma)
			*comma++ = '\0';
		strv_add(&values, str_strip(at));
	}
	return values;
}

/*
 * Rust's syntax is nearly PCRE2's: Unicode classes, "$" only at the very end, "." for all but a newline.
 * Only what PCRE2 has beyond it (back references, look-around) would be refused by PVE.
 */
static int compile(const char *text, struct pcre2_real_code_8 **ret, struct error **err)
{
	const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_INVALID_UTF |
				 PCRE2_NEVER_BACKSLASH_C;
	pcre2_compile_context *context = xcheck(pcre2_compile_context_create(NULL));
	int code;
	PCRE2_SIZE offset;
	PCRE2_UCHAR why[256] = "";

	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	*ret = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &offset, context);
	pcre2_compile_context_free(context);
	if (*ret)
		return 0;
	pcre2_get_error_message(code, why, sizeof(why));
	return error_set(err, ERR_INVALID, "is no regular expression (at character %zu: %s)", offset + 1,
			 (const char *)why);
}

int matcher_add_field(struct matcher *m, const char *text, struct error **err)
{
	struct match_field f = { 0 };
	const char *rest, *value;
	const bool exact = str_prefix(text, "exact:", &rest);
	int r = 0;

	if (!exact && !str_prefix(text, "regex:", &rest))
		return error_set(err, ERR_INVALID, "does not begin with \"exact:\" or \"regex:\"");
	value = strchr(rest, '=');
	f.name = xstrndup(rest, value ? (size_t)(value - rest) : 0);
	if (!safe_id_valid(f.name))
		r = error_set(err, ERR_INVALID, "has no \"field=\" behind the colon");
	else if (exact)
		f.exact = split_values(value + 1);
	else
		r = compile(value + 1, &f.regex, err);
	if (r < 0) {
		field_clear(&f);
		return r;
	}
	m->fields = xreallocarray(m->fields, m->n_fields + 1, sizeof(*m->fields));
	m->fields[m->n_fields++] = f;
	return 0;
}

/* The bit of the severity of that name, 0 if there is none. */
static unsigned severity_bit(const char *name)
{
	for (unsigned s = 0; s < NOTIFY_SEVERITIES; s++) {
		if (strcmp(notify_severity_name(s), name) == 0)
			return 1u << s;
	}
	return 0;
}

int matcher_add_severity(struct matcher *m, const char *text, struct error **err)
{
	_cleanup_strv_ char **names = split_values(text);
	unsigned set = 0;

	for (char **name = names; *name; name++) {
		if (!severity_bit(*name))
			return error_set(
				err, ERR_INVALID,
				"has something else than info, notice, warning, error, unknown with commas between");
		set |= severity_bit(*name);
	}
	m->severities = xreallocarray(m->severities, m->n_severities + 1, sizeof(*m->severities));
	m->severities[m->n_severities++] = set;
	return 0;
}

int matcher_add_calendar(struct matcher *m, const char *text, struct error **err)
{
	struct daily d;
	int r = daily_parse(text, &d, err);

	if (r < 0)
		return r;
	m->calendars = xreallocarray(m->calendars, m->n_calendars + 1, sizeof(*m->calendars));
	m->calendars[m->n_calendars++] = d;
	return 0;
}

static const char *field_value(const struct notification *n, const char *name)
{
	for (size_t i = 0; i < n->n_fields; i++) {
		if (strcmp(n->fields[i].name, name) == 0)
			return n->fields[i].value;
	}
	return NULL;
}

/* 1: found; 0: not found. */
static int search(const struct match_field *f, const char *value, struct error **err)
{
	pcre2_match_data *data = xcheck(pcre2_match_data_create(1, NULL));
	pcre2_match_context *context = xcheck(pcre2_match_context_create(NULL));
	int r;

	pcre2_set_match_limit(context, MATCH_LIMIT);
	r = pcre2_match(f->regex, (PCRE2_SPTR)value, strlen(value), 0, 0, data, context);
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	if (r >= 0 || r == PCRE2_ERROR_NOMATCH)
		return r >= 0;
	return error_set(err, ERR_UNSUPPORTED,
			 "the regular expression for field '%s' takes too long: write a simpler one",
			 f->name);
}

static int field_matches(const struct match_field *f, const struct notification *n, struct error **err)
{
	const char *value = field_value(n, f->name);

	if (!value)
		return 0;
	return f->exact ? strv_contains(f->exact, value) : search(f, value, err);
}

int matcher_matches(const struct matcher *m, const struct notification *n, struct error **err)
{
	size_t total = m->n_severities + m->n_fields + m->n_calendars, matched = 0;

	if (!total)
		return 1;
	for (size_t i = 0; i < m->n_severities; i++)
		matched += (m->severities[i] >> n->severity) & 1;
	for (size_t i = 0; i < m->n_fields; i++) {
		int r = field_matches(&m->fields[i], n, err);

		if (r < 0)
			return r;
		matched += (size_t)r;
	}
	for (size_t i = 0; i < m->n_calendars; i++)
		matched += daily_contains(&m->calendars[i], n->time);
	return (m->mode == MATCH_ALL ? matched == total : matched > 0) != m->invert;
}

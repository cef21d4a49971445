#include "config/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
	return is_alpha(c) || (c >= '0' && c <= '9');
}

bool storage_id_valid(const char *id)
{
	size_t len = strlen(id);

	if (len < 2 || !is_alpha(id[0]) || !is_alnum(id[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(id[i]) && !strchr("-_.", id[i]))
			return false;
	return true;
}

bool node_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 63 || !is_alnum(name[0]) || !is_alnum(name[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(name[i]) && name[i] != '-')
			return false;
	return true;
}

bool safe_id_valid(const char *id)
{
	if (!is_alnum(*id) && *id != '_')
		return false;
	for (; *id; id++)
		if (!is_alnum(*id) && !strchr("._-", *id))
			return false;
	return true;
}

uint32_t vmid_parse(const char *text)
{
	size_t len = strlen(text);
	uint32_t vmid = 0;

	if (len < 3 || len > 9 || text[0] == '0')
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		vmid = vmid * 10 + (uint32_t)(text[i] - '0');
	}
	return vmid;
}

uint32_t *vmid_list_parse(const char *list, size_t *ret_n)
{
	_cleanup_strv_ char **texts = strv_split_list(list ? list : "");
	uint32_t *vmids = xcalloc(strv_len(texts) + 1, sizeof(*vmids));

	*ret_n = strv_len(texts);
	for (size_t i = 0; i < *ret_n; i++)
		vmids[i] = vmid_parse(texts[i]);
	return vmids;
}

static int check_bool(const char *value, char **ret, struct error **err)
{
	bool on;

	if (!units_parse_bool(value, &on))
		return error_set(err, ERR_INVALID, "value '%s' is not a boolean (use 1 or 0)", value);
	if (ret)
		*ret = xstrdup(on ? "1" : "0");
	return 0;
}

static int parse_int(const char *value, int64_t *ret, struct error **err)
{
	const char *digits = value + (value[0] == '-' || value[0] == '+');
	intmax_t n;

	if (!digits[0] || digits[strspn(digits, "0123456789")])
		return error_set(err, ERR_INVALID, "value '%s' is not an integer", value);
	errno = 0;
	n = strtoimax(value, NULL, 10);
	if (errno)
		return error_set(err, ERR_INVALID, "value '%s' is out of range", value);
	*ret = n;
	return 0;
}

static int check_int(const struct value_schema *s, const char *value, char **ret, struct error **err)
{
	int64_t n = 0;
	int r = parse_int(value, &n, err);

	if (r < 0)
		return r;
	if (s->min != VALUE_ANY && n < s->min)
		return error_set(err, ERR_INVALID, "value '%s' is too small, the minimum is %" PRId64, value,
				 s->min);
	if (s->max && n > s->max)
		return error_set(err, ERR_INVALID, "value '%s' is too large, the maximum is %" PRId64, value,
				 s->max);
	if (ret)
		*ret = xasprintf("%" PRId64, n);
	return 0;
}

static char *join_values(const char *const *values, const char *separator)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; values[i]; i++)
		buf_addf(&b, "%s%s", i ? separator : "", values[i]);
	return buf_steal(&b);
}

static int check_enum(const struct value_schema *s, const char *value, struct error **err)
{
	_cleanup_free_ char *known = NULL, *hint = NULL;
	struct nearest near = nearest_begin(value);

	for (size_t i = 0; s->values[i]; i++)
		if (strcmp(s->values[i], value) == 0)
			return 0;
	nearest_offer_all(&near, s->values);
	hint = nearest_hint(&near);
	known = join_values(s->values, ", ");
	return error_set(err, ERR_INVALID, "value '%s' is not one of %s%s", value, known, hint);
}

static int check_vmid_list(const char *value, struct error **err)
{
	_cleanup_strv_ char **ids = strv_split_list(value);

	for (size_t i = 0; ids && ids[i]; i++)
		if (!vmid_parse(ids[i]))
			return error_set(err, ERR_INVALID, "value '%s' is not a guest id (100 to 999999999)",
					 ids[i]);
	return 0;
}

/* Skips parts of these characters with single dots between them; NULL if a part is empty. */
static const char *skip_dotted(const char *s, const char *characters)
{
	for (;;) {
		const size_t n = strspn(s, characters);

		if (!n)
			return NULL;
		s += n;
		if (*s != '.')
			return s;
		s++;
	}
}

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* "user", "user.name" or "user@host": email-or-username of PVE::JSONSchema. */
static bool is_mail_address(const char *text)
{
	const char *rest = skip_dotted(text, ALNUM "_+-~");

	if (rest && *rest == '@')
		rest = skip_dotted(rest + 1, ALNUM "-");
	return rest && !*rest;
}

static int check_mail_list(const char *value, struct error **err)
{
	_cleanup_strv_ char **items = strv_split_list(value);

	for (size_t i = 0; items && items[i]; i++)
		if (!is_mail_address(items[i]))
			return error_set(err, ERR_INVALID,
					 "value '%s' is not a mail address or the name of a user", items[i]);
	return 0;
}

/* A number without its unit is the error that people make: "2" for "2G". */
static int check_smallest(const struct value_schema *s, const char *value, uint64_t size, struct error **err)
{
	_cleanup_free_ char *smallest = units_disk_size((uint64_t)s->min);

	if (!size || size >= (uint64_t)s->min)
		return 0;
	return error_set(err, ERR_INVALID,
			 "value '%s' is too small, the minimum is %s (without K, M, G or T it is bytes)",
			 value, smallest);
}

static int check_size(const struct value_schema *s, const char *value, struct error **err)
{
	uint64_t size;

	if (!units_parse_disk_size(value, &size))
		return error_set(err, ERR_INVALID, "value '%s' is not a size (such as 32G or 528K)", value);
	return check_smallest(s, value, size, err);
}

static int check_amount(const struct value_schema *s, const char *value, struct error **err)
{
	unsigned percent;
	uint64_t size;

	if (units_parse_disk_size(value, &size))
		return check_smallest(s, value, size, err);
	if (!units_parse_percent(value, &percent))
		return error_set(err, ERR_INVALID,
				 "value '%s' is not a size or a percentage (such as 2G, 528M or 10%%)",
				 value);
	if (percent > s->max)
		return error_set(err, ERR_INVALID, "value '%s' is too large, the maximum is %" PRId64 "%%",
				 value, s->max);
	return 0;
}

static int check_text(const struct value_schema *s, const char *value, struct error **err)
{
	switch (s->type) {
	case VALUE_STRING:
		if (s->max_length && strlen(value) > s->max_length)
			return error_set(err, ERR_INVALID, "value is longer than %zu bytes", s->max_length);
		return 0;
	case VALUE_ENUM:
		return check_enum(s, value, err);
	case VALUE_STORAGE_ID:
		if (!storage_id_valid(value))
			return error_set(err, ERR_INVALID,
					 "value '%s' is not a storage id (" STORAGE_ID_RULE ")", value);
		return 0;
	case VALUE_NODE:
		if (!node_name_valid(value))
			return error_set(err, ERR_INVALID, "value '%s' is not a node name", value);
		return 0;
	case VALUE_VMID:
		if (!vmid_parse(value))
			return error_set(err, ERR_INVALID, "value '%s' is not a guest id (100 to 999999999)",
					 value);
		return 0;
	case VALUE_VMID_LIST:
		return check_vmid_list(value, err);
	case VALUE_MAIL_LIST:
		return check_mail_list(value, err);
	case VALUE_DISK_SIZE:
		return check_size(s, value, err);
	case VALUE_AMOUNT:
		return check_amount(s, value, err);
	case VALUE_BOOL:
	case VALUE_INT:
	case VALUE_PROPSTR:
		break;
	}
	return 0;
}

int value_check_plain(const struct value_schema *s, const char *value, char **ret, struct error **err)
{
	int r;

	if (s->type == VALUE_BOOL)
		return check_bool(value, ret, err);
	if (s->type == VALUE_INT)
		return check_int(s, value, ret, err);
	r = check_text(s, value, err);
	if (r == 0 && ret)
		*ret = xstrdup(value);
	return r;
}

static char *describe_int(const struct value_schema *s)
{
	if (s->min == VALUE_ANY && !s->max)
		return xstrdup("<integer>");
	if (!s->max)
		return xasprintf("<integer> (%" PRId64 " - N)", s->min);
	if (s->min == VALUE_ANY)
		return xasprintf("<integer> (-N - %" PRId64 ")", s->max);
	return xasprintf("<integer> (%" PRId64 " - %" PRId64 ")", s->min, s->max);
}

char *value_describe_plain(const struct value_schema *s)
{
	_cleanup_free_ char *inner = NULL;

	switch (s->type) {
	case VALUE_STRING:
		break;
	case VALUE_BOOL:
		return xstrdup("<boolean>");
	case VALUE_INT:
		return describe_int(s);
	case VALUE_ENUM:
		inner = join_values(s->values, "|");
		return xasprintf("<%s>", inner);
	case VALUE_STORAGE_ID:
		return xstrdup("<storage>");
	case VALUE_NODE:
		return xstrdup("<node>");
	case VALUE_VMID:
		return xstrdup("<vmid>");
	case VALUE_VMID_LIST:
		return xstrdup("<vmid>[,<vmid> ...]");
	case VALUE_MAIL_LIST:
		return xstrdup("<address>[,<address> ...]");
	case VALUE_DISK_SIZE:
		return xstrdup("<size>");
	case VALUE_AMOUNT:
		return xstrdup("<size|percentage>");
	case VALUE_PROPSTR:
		break;
	}
	return xstrdup("<string>");
}

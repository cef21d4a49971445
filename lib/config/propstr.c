#include "config/propstr.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/nearest.h"

void propstr_clear(struct propstr *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->pairs[i].key);
		free(p->pairs[i].value);
	}
	free(p->pairs);
	*p = (struct propstr){ 0 };
}

static const struct propstr_key *find_key(const struct propstr_format *f, const char *name)
{
	for (size_t i = 0; i < f->n_keys; i++)
		if (strcmp(f->keys[i].name, name) == 0)
			return &f->keys[i];
	return NULL;
}

static const struct propstr_key *find_default_key(const struct propstr_format *f)
{
	for (size_t i = 0; i < f->n_keys; i++)
		if (f->keys[i].is_default)
			return &f->keys[i];
	return NULL;
}

static const struct propstr_pair *find_pair(const struct propstr *p, const char *key)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->pairs[i].key, key) == 0)
			return &p->pairs[i];
	return NULL;
}

/* "enabled, storage" without aliases. */
static char *known_keys(const struct propstr_format *f)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < f->n_keys; i++)
		if (!f->keys[i].alias)
			buf_addf(&b, "%s%s", b.len ? ", " : "", f->keys[i].name);
	return buf_steal(&b);
}

static int unknown_key(const struct propstr_format *f, const char *name, struct error **err)
{
	_cleanup_free_ char *known = known_keys(f), *hint = NULL;
	struct nearest n = nearest_begin(name);

	for (size_t i = 0; i < f->n_keys; i++)
		if (!f->keys[i].alias)
			nearest_offer(&n, f->keys[i].name);
	hint = nearest_hint(&n);
	return error_set(err, ERR_INVALID, "unknown key '%s' (known: %s)%s", name, known, hint);
}

/* k: NULL for an unknown key of a tolerant format. */
static int add_pair(struct propstr *p, const struct propstr_key *k, const char *name, const char *value,
		    struct error **err)
{
	_cleanup_free_ char *kept = NULL;
	int r;

	if (find_pair(p, name))
		return error_set(err, ERR_INVALID, "key '%s' is given twice", name);
	if (k) {
		r = value_check_plain(&k->value, value, &kept, err);
		if (r < 0)
			return error_wrap(err, r, "key '%s'", name);
	} else {
		kept = xstrdup(value);
	}
	p->pairs = xreallocarray(p->pairs, p->n + 1, sizeof(*p->pairs));
	p->pairs[p->n++] = (struct propstr_pair){ xstrdup(name), TAKE_PTR(kept) };
	return 0;
}

static int add_default(struct propstr *p, const char *value, struct error **err)
{
	const struct propstr_key *k = find_default_key(p->format);

	if (!k)
		return error_set(err, ERR_INVALID, "value '%s' has no key (write <key>=%s)", value, value);
	return add_pair(p, k, k->name, value, err);
}

static int parse_part(struct propstr *p, const char *part, struct error **err)
{
	const char *equals = strchr(part, '=');
	const struct propstr_key *k;
	_cleanup_free_ char *name = NULL;

	if (!equals)
		return add_default(p, part, err);
	if (equals == part)
		return error_set(err, ERR_INVALID, "key missing in front of '%s'", part);
	name = xstrndup(part, (size_t)(equals - part));
	if (!equals[1])
		return error_set(err, ERR_INVALID, "key '%s' has no value", name);

	k = find_key(p->format, name);
	if (k && k->alias)
		k = find_key(p->format, k->alias);
	if (!k && !p->format->tolerant)
		return unknown_key(p->format, name, err);
	return add_pair(p, k, k ? k->name : name, equals + 1, err);
}

static int check_required(const struct propstr *p, struct error **err)
{
	for (size_t i = 0; i < p->format->n_keys; i++) {
		const struct propstr_key *k = &p->format->keys[i];

		if (k->required && !find_pair(p, k->name))
			return error_set(err, ERR_INVALID, "key '%s' is missing", k->name);
	}
	return 0;
}

int propstr_parse(const struct propstr_format *f, const char *text, struct propstr *ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { .format = f };
	int r;

	for (const char *at = text; *at;) {
		size_t len = strcspn(at, ",");
		_cleanup_free_ char *part = xstrndup(at, len);

		if (part[strspn(part, " \t\r\n")]) {
			r = parse_part(&p, part, err);
			if (r < 0)
				return r;
		}
		at += len + (at[len] == ',');
	}
	r = check_required(&p, err);
	if (r == 0 && f->check)
		r = f->check(&p, err);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct propstr){ 0 };
	return 0;
}

bool propstr_has(const struct propstr *p, const char *key)
{
	return find_pair(p, key) != NULL;
}

const char *propstr_get(const struct propstr *p, const char *key)
{
	const struct propstr_pair *pair = find_pair(p, key);
	const struct propstr_key *k;

	if (pair)
		return pair->value;
	k = p->format ? find_key(p->format, key) : NULL;
	return k ? k->fallback : NULL;
}

bool propstr_get_bool(const struct propstr *p, const char *key)
{
	const char *value = propstr_get(p, key);

	return value && strcmp(value, "1") == 0;
}

int64_t propstr_get_int(const struct propstr *p, const char *key)
{
	const char *value = propstr_get(p, key);

	return value ? strtoimax(value, NULL, 10) : 0;
}

char *propstr_describe(const struct propstr_format *f)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (size_t i = 0; i < f->n_keys; i++) {
		const struct propstr_key *k = &f->keys[i];
		_cleanup_free_ char *type = NULL;

		if (k->alias)
			continue;
		type = value_describe_plain(&k->value);
		buf_addf(&b, "%s%s%s%s%s%s%s", b.len ? " " : "", k->required ? "" : "[", b.len ? "," : "",
			 k->is_default ? "[" : "", k->name, k->is_default ? "=]" : "=", type);
		buf_adds(&b, k->required ? "" : "]");
	}
	return buf_steal(&b);
}

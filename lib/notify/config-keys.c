#include "notify/config-keys.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "config/propstr.h"
#include "config/schema.h"

enum key_flags {
	REPEATS = 1, /* may come several times */
	REQUIRED = 2,
	HIDDEN = 4, /* the value may have a secret in it, so no error shows it */
};

struct config_key {
	const char *name;
	unsigned flags;
	size_t offset; /* of the member of the object */
	/*
	 * Checks the value and stores it in the member, which is NULL for a type that is ignored.
	 * ERR_INVALID says what is wrong with the value, without the value itself.
	 */
	int (*take)(void *member, const char *value, struct error **err);
};

static bool has_controls(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	}
	return false;
}

static int take_text(void *member, const char *value, struct error **err)
{
	char **to = member;

	if (has_controls(value))
		return error_set(err, ERR_INVALID, "has control characters");
	*to = xstrdup(value);
	return 0;
}

static int add_text(void *member, const char *value, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	int r = take_text(&text, value, err);

	if (r == 0)
		strv_add(member, text);
	return r;
}

static int ignore(void *member, const char *value, struct error **err)
{
	_cleanup_free_ char *text = NULL;

	(void)member;
	return take_text(&text, value, err);
}

static int take_bool(void *member, const char *value, struct error **err)
{
	if (!units_parse_bool(value, member))
		return error_set(err, ERR_INVALID, "is not one of 1, on, yes, true, 0, off, no, false");
	return 0;
}

/* The index of the word in the list, which ends with NULL; -1 if it is none of them. */
static int find_word(const char *const words[], const char *value)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], value) == 0)
			return i;
	}
	return -1;
}

static int take_smtp_mode(void *member, const char *value, struct error **err)
{
	static const char *const words[] = {
		[SMTP_INSECURE] = "insecure", [SMTP_STARTTLS] = "starttls", [SMTP_TLS] = "tls", NULL
	};
	const int i = find_word(words, value);

	if (i < 0)
		return error_set(err, ERR_INVALID, "is not one of insecure, starttls, tls");
	*(enum smtp_mode *)member = (enum smtp_mode)i;
	return 0;
}

static int take_method(void *member, const char *value, struct error **err)
{
	static const char *const words[] = {
		[WEBHOOK_POST] = "post", [WEBHOOK_PUT] = "put", [WEBHOOK_GET] = "get", NULL
	};
	const int i = find_word(words, value);

	if (i < 0)
		return error_set(err, ERR_INVALID, "is not one of post, put, get");
	*(enum webhook_method *)member = (enum webhook_method)i;
	return 0;
}

static int take_match_mode(void *member, const char *value, struct error **err)
{
	static const char *const words[] = { [MATCH_ALL] = "all", [MATCH_ANY] = "any", NULL };
	const int i = find_word(words, value);

	if (i < 0)
		return error_set(err, ERR_INVALID, "is not one of all, any");
	*(enum match_mode *)member = (enum match_mode)i;
	return 0;
}

static int take_port(void *member, const char *value, struct error **err)
{
	uint64_t port;

	if (units_parse_u64(value, 0, UINT16_MAX, "port", &port, NULL) < 0)
		return error_set(err, ERR_INVALID, "is not a number from 0 to 65535");
	*(uint16_t *)member = (uint16_t)port;
	return 0;
}

static size_t count_characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int add_address(void *member, const char *value, struct error **err)
{
	if (count_characters(value) < 2 || count_characters(value) > 64)
		return error_set(err, ERR_INVALID, "is no address of 2 to 64 characters");
	return add_text(member, value, err);
}

static int add_user(void *member, const char *value, struct error **err)
{
	const char *at = strrchr(value, '@');

	if (!at || at == value || value[strcspn(value, " \t:/")] || !safe_id_valid(at + 1))
		return error_set(err, ERR_INVALID, "is no user (name@realm, such as root@pam)");
	return add_text(member, value, err);
}

static bool name_valid(const char *name)
{
	const size_t len = strlen(name);

	return len >= 2 && len <= 32 && safe_id_valid(name);
}

static int add_target(void *member, const char *value, struct error **err)
{
	if (!name_valid(value))
		return error_set(err, ERR_INVALID, "is no name of a target");
	return add_text(member, value, err);
}

/* http(s)://host[:port][/...]; templates may stand behind the host only. */
static int take_url(void *member, const char *value, struct error **err)
{
	const char *at = NULL;
	size_t host = 0;

	if (str_prefix(value, "http://", &at) || str_prefix(value, "https://", &at))
		host = *at == '[' ? strcspn(at, "]") + 1
				  : strspn(at, "abcdefghijklmnopqrstuvwxyz"
					       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					       "0123456789.-_");
	if (!host || host > strlen(at))
		return error_set(err, ERR_INVALID,
				 "is not http://host[:port]/... or https://host[:port]/...");
	at += host;
	if (*at == ':')
		at += 1 + strspn(at + 1, "0123456789");
	if (*at && *at != '/')
		return error_set(err, ERR_INVALID,
				 "has neither the end nor a slash behind the host and its port");
	return take_text(member, value, err);
}

/* "name=NAME,value=BASE64".  The value may be missing; it is decoded later. */
static int add_named_value(void *member, const char *value, struct error **err)
{
	static const struct propstr_key keys[] = {
		{ .name = "name", .required = true, .value = { .type = VALUE_STRING } },
		{ .name = "value", .fallback = "", .value = { .type = VALUE_STRING } },
	};
	static const struct propstr_format format = { .name = "value",
						      .keys = keys,
						      .n_keys = ARRAY_SIZE(keys) };
	_cleanup_propstr_ struct propstr parsed = { 0 };
	struct named_values *values = member;

	/* the error of the parser has the value in it */
	if (has_controls(value) || propstr_parse(&format, value, &parsed, NULL) < 0)
		return error_set(err, ERR_INVALID, "is not name=NAME,value=VALUE-IN-BASE64");
	values->list = xreallocarray(values->list, values->n + 1, sizeof(*values->list));
	values->list[values->n++] = (struct named_value){
		.name = xstrdup(propstr_get(&parsed, "name")),
		.value = xstrdup(propstr_get(&parsed, "value")),
	};
	return 0;
}

static int add_field(void *member, const char *value, struct error **err)
{
	return matcher_add_field(member, value, err);
}

static int add_severity(void *member, const char *value, struct error **err)
{
	return matcher_add_severity(member, value, err);
}

static int add_calendar(void *member, const char *value, struct error **err)
{
	return matcher_add_calendar(member, value, err);
}

#define OF_ENDPOINT(member) offsetof(struct notify_endpoint, member)
#define OF_MATCHER(member)  offsetof(struct matcher, member)

/* clang-format off */
static const struct config_key sendmail_keys[] = {
	{ "mailto",       REPEATS,  OF_ENDPOINT(mailto),       add_address },
	{ "mailto-user",  REPEATS,  OF_ENDPOINT(mailto_user),  add_user },
	{ "from-address", 0,        OF_ENDPOINT(from_address), take_text },
	{ "author",       0,        OF_ENDPOINT(author),       take_text },
	{ "comment",      0,        0,                         ignore },
	{ "disable",      0,        OF_ENDPOINT(disabled),     take_bool },
	{ "filter",       0,        0,                         ignore },
};

static const struct config_key smtp_keys[] = {
	{ "server",       REQUIRED, OF_ENDPOINT(server),       take_text },
	{ "from-address", REQUIRED, OF_ENDPOINT(from_address), take_text },
	{ "mode",         0,        OF_ENDPOINT(mode),         take_smtp_mode },
	{ "port",         0,        OF_ENDPOINT(port),         take_port },
	{ "username",     0,        OF_ENDPOINT(username),     take_text },
	{ "mailto",       REPEATS,  OF_ENDPOINT(mailto),       add_address },
	{ "mailto-user",  REPEATS,  OF_ENDPOINT(mailto_user),  add_user },
	{ "author",       0,        OF_ENDPOINT(author),       take_text },
	{ "comment",      0,        0,                         ignore },
	{ "disable",      0,        OF_ENDPOINT(disabled),     take_bool },
};

static const struct config_key gotify_keys[] = {
	{ "server",       REQUIRED | HIDDEN, OF_ENDPOINT(server), take_text },
	{ "comment",      0,        0,                         ignore },
	{ "disable",      0,        OF_ENDPOINT(disabled),     take_bool },
	{ "filter",       0,        0,                         ignore },
};

static const struct config_key webhook_keys[] = {
	{ "url",          REQUIRED | HIDDEN, OF_ENDPOINT(url), take_url },
	{ "method",       REQUIRED, OF_ENDPOINT(method),       take_method },
	{ "header",       REPEATS | HIDDEN, OF_ENDPOINT(headers), add_named_value },
	{ "body",         HIDDEN,   OF_ENDPOINT(body),         take_text },
	{ "secret",       REPEATS | HIDDEN, 0,                 ignore }, /* PVE writes the names here, too */
	{ "comment",      0,        0,                         ignore },
	{ "disable",      0,        OF_ENDPOINT(disabled),     take_bool },
};

static const struct config_key matcher_keys[] = {
	{ "match-field",    REPEATS, 0,                        add_field },
	{ "match-severity", REPEATS, 0,                        add_severity },
	{ "match-calendar", REPEATS, 0,                        add_calendar },
	{ "mode",           0,       OF_MATCHER(mode),         take_match_mode },
	{ "invert-match",   0,       OF_MATCHER(invert),       take_bool },
	{ "target",         REPEATS, OF_MATCHER(targets),      add_target },
	{ "comment",        0,       0,                        ignore },
	{ "disable",        0,       OF_MATCHER(disabled),     take_bool },
};

static const struct config_key group_keys[] = {
	{ "endpoint",     REPEATS,  0,                         ignore },
	{ "filter",       0,        0,                         ignore },
	{ "comment",      0,        0,                         ignore },
};

static const struct config_key filter_keys[] = {
	{ "min-severity", 0,        0,                         ignore },
	{ "mode",         0,        0,                         ignore },
	{ "invert-match", 0,        0,                         ignore },
	{ "comment",      0,        0,                         ignore },
};

static const struct config_key smtp_private_keys[] = {
	{ "password",     0,        OF_ENDPOINT(password),     take_text },
};

static const struct config_key gotify_private_keys[] = {
	{ "token",        REQUIRED, OF_ENDPOINT(token),        take_text },
};

static const struct config_key webhook_private_keys[] = {
	{ "secret",       REPEATS,  OF_ENDPOINT(secrets),      add_named_value },
};

#define KEYS(array) .keys = (array), .n_keys = ARRAY_SIZE(array)
static const struct config_type public_types[] = {
	{ .name = "sendmail", .object = CONFIG_ENDPOINT, .endpoint = ENDPOINT_SENDMAIL, KEYS(sendmail_keys) },
	{ .name = "smtp",     .object = CONFIG_ENDPOINT, .endpoint = ENDPOINT_SMTP,     KEYS(smtp_keys) },
	{ .name = "gotify",   .object = CONFIG_ENDPOINT, .endpoint = ENDPOINT_GOTIFY,   KEYS(gotify_keys) },
	{ .name = "webhook",  .object = CONFIG_ENDPOINT, .endpoint = ENDPOINT_WEBHOOK,  KEYS(webhook_keys) },
	{ .name = "matcher",  .object = CONFIG_MATCHER,  KEYS(matcher_keys) },
	{ .name = "group",    .object = CONFIG_OLD,      KEYS(group_keys) },
	{ .name = "filter",   .object = CONFIG_OLD,      KEYS(filter_keys) },
};

static const struct config_type private_types[] = {
	{ .name = "smtp",     .object = CONFIG_ENDPOINT, .endpoint = ENDPOINT_SMTP,     KEYS(smtp_private_keys) },
	{ .name = "gotify",   .object = CONFIG_ENDPOINT, .endpoint = ENDPOINT_GOTIFY,   KEYS(gotify_private_keys) },
	{ .name = "webhook",  .object = CONFIG_ENDPOINT, .endpoint = ENDPOINT_WEBHOOK,  KEYS(webhook_private_keys) },
};
/* clang-format on */

const struct config_types notify_public_types = { .list = public_types, .n = ARRAY_SIZE(public_types) };
const struct config_types notify_private_types = {
	.list = private_types,
	.n = ARRAY_SIZE(private_types),
	.secret = true,
};

const struct config_type *config_type_find(const struct config_types *types, const char *name)
{
	for (size_t i = 0; i < types->n; i++) {
		if (strcmp(types->list[i].name, name) == 0)
			return &types->list[i];
	}
	return NULL;
}

/* "comment, disable", for errors. */
static char *known_keys(const struct config_type *t)
{
	_cleanup_strv_ char **names = NULL;

	for (size_t i = 0; i < t->n_keys; i++)
		strv_add(&names, t->keys[i].name);
	return strv_join(names, ", ");
}

static const struct config_key *find_key(const struct config_type *t, const char *name)
{
	for (size_t i = 0; i < t->n_keys; i++) {
		if (strcmp(t->keys[i].name, name) == 0)
			return &t->keys[i];
	}
	return NULL;
}

static int unknown_key(const struct config_types *types, const struct config_type *t, const char *key,
		       struct error **err)
{
	_cleanup_free_ char *known = known_keys(t);

	if (types->secret)
		return error_set(err, ERR_INVALID, "unknown key (known: %s)", known);
	return error_set(err, ERR_INVALID, "unknown key '%s' (known: %s)", key, known);
}

static int take_property(const struct config_types *types, const struct config_type *t,
			 const struct section_property *p, unsigned *seen, void *object, struct error **err)
{
	const struct config_key *key = find_key(t, p->key);
	_cleanup_error_ struct error *why = NULL;
	unsigned bit;

	if (!key)
		return unknown_key(types, t, p->key, err);
	bit = 1u << (key - t->keys);
	if (*seen & bit && !(key->flags & REPEATS))
		return error_set(err, ERR_INVALID, "key '%s' comes a second time", key->name);
	*seen |= bit;
	if (key->take(object ? (char *)object + key->offset : NULL, p->value, &why) == 0)
		return 0;
	if (types->secret || key->flags & HIDDEN)
		return error_set(err, ERR_INVALID, "the value of key '%s' %s", key->name, error_message(why));
	return error_set(err, ERR_INVALID, "value '%s' of key '%s' %s", p->value, key->name,
			 error_message(why));
}

/* Whoever forgets to indent "password: x" makes a section of it: then its name is not shown either. */
int config_type_unknown(const struct config_types *types, const struct section *s, const char *file,
			struct error **err)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_free_ char *known = NULL;

	for (size_t i = 0; i < types->n; i++)
		strv_add(&names, types->list[i].name);
	known = strv_join(names, ", ");
	if (types->secret)
		return error_set(err, ERR_INVALID, "file %s line %u: unknown type of section (known: %s)",
				 file, s->line, known);
	return error_set(err, ERR_INVALID, "file %s line %u: unknown type '%s' of section '%s' (known: %s)",
			 file, s->line, s->type, s->id, known);
}

static int bad_name(const struct config_types *types, const struct section *s, const char *file,
		    struct error **err)
{
	return error_set(
		err, ERR_INVALID,
		"file %s line %u: '%s' is no name: take 2 to 32 letters, digits, '-', '_' or '.', with "
		"a letter, digit or '_' at the beginning",
		file, s->line, types->secret ? "..." : s->id);
}

int config_type_fill(const struct config_types *types, const struct config_type *t, const struct section *s,
		     const char *file, void *object, struct error **err)
{
	unsigned seen = 0;
	int r;

	if (!name_valid(s->id))
		return bad_name(types, s, file, err);
	for (size_t i = 0; i < s->n; i++) {
		r = take_property(types, t, &s->properties[i], &seen, object, err);
		if (r < 0)
			return error_wrap(err, r, "file %s line %u (%s '%s')", file, s->properties[i].line,
					  s->type, s->id);
	}
	for (size_t i = 0; i < t->n_keys; i++) {
		if (t->keys[i].flags & REQUIRED && !(seen & 1u << i))
			return error_set(err, ERR_INVALID, "file %s line %u (%s '%s'): key '%s' is missing",
					 file, s->line, s->type, s->id, t->keys[i].name);
	}
	return 0;
}

#include "notify/config.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/units.h"
#include "notify/config-keys.h"

#define PUBLIC_FILE  "/etc/pve/notifications.cfg"
#define PRIVATE_FILE "/etc/pve/priv/notifications.cfg"

static void named_values_clear(struct named_values *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->list[i].name);
		free(v->list[i].value);
	}
	free(v->list);
}

static void endpoint_clear(struct notify_endpoint *e)
{
	free(e->name);
	free(e->problem);
	strv_free(e->mailto);
	strv_free(e->mailto_user);
	free(e->from_address);
	free(e->author);
	free(e->server);
	free(e->username);
	free(e->password);
	free(e->token);
	free(e->url);
	named_values_clear(&e->headers);
	free(e->body);
	named_values_clear(&e->secrets);
	*e = (struct notify_endpoint){ 0 };
}

void notify_config_clear(struct notify_config *c)
{
	for (size_t i = 0; i < c->n_endpoints; i++)
		endpoint_clear(&c->endpoints[i]);
	free(c->endpoints);
	for (size_t i = 0; i < c->n_matchers; i++)
		matcher_clear(&c->matchers[i]);
	free(c->matchers);
	*c = (struct notify_config){ 0 };
}

static const char *type_name(enum endpoint_type type)
{
	static const char *const names[] = {
		[ENDPOINT_SENDMAIL] = "sendmail",
		[ENDPOINT_SMTP] = "smtp",
		[ENDPOINT_GOTIFY] = "gotify",
		[ENDPOINT_WEBHOOK] = "webhook",
	};

	return names[type];
}

/* The place of the one of that name; n if there is none. */
static size_t find_endpoint(const struct notify_config *c, const char *name)
{
	size_t i = 0;

	while (i < c->n_endpoints && strcmp(c->endpoints[i].name, name) != 0)
		i++;
	return i;
}

static size_t find_matcher(const struct notify_config *c, const char *name)
{
	size_t i = 0;

	while (i < c->n_matchers && strcmp(c->matchers[i].name, name) != 0)
		i++;
	return i;
}

static bool has_name(const struct notify_config *c, const char *name)
{
	return find_endpoint(c, name) < c->n_endpoints || find_matcher(c, name) < c->n_matchers;
}

/* The later section of a name replaces the earlier one, whatever their types are. */
static void drop_name(struct notify_config *c, const char *name)
{
	const size_t e = find_endpoint(c, name), m = find_matcher(c, name);

	if (e < c->n_endpoints) {
		endpoint_clear(&c->endpoints[e]);
		memmove(&c->endpoints[e], &c->endpoints[e + 1],
			(--c->n_endpoints - e) * sizeof(*c->endpoints));
	}
	if (m < c->n_matchers) {
		matcher_clear(&c->matchers[m]);
		memmove(&c->matchers[m], &c->matchers[m + 1], (--c->n_matchers - m) * sizeof(*c->matchers));
	}
}

static struct notify_endpoint *new_endpoint(struct notify_config *c, const char *name,
					    enum endpoint_type type)
{
	struct notify_endpoint *e;

	c->endpoints = xreallocarray(c->endpoints, c->n_endpoints + 1, sizeof(*c->endpoints));
	e = &c->endpoints[c->n_endpoints++];
	*e = (struct notify_endpoint){ .type = type, .name = xstrdup(name), .mode = SMTP_TLS };
	return e;
}

static struct matcher *new_matcher(struct notify_config *c, const char *name)
{
	struct matcher *m;

	c->matchers = xreallocarray(c->matchers, c->n_matchers + 1, sizeof(*c->matchers));
	m = &c->matchers[c->n_matchers++];
	*m = (struct matcher){ .name = xstrdup(name) };
	return m;
}

/* One of the two files while it is read. */
struct reading {
	const struct config_types *types;
	const char *path;
	const struct log *log;
	struct notify_config *into;
};

static int read_section(const struct reading *rd, const struct section *s, struct error **err)
{
	const struct config_type *t = config_type_find(rd->types, s->type);
	void *object = NULL;

	if (!t)
		return config_type_unknown(rd->types, s, rd->path, err);
	if (has_name(rd->into, s->id))
		log_warn(rd->log, "file %s line %u: this section replaces an earlier one with the name '%s'",
			 rd->path, s->line, s->id);
	drop_name(rd->into, s->id);
	if (t->object == CONFIG_ENDPOINT)
		object = new_endpoint(rd->into, s->id, t->endpoint);
	else if (t->object == CONFIG_MATCHER)
		object = new_matcher(rd->into, s->id);
	else
		log_warn(rd->log, "file %s line %u: sections of type '%s' are old, and ignored: remove '%s'",
			 rd->path, s->line, s->type, s->id);
	return config_type_fill(rd->types, t, s, rd->path, object, err);
}

/* PVE reads UTF-8, and a value of another kind would make broken mails and requests. */
static int check_text(const char *path, const struct buf *text, struct error **err)
{
	const char *at = buf_str(text), *start;
	size_t len;

	if (strlen(at) != text->len)
		return error_set(err, ERR_INVALID, "file %s: there are zero bytes in it", path);
	for (unsigned number = 1; str_next_line(&at, &start, &len); number++) {
		_cleanup_free_ char *line = xstrndup(start, len), *utf8 = text_as_utf8(line);

		if (strcmp(line, utf8) != 0)
			return error_set(err, ERR_INVALID,
					 "file %s line %u: this is not UTF-8: convert the file", path,
					 number);
	}
	return 0;
}

/* A file that does not exist is empty: 1; else 0 or an error. */
static int read_file(const struct reading *rd, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_section_config_ struct section_config sections = { 0 };
	_cleanup_error_ struct error *why = NULL;
	int r = io_read_file(rd->path, MIB, &text, &why);

	if (r == -ENOENT)
		return 1;
	if (r < 0) {
		error_keep_first(err, &why);
		return r;
	}
	r = check_text(rd->path, &text, err);
	if (r == 0)
		r = section_config_parse_strict(buf_str(&text), rd->path, &sections, err);
	for (size_t i = 0; r == 0 && i < sections.n; i++)
		r = read_section(rd, &sections.sections[i], err);
	return r;
}

/* Decodes *value in place.  False if it is not base64 of UTF-8. */
static bool decode(char **value)
{
	_cleanup_buf_ struct buf plain = BUF_INIT;
	_cleanup_free_ char *utf8 = NULL;

	if (base64_decode(*value, &plain) < 0)
		return false;
	utf8 = text_as_utf8(buf_str(&plain));
	if (strlen(buf_str(&plain)) != plain.len || strcmp(utf8, buf_str(&plain)) != 0)
		return false;
	free(*value);
	*value = buf_steal(&plain);
	return true;
}

static char *decode_values(struct named_values *values, const char *what)
{
	for (size_t i = 0; i < values->n; i++) {
		if (!decode(&values->list[i].value))
			return xasprintf("the value of %s '%s' is not text in base64", what,
					 values->list[i].name);
	}
	return NULL;
}

/* What PVE finds out when it sends: the other targets are not concerned. */
static char *find_problem(struct notify_endpoint *e)
{
	char *problem;

	if (e->type == ENDPOINT_SMTP && e->username && !e->password)
		return xasprintf("it has a username, but no password in %s", PRIVATE_FILE);
	if (e->body && !decode(&e->body))
		return xstrdup("the body is not text in base64");
	problem = decode_values(&e->headers, "header");
	return problem ? problem : decode_values(&e->secrets, "secret");
}

/* Moves what is secret of the section of the second file into e. */
static void join(struct notify_endpoint *e, const struct notify_config *secret)
{
	const size_t i = find_endpoint(secret, e->name);
	struct notify_endpoint *from = i < secret->n_endpoints ? &secret->endpoints[i] : NULL;

	if (e->type == ENDPOINT_SENDMAIL)
		return;
	if (!from || from->type != e->type) {
		e->problem = xasprintf("it has no section in %s: add \"%s: %s\" there", PRIVATE_FILE,
				       type_name(e->type), e->name);
		return;
	}
	e->password = TAKE_PTR(from->password);
	e->token = TAKE_PTR(from->token);
	e->secrets = from->secrets;
	from->secrets = (struct named_values){ 0 };
	e->problem = find_problem(e);
}

static void add_builtins(struct notify_config *c)
{
	static const char target[] = "mail-to-root", matcher[] = "default-matcher";

	if (!has_name(c, target))
		strv_add(&new_endpoint(c, target, ENDPOINT_SENDMAIL)->mailto_user, "root@pam");
	if (!has_name(c, matcher))
		strv_add(&new_matcher(c, matcher)->targets, target);
}

static void warn_dashes(const struct notify_config *c, const struct log *log)
{
	for (size_t i = 0; i < c->n_matchers; i++) {
		for (size_t k = 0; k < c->matchers[i].n_calendars; k++) {
			if (c->matchers[i].calendars[k].dash)
				log_warn(log,
					 "matcher '%s': write the days of match-calendar with two points, "
					 "\"mon..fri\": Proxmox VE refuses the whole file otherwise",
					 c->matchers[i].name);
		}
	}
}

int notify_config_load(const struct paths *p, const struct log *log, struct notify_config *ret,
		       struct error **err)
{
	_cleanup_free_ char *path = paths_get(p, PUBLIC_FILE), *secret_path = paths_get(p, PRIVATE_FILE);
	_cleanup_notify_config_ struct notify_config c = { 0 }, secret = { 0 };
	int r = read_file(&(struct reading){ &notify_public_types, path, log, &c }, err);

	c.is_default = r == 1;
	if (r >= 0)
		r = read_file(&(struct reading){ &notify_private_types, secret_path, log, &secret }, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c.n_endpoints; i++)
		join(&c.endpoints[i], &secret);
	add_builtins(&c);
	warn_dashes(&c, log);
	*ret = c;
	c = (struct notify_config){ 0 };
	return 0;
}

#include "libvirt/connection.h"

#include <string.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "base/strv.h"

enum {
	STATE_MS = 15 * 1000,
	ANSWER_MS = 35 * 1000, /* libvirt gives up after 30 s if another of its clients holds the domain */
	FIND_MS = 120 * 1000,
	START_MS = 5 * 60 * 1000,
};

int libvirt_error(const struct libvirt_api *api, struct error **err)
{
	const int number = api->get_last_error_code();
	const int code = number == VIR_ERROR_NO_DOMAIN                           ? ERR_NOT_FOUND
			 : number == VIR_ERROR_RPC || number == VIR_ERROR_SYSTEM ? ERR_GONE
										 : ERR_PEER;

	error_set(err, code, "libvirt: %s", api->get_last_error_message());
	api->reset_last_error();
	return code;
}

/* ---- the connection ---- */

/* "qemu:///system", "qemu+unix:///session?socket=..." */
static int check_uri(const char *uri, struct error **err)
{
	const char *rest;
	size_t scheme;

	if (!uri || !*uri)
		return 0;
	scheme = strcspn(uri, ":");
	if (strncmp(uri, "qemu", 4) != 0 || (scheme != 4 && uri[4] != '+'))
		return error_set(
			err, ERR_INVALID,
			"'%s' is not for QEMU: name qemu:///system or qemu:///session with --connect", uri);
	if ((scheme != 4 && strncmp(uri, "qemu+unix:", 10) != 0) || !str_prefix(uri + scheme, ":///", &rest))
		return error_set(
			err, ERR_INVALID,
			"'%s' is another host's libvirt: run vzdump on that host, where the disks are", uri);
	if (!str_prefix(rest, "system", NULL) && !str_prefix(rest, "session", NULL))
		return error_set(err, ERR_INVALID, "'%s' is neither qemu:///system nor qemu:///session", uri);
	return 0;
}

/* What is opened may be the default of libvirt's, which is known only then. */
static int check_connection(const struct libvirt_session *s, struct error **err)
{
	const char *type = s->api.connect_get_type(s->connect);
	_cleanup_free_ char *uri = s->api.connect_get_uri(s->connect);

	if (!type || strcmp(type, "QEMU") != 0)
		return error_set(err, ERR_INVALID,
				 "libvirt's %s is not QEMU: name qemu:///system with --connect",
				 uri ? uri : "default");
	return check_uri(uri, err);
}

static int open_session(struct libvirt_session *s, const char *uri, struct error **err)
{
	int r = check_uri(uri, err);

	if (r == 0)
		r = libvirt_api_load(&s->api, err);
	if (r < 0)
		return r;
	s->connect = s->api.connect_open(uri && *uri ? uri : NULL);
	if (!s->connect) {
		r = libvirt_error(&s->api, err);
		return error_wrap(err, r == ERR_PEER ? ERR_GONE : r, "cannot connect to %s",
				  uri && *uri ? uri : "libvirt");
	}
	return check_connection(s, err);
}

/* Both; a name may look like a uuid. */
static vir_domain *look_up(const struct libvirt_session *s, const char *domain)
{
	vir_domain *d = s->api.domain_lookup_by_uuid(s->connect, domain);

	if (!d) {
		s->api.reset_last_error();
		d = s->api.domain_lookup_by_name(s->connect, domain);
	}
	return d;
}

void libvirt_session_close(struct libvirt_session *s)
{
	if (s->domain)
		s->api.domain_free(s->domain);
	if (s->connect)
		s->api.connect_close(s->connect);
	*s = (struct libvirt_session){ 0 };
}

/* ---- a call in a thread of its own ---- */

struct call {
	char *uri;
	char *domain; /* NULL: work() needs none */
	int (*work)(struct call *c, struct error **err);
	struct libvirt_session session;
	/* for work() */
	char *pool, *volume, *xml, **names;
	unsigned flags;
	/* its results */
	char *text;
	struct libvirt_state state;
	struct libvirt_finds finds;
};

static void call_free(void *opaque)
{
	struct call *c = opaque;

	libvirt_session_close(&c->session);
	libvirt_finds_clear(&c->finds);
	strv_free(c->names);
	free(c->uri);
	free(c->domain);
	free(c->pool);
	free(c->volume);
	free(c->xml);
	free(c->text);
	free(c);
}

static int do_call(void *opaque, struct error **err)
{
	struct call *c = opaque;
	int r = open_session(&c->session, c->uri, err);

	if (r == 0 && c->domain) {
		c->session.domain = look_up(&c->session, c->domain);
		if (!c->session.domain)
			r = libvirt_error(&c->session.api, err);
	}
	return r == 0 && c->work ? c->work(c, err) : r;
}

static struct call *call_new(const char *uri, const char *domain,
			     int (*work)(struct call *c, struct error **err))
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->uri = xstrdup_null(uri);
	c->domain = xstrdup_null(domain);
	c->work = work;
	return c;
}

/* Frees c at the end, or leaves that to the thread. */
static int call_run(struct call *c, int timeout_ms, const struct cancel *cancel,
		    void (*take)(void *arg, void *ret), void *ret, struct error **err)
{
	_cleanup_free_ char *uri = xstrdup(c->uri ? c->uri : "libvirt");
	_cleanup_error_ struct error *mine = NULL;
	const struct bounded_call b = {
		.call = do_call, .take = take, .clear = call_free, .arg = c, .ret = ret
	};
	int r = bounded_run(&b, timeout_ms, cancel, &mine);

	if (r == ERR_TIMEOUT)
		return error_set(err, r,
				 "%s does not answer within %d s: see whether 'virsh list' does, and "
				 "'systemctl status libvirtd' ('virtqemud')",
				 uri, timeout_ms / 1000);
	error_keep_first(err, &mine);
	return r;
}

/* ---- state and XML ---- */

static int do_get_state(struct call *c, struct error **err)
{
	const struct libvirt_session *s = &c->session;
	struct vir_job_info job = { 0 };
	const int running = s->api.domain_is_active(s->domain);
	const int persistent = running < 0 ? running : s->api.domain_is_persistent(s->domain);

	if (persistent < 0)
		return libvirt_error(&s->api, err);
	c->state = (struct libvirt_state){ .running = running > 0, .persistent = persistent > 0 };
	/* it may just have ended, so an error means nothing */
	if (running > 0 && s->api.domain_get_job_info(s->domain, &job) == 0)
		c->state.busy = job.type != 0;
	return 0;
}

static void take_state(void *arg, void *ret)
{
	*(struct libvirt_state *)ret = ((struct call *)arg)->state;
}

int libvirt_get_state(const char *uri, const char *domain, const struct cancel *cancel,
		      struct libvirt_state *ret, struct error **err)
{
	return call_run(call_new(uri, domain, do_get_state), STATE_MS, cancel, take_state, ret, err);
}

static void take_text(void *arg, void *ret)
{
	*(char **)ret = TAKE_PTR(((struct call *)arg)->text);
}

static int do_get_xml(struct call *c, struct error **err)
{
	c->text = c->session.api.domain_get_xml(c->session.domain, c->flags);
	return c->text ? 0 : libvirt_error(&c->session.api, err);
}

int libvirt_get_xml(const char *uri, const char *domain, unsigned flags, const struct cancel *cancel,
		    char **ret, struct error **err)
{
	struct call *c = call_new(uri, domain, do_get_xml);

	c->flags = flags;
	return call_run(c, ANSWER_MS, cancel, take_text, ret, err);
}

static int do_get_capabilities(struct call *c, struct error **err)
{
	const struct libvirt_api *api = &c->session.api;

	c->text = api->connect_get_domain_capabilities(c->session.connect, NULL, "x86_64", NULL, NULL, 0);
	return c->text ? 0 : libvirt_error(api, err);
}

int libvirt_get_capabilities(const char *uri, const struct cancel *cancel, char **ret, struct error **err)
{
	return call_run(call_new(uri, NULL, do_get_capabilities), ANSWER_MS, cancel, take_text, ret, err);
}

static int do_get_volume_path(struct call *c, struct error **err)
{
	const struct libvirt_api *api = &c->session.api;
	vir_pool *pool = api->pool_lookup_by_name(c->session.connect, c->pool);
	vir_volume *volume = pool ? api->volume_lookup_by_name(pool, c->volume) : NULL;
	int r = 0;

	c->text = volume ? api->volume_get_path(volume) : NULL;
	if (!c->text)
		r = libvirt_error(api, err);
	if (volume)
		api->volume_free(volume);
	if (pool)
		api->pool_free(pool);
	return r;
}

int libvirt_get_volume_path(const char *uri, const char *pool, const char *volume,
			    const struct cancel *cancel, char **ret, struct error **err)
{
	struct call *c = call_new(uri, NULL, do_get_volume_path);

	c->pool = xstrdup(pool);
	c->volume = xstrdup(volume);
	return call_run(c, ANSWER_MS, cancel, take_text, ret, err);
}

/* ---- defining, starting and ending ---- */

static int do_define(struct call *c, struct error **err)
{
	const struct libvirt_api *api = &c->session.api;
	vir_domain *d = api->domain_define_xml(c->session.connect, c->xml);

	if (!d)
		return libvirt_error(api, err);
	api->domain_free(d);
	return 0;
}

int libvirt_define(const char *uri, const char *xml, const struct cancel *cancel, struct error **err)
{
	struct call *c = call_new(uri, NULL, do_define);

	c->xml = xstrdup(xml);
	return call_run(c, ANSWER_MS, cancel, NULL, NULL, err);
}

static int do_start(struct call *c, struct error **err)
{
	return c->session.api.domain_create(c->session.domain, c->flags) == 0
		       ? 0
		       : libvirt_error(&c->session.api, err);
}

int libvirt_start(const char *uri, const char *domain, bool paused, const struct cancel *cancel,
		  struct error **err)
{
	struct call *c = call_new(uri, domain, do_start);

	c->flags = paused ? VIR_START_PAUSED : 0;
	return call_run(c, START_MS, cancel, NULL, NULL, err);
}

static int do_destroy(struct call *c, struct error **err)
{
	const struct libvirt_session *s = &c->session;

	if (s->api.domain_destroy(s->domain) == 0 || s->api.domain_is_active(s->domain) == 0)
		return 0;
	return libvirt_error(&s->api, err);
}

int libvirt_destroy(const char *uri, const char *domain, struct error **err)
{
	return call_run(call_new(uri, domain, do_destroy), ANSWER_MS, NULL, NULL, NULL, err);
}

/* ---- finding domains ---- */

void libvirt_finds_clear(struct libvirt_finds *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].name);
		free(f->list[i].xml);
		free(f->list[i].error);
	}
	free(f->list);
	free(f->uri);
	*f = (struct libvirt_finds){ 0 };
}

/* name: NULL for the uuid.  d: NULL if the domain was not found. */
static void add_find(struct call *c, const char *name, vir_domain *d)
{
	const struct libvirt_api *api = &c->session.api;
	_cleanup_error_ struct error *err = NULL;
	struct libvirt_finds *f = &c->finds;
	struct libvirt_found *found;

	f->list = xreallocarray(f->list, f->n + 1, sizeof(*f->list));
	found = &f->list[f->n++];
	*found = (struct libvirt_found){ 0 };
	if (d && api->domain_get_uuid(d, found->uuid) == 0)
		found->xml = api->domain_get_xml(d, 0);
	if (!found->xml) {
		libvirt_error(api, &err);
		found->error = xstrdup(error_message(err));
	}
	found->name = xstrdup(name ? name : found->uuid);
}

static int find_all(struct call *c, struct error **err)
{
	const struct libvirt_api *api = &c->session.api;
	vir_domain **list = NULL;
	const int n = api->connect_list_all_domains(c->session.connect, &list, 0);

	if (n < 0)
		return libvirt_error(api, err);
	for (int i = 0; i < n; i++) {
		add_find(c, NULL, list[i]);
		api->domain_free(list[i]);
	}
	free(list);
	return 0;
}

static int do_find(struct call *c, struct error **err)
{
	int r = 0;

	c->finds.uri = c->session.api.connect_get_uri(c->session.connect);
	if (!c->finds.uri)
		return libvirt_error(&c->session.api, err);
	for (char **name = c->names; name && *name && r == 0; name++) {
		vir_domain *d;

		if (!strcmp(*name, "*")) {
			r = find_all(c, err);
			continue;
		}
		d = look_up(&c->session, *name);
		add_find(c, *name, d);
		if (d)
			c->session.api.domain_free(d);
	}
	return r;
}

static void take_finds(void *arg, void *ret)
{
	struct call *c = arg;

	*(struct libvirt_finds *)ret = c->finds;
	c->finds = (struct libvirt_finds){ 0 };
}

int libvirt_find(const char *uri, char *const *names, const struct cancel *cancel, struct libvirt_finds *ret,
		 struct error **err)
{
	struct call *c = call_new(uri, NULL, do_find);

	*ret = (struct libvirt_finds){ 0 };
	for (char *const *name = names; name && *name; name++)
		strv_add(&c->names, *name);
	return call_run(c, FIND_MS, cancel, take_finds, ret, err);
}

/* ---- a session ---- */

static void take_session(void *arg, void *ret)
{
	struct call *c = arg;

	*(struct libvirt_session *)ret = c->session;
	c->session = (struct libvirt_session){ 0 };
}

int libvirt_attach(const char *uri, const char *domain, const struct cancel *cancel,
		   struct libvirt_session *ret, struct error **err)
{
	*ret = (struct libvirt_session){ 0 };
	return call_run(call_new(uri, domain, NULL), ANSWER_MS, cancel, take_session, ret, err);
}

#include "notify/notify.h"

#include "base/mem.h"
#include "base/strv.h"
#include "notify/config.h"
#include "notify/deliver.h"
#include "notify/render.h"

/* The names of the targets of all matchers that match, each once. */
static char **chosen_targets(const struct notify_config *c, const struct notification *n,
			     const struct log *log)
{
	char **names = NULL;

	for (size_t i = 0; i < c->n_matchers; i++) {
		const struct matcher *m = &c->matchers[i];
		_cleanup_error_ struct error *err = NULL;
		const int r = m->disabled ? 0 : matcher_matches(m, n, &err);

		if (r < 0)
			log_error(log, "matcher '%s' counts as if it did not match: %s", m->name,
				  error_message(err));
		for (char **name = m->targets; r > 0 && name && *name; name++) {
			if (!strv_contains(names, *name))
				strv_add(&names, *name);
		}
	}
	return names;
}

static const struct notify_endpoint *find_endpoint(const struct notify_config *c, const char *name)
{
	for (size_t i = 0; i < c->n_endpoints; i++) {
		if (strcmp(c->endpoints[i].name, name) == 0)
			return &c->endpoints[i];
	}
	return NULL;
}

/* The endpoint of that name if it can be used; else NULL, and log hears why. */
static const struct notify_endpoint *usable_endpoint(const struct notify_config *c, const char *name,
						     const struct log *log)
{
	const struct notify_endpoint *e = find_endpoint(c, name);

	if (e && !e->disabled && !e->problem)
		return e;
	if (e && e->disabled)
		log_info(log, "skipping disabled target '%s'", name);
	else if (e)
		log_error(log, "cannot notify target '%s': %s", name, e->problem);
	else
		log_error(log, "cannot notify target '%s': there is no such target, but a matcher names it",
			  name);
	return NULL;
}

/* Stores those that a notification is to be sent to, in the order of their names; room for as many. */
static size_t usable_endpoints(const struct notify_config *c, char *const *names, struct delivery *ret,
			       const struct log *log)
{
	size_t n = 0;

	for (; names && *names; names++) {
		const struct notify_endpoint *e = usable_endpoint(c, *names, log);

		if (e)
			ret[n++] = (struct delivery){ .endpoint = e };
	}
	return n;
}

int notify_targets(const struct paths *p, const struct notification *n, const struct log *log, char ***ret,
		   struct error **err)
{
	_cleanup_notify_config_ struct notify_config c = { 0 };
	_cleanup_strv_ char **names = NULL;
	int r = notify_config_load(p, log, &c, err);

	*ret = NULL;
	if (r < 0)
		return r;
	names = chosen_targets(&c, n, log);
	for (char **name = names; name && *name; name++)
		if (usable_endpoint(&c, *name, log))
			strv_add(ret, *name);
	return 0;
}

/* On a host that nobody has set up for notifications, a missing sendmail is none of our business. */
static bool is_missed(const struct notify_config *c, const struct delivery *d)
{
	return !c->is_default || d->result != ERR_NOT_FOUND;
}

static void tell_results(const struct notify_config *c, struct delivery *deliveries, size_t n,
			 const struct log *log)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = deliveries[i].endpoint->name;

		if (deliveries[i].result >= 0)
			log_info(log, "notified target '%s'", name);
		else if (is_missed(c, &deliveries[i]))
			log_error(log, "cannot notify target '%s': %s", name,
				  error_message(deliveries[i].err));
		error_free(deliveries[i].err);
	}
}

static struct notify_message make_message(const struct notification *n, const struct rendered *words)
{
	return (struct notify_message){
		.severity = n->severity,
		.time = n->time,
		.title = words->title,
		.text = words->text,
		.html = words->html,
		.fields = n->fields,
		.n_fields = n->n_fields,
	};
}

void notify_send(const struct paths *p, const struct notification *n, const struct cancel *cancel,
		 const struct log *log)
{
	_cleanup_notify_config_ struct notify_config c = { 0 };
	_cleanup_strv_ char **names = NULL;
	_cleanup_rendered_ struct rendered words = { 0 };
	_cleanup_free_ struct delivery *deliveries = NULL;
	_cleanup_error_ struct error *err = NULL;
	struct notify_message message;
	size_t count;

	if (notify_config_load(p, log, &c, &err) < 0) {
		log_error(log, "cannot notify anybody: %s", error_message(err));
		return;
	}
	names = chosen_targets(&c, n, log);
	deliveries = xcalloc(strv_len(names) + 1, sizeof(*deliveries));
	count = usable_endpoints(&c, names, deliveries, log);
	if (!count)
		return;
	if (notify_render(p, n, log, &words, &err) < 0) {
		log_error(log, "cannot notify anybody: %s", error_message(err));
		return;
	}
	message = make_message(n, &words);
	deliver(p, deliveries, count, &message, cancel, log);
	tell_results(&c, deliveries, count, log);
}

void notify_mail(const struct paths *p, const struct notification *n, char *const *addresses,
		 const struct cancel *cancel, const struct log *log)
{
	_cleanup_free_ char *shown = strv_join(addresses, ", ");
	_cleanup_rendered_ struct rendered words = { 0 };
	char author[] = "vzdump backup tool";
	const struct notify_endpoint e = { .type = ENDPOINT_SENDMAIL,
					   .mailto = (char **)(const void *)addresses,
					   .author = author };
	struct delivery d = { .endpoint = &e };
	struct notify_message message;

	d.result = notify_render(p, n, log, &words, &d.err);
	if (d.result == 0) {
		message = make_message(n, &words);
		deliver(p, &d, 1, &message, cancel, log);
	}
	if (d.result < 0)
		log_error(log, "cannot send the mail to %s: %s", shown, error_message(d.err));
	else
		log_info(log, "sent the mail to %s", shown);
	error_free(d.err);
}

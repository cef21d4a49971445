#include "report/job-plan-json.h"

#include "base/mem.h"
#include "config/schema.h"

static struct json_object *names_json(const char *const *names)
{
	struct json_object *a = json_new_array();

	for (size_t i = 0; names && names[i]; i++)
		json_append_str(a, names[i]);
	return a;
}

static void put_bytes(struct json_object *o, const char *key, const struct plan_bytes *b)
{
	if (b->known)
		json_put_u64(o, key, b->bytes);
	else
		json_put_null(o, key);
}

static void put_image(struct json_object *o, const struct disk_plan *d)
{
	struct json_object *f;

	if (!d->image_storage) {
		json_put_null(o, "fleecing");
		return;
	}
	f = json_new_obj();
	json_put_text(f, "storage", d->image_storage);
	json_put_bool(f, "reserved", d->image_reserved);
	put_bytes(f, "free", &d->image_free);
	put_bytes(f, "reserve", &d->image_reserve);
	json_put_obj(o, "fleecing", f);
}

static struct json_object *disk_json(const struct disk_plan *d)
{
	struct json_object *o = json_new_obj();

	json_put_text(o, "key", d->key);
	json_put_text(o, "volid", d->volid);
	json_put_bool(o, "included", d->included);
	json_put_text(o, "reason", d->reason);
	json_put_text(o, "name", d->name);
	json_put_text(o, "way", d->way);
	put_bytes(o, "size", &d->size);
	json_put_text(o, "file", d->file);
	put_image(o, d);
	return o;
}

static const char *task_state(const struct guest_plan *g, const struct task_report *t)
{
	if (t->outcome == TASK_UNSUPPORTED)
		return "unsupported";
	if (t->outcome == TASK_CANCELED)
		return "todo";
	if (t->error)
		return "failed";
	return guest_plan_is_good(g, t) ? "ok" : "todo";
}

static void put_disks(struct json_object *o, const struct guest_plan *g)
{
	struct json_object *disks = json_new_array();

	for (size_t i = 0; i < g->n_disks; i++)
		json_append(disks, disk_json(&g->disks[i]));
	json_put_obj(o, "disks", disks);
}

static void put_limit(struct json_object *o, const struct guest_plan *g)
{
	const struct plan_bytes bytes = limit_plan_bytes(&g->limit);
	struct json_object *f;

	if (!g->fleeces) {
		json_put_null(o, "fleecing");
		return;
	}
	f = json_new_obj();
	put_bytes(f, "limit", &bytes);
	json_put_text(f, "reason", g->limit.reason);
	json_put_obj(o, "fleecing", f);
}

static void put_newest(struct json_object *o, const struct guest_plan *g)
{
	struct json_object *newest;

	if (!g->newest) {
		json_put_null(o, "newest");
		return;
	}
	newest = json_new_obj();
	json_put_text(newest, "archive", g->newest);
	json_put_u64(newest, "size", g->newest_size);
	json_put_obj(o, "newest", newest);
}

static struct json_object *guest_json(const struct guest_plan *g, const struct task_report *t)
{
	struct json_object *o = json_new_obj();

	json_put_u64(o, "vmid", t->vmid);
	json_put_text(o, "name", t->name);
	json_put_str(o, "state", task_state(g, t));
	json_put_text(o, "error", t->error);
	if (g->power == GUEST_POWER_UNKNOWN)
		json_put_null(o, "running");
	else
		json_put_bool(o, "running", g->power == GUEST_RUNS);
	json_put_text(o, "mode", t->mode);
	json_put_bool(o, "cleanup", g->cleanup);
	put_disks(o, g);
	put_limit(o, g);
	put_newest(o, g);
	put_bytes(o, "free", &g->target_free);
	json_put_obj(o, "prune", json_new_texts(g->prune));
	json_put_obj(o, "phases", names_json(g->phases));
	json_put_obj(o, "warnings", json_new_texts(t->warnings));
	return o;
}

static void put_target(struct json_object *o, const struct job_plan *p, const struct job_report *r)
{
	struct json_object *t = json_new_obj();

	json_put_text(t, "storage", r->storage);
	json_put_text(t, "dumpdir", r->dumpdir);
	json_put_bool(t, "active", p->target_active);
	put_bytes(t, "free", &p->target_free);
	json_put_obj(o, "target", t);
}

static void put_verify_boot(struct json_object *o, const struct job_plan *p)
{
	struct json_object *v;

	if (!p->verify_boot_s) {
		json_put_null(o, "verify-boot");
		return;
	}
	v = json_new_obj();
	json_put_u64(v, "timeout", p->verify_boot_s);
	json_put_obj(o, "verify-boot", v);
}

static void put_hook(struct json_object *o, const struct job_plan *p)
{
	struct json_object *h;

	if (!p->script) {
		json_put_null(o, "hook");
		return;
	}
	h = json_new_obj();
	json_put_text(h, "script", p->script);
	json_put_obj(h, "phases", names_json(p->phases));
	json_put_obj(o, "hook", h);
}

static void put_notification(struct json_object *o, const struct notify_plan *p)
{
	static const char *const ways[] = {
		[NOTIFY_NOBODY] = "none",
		[NOTIFY_BY_MAIL] = "mail",
		[NOTIFY_BY_SYSTEM] = "system",
	};
	struct json_object *n = json_new_str("way", ways[p->way]);

	json_put_obj(n, "if-good", json_new_texts(p->if_good));
	json_put_obj(n, "if-bad", json_new_texts(p->if_bad));
	json_put_obj(o, "notification", n);
}

static struct json_object *ids_json(char *const *ids)
{
	struct json_object *list = json_new_array();

	for (; ids && *ids; ids++)
		json_append(list, xcheck(json_object_new_int64(vmid_parse(*ids))));
	return list;
}

struct json_object *job_plan_json(const struct job_plan *p, const struct job_report *r)
{
	struct json_object *o = json_new_obj(), *guests = json_new_array();

	for (size_t i = 0; i < p->n; i++)
		json_append(guests, guest_json(&p->guests[i], &r->tasks[i]));
	json_put_u64(o, "version", JOB_PLAN_JSON_VERSION);
	json_put_str(o, "state", job_plan_is_good(r) ? "ok" : "failed");
	json_put_text(o, "error", r->error);
	json_put_text(o, "command", r->command_line);
	json_put_text(o, "job-id", r->job_id);
	json_put_text(o, "node", r->node);
	json_put_text(o, "lock", p->running);
	json_put_bool(o, "stop", p->stop);
	put_target(o, p, r);
	json_put_text(o, "retention", p->retention);
	json_put_bool(o, "prunes", p->prunes);
	put_verify_boot(o, p);
	put_hook(o, p);
	put_notification(o, &p->notify);
	json_put_obj(o, "external", ids_json(p->external));
	json_put_obj(o, "warnings", json_new_texts(r->warnings));
	json_put_obj(o, "guests", guests);
	return o;
}

#include "backup/plan-say.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

/* "1.0 GiB", "an unknown number of bytes".  Caller frees. */
static char *bytes_text(const struct plan_bytes *b)
{
	return b->known ? units_bytes(b->bytes, 1) : xstrdup("an unknown amount");
}

static char *join(const char *const *names)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; names && names[i]; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", names[i]);
	return buf_steal(&b);
}

/* ---- the job ---- */

static void say_lock(const struct log *log, const struct settings *s, const struct job_plan *p)
{
	if (p->running && !p->stop && s->lockwait_minutes)
		log_info(log,
			 "a backup runs now, for whose end this one waits (%lu minutes at most): the global "
			 "lock is %s",
			 (unsigned long)s->lockwait_minutes, p->running);
}

static void say_target(const struct log *log, const struct settings *s, const struct job_plan *p,
		       const char *storage, const char *dumpdir)
{
	_cleanup_free_ char *room = bytes_text(&p->target_free);

	if (s->request.to_stdout)
		log_info(log, "the archive goes to standard output");
	else if (storage)
		log_info(log, "archives go to storage '%s' ('%s'): %s free", storage, dumpdir, room);
	else
		log_info(log, "archives go to '%s': %s free", dumpdir, room);
	if (s->verify_boot.enabled)
		log_info(
			log,
			"verify-boot: each guest is tried from its archive, for %u s at most; if it does not "
			"start, its backup fails and no older one is removed",
			s->verify_boot.timeout_s);
	if (!s->request.to_stdout)
		log_info(log, "retention: %s%s", p->retention,
			 p->prunes ? "" : "; no backup is removed for it");
}

static void say_hook(const struct log *log, const struct job_plan *p)
{
	_cleanup_free_ char *phases = join(p->phases);

	if (p->script)
		log_info(log, "hook script '%s' is called in the phases %s, and in those of each guest",
			 p->script, phases);
}

static char *names_text(char *const *names)
{
	return names ? strv_join(names, ", ") : xstrdup("nobody");
}

static void say_notification(const struct log *log, const struct notify_plan *p)
{
	_cleanup_free_ char *good = names_text(p->if_good), *bad = names_text(p->if_bad);
	const char *what = p->way == NOTIFY_BY_MAIL ? "a mail to" : "to";

	if (strcmp(good, bad) != 0)
		log_info(log, "notification: %s %s, or %s if something fails", what, good, bad);
	else
		log_info(log, "notification: %s %s", what, good);
}

void plan_say_job(const struct log *log, const struct settings *s, const struct job_plan *p,
		  const char *storage, const char *dumpdir)
{
	_cleanup_free_ char *external =
		p->external ? join((const char *const *)(const void *)p->external) : NULL;

	if (external)
		log_info(log, "skip external VMs: %s", external);
	say_lock(log, s, p);
	say_target(log, s, p, storage, dumpdir);
	say_hook(log, p);
	say_notification(log, &p->notify);
}

void plan_say_end(const struct log *log, const struct job_plan *p, const struct job_report *r)
{
	size_t good = 0;

	for (size_t i = 0; i < r->n; i++)
		good += guest_plan_is_good(&p->guests[i], &r->tasks[i]);
	log_info(log, "dry run: %zu of %zu guest(s) can be saved, as far as that can be seen before", good,
		 r->n);
}

/* ---- a guest ---- */

/* Where the image takes all its size at once, nothing is kept free. */
static void say_disk(const struct log *log, const struct disk_plan *d)
{
	_cleanup_free_ char *size = bytes_text(&d->size), *room = bytes_text(&d->image_free);
	_cleanup_free_ char *reserve = bytes_text(&d->image_reserve);
	const bool keeps = d->image_reserve.known && d->image_reserve.bytes && !d->image_reserved;

	if (d->image_storage)
		log_info(log, "%s: %s, way %s; image on storage '%s': %s free%s%s%s", d->name, size, d->way,
			 d->image_storage, room, keeps ? ", of which " : "", keeps ? reserve : "",
			 keeps ? " are kept free" : "");
	else
		log_info(log, "%s: %s, way %s", d->name, size, d->way);
}

void plan_say_disks(const struct log *log, const struct guest_plan *g)
{
	for (size_t i = 0; i < g->n_disks; i++)
		if (g->disks[i].way)
			say_disk(log, &g->disks[i]);
}

/* With less room than that the guest is slowed from the start. */
#define ROOM_SCARCE (64 * MIB)

void plan_say_limit(const struct log *log, const struct guest_plan *g)
{
	const struct plan_bytes most = limit_plan_bytes(&g->limit);
	_cleanup_free_ char *text = units_bytes(most.bytes, 1);
	const char *reason = g->limit.reason;

	if (!g->fleeces || !most.known)
		return;
	if (reason && !strcmp(reason, "reserve") && most.bytes < ROOM_SCARCE)
		log_warn(
			log,
			"fleecing images have room for %s only, so that the guest's writes are slowed from the "
			"start: free space on their storage, or name another one, or a smaller reserve=",
			text);
	else
		log_info(log, "fleecing images: %s together at most%s", text,
			 !reason                             ? ""
			 : !strcmp(reason, "limit")          ? ", by limit="
			 : !strcmp(reason, "fleecing-limit") ? ", by --fleecing-limit"
							     : ", so that the reserve stays free");
}

void plan_say_room(const struct log *log, const struct guest_plan *g)
{
	_cleanup_free_ char *room = bytes_text(&g->target_free), *size = units_bytes(g->newest_size, 1);

	if (!g->newest)
		log_info(log, "it has no backup there yet; %s free", room);
	else if (g->target_free.known && g->target_free.bytes < g->newest_size)
		log_warn(
			log,
			"its newest backup '%s' has %s, but only %s will be free: make room, or name another "
			"storage",
			g->newest, size, room);
	else
		log_info(log, "its newest backup '%s' has %s; %s free", g->newest, size, room);
}

void plan_say_prune(const struct log *log, const struct guest_plan *g)
{
	for (char **path = g->prune; path && *path; path++)
		log_info(log, "backup '%s' is removed then", *path);
}

void plan_say_phases(const struct log *log, const struct guest_plan *g)
{
	_cleanup_free_ char *phases = join(g->phases);

	if (g->phases)
		log_info(log, "hook script: %s", phases);
}

/* Adds a guard to each disk and decides what it needs; see qemu/guard.h. */
#include <string.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"
#include "qemu/guard.h"
#include "source/live.h"

/* An option of the child ("file.discard") alone lets no TRIM through. */
bool guard_asks_to_discard(const char *word)
{
	for (const char *at = word; (at = strstr(at, "discard"));) {
		const bool of_child = at > word && at[-1] == '.';

		at += strlen("discard");
		at += strspn(at, "\"=: ");
		if (!of_child && (str_prefix(at, "unmap", NULL) || str_prefix(at, "on", NULL)))
			return true;
	}
	return false;
}

static bool names_disk(const char *word, const struct source *d)
{
	const struct graph_disk *g = &d->live->graph;

	return strstr(word, d->device) || strstr(word, g->node) ||
	       (*g->filename && strstr(word, g->filename));
}

/*
 * Whether the guest's TRIMs get through to the disk, so that the guard must not drop them.  QEMU does not
 * report how a node was opened.  The configuration says it if PVE starts the guest, otherwise the command
 * line does.  If neither can be read, TRIMs are assumed to get through.
 */
static bool passes_trims(const struct sources *s, const struct source *d)
{
	const char *value = guest_config_get(s->p.conf, d->conf->key);
	_cleanup_guest_drive_ struct guest_drive drive = { 0 };
	_cleanup_strv_ char **words = proc_arguments(s->p.power->process.pid);

	if (value && guest_drive_parse(value, &drive, NULL) == 0 &&
	    str_equal_null(propstr_get(&drive.line, "discard"), "on"))
		return true;
	for (char **word = words; word && *word; word++)
		if (names_disk(*word, d) && guard_asks_to_discard(*word))
			return true;
	return !words;
}

static int add_guard(const struct sources *s, const struct source *d, struct qmp *q, const char *image,
		     struct error **err)
{
	const struct graph_disk *disk = &d->live->graph;
	_cleanup_free_ char *target = NULL;
	int r = 0;

	if (!disk->throttle && !disk->read_only && !passes_trims(s, d)) {
		target = xasprintf("%s/guard-%s.raw", s->run_dir, d->conf->key);
		r = graph_guard_sink(target, d->size, err);
		if (r == 0)
			r = guest_own_file(&s->p.guest, s->p.power, target, err);
	}
	if (r == 0)
		r = graph_add_guard(q, disk, &d->live->names, image, target, err);
	return r < 0 ? error_wrap(err, r, "%s: keeping others from the disk", d->device) : 0;
}

int guard_add(const struct sources *s, struct source *const *disks, size_t n, struct qmp *q,
	      struct error **err)
{
	_cleanup_free_ char *image = xasprintf("%s/guard.qcow2", s->run_dir);
	int r = graph_guard_image(image, err);

	if (r == 0)
		r = guest_own_file(&s->p.guest, s->p.power, image, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_guard(s, disks[i], q, image, err);
	return r;
}

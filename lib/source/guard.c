/* Which guard each disk gets, see qemu/graph.h. */
#include <string.h>

#include "backup/task-internal.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/strv.h"

/* "discard=unmap" of -drive and -blockdev, also as JSON; "file.discard" alone is not enough. */
static bool asks_to_discard(const char *word)
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

static bool is_about(const char *word, const struct task_disk *d)
{
	return strstr(word, d->device) || strstr(word, d->graph.node) ||
	       (*d->graph.filename && strstr(word, d->graph.filename));
}

/*
 * Whether the guest's TRIMs get through to the disk, so that a guard which drops them will not do.  QEMU
 * tells nobody how a node was opened; the configuration does where PVE starts the guest, else the command
 * line.  Where neither can be read they are taken to get through.
 */
static bool passes_trims(const struct task *t, const struct task_disk *d)
{
	const char *value = guest_config_get(&t->conf, d->conf->key);
	_cleanup_guest_drive_ struct guest_drive drive = { 0 };
	_cleanup_strv_ char **words = proc_arguments(t->power.process.pid);

	if (value && guest_drive_parse(value, &drive, NULL) == 0 &&
	    str_equal_null(propstr_get(&drive.line, "discard"), "on"))
		return true;
	for (char **word = words; word && *word; word++)
		if (is_about(*word, d) && asks_to_discard(*word))
			return true;
	return !words;
}

static int add_guard(struct task *t, struct task_disk *d, const char *image, struct error **err)
{
	_cleanup_free_ char *sink = NULL;
	int r = 0;

	if (!d->graph.throttle && !d->graph.read_only && !passes_trims(t, d)) {
		sink = xasprintf("%s/guard-%s.raw", t->run_dir, d->conf->key);
		r = graph_guard_sink(sink, d->size, err);
		if (r == 0)
			r = power_give(&t->power, sink, err);
	}
	return r == 0 ? graph_add_guard(t->qmp, &d->graph, &d->names, image, sink, err) : r;
}

int task_add_guards(struct task *t, struct error **err)
{
	_cleanup_free_ char *image = xasprintf("%s/guard.qcow2", t->run_dir);
	int r = graph_guard_image(image, err);

	if (r == 0)
		r = power_give(&t->power, image, err);
	for (size_t i = 0; i < t->n && r == 0; i++) {
		struct task_disk *d = &t->disks[i];

		if (d->way == WAY_OFFLINE)
			continue;
		r = add_guard(t, d, image, err);
		if (r < 0)
			error_prefix(err, "%s: keeping others from the disk", d->device);
	}
	return r;
}

/* No fleecing image: QEMU's filter pushes old data to this process, while the guest's write waits. */
#include "base/mem.h"
#include "qemu/nodes.h"
#include "source/live.h"

static char *socket_of(const struct sources *s, const struct source *d)
{
	return xasprintf("%s/%s.sock", s->run_dir, d->conf->key);
}

static int listen_for(const struct sources *s, const struct source *d, struct error **err)
{
	_cleanup_free_ char *path = socket_of(s, d);
	int r = s->p.listen(s->p.opaque, d->number, path, err);

	if (r == 0)
		r = guest_own_file(&s->p.guest, s->p.power, path, err);
	return r < 0 ? error_wrap(err, r, "%s", d->device) : 0;
}

static int sink_prepare(struct sources *s, struct source *const *disks, size_t n, struct error **err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = listen_for(s, disks[i], err);
	return r;
}

static int sink_attach(struct sources *s, struct source *d, struct qmp *q, struct error **err)
{
	_cleanup_free_ char *path = socket_of(s, d);

	return graph_add_sink(q, &d->live->names, path, SOURCE_SINK_EXPORT, err);
}

static int sink_explain(const struct source *d, int code, struct error **err)
{
	(void)d;
	return error_set(err, code,
			 "QEMU gave up the snapshot of the disk, since this backup did not take the guest's "
			 "old data in time: the archive's storage is too slow or this host too busy; with "
			 "--fleecing the guest depends on neither");
}

const struct source_ops source_sink = {
	.name = "sink",
	.open = live_open,
	.prepare = sink_prepare,
	.attach = sink_attach,
	.begin = live_begin,
	.endpoint = live_endpoint,
	.explain = sink_explain,
};

#include "qemu/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/strv.h"
#include "qemu/dismiss.h"
#include "qemu/pause.h"

/* ---- files ---- */

/* The smallest qcow2 image: clusters of 512 bytes, a disk of one sector, no data. */
enum {
	QCOW2_CLUSTER_BITS = 9,
	QCOW2_CLUSTER = 1 << QCOW2_CLUSTER_BITS,
	QCOW2_CLUSTERS = 4, /* header, refcount table, refcounts, table of L2 tables */
};

static void put_be(unsigned char *p, unsigned bytes, uint64_t value)
{
	while (bytes--) {
		p[bytes] = (unsigned char)value;
		value >>= 8;
	}
}

/* Version 2 of the format; QEMU's docs/interop/qcow2 has the offsets. */
static void format_image(unsigned char image[QCOW2_CLUSTERS * QCOW2_CLUSTER])
{
	memset(image, 0, QCOW2_CLUSTERS * QCOW2_CLUSTER);
	put_be(image, 4, 0x514649fb); /* "QFI\xfb" */
	put_be(image + 4, 4, 2);
	put_be(image + 20, 4, QCOW2_CLUSTER_BITS);
	put_be(image + 24, 8, 512);               /* size */
	put_be(image + 36, 4, 1);                 /* entries of the L1 table */
	put_be(image + 40, 8, 3 * QCOW2_CLUSTER); /* offset of the L1 table */
	put_be(image + 48, 8, QCOW2_CLUSTER);     /* refcount table */
	put_be(image + 56, 4, 1);                 /* clusters of the refcount table */
	put_be(image + QCOW2_CLUSTER, 8, 2 * QCOW2_CLUSTER);
	for (unsigned i = 0; i < QCOW2_CLUSTERS; i++)
		put_be(image + 2 * QCOW2_CLUSTER + 2 * i, 2, 1);
}

static int create_file(const char *path, int *ret_fd, struct error **err)
{
	*ret_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*ret_fd < 0)
		return error_errno(err, errno, "cannot create '%s'", path);
	return 0;
}

int graph_guard_image(const char *path, struct error **err)
{
	unsigned char image[QCOW2_CLUSTERS * QCOW2_CLUSTER];
	_cleanup_close_ int fd = -1;
	int r = create_file(path, &fd, err);

	if (r < 0)
		return r;
	format_image(image);
	r = io_write_all(fd, image, sizeof(image));
	return r < 0 ? error_errno(err, -r, "cannot write '%s'", path) : 0;
}

int graph_guard_sink(const char *path, uint64_t size, struct error **err)
{
	_cleanup_close_ int fd = -1;
	int r = create_file(path, &fd, err);

	if (r == 0 && ftruncate(fd, (off_t)size) < 0)
		return error_errno(err, errno, "cannot give '%s' the size of the disk", path);
	return r;
}

/* ---- adding the guard ---- */

/* Adds a node whose backing file is `node`, so that QEMU blocks most operations on `node`. */
static int add_blocker(struct qmp *q, const char *name, const char *node, const char *image,
		       struct error **err)
{
	struct json_object *o = json_new_str("driver", "qcow2");
	struct json_object *file = json_new_str("driver", "file");

	json_put_str(file, "filename", image);
	json_put_bool(file, "read-only", true);
	json_put_str(o, "node-name", name);
	json_put_bool(o, "read-only", true);
	json_put_str(o, "backing", node);
	return qmp_execute(q, "blockdev-add", json_put_obj(o, "file", file), NULL, err);
}

static int add_sink(struct qmp *q, const struct graph_names *n, const char *sink, struct error **err)
{
	struct json_object *o = json_new_str("driver", "file");

	json_put_str(o, "node-name", n->guard_sink);
	json_put_str(o, "filename", sink);
	return qmp_execute(q, "blockdev-add", o, NULL, err);
}

static int add_empty_bitmap(struct qmp *q, const struct graph_names *n, struct error **err)
{
	struct json_object *o = json_new_str("node", n->cbw);

	json_put_str(o, "name", n->guard_job);
	json_put_bool(o, "disabled", true);
	json_put_bool(o, "persistent", false);
	return qmp_execute(q, "block-dirty-bitmap-add", o, NULL, err);
}

static int start_job(struct qmp *q, const struct graph_names *n, struct error **err)
{
	struct json_object *o = json_new_str("job-id", n->guard_job);

	json_put_str(o, "device", n->cbw);
	json_put_str(o, "target", n->guard_sink);
	json_put_str(o, "filter-node-name", n->guard_job);
	json_put_str(o, "sync", "bitmap");
	json_put_str(o, "bitmap", n->guard_job);
	json_put_str(o, "bitmap-mode", "never");
	json_put_bool(o, "auto-finalize", false);
	return qmp_execute(q, "blockdev-backup", o, NULL, err);
}

static int add_job(struct qmp *q, const struct graph_names *n, const char *sink, struct error **err)
{
	int r = add_sink(q, n, sink, err);

	if (r == 0)
		r = add_empty_bitmap(q, n, err);
	return r == 0 ? start_job(q, n, err) : r;
}

int graph_add_guard(struct qmp *q, const struct graph_disk *d, const struct graph_names *n, const char *image,
		    const char *sink, struct error **err)
{
	struct graph_pause pause;
	int r = graph_pause_if_needed(q, &pause, err);

	/* the job first: its filter node goes under everything that is above our filter */
	if (r == 0 && sink && !d->throttle)
		r = add_job(q, n, sink, err);
	if (r == 0)
		r = add_blocker(q, n->guard, n->cbw, image, err);
	if (r == 0 && d->throttle)
		r = add_blocker(q, n->guard_top, d->root, image, err);
	return graph_pause_end_after(q, &pause, r, err);
}

/* ---- ending its jobs ---- */

int graph_end_guard_jobs(struct qmp *q, struct error **err)
{
	static const struct dismissal jobs_of_ours = {
		.noun = "job",
		.command = "block-job-cancel",
		.key = "device",
		.query = "query-jobs",
	};
	_cleanup_strv_ char **ids = NULL;
	int r = dismiss_list(q, &jobs_of_ours, &ids, err);

	return r == 0 ? dismiss_all(q, &jobs_of_ours, ids, err) : r;
}

/*
 * Finds a guest's disk in its QEMU: the device, its node, and a throttle filter between the two.  Nothing
 * here changes the QEMU.  Time limits and cancellation are those of the struct qmp.
 */
#ifndef VZDUMP_QEMU_DISK_H
#define VZDUMP_QEMU_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "qemu/blockgraph.h"
#include "qemu/probe.h"
#include "qemu/qmp.h"

struct graph_disk {
	char *key;      /* "scsi0" */
	char *qom_path; /* of the device whose property `drive` qom-set changes */
	char *qom_type; /* "scsi-hd", "virtio-blk-device", "cfi.pflash01", ... ("" if unknown) */
	char *root;     /* root node of the device: the throttle filter or T itself */
	char *node;     /* T: node name below any throttle filter; may be "#block118" */
	char *filename; /* file or device of T's protocol node, "" if it has none */
	char *throttle; /* node name of the throttle filter, NULL without one */
	struct json_object *throttle_options; /* for blockdev-reopen, with file = T; NULL without one */
	char *iothread;                       /* QOM path of the iothread that serves it, NULL: main loop */
	uint64_t size;                        /* virtual size, bytes */
	bool read_only;
	bool encrypted; /* QEMU has the key, so the guest sees plain text */
};

/* Frees what is in *d and empties it. */
void graph_disk_clear(struct graph_disk *d);

/*
 * Finds in the graph g the guest's disk `key` ("scsi0", "virtio1", "efidisk0", ...): by id (may be NULL), the
 * id of its device if that is not the key; by the key as the id of the device, by the name drive-<key> of the
 * device or node, a pflash by its place in the machine.  If that fails, by path (may be NULL): the device
 * that has the same file or block device open.  The caller clears *ret.
 *
 * ERR_NOT_FOUND lists what was looked for.  ERR_INVALID: a filter of ours is still under the device; call
 * graph_cleanup() first.
 */
int graph_find_disk(struct qmp *q, const struct blockgraph *g, const char *key, const char *id,
		    const char *path, struct graph_disk *ret, struct error **err);

/*
 * True for a SCSI disk with an iothread in a QEMU before 9.0.  Its nodes live in the iothread, and such a
 * QEMU aborts when an NBD client leaves an export there ("nbd_blockdev_client_closed: Assertion
 * `qemu_in_main_thread()`") and, three times out of four, when a node is opened above one of these
 * ("qemu_mutex_unlock_impl: Operation not permitted", with raw, copy-on-read, throttle and others).  Both
 * were seen on 7.2.22.  Such disks are refused: graph_check_insert(), mirror_check().
 */
bool graph_iothread_crashes(const struct qemu_features *f, const struct graph_disk *d);

/* The query-block entry of a guest's disk, found as by graph_find_disk(), or NULL.  Borrowed. */
struct json_object *graph_find_device(const struct blockgraph *g, const char *key, const char *id,
				      const char *path);

/* File or device at the bottom of the node's chain of "file" children, or NULL.  Borrowed. */
const char *graph_filename(const struct blockgraph *g, const char *node);

/* QOM path of a query-block entry's device, or NULL.  Caller frees. */
char *graph_qom_path(struct json_object *device);

/* The value of a QOM property that is a string or link; NULL if it is empty or missing.  Caller frees. */
char *graph_qom_string(struct qmp *q, const char *path, const char *property);

/*
 * Options for blockdev-reopen that give the throttle filter the child `file` and change nothing else; they
 * are complete, because blockdev-reopen resets each option that is not given.  The caller puts *ret.
 * ERR_UNSUPPORTED if QEMU does not report the throttle group.
 */
int graph_throttle_options(const struct blockgraph *g, const char *throttle, const char *file,
			   struct json_object **ret, struct error **err);

#endif

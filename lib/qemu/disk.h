/*
 * Where a guest's disk is in its QEMU: the device, its node, and a throttle filter between the two.  Read
 * only: nothing here changes the QEMU.  Time limits and cancellation come with the struct qmp.
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
	char *qom_path; /* device that has the property `drive`, for qom-set */
	char *qom_type; /* "scsi-hd", "virtio-blk-device", "cfi.pflash01", ... ("" if unknown) */
	char *root;     /* node the device has: the throttle filter or T itself */
	char *node;     /* T: node name below any throttle filter; may be "#block118" */
	char *filename; /* file or device of T's protocol node, "" if it has none */
	char *throttle; /* node name of the throttle filter, NULL without one */
	struct json_object *throttle_options; /* for blockdev-reopen, with file = T; NULL without one */
	char *iothread;                       /* QOM path of the iothread that serves it, NULL: main loop */
	uint64_t size;                        /* bytes QEMU sees */
	bool read_only;
	bool encrypted; /* QEMU has the key: what the guest sees is plain text */
};

/* Frees what is in *d and empties it. */
void graph_disk_clear(struct graph_disk *d);

/*
 * Finds the guest's disk `key` ("scsi0", "virtio1", "efidisk0", ...): by the device's id, by the name
 * drive-<key> of device or node, pflash by its place.  If none of these finds it, path (may be NULL), a file
 * or block device, does by its identity.  The caller clears *ret.
 *
 * ERR_NOT_FOUND names what was looked for.  ERR_INVALID: a filter of ours is still under the device;
 * graph_cleanup() first.
 */
int graph_find_disk(struct qmp *q, const char *key, const char *path, struct graph_disk *ret,
		    struct error **err);

/*
 * True for a SCSI disk with an iothread in a QEMU before 9.0.  Its nodes live in the iothread, and such a
 * QEMU aborts when an NBD client leaves an export there ("nbd_blockdev_client_closed: Assertion
 * `qemu_in_main_thread()`") and, three times out of four, when a node is opened above one that is there
 * ("qemu_mutex_unlock_impl: Operation not permitted", with raw, copy-on-read, throttle and others).  Both
 * seen on 7.2.22.  Such disks are refused: graph_check_insert(), mirror_check().
 */
bool graph_iothread_crashes(const struct qemu_features *f, const struct graph_disk *d);

/* The query-block entry of a guest's disk, found as graph_find_disk() says; NULL: it has none.  Borrowed. */
struct json_object *graph_find_device(const struct blockgraph *g, const char *key, const char *path);

/* File or device at the bottom of the node's chain of "file" children, or NULL.  Borrowed. */
const char *graph_filename(const struct blockgraph *g, const char *node);

/* QOM path of a query-block entry's device, or NULL.  Caller frees. */
char *graph_qom_path(struct json_object *device);

/* A QOM property that is a string or link; NULL if there is none.  Caller frees. */
char *graph_qom_string(struct qmp *q, const char *path, const char *property);

/*
 * Options for blockdev-reopen that keep the throttle filter as it is, with `file` as its child:
 * blockdev-reopen resets each option that is not given.  The caller puts *ret.  ERR_UNSUPPORTED if QEMU does
 * not say which throttle group it is of.
 */
int graph_throttle_options(const struct blockgraph *g, const char *throttle, const char *file,
			   struct json_object **ret, struct error **err);

#endif

/*
 * Parts of the storage type rbd (types/rbd.c): reaching the cluster, how QEMU opens an image, who has one
 * open.
 */
#ifndef VZDUMP_STORAGE_RBD_H
#define VZDUMP_STORAGE_RBD_H

#include "storage/storage.h"

/* ---- rbd-tools.c ---- */
/* The pool; "rbd" by default. */
const char *rbd_pool(const struct storage *s);
/* The name of the image: the volname without the base of a linked clone.  Borrowed from volname. */
const char *rbd_image(const char *volname);
/* The file with the key; NULL if there is none.  Caller frees. */
char *rbd_keyring(const struct storage *s);
/* Adds the arguments by which rbd and ceph reach the cluster. */
void rbd_add_connection(char ***argv, const struct storage *s);
/* Runs `rbd args...` (NULL-terminated).  Waits up to 35 s for Ceph to forget a watcher that has died. */
int rbd_run(const struct storage *s, const char *const args[], int timeout_s, struct error **err);
/* The same for a question whose answer is JSON.  Caller puts *ret. */
int rbd_run_json(const struct storage *s, const char *const args[], struct json_object **ret,
		 struct error **err);

/* ---- rbd-qemu.c, rbd-user.c: callbacks of struct storage_ops ---- */
int rbd_blockdev(const struct volume *v, struct json_object **ret, struct error **err);
char *rbd_qemu_name(const struct volume *v);
int rbd_user(const struct volume *v, char **ret, struct error **err);

#endif

/*
 * The temporary folder of one boot: sockets, overlays, what nbdkit and QEMU say.  It is locked as long as its
 * process lives, so that another one can tell a folder that was left by a kill, and removes it.
 */
#ifndef VZDUMP_BOOT_FOLDER_H
#define VZDUMP_BOOT_FOLDER_H

#include <stdint.h>

#include "base/error.h"
#include "base/log.h"

struct boot_folder {
	char *path;
	int lock;
};

/*
 * Makes one in `parent` (NULL: $TMPDIR, else /var/tmp, since what a guest writes goes there), and removes
 * those that killed boots of the same user have left there.  The caller removes it, also after an error.
 */
int boot_folder_make(struct boot_folder *ret, const char *parent, const struct log *log, struct error **err);
void boot_folder_remove(struct boot_folder *f);
/* Bytes that are free there. */
uint64_t boot_folder_room(const struct boot_folder *f);
/* Removes what killed boots have left in the default folder; nothing to do is no error. */
void boot_folder_clean(const struct log *log);

#endif

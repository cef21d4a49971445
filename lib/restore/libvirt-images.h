/*
 * The files of a guest that is restored to libvirt: NAME-vda.raw, NAME-nvram.raw and so on in one folder.
 *
 *	libvirt_images_init(&im, directory, name, err)	// removes what a killed run of that name has left
 *	libvirt_images_add(&im, "virtio0", "vda", size, &target, err)	// for each disk
 *	... the targets are filled and finished ...
 *	libvirt_images_place(&im, err)		// their names are final
 *	... the guest is defined ...
 *	libvirt_images_keep(&im)
 *	libvirt_images_clear(&im)		// removes them unless they are kept
 *
 * Until they are placed they have names by which the next run knows them (base/unfinished.h).  While they
 * have their final names, but the guest is not defined, a file NAME.restore.tmp.<pid> lists them: of a killed
 * run, the next one removes what nobody has written to since.  Nothing that exists is ever overwritten.  One
 * thread.
 */
#ifndef VZDUMP_RESTORE_LIBVIRT_IMAGES_H
#define VZDUMP_RESTORE_LIBVIRT_IMAGES_H

#include "base/error.h"
#include "restore/libvirt-rewrite.h"
#include "restore/target.h"

struct libvirt_images {
	char *folder; /* absolute */
	const char *name;
	struct libvirt_file *files; /* key and path are owned here; path is the final one */
	size_t n;
	size_t placed;
	char *list; /* path of the list of files, NULL until it is written */
};

/*
 * folder must exist; it may be relative.  name is borrowed, and has no slash.  ERR_NOT_FOUND: there is no
 * such folder.  *im can be cleared also after an error.
 */
int libvirt_images_init(struct libvirt_images *im, const char *folder, const char *name, struct error **err);
/*
 * Makes a file of that size, all hole, and opens it as t.  part: of its name, "vda".  -EEXIST: a file of its
 * final name is there.
 */
int libvirt_images_add(struct libvirt_images *im, const char *key, const char *part, uint64_t size,
		       struct target *t, struct error **err);
/* All targets are finished.  -EEXIST as above. */
int libvirt_images_place(struct libvirt_images *im, struct error **err);
void libvirt_images_keep(struct libvirt_images *im);
void libvirt_images_clear(struct libvirt_images *im);

#endif

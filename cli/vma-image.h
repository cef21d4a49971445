/*
 * An image that vma create reads, directly or from an NBD server.  Beyond its end, up to a whole sector, it
 * reads as zeroes.
 */
#ifndef VZDUMP_CLI_VMA_IMAGE_H
#define VZDUMP_CLI_VMA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

struct nbd_handle;

struct image {
	int fd; /* -1: not open, or by NBD */
	struct nbd_handle *nbd;
	const struct cancel *cancel; /* of image_connect() */
	uint64_t size;               /* bytes */
	/* by NBD: block status says that there is data from the last offset asked for up to here */
	uint64_t data_end;
};

void image_init(struct image *i);
/* A raw image, file or block device. */
int image_open(struct image *i, const char *path, struct error **err);
/* An export on a unix socket; waits for a server that does not answer until cancel, which may be NULL. */
int image_connect(struct image *i, const char *socket, const char *export, const struct cancel *cancel,
		  struct error **err);
/* Reads all of len, which may end less than a sector beyond the end of the image. */
int image_read(const struct image *i, uint64_t offset, void *data, size_t len, struct error **err);
/* The first byte from offset on that is not known to be zero; the size if there is none. */
uint64_t image_next_data(struct image *i, uint64_t offset);
void image_clear(struct image *i);

#endif

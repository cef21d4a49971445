/*
 * An image that vma create reads, by itself or through an NBD server.  Behind its end, up to a whole
 * sector, it reads as zeroes.
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
	/* by NBD: block status has told of data from the last place asked for up to here */
	uint64_t data_end;
};

void image_init(struct image *i);
/* A raw image, file or block device. */
int image_open(struct image *i, const char *path, struct error **err);
/* An export on a unix socket; a server that stands still is waited for until cancel (may be NULL) says so. */
int image_connect(struct image *i, const char *socket, const char *export, const struct cancel *cancel,
		  struct error **err);
/* All of len, which ends less than a sector behind the end of the image at most. */
int image_read(const struct image *i, uint64_t offset, void *data, size_t len, struct error **err);
/* The first byte at or behind offset that is not known to be zero; the size if there is none. */
uint64_t image_next_data(struct image *i, uint64_t offset);
void image_clear(struct image *i);

#endif

/*
 * The map that Proxmox's qmrestore sends to vma extract -r, a line for each disk:
 *
 *	[format=<format>:][throttling.bps=<n>:][throttling.group=<name>:][cache=<mode>:]<0|1>:<disk>=<image>
 *	skip=<disk>
 *	done
 *
 * 1 is for images that do not read as zeroes already.  Fact: vma.c of PVE's QEMU, 10.0.
 */
#ifndef VZDUMP_CLI_VMA_READMAP_H
#define VZDUMP_CLI_VMA_READMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct readmap_line {
	char *disk;
	bool skip; /* all that follows is unset then */
	char *image;
	char *format; /* "raw" if none is given */
	bool write_zero;
	uint64_t bps; /* bytes per second, 0: no limit */
	char *group;  /* disks with one group share its limit; NULL: the disk's own */
};

int readmap_parse(const char *line, struct readmap_line *ret, struct error **err);
/* True for an image that is written as it is; others are for QEMU to write. */
bool readmap_is_raw(const struct readmap_line *l);
void readmap_line_clear(struct readmap_line *l);

#endif

/*
 * The VMA archive format, as Proxmox's `vma` reads and writes it.
 *
 *	archive   := header extent*
 *
 *	header    := magic "VMA\0"  version u32 = 1  uuid[16]  ctime i64  md5[16]
 *	             blob_offset u32  blob_size u32  header_size u32	// ends at 60
 *	             0[1984]
 *	             config_name u32[256]  config_data u32[256]		// at 2044 and 3068
 *	             0 u32
 *	             device[256]						// at 4096
 *	             blobs  0*						// at blob_offset = 12288
 *	device    := name u32  0 u32  size u64  0[16]			// device 0 is never used
 *	blobs     := 0 blob*
 *	blob      := length u16 LITTLE-endian  byte[length]
 *
 *	extent    := magic "VMAE"  0 u16  block_count u16  uuid[16]  md5[16]
 *	             blockinfo u64[59]  block[block_count]
 *	blockinfo := mask u16  0 u8  dev u8  cluster u32			// dev 0: unused
 *	block     := byte[4096]
 *
 * All other integers are big-endian.
 *
 * - md5 covers the header (header_size bytes, with the blobs), or the 512 bytes of the extent
 *   header, with the md5 field itself zero.  Nothing in VMA covers the blocks.
 * - Names and data of configs and names of devices are offsets into the blobs, where 0 means none
 *   (hence the pad byte in front).  Names are stored with their NUL.
 * - header_size is a multiple of 512, and so is the offset of every extent.
 * - A cluster is 64 KiB of a device, cut into 16 blocks of 4 KiB.  Bit i of mask set: block i is
 *   stored in this extent.  Not set: it is zero.  Blocks follow in the order of the blockinfos, in
 *   each from bit 0 up.
 * - Every cluster of every device appears exactly once in the archive, in any order.
 * - The last block of a device is stored padded with zeroes to 4 KiB.
 * - Until June 2020 Proxmox stored the last cluster whole, with blocks beyond the end of the device;
 *   its readers ignore them.
 * - A device named "vmstate" holds the RAM of a guest.
 */
#ifndef VZDUMP_VMA_FORMAT_H
#define VZDUMP_VMA_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define VMA_BLOCK_SIZE          4096u
#define VMA_CLUSTER_BLOCKS      16u
#define VMA_MASK_ALL            0xffffu
#define VMA_CLUSTER_SIZE        65536u
#define VMA_CLUSTERS_PER_EXTENT 59u
#define VMA_EXTENT_HEADER_SIZE  512u
#define VMA_EXTENT_MAX_BLOCKS   (VMA_CLUSTERS_PER_EXTENT * VMA_CLUSTER_BLOCKS)
#define VMA_EXTENT_MAX_SIZE     (VMA_EXTENT_HEADER_SIZE + VMA_CLUSTERS_PER_EXTENT * VMA_CLUSTER_SIZE)
#define VMA_HEADER_SIZE         12288u /* without the blobs */
#define VMA_VERSION             1u
#define VMA_MAX_CONFIGS         256u
#define VMA_MAX_DEVICES         255u /* ids 1..255 */
#define VMA_MAX_BLOB            65535u
#define VMA_MAX_HEADER_SIZE     (16u << 20) /* that a reader accepts */
#define VMA_MAX_DEVICE_SIZE     (UINT64_C(0x100000000) * VMA_CLUSTER_SIZE)
#define VMA_UUID_SIZE           16u
#define VMA_MD5_SIZE            16u
#define VMA_VMSTATE             "vmstate"

struct vma_config {
	char *name; /* a base name, "qemu-server.conf" */
	uint8_t *data;
	size_t len;
};

struct vma_device {
	char *name; /* "drive-scsi0"; NULL: no such device */
	uint64_t size;
};

struct vma_header {
	uint8_t uuid[VMA_UUID_SIZE];
	int64_t ctime; /* seconds since 1970 */
	struct vma_config configs[VMA_MAX_CONFIGS];
	unsigned n_configs;
	struct vma_device devices[VMA_MAX_DEVICES + 1]; /* by id; [0] is unused */
};

/* An empty header with a new random uuid and the current time. */
int vma_header_init(struct vma_header *h, struct error **err);
void vma_header_clear(struct vma_header *h);
#define _cleanup_vma_header_ _cleanup_(vma_header_clear)

/* Copies name and data. */
int vma_header_add_config(struct vma_header *h, const char *name, const void *data, size_t len,
			  struct error **err);
/* Copies name.  The size is at least 1.  Ids are given in order from 1; ret_id may be NULL. */
int vma_header_add_device(struct vma_header *h, const char *name, uint64_t size, uint8_t *ret_id,
			  struct error **err);
/*
 * The same for an archive whose base (vma/chain.h) has this header: a device keeps the id that it has there,
 * and one that the base does not have gets the first id that is free in both.
 */
int vma_header_add_device_along(struct vma_header *h, const struct vma_header *base, const char *name,
				uint64_t size, uint8_t *ret_id, struct error **err);
void vma_header_copy(struct vma_header *dst, const struct vma_header *src);

/* Appends the encoded header, a multiple of 512 bytes. */
void vma_header_encode(const struct vma_header *h, struct buf *ret);

/*
 * Reads a header.  vma_header_size() takes its fixed part and says how long it is; decode takes all of it.
 * A name with a slash or a control character is an error, and so is a name that occurs twice.  Devices
 * without a size are left out, as Proxmox does.  After a failure *ret is empty.
 */
int vma_header_size(const uint8_t fixed[VMA_HEADER_SIZE], size_t *ret, struct error **err);
int vma_header_decode(const uint8_t *data, size_t len, struct vma_header *ret, struct error **err);

/* Clusters of a device of this size. */
static inline uint64_t vma_clusters(uint64_t size)
{
	return size / VMA_CLUSTER_SIZE + (size % VMA_CLUSTER_SIZE != 0);
}

/* Bytes of the device in this cluster, which the device must have.  The last one may be shorter. */
static inline uint32_t vma_cluster_len(uint64_t size, uint32_t cluster)
{
	uint64_t left = size - (uint64_t)cluster * VMA_CLUSTER_SIZE;

	return left < VMA_CLUSTER_SIZE ? (uint32_t)left : VMA_CLUSTER_SIZE;
}

/* Bytes of the device in the blocks of the mask, in a cluster of len bytes: its end may cut a block. */
static inline uint32_t vma_stored_bytes(uint16_t mask, uint32_t len)
{
	uint32_t whole = len / VMA_BLOCK_SIZE, tail = len % VMA_BLOCK_SIZE;
	uint32_t bytes = (uint32_t)__builtin_popcount(mask & ((1u << whole) - 1)) * VMA_BLOCK_SIZE;

	return tail && mask >> whole & 1 ? bytes + tail : bytes;
}

struct vma_block_info {
	uint16_t mask;
	uint8_t dev; /* 0: unused */
	uint32_t cluster;
};

/* Encodes the header of an extent, md5 included.  block_count follows from the masks. */
void vma_extent_header_encode(uint8_t out[VMA_EXTENT_HEADER_SIZE], const uint8_t uuid[VMA_UUID_SIZE],
			      const struct vma_block_info infos[VMA_CLUSTERS_PER_EXTENT]);

/*
 * Checks the header of an extent by itself: magic, uuid, md5, and that the masks name as many blocks
 * as block_count says.  *ret_size is the size of the whole extent.  Whether devices and clusters exist is
 * for the reader to check.
 */
int vma_extent_header_decode(const uint8_t raw[VMA_EXTENT_HEADER_SIZE], const uint8_t uuid[VMA_UUID_SIZE],
			     size_t *ret_size, struct error **err);
/* Whether an extent of the archive seems to begin here, judging by the first 24 bytes. */
bool vma_extent_looks_like(const uint8_t *raw, const uint8_t uuid[VMA_UUID_SIZE]);
/* The same, but tolerates damage to some of these bytes. */
bool vma_extent_resembles(const uint8_t *raw, const uint8_t uuid[VMA_UUID_SIZE]);
struct vma_block_info vma_block_info_decode(const uint8_t raw[VMA_EXTENT_HEADER_SIZE], unsigned i);
/* Marks the slot as unused; its blocks stay where they are. */
void vma_block_info_disable(uint8_t raw[VMA_EXTENT_HEADER_SIZE], unsigned i);

#endif

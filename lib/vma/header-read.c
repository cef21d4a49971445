/* The header of an archive: reading it.  No field is trusted. */
#include <ctype.h>
#include <md5.h>
#include <string.h>

#include "base/mem.h"
#include "stream/bytes.h"
#include "vma/format-internal.h"
#include "vma/format.h"

struct blobs {
	const uint8_t *data;
	uint32_t len;
};

int vma_header_size(const uint8_t fixed[VMA_HEADER_SIZE], size_t *ret, struct error **err)
{
	uint32_t version = get_be32(fixed + VMA_H_VERSION);
	uint32_t size = get_be32(fixed + VMA_H_HEADER_SIZE);

	if (memcmp(fixed, VMA_H_MAGIC, 4) != 0)
		return error_set(err, ERR_CORRUPT,
				 "not a VMA archive: it does not begin with 'VMA', as those of vzdump do");
	if (version != VMA_VERSION)
		return error_set(err, ERR_UNSUPPORTED, "VMA version %u; this program reads version %u",
				 version, VMA_VERSION);
	if (size <= VMA_HEADER_SIZE || size > VMA_MAX_HEADER_SIZE)
		return error_set(err, ERR_CORRUPT, "VMA header: its size is %u, not between %u and %u", size,
				 VMA_HEADER_SIZE + 1, VMA_MAX_HEADER_SIZE);
	*ret = size;
	return 0;
}

static bool checksum_fits(const uint8_t *data, size_t len)
{
	static const uint8_t zero[VMA_MD5_SIZE];
	uint8_t sum[VMA_MD5_SIZE];
	MD5_CTX md5;

	MD5Init(&md5);
	MD5Update(&md5, data, VMA_H_MD5);
	MD5Update(&md5, zero, sizeof(zero));
	MD5Update(&md5, data + VMA_H_MD5 + VMA_MD5_SIZE, len - VMA_H_MD5 - VMA_MD5_SIZE);
	MD5Final(sum, &md5);
	return memcmp(sum, data + VMA_H_MD5, sizeof(sum)) == 0;
}

static int find_blobs(const uint8_t *data, size_t len, struct blobs *ret, struct error **err)
{
	uint32_t offset = get_be32(data + VMA_H_BLOB_OFFSET);
	uint32_t size = get_be32(data + VMA_H_BLOB_SIZE);

	if (offset < VMA_HEADER_SIZE || offset > len || size > len - offset)
		return error_set(err, ERR_CORRUPT,
				 "VMA header: %u bytes of names and configs at %u are not within "
				 "its %zu bytes",
				 size, offset, len);
	*ret = (struct blobs){ .data = data + offset, .len = size };
	return 0;
}

static int get_blob(const struct blobs *b, uint32_t offset, const uint8_t **ret, size_t *ret_len,
		    struct error **err)
{
	size_t len = 0;

	if (offset <= b->len && b->len - offset >= 2)
		len = get_le16(b->data + offset);
	if (offset > b->len || b->len - offset < 2 + len)
		return error_set(err, ERR_CORRUPT, "VMA header: blob at %u is not within %u bytes", offset,
				 b->len);
	*ret = b->data + offset + 2;
	*ret_len = len;
	return 0;
}

/* A name becomes part of a path and of lines on a terminal. */
static bool name_is_harmless(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] == '/' || iscntrl((unsigned char)name[i]))
			return false;
	return len && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int get_name(const struct blobs *b, uint32_t offset, const char *kind, const char **ret,
		    struct error **err)
{
	const uint8_t *data = NULL;
	size_t len = 0;
	int r = get_blob(b, offset, &data, &len, err);

	if (r < 0)
		return r;
	if (!len || data[len - 1] || !name_is_harmless((const char *)data, len - 1))
		return error_set(err, ERR_CORRUPT,
				 "VMA header: the name of a %s at %u is empty, not ended, or holds "
				 "a slash or a control character",
				 kind, offset);
	*ret = (const char *)data;
	return 0;
}

/* As in Proxmox's reader, a config without a name or data does not exist. */
static int get_config(const uint8_t *data, const struct blobs *b, unsigned i, struct vma_header *h,
		      struct error **err)
{
	uint32_t name_at = get_be32(data + VMA_H_CONFIG_NAMES + 4 * i);
	uint32_t data_at = get_be32(data + VMA_H_CONFIG_DATA + 4 * i);
	const char *name = NULL;
	const uint8_t *content = NULL;
	size_t len = 0;
	int r;

	if (!name_at || !data_at)
		return 0;
	r = get_name(b, name_at, "config", &name, err);
	if (r == 0)
		r = get_blob(b, data_at, &content, &len, err);
	if (r == 0)
		r = vma_header_add_config(h, name, content, len, err);
	return r;
}

static int check_device(const struct vma_header *h, unsigned id, const char *name, uint64_t size,
			struct error **err)
{
	if (size > VMA_MAX_DEVICE_SIZE)
		return error_set(err, ERR_CORRUPT,
				 "VMA header: device '%s' has %llu bytes; VMA allows 256 TiB", name,
				 (unsigned long long)size);
	for (unsigned i = 1; i < id; i++)
		if (h->devices[i].name && !strcmp(h->devices[i].name, name))
			return error_set(err, ERR_CORRUPT, "VMA header: device '%s' is there twice", name);
	return 0;
}

static int get_device(const uint8_t *data, const struct blobs *b, unsigned id, struct vma_header *h,
		      struct error **err)
{
	const uint8_t *at = data + VMA_H_DEVICES + VMA_H_DEVICE_SIZE * id;
	uint32_t name_at = get_be32(at);
	uint64_t size = get_be64(at + 8);
	const char *name = NULL;
	int r;

	if (!name_at || !size)
		return 0;
	r = get_name(b, name_at, "device", &name, err);
	if (r == 0)
		r = check_device(h, id, name, size, err);
	if (r == 0)
		h->devices[id] = (struct vma_device){ .name = xstrdup(name), .size = size };
	return r;
}

int vma_header_decode(const uint8_t *data, size_t len, struct vma_header *ret, struct error **err)
{
	struct blobs blobs = { 0 };
	size_t size = 0;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (len < VMA_HEADER_SIZE)
		return error_set(err, ERR_CORRUPT, "VMA header: %zu bytes instead of %u", len,
				 VMA_HEADER_SIZE);
	r = vma_header_size(data, &size, err);
	if (r < 0)
		return r;
	if (len < size)
		return error_set(err, ERR_CORRUPT, "VMA header: %zu bytes instead of %zu", len, size);
	if (!checksum_fits(data, size))
		return error_set(err, ERR_CORRUPT,
				 "VMA header: its checksum is wrong, the header is damaged");
	memcpy(ret->uuid, data + VMA_H_UUID, VMA_UUID_SIZE);
	ret->ctime = (int64_t)get_be64(data + VMA_H_CTIME);
	r = find_blobs(data, size, &blobs, err);
	for (unsigned i = 0; r == 0 && i < VMA_MAX_CONFIGS; i++)
		r = get_config(data, &blobs, i, ret, err);
	for (unsigned i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++)
		r = get_device(data, &blobs, i, ret, err);
	if (r < 0)
		vma_header_clear(ret);
	return r;
}

/* The header of an archive: building and encoding it. */
#include <md5.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "stream/bytes.h"
#include "vma/format-internal.h"
#include "vma/format.h"

int vma_header_init(struct vma_header *h, struct error **err)
{
	memset(h, 0, sizeof(*h));
	h->ctime = (int64_t)time(NULL);
	return uuid_random(h->uuid, err);
}

void vma_header_clear(struct vma_header *h)
{
	for (unsigned i = 0; i < h->n_configs; i++) {
		free(h->configs[i].name);
		free(h->configs[i].data);
	}
	for (unsigned i = 0; i <= VMA_MAX_DEVICES; i++)
		free(h->devices[i].name);
	memset(h, 0, sizeof(*h));
}

/* A name goes into a blob with its NUL. */
static int check_name(const char *kind, const char *name, struct error **err)
{
	if (!*name)
		return error_set(err, ERR_INVALID, "the name of a %s in an archive is empty", kind);
	if (strlen(name) + 1 > VMA_MAX_BLOB)
		return error_set(err, ERR_INVALID,
				 "the name of %s '%.32s...' is longer than the %u bytes that VMA allows",
				 kind, name, VMA_MAX_BLOB - 1);
	return 0;
}

static int check_config(const struct vma_header *h, const char *name, size_t len, struct error **err)
{
	int r = check_name("config", name, err);

	if (r < 0)
		return r;
	if (strchr(name, '/'))
		return error_set(err, ERR_INVALID,
				 "config '%s': the name must not hold a slash; give the base name", name);
	if (len > VMA_MAX_BLOB)
		return error_set(err, ERR_INVALID, "config '%s' has %zu bytes; VMA allows %u at most", name,
				 len, VMA_MAX_BLOB);
	if (h->n_configs == VMA_MAX_CONFIGS)
		return error_set(err, ERR_INVALID, "config '%s': an archive holds %u configs at most", name,
				 VMA_MAX_CONFIGS);
	for (unsigned i = 0; i < h->n_configs; i++)
		if (!strcmp(h->configs[i].name, name))
			return error_set(err, ERR_INVALID, "config '%s' is given twice", name);
	return 0;
}

int vma_header_add_config(struct vma_header *h, const char *name, const void *data, size_t len,
			  struct error **err)
{
	struct vma_config *c;
	int r = check_config(h, name, len, err);

	if (r < 0)
		return r;
	c = &h->configs[h->n_configs++];
	c->name = xstrdup(name);
	c->data = xmalloc(len + 1);
	if (len)
		memcpy(c->data, data, len);
	c->data[len] = '\0';
	c->len = len;
	return 0;
}

static int check_device(const struct vma_header *h, const char *name, uint64_t size, struct error **err)
{
	int r = check_name("device", name, err);

	if (r < 0)
		return r;
	/* readers ignore a device without a size */
	if (!size)
		return error_set(err, ERR_INVALID, "device '%s' has 0 bytes, which no archive can hold",
				 name);
	if (size > VMA_MAX_DEVICE_SIZE)
		return error_set(err, ERR_INVALID, "device '%s' has %llu bytes; VMA allows 256 TiB at most",
				 name, (unsigned long long)size);
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name && !strcmp(h->devices[i].name, name))
			return error_set(err, ERR_INVALID, "device '%s' is given twice", name);
	return 0;
}

/* The id that the base has for the device, or else the first one that is free in both; 0: there is none. */
static unsigned choose_id(const struct vma_header *h, const struct vma_header *base, const char *name)
{
	for (unsigned id = 1; base && id <= VMA_MAX_DEVICES; id++)
		if (base->devices[id].name && !strcmp(base->devices[id].name, name))
			return h->devices[id].name ? 0 : id;
	for (unsigned id = 1; id <= VMA_MAX_DEVICES; id++)
		if (!h->devices[id].name && !(base && base->devices[id].name))
			return id;
	return 0;
}

int vma_header_add_device_along(struct vma_header *h, const struct vma_header *base, const char *name,
				uint64_t size, uint8_t *ret_id, struct error **err)
{
	unsigned id;
	int r = check_device(h, name, size, err);

	if (r < 0)
		return r;
	id = choose_id(h, base, name);
	if (!id)
		return error_set(err, ERR_INVALID, "device '%s': an archive holds %u devices at most", name,
				 VMA_MAX_DEVICES);
	h->devices[id] = (struct vma_device){ .name = xstrdup(name), .size = size };
	if (ret_id)
		*ret_id = (uint8_t)id;
	return 0;
}

int vma_header_add_device(struct vma_header *h, const char *name, uint64_t size, uint8_t *ret_id,
			  struct error **err)
{
	return vma_header_add_device_along(h, NULL, name, size, ret_id, err);
}

void vma_header_copy(struct vma_header *dst, const struct vma_header *src)
{
	*dst = *src;
	for (unsigned i = 0; i < src->n_configs; i++) {
		const struct vma_config *c = &src->configs[i];

		dst->configs[i].name = xstrdup(c->name);
		dst->configs[i].data = xmalloc(c->len + 1);
		memcpy(dst->configs[i].data, c->data, c->len + 1);
	}
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		dst->devices[i].name = xstrdup_null(src->devices[i].name);
}

/* Appends a blob and returns its offset. */
static uint32_t add_blob(struct buf *blobs, const void *data, size_t len)
{
	uint32_t offset = (uint32_t)blobs->len;
	uint8_t length[2];

	put_le16(length, (uint16_t)len);
	buf_add(blobs, length, sizeof(length));
	buf_add(blobs, data, len);
	return offset;
}

static void encode_configs(const struct vma_header *h, uint8_t *fixed, struct buf *blobs)
{
	for (unsigned i = 0; i < h->n_configs; i++) {
		const struct vma_config *c = &h->configs[i];

		put_be32(fixed + VMA_H_CONFIG_NAMES + 4 * i, add_blob(blobs, c->name, strlen(c->name) + 1));
		put_be32(fixed + VMA_H_CONFIG_DATA + 4 * i, add_blob(blobs, c->data, c->len));
	}
}

static void encode_devices(const struct vma_header *h, uint8_t *fixed, struct buf *blobs)
{
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		const struct vma_device *d = &h->devices[i];
		uint8_t *p = fixed + VMA_H_DEVICES + VMA_H_DEVICE_SIZE * i;

		if (!d->name)
			continue;
		put_be32(p, add_blob(blobs, d->name, strlen(d->name) + 1));
		put_be64(p + 8, d->size);
	}
}

static void encode_fixed(const struct vma_header *h, uint8_t *fixed)
{
	memcpy(fixed, VMA_H_MAGIC, 4);
	put_be32(fixed + VMA_H_VERSION, VMA_VERSION);
	memcpy(fixed + VMA_H_UUID, h->uuid, VMA_UUID_SIZE);
	put_be64(fixed + VMA_H_CTIME, (uint64_t)h->ctime);
	put_be32(fixed + VMA_H_BLOB_OFFSET, VMA_HEADER_SIZE);
}

void vma_header_encode(const struct vma_header *h, struct buf *ret)
{
	_cleanup_buf_ struct buf blobs = BUF_INIT;
	size_t start = ret->len, size;
	uint8_t *p = (uint8_t *)buf_reserve(ret, VMA_HEADER_SIZE);
	MD5_CTX md5;

	memset(p, 0, VMA_HEADER_SIZE);
	buf_added(ret, VMA_HEADER_SIZE);
	buf_addc(&blobs, '\0');
	encode_fixed(h, p);
	encode_configs(h, p, &blobs);
	encode_devices(h, p, &blobs);
	while (blobs.len % VMA_ALIGN)
		buf_addc(&blobs, '\0');
	buf_add(ret, blobs.data, blobs.len);

	p = (uint8_t *)ret->data + start;
	size = VMA_HEADER_SIZE + blobs.len;
	put_be32(p + VMA_H_BLOB_SIZE, (uint32_t)blobs.len);
	put_be32(p + VMA_H_HEADER_SIZE, (uint32_t)size);
	MD5Init(&md5);
	MD5Update(&md5, p, size);
	MD5Final(p + VMA_H_MD5, &md5);
}

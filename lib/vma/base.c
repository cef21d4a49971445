/* Opening the base, and which frame stores a cluster. */
#include "vma/base.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "vma/base-internal.h"
#include "vma/random-load.h"

/* The header at the beginning of the file, which other readers take. */
static int check_header(const struct vma_base *b, struct error **err)
{
	const uint64_t len = b->map.offsets[1], size = b->map.contents[0];
	_cleanup_free_ uint8_t *packed = NULL, *content = NULL;
	_cleanup_vma_header_ struct vma_header h = { 0 };
	size_t n;
	int r;

	if (size > VMA_MAX_HEADER_SIZE || len > frame_bound((size_t)size))
		return error_set(err, ERR_CORRUPT, "its first frame is no header");
	packed = xmalloc((size_t)len + 1);
	content = xmalloc((size_t)size + 1);
	r = base_read(b, packed, (size_t)len, 0, err);
	if (r == 0)
		r = frame_decode(NULL, content, (size_t)size, packed, (size_t)len, &n, err);
	if (r == 0)
		r = vma_header_decode(content, n, &h, err);
	if (r == 0 && memcmp(h.uuid, b->map.hdr.uuid, VMA_UUID_SIZE) != 0)
		return error_set(err, ERR_CORRUPT, "its header and its index have different uuids");
	return r;
}

static int load(struct vma_base *b, struct error **err)
{
	struct stat st;
	int r = vma_chain_read(b->fd, NULL, &b->chain, err);

	if (r < 0)
		return error_wrap(err, r == ERR_NOT_FOUND ? ERR_UNSUPPORTED : r, "base '%s'", b->name);
	if (fstat(b->fd, &st) < 0)
		return error_errno(err, errno, "base '%s': cannot look at it", b->name);
	b->size = (uint64_t)st.st_size;
	r = random_map_load(b->fd, b->name, &b->map, err);
	if (r == 0)
		r = check_header(b, err);
	if (r == 0)
		r = base_frames_init(b, err);
	return r < 0 ? error_wrap(err, r, "base '%s'", b->name) : 0;
}

int vma_base_open(int fd, const char *name, struct vma_base **ret, struct error **err)
{
	_cleanup_(vma_base_freep) struct vma_base *b = xcalloc(1, sizeof(*b));
	int r;

	b->fd = fd;
	b->name = xstrdup(name);
	base_cache_init(&b->cache);
	r = load(b, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(b);
	return 0;
}

void vma_base_free(struct vma_base *b)
{
	if (!b)
		return;
	base_cache_clear(&b->cache);
	random_map_clear(&b->map);
	vma_chain_clear(&b->chain);
	free(b->devs);
	free(b->counts);
	free(b->name);
	close(b->fd);
	free(b);
}

const char *vma_base_name(const struct vma_base *b)
{
	return b->name;
}

const struct vma_header *vma_base_header(const struct vma_base *b)
{
	return &b->map.hdr;
}

const struct vma_chain *vma_base_chain(const struct vma_base *b)
{
	return &b->chain;
}

int vma_base_fd(const struct vma_base *b)
{
	return b->fd;
}

uint64_t vma_base_file_size(const struct vma_base *b)
{
	return b->size;
}

uint32_t vma_base_find(const struct vma_base *b, uint8_t dev, uint32_t cluster, uint32_t *ret_n)
{
	const struct random_run *run = random_map_find(&b->map, dev, cluster);
	bool inside = run && run->first <= cluster;
	uint64_t end = (uint64_t)UINT32_MAX + 1;

	if (run)
		end = inside ? (uint64_t)run->first + run->n : run->first;
	*ret_n = end - cluster > UINT32_MAX ? UINT32_MAX : (uint32_t)(end - cluster);
	return inside ? run->frame : VMA_BASE_NONE;
}

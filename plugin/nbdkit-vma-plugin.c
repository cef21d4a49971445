/*
 * nbdkit plugin that exports the disks of a VMA archive read-only, each under its name.
 *
 *	nbdkit vma file=x.vma.zst [disk=drive-scsi0] [cache-size=64M]
 *
 * lib/vma/random.h reads the archive; nbdkit's filters (partition, ext2, cow) add to that.
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "vma/random.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static char *archive_path;
static char *default_disk;
static uint64_t cache_size;
static struct vma_random *archive;

/* An open export. */
struct handle {
	uint8_t dev;
};

static void vma_unload(void)
{
	struct vma_random_stats stats;

	if (archive) {
		vma_random_get_stats(archive, &stats);
		nbdkit_debug("frames unpacked: %llu, of them bytes: %llu, found unpacked: %llu",
			     (unsigned long long)stats.unpacked, (unsigned long long)stats.bytes,
			     (unsigned long long)stats.hits);
	}
	vma_random_free(TAKE_PTR(archive));
	free(TAKE_PTR(archive_path));
	free(TAKE_PTR(default_disk));
}

static int vma_config(const char *key, const char *value)
{
	int64_t size;

	if (!strcasecmp(key, "file")) {
		free(archive_path);
		archive_path = nbdkit_realpath(value);
		return archive_path ? 0 : -1;
	}
	if (!strcmp(key, "disk")) {
		free(default_disk);
		default_disk = xstrdup(value);
		return 0;
	}
	if (!strcmp(key, "cache-size")) {
		size = nbdkit_parse_size(value);
		cache_size = size > 0 ? (uint64_t)size : 0;
		return size < 0 ? -1 : 0;
	}
	nbdkit_error("unknown parameter '%s' (known: file, disk, cache-size)", key);
	return -1;
}

static int vma_config_complete(void)
{
	if (archive_path)
		return 0;
	nbdkit_error("which archive? Give file=<archive>");
	return -1;
}

static unsigned find_disk(const char *name)
{
	const struct vma_header *h = vma_random_header(archive);

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name && !strcmp(h->devices[i].name, name))
			return i;
	return 0;
}

/* Says that there is no such disk, and lists those that there are. */
static void report_unknown(const char *name)
{
	const struct vma_header *h = vma_random_header(archive);

	nbdkit_error("disk '%s' is not in the archive; it has:", name);
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name)
			nbdkit_error("  %s", h->devices[i].name);
}

static int vma_get_ready(void)
{
	_cleanup_error_ struct error *err = NULL;

	if (vma_random_open(archive_path, cache_size, &archive, &err) < 0) {
		nbdkit_error("%s", error_message(err));
		return -1;
	}
	if (default_disk && !find_disk(default_disk)) {
		report_unknown(default_disk);
		return -1;
	}
	return 0;
}

static int vma_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports)
{
	const struct vma_header *h = vma_random_header(archive);

	(void)readonly;
	(void)is_tls;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name && nbdkit_add_export(exports, h->devices[i].name, NULL) < 0)
			return -1;
	return 0;
}

/* The disk for a client that names none: the one given with disk=, or else the only one. */
static const char *vma_default_export(int readonly, int is_tls)
{
	const struct vma_header *h = vma_random_header(archive);
	const char *only = NULL;

	(void)readonly;
	(void)is_tls;
	if (default_disk)
		return default_disk;
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		if (h->devices[i].name && only)
			return NULL;
		if (h->devices[i].name)
			only = h->devices[i].name;
	}
	return only;
}

static void *vma_open(int readonly)
{
	const char *name = nbdkit_export_name();
	struct handle *handle;
	unsigned dev;

	if (name && !*name)
		name = vma_default_export(readonly, 0);
	if (!name) {
		nbdkit_error("the archive has several disks: name one as the export, or by disk=");
		return NULL;
	}
	dev = find_disk(name);
	if (!dev) {
		report_unknown(name);
		return NULL;
	}
	handle = xcalloc(1, sizeof(*handle));
	handle->dev = (uint8_t)dev;
	return handle;
}

static void vma_close(void *opaque)
{
	free(opaque);
}

static int64_t vma_get_size(void *opaque)
{
	const struct handle *handle = opaque;

	return (int64_t)vma_random_header(archive)->devices[handle->dev].size;
}

static int vma_can_multi_conn(void *opaque)
{
	(void)opaque;
	return 1;
}

static int vma_can_extents(void *opaque)
{
	(void)opaque;
	return 1;
}

static int vma_can_cache(void *opaque)
{
	(void)opaque;
	return NBDKIT_CACHE_EMULATE;
}

static int vma_block_size(void *opaque, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	(void)opaque;
	*minimum = 1;
	*preferred = VMA_CLUSTER_SIZE;
	*maximum = 0xffffffff;
	return 0;
}

static int vma_pread(void *opaque, void *data, uint32_t count, uint64_t offset, uint32_t flags)
{
	const struct handle *handle = opaque;
	_cleanup_error_ struct error *err = NULL;

	(void)flags;
	if (vma_random_read(archive, handle->dev, offset, data, count, &err) == 0)
		return 0;
	nbdkit_error("%s: %s", archive_path, error_message(err));
	nbdkit_set_error(EIO);
	return -1;
}

static int vma_extents(void *opaque, uint32_t count, uint64_t offset, uint32_t flags,
		       struct nbdkit_extents *extents)
{
	const struct handle *handle = opaque;
	const uint64_t end = offset + count;

	while (offset < end) {
		uint64_t len;
		uint32_t type = vma_random_is_zero(archive, handle->dev, offset, end - offset, &len)
					? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO
					: 0;

		if (nbdkit_add_extent(extents, offset, len, type) < 0)
			return -1;
		if (flags & NBDKIT_FLAG_REQ_ONE)
			return 0;
		offset += len;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "vma",
	.version = VZDUMP_VERSION,
	.longname = "disks of a Proxmox VMA archive",
	.description = "serves each disk of an indexed .vma.zst, or of a .vma, read-only",
	.magic_config_key = "file",
	.config_help = "file=<archive>      (required) .vma.zst with an index, or .vma\n"
		       "disk=<name>         the disk for a client that names none\n"
		       "cache-size=<size>   unpacked data to keep (64M)",
	.unload = vma_unload,
	.config = vma_config,
	.config_complete = vma_config_complete,
	.get_ready = vma_get_ready,
	.list_exports = vma_list_exports,
	.default_export = vma_default_export,
	.open = vma_open,
	.close = vma_close,
	.get_size = vma_get_size,
	.can_multi_conn = vma_can_multi_conn,
	.can_extents = vma_can_extents,
	.can_cache = vma_can_cache,
	.block_size = vma_block_size,
	.pread = vma_pread,
	.extents = vma_extents,
};

/* nbdkit looks for this. */
struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)

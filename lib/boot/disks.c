#include "boot/disks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"

#define DEVICE_PREFIX "drive-"

int boot_disks_serve(struct boot_disks *ret, const char *archive, const struct vma_header *header,
		     const char *folder, const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *socket = xasprintf("%s/archive.sock", folder);
	struct serve_options so = { .archive = archive, .socket = socket, .cancel = cancel };

	*ret = (struct boot_disks){ .header = header,
				    .folder = xstrdup(folder),
				    .log = xasprintf("%s/nbdkit.log", folder) };
	so.log = ret->log;
	return serve_start(&ret->server, &so, err);
}

static bool is_disk(const struct vma_device *d)
{
	return d->name && str_prefix(d->name, DEVICE_PREFIX, NULL);
}

static char *overlay_path(const struct boot_disks *d, const char *device)
{
	return xasprintf("%s/%s.qcow2", d->folder, device);
}

static int make_overlay(const struct boot_disks *d, const struct vma_device *device,
			const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *path = overlay_path(d, device->name);
	_cleanup_free_ char *size = xasprintf("%" PRIu64, device->size);
	const char *const argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", path, size, NULL };

	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove '%s'", path);
	return process_run_ok(argv, &(struct process_options){ .timeout_ms = 60000, .cancel = cancel }, NULL,
			      err);
}

int boot_disks_empty(struct boot_disks *d, const struct cancel *cancel, struct error **err)
{
	int r = 0;

	for (size_t i = 1; r == 0 && i <= VMA_MAX_DEVICES; i++)
		if (is_disk(&d->header->devices[i]))
			r = make_overlay(d, &d->header->devices[i], cancel, err);
	return r;
}

static struct json_object *archive_node(const struct boot_disks *d, const char *device)
{
	struct json_object *o = json_new_str("driver", "nbd");
	struct json_object *server = json_new_str("type", "unix");

	json_put_str(server, "path", d->server.socket);
	json_put_obj(o, "server", server);
	json_put_str(o, "export", device);
	return json_put_bool(o, "read-only", true);
}

int boot_disks_node(void *disks, const char *key, struct json_object **ret, struct error **err)
{
	const struct boot_disks *d = disks;
	_cleanup_free_ char *device = xasprintf(DEVICE_PREFIX "%s", key);
	_cleanup_free_ char *path = overlay_path(d, device);
	struct json_object *o, *file;

	(void)err;
	*ret = NULL;
	if (access(path, F_OK) < 0)
		return 0;
	file = json_put_str(json_new_str("driver", "file"), "filename", path);
	o = json_put_obj(json_new_str("driver", "qcow2"), "file", file);
	*ret = json_put_obj(o, "backing", archive_node(d, device));
	return 0;
}

uint64_t boot_disks_written(const struct boot_disks *d)
{
	uint64_t bytes = 0;

	for (size_t i = 1; i <= VMA_MAX_DEVICES; i++) {
		_cleanup_free_ char *path = NULL;
		struct stat st;

		if (!is_disk(&d->header->devices[i]))
			continue;
		path = overlay_path(d, d->header->devices[i].name);
		if (stat(path, &st) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

char *boot_disks_words(const struct boot_disks *d)
{
	return io_last_line(d->log);
}

void boot_disks_stop(struct boot_disks *d)
{
	serve_stop(&d->server);
	free(d->folder);
	free(d->log);
	*d = (struct boot_disks){ 0 };
}

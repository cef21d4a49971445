#include "qemu/unclaimed.h"

#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "qemu/disk.h"
#include "qemu/names.h"

/* Firmware and its variables, which belong to no disk if there is no efidisk0. */
static bool is_flash(const char *qom_path)
{
	return strstr(qom_path, ".flash") != NULL;
}

/* Not CD drives and floppies.  Not read-only disks either, as nothing on them can get lost. */
static bool is_guest_disk(struct json_object *device)
{
	_cleanup_free_ char *path = graph_qom_path(device);
	const char *node = blockgraph_device_node(device);

	return path && node && !is_flash(path) && !graph_is_ours(node) &&
	       !json_get_bool(device, "removable", false) &&
	       !json_get_bool(json_get_obj(device, "inserted"), "ro", false);
}

static bool is_claimed(const struct blockgraph *g, struct json_object *device,
		       const struct graph_claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (graph_find_device(g, claims[i].key, claims[i].id, claims[i].path) == device)
			return true;
	return false;
}

/* "scsi5" of "/machine/peripheral/scsi5" and ".../scsi5/virtio-backend". */
static char *device_name(struct json_object *device)
{
	_cleanup_free_ char *path = graph_qom_path(device);
	const char *rest;

	if (!str_prefix(path, "/machine/peripheral/", &rest))
		return TAKE_PTR(path);
	return xstrndup(rest, strcspn(rest, "/"));
}

char **graph_find_unclaimed(const struct blockgraph *g, const struct graph_claim *claims, size_t n)
{
	char **names = NULL;

	for (size_t i = 0; i < json_array_len(g->devices); i++) {
		struct json_object *device = json_array_at(g->devices, i);
		_cleanup_free_ char *name = NULL;
		const char *file;

		if (!is_guest_disk(device) || is_claimed(g, device, claims, n))
			continue;
		name = device_name(device);
		file = graph_filename(g, blockgraph_device_node(device));
		strv_addf(&names, "'%s' ('%s')", name, file ? file : blockgraph_device_node(device));
	}
	return names;
}

/* The disks of a guest, as PVE::QemuConfig::get_backup_volumes sees them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest-internal.h"
#include "guest/guest.h"
#include "config/propstr.h"
#include "libvirt/domain-config.h"

static const char *const media_values[] = { "cdrom", "disk", NULL };
static const struct propstr_key drive_keys[] = {
	{ .name = "file", .value = { .type = VALUE_STRING }, .is_default = true, .required = true },
	{ .name = "volume", .alias = "file" },
	{ .name = "media", .value = { .type = VALUE_ENUM, .values = media_values } },
	{ .name = "size", .value = { .type = VALUE_DISK_SIZE } },
	{ .name = "backup", .value = { .type = VALUE_BOOL } },
	{ .name = "format", .value = { .type = VALUE_ENUM, .values = guest_formats } },
	{ .name = "iothread", .value = { .type = VALUE_BOOL } },
};
static const struct propstr_format drive_format = {
	.name = "drive",
	.keys = drive_keys,
	.n_keys = ARRAY_SIZE(drive_keys),
	.tolerant = true, /* the other keys are for QEMU */
};

/* PVE's old short form: a bare file name means the image directory of "local". */
static int full_volid(uint32_t vmid, const char *file, char **ret, struct error **err)
{
	const char *colon = strchr(file, ':');

	if (strcmp(file, "none") == 0 || file[0] == '/' || (colon && colon != file && colon[1])) {
		*ret = xstrdup(file);
		return 0;
	}
	if (strchr(file, '/') || colon)
		return error_set(err, ERR_INVALID, "'%s' is neither <storage>:<volume> nor an absolute path",
				 file);
	*ret = xasprintf("local:%" PRIu32 "/%s", vmid, file);
	return 0;
}

static void set_included(const struct guest_config *c, const struct propstr *p, struct guest_disk *d)
{
	const char *bios = guest_config_get(c, "bios");

	d->included = !propstr_has(p, "backup") || propstr_get_bool(p, "backup");
	/* PVE's words, although they look wrong for backup=1 */
	d->reason = propstr_has(p, "backup") ? "backup=no" : "backup=yes";
	if (str_prefix(d->key, "efidisk", NULL) && (!bios || strcmp(bios, "ovmf") != 0)) {
		d->included = false;
		d->reason = "efidisk but no OVMF BIOS";
	}
}

static void clear_disk(struct guest_disk *d)
{
	free(d->volid);
	free(d->format);
	free(d->device);
}

void guest_disks_clear(struct guest_disks *d)
{
	for (size_t i = 0; i < d->n; i++)
		clear_disk(&d->disks[i]);
	free(d->disks);
	*d = (struct guest_disks){ 0 };
}

/* "virtio-disk0" of "#vzdump#device:virtio0:virtio-disk0".  Caller frees. */
static char *device_of(const struct guest_config *c, const char *key)
{
	_cleanup_free_ char *prefix = xasprintf(DOMAIN_DEVICE_LINE "%s:", key);
	const char *at = c->text, *line, *rest;
	size_t len;

	while (str_next_line(&at, &line, &len))
		if (str_prefix(line, prefix, &rest))
			return xstrndup(rest, len - strlen(prefix));
	return NULL;
}

/* generated: includes cloud-init images that are CD drives. */
static int add_drive(const struct guest_config *c, const char *key, const char *value, bool generated,
		     struct guest_disks *ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	struct guest_disk d = { 0 };
	const char *media, *size;
	int r = propstr_parse(&drive_format, value, &p, err);

	if (r < 0)
		return r;
	media = propstr_get(&p, "media");
	if (media && strcmp(media, "cdrom") == 0 &&
	    !(generated && guest_volume_is_cloudinit(propstr_get(&p, "file"))))
		return 0;
	r = full_volid(c->vmid, propstr_get(&p, "file"), &d.volid, err);
	if (r < 0)
		return r;

	snprintf(d.key, sizeof(d.key), "%s", key);
	size = propstr_get(&p, "size");
	d.has_size = size && units_parse_disk_size(size, &d.size);
	d.format = xstrdup_null(propstr_get(&p, "format"));
	d.device = device_of(c, key);
	d.iothread = propstr_get_bool(&p, "iothread");
	d.cloudinit = guest_volume_is_cloudinit(d.volid);
	set_included(c, &p, &d);
	ret->disks = xreallocarray(ret->disks, ret->n + 1, sizeof(*ret->disks));
	ret->disks[ret->n++] = d;
	return 0;
}

static int add_bus(const struct guest_config *c, const struct guest_bus *bus, bool generated,
		   struct guest_disks *ret, struct error **err)
{
	for (unsigned i = 0; i < bus->count; i++) {
		char key[16];
		const char *value;
		int r;

		snprintf(key, sizeof(key), "%s%u", bus->name, i);
		value = guest_config_get(c, key);
		if (!value)
			continue;
		r = add_drive(c, key, value, generated, ret, err);
		if (r < 0)
			return error_wrap(err, r, "vm %" PRIu32 " - unable to parse value of '%s'", c->vmid,
					  key);
	}
	return 0;
}

static int add_buses(const struct guest_config *c, bool generated, struct guest_disks *ret,
		     struct error **err)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };

	for (size_t i = 0; i < GUEST_BUSES; i++) {
		int r = add_bus(c, &guest_buses[i], generated, &disks, err);

		if (r < 0)
			return r;
	}
	*ret = disks;
	disks = (struct guest_disks){ 0 };
	return 0;
}

int guest_config_disks(const struct guest_config *c, struct guest_disks *ret, struct error **err)
{
	return add_buses(c, false, ret, err);
}

int guest_config_volumes(const struct guest_config *c, struct guest_disks *ret, struct error **err)
{
	return add_buses(c, true, ret, err);
}

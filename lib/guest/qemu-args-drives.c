/* Disks and CD drives as devices, on the controllers that PVE gives them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/qemu-args-internal.h"

enum {
	LSI_DISKS = 7,
	OTHER_DISKS = 256,
	IDE_DISKS = 2,
};

#define HOST_CDROM "/dev/cdrom"

struct drive {
	const char *key; /* scsi0 */
	unsigned index;
	struct propstr line;
	const char *file; /* in line */
	bool cd;
	bool empty; /* a CD drive without a medium */
	bool iothread;
};

/* ---- SCSI controllers ---- */

struct scsi_controller {
	const char *driver;
	bool single; /* one for each disk */
	bool lun;    /* its disks differ by LUN, those of others by their SCSI id */
	bool seven;  /* it takes seven */
};

static int find_controller(const struct qemu_args *a, struct scsi_controller *ret, struct error **err)
{
	static const struct {
		const char *name;
		struct scsi_controller controller;
	} rows[] = {
		{ "lsi", { .driver = "lsi", .seven = true } },
		{ "lsi53c810", { .driver = "lsi53c810", .seven = true } },
		{ "megasas", { .driver = "megasas", .lun = true } },
		{ "pvscsi", { .driver = "pvscsi" } },
		{ "virtio-scsi-pci", { .driver = "virtio-scsi-pci", .lun = true } },
		{ "virtio-scsi-single", { .driver = "virtio-scsi-pci", .lun = true, .single = true } },
	};
	const char *name = qemu_args_get(a, "scsihw");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name ? name : "lsi")) {
			*ret = rows[i].controller;
			return 0;
		}
	return error_set(err, ERR_INVALID,
			 "scsihw: '%s' is no controller (there are lsi, lsi53c810, megasas, pvscsi, "
			 "virtio-scsi-pci and virtio-scsi-single)",
			 name);
}

static unsigned disks_of(const struct scsi_controller *s)
{
	return s->single ? 1 : s->seven ? LSI_DISKS : OTHER_DISKS;
}

/* "scsihw0", "virtioscsi3".  Caller frees. */
static char *controller_name(const struct scsi_controller *s, unsigned index)
{
	return xasprintf("%s%u", s->single ? "virtioscsi" : "scsihw", index / disks_of(s));
}

static char *add_iothread(struct qemu_args *a, const char *user)
{
	char *id = xasprintf("iothread-%s", user);

	qemu_args_add_json(a, "-object", json_put_str(json_new_str("qom-type", "iothread"), "id", id));
	return id;
}

/* QEMU before 9.0 crashes when such a disk is read through an export (qemu/instant.h). */
static bool may_have_iothread(const struct qemu_args *a, const struct drive *d)
{
	if (!a->options->qemu_major || a->options->qemu_major >= 9)
		return true;
	qemu_args_warn(
		a, d->key,
		"no iothread, since a SCSI disk with one cannot be backed up on QEMU before 9.0 (this is "
		"%u.%u)",
		a->options->qemu_major, a->options->qemu_minor);
	return false;
}

static void add_controller(struct qemu_args *a, const struct scsi_controller *s, const struct drive *d,
			   const char *name)
{
	struct json_object *device = qemu_args_device(s->driver, name);

	qemu_args_put_pci(a, device, name);
	if (s->single && d->iothread && may_have_iothread(a, d)) {
		_cleanup_free_ char *thread = add_iothread(a, name);

		json_put_str(device, "iothread", thread);
	}
	if (s->single && propstr_has(&d->line, "queues"))
		json_put_int(device, "num_queues", propstr_get_int(&d->line, "queues"));
	qemu_args_add_device(a, device);
}

/* ---- what disks of several kinds have ---- */

/* "%20" as in a URL.  Caller frees. */
static char *url_decoded(const char *text)
{
	struct buf b = BUF_INIT;

	for (const char *at = text; *at; at++) {
		char digits[3] = { 0 };
		char *end;
		unsigned long value;

		if (*at == '%' && at[1] && at[2]) {
			memcpy(digits, at + 1, 2);
			value = strtoul(digits, &end, 16);
			if (!*end && value) {
				buf_addc(&b, (char)value);
				at += 2;
				continue;
			}
		}
		buf_addc(&b, *at);
	}
	return buf_steal(&b);
}

static void put_decoded(struct json_object *device, const char *qemu_key, const struct drive *d,
			const char *key)
{
	const char *value = propstr_get(&d->line, key);
	_cleanup_free_ char *text = value ? url_decoded(value) : NULL;

	if (text)
		json_put_text(device, qemu_key, text);
}

static void put_wwn(const struct qemu_args *a, struct json_object *device, const struct drive *d)
{
	const char *value = propstr_get(&d->line, "wwn");
	unsigned long long wwn;
	char *end;

	if (!value)
		return;
	errno = 0;
	wwn = strtoull(value, &end, 16);
	if (*end || errno || wwn > INT64_MAX)
		qemu_args_warn(a, d->key, "wwn=%s is not 16 hexadecimal digits: left out", value);
	else
		json_put_u64(device, "wwn", wwn);
}

static void put_rest(const struct qemu_args *a, struct json_object *device, const struct drive *d)
{
	const char *cache = propstr_get(&d->line, "cache");
	const bool through = cache && (!strcmp(cache, "writethrough") || !strcmp(cache, "directsync"));
	_cleanup_free_ char *node = xasprintf("drive-%s", d->key);

	if (!d->empty)
		json_put_str(device, "drive", node);
	qemu_args_put_boot(a, device, d->key);
	put_decoded(device, "serial", d, "serial");
	if (!d->cd) {
		json_put_str(device, "write-cache", through ? "off" : "on");
		json_put_str(device, "rerror", propstr_get(&d->line, "rerror"));
		json_put_str(device, "werror", propstr_get(&d->line, "werror"));
	}
}

/* ---- devices, by bus ---- */

static int add_scsi(struct qemu_args *a, const struct drive *d, struct error **err)
{
	struct json_object *device = qemu_args_device(d->cd ? "scsi-cd" : "scsi-hd", d->key);
	_cleanup_free_ char *name = NULL, *bus = NULL, *device_id = xasprintf("drive-%s", d->key);
	struct scsi_controller s = { 0 };
	int r = find_controller(a, &s, err);

	if (r < 0) {
		json_object_put(device);
		return r;
	}
	name = controller_name(&s, d->index);
	bus = xasprintf("%s.0", name);
	json_put_str(device, "bus", bus);
	if (s.lun)
		json_put_int(json_put_int(device, "channel", 0), "lun", d->index);
	json_put_int(device, "scsi-id", s.lun ? 0 : d->index % disks_of(&s));
	/* guests find it by this name in /dev/disk/by-id */
	json_put_str(device, "device_id", device_id);
	json_put_str(device, "vendor", propstr_get(&d->line, "vendor"));
	json_put_str(device, "product", propstr_get(&d->line, "product"));
	if (propstr_get_bool(&d->line, "ssd") && !d->cd)
		json_put_int(device, "rotation_rate", 1);
	put_wwn(a, device, d);
	put_rest(a, device, d);
	if (!strv_contains(a->controllers, name)) {
		strv_add(&a->controllers, name);
		add_controller(a, &s, d, name);
	}
	qemu_args_add_device(a, device);
	return 0;
}

static int add_virtio(struct qemu_args *a, const struct drive *d, struct error **err)
{
	struct json_object *device;

	if (d->cd)
		return error_set(err, ERR_UNSUPPORTED,
				 "%s: a CD drive cannot be on this bus: call it ide2 or sata0", d->key);
	device = qemu_args_device("virtio-blk-pci", d->key);
	qemu_args_put_pci(a, device, d->key);
	if (d->iothread) {
		_cleanup_free_ char *thread = add_iothread(a, d->key);

		json_put_str(device, "iothread", thread);
	}
	put_rest(a, device, d);
	qemu_args_add_device(a, device);
	return 0;
}

static void put_ide_drive(struct qemu_args *a, struct json_object *device, const struct drive *d)
{
	if (!d->cd) {
		put_decoded(device, "model", d, "model");
		if (propstr_get_bool(&d->line, "ssd"))
			json_put_int(device, "rotation_rate", 1);
	}
	put_wwn(a, device, d);
	put_rest(a, device, d);
	qemu_args_add_device(a, device);
}

/* A q35 has one drive on each of its buses; PVE puts odd ones behind the even ones. */
static int add_ide(struct qemu_args *a, const struct drive *d, struct error **err)
{
	unsigned unit = d->index % IDE_DISKS;
	const unsigned number = d->index / IDE_DISKS + (a->q35 ? 2 * unit : 0);
	_cleanup_free_ char *bus = xasprintf("ide.%u", number);
	struct json_object *device = qemu_args_device(d->cd ? "ide-cd" : "ide-hd", d->key);

	(void)err;
	json_put_str(device, "bus", bus);
	json_put_int(device, "unit", a->q35 ? 0 : unit);
	put_ide_drive(a, device, d);
	return 0;
}

static int add_sata(struct qemu_args *a, const struct drive *d, struct error **err)
{
	_cleanup_free_ char *bus = xasprintf("ahci0.%u", d->index);
	struct json_object *device = qemu_args_device(d->cd ? "ide-cd" : "ide-hd", d->key);

	(void)err;
	if (!strv_contains(a->controllers, "ahci0")) {
		struct json_object *controller = qemu_args_device("ahci", "ahci0");

		strv_add(&a->controllers, "ahci0");
		qemu_args_put_pci(a, controller, "ahci0");
		qemu_args_add_device(a, json_put_bool(controller, "multifunction", true));
	}
	json_put_str(device, "bus", bus);
	put_ide_drive(a, device, d);
	return 0;
}

/* ---- what is in them ---- */

/* A medium that this host does not have is no reason not to start. */
static int insert_medium(struct qemu_args *a, struct drive *d, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	const bool host = !strcmp(d->file, "cdrom");
	int r;

	(void)err;
	d->empty = a->options->flags & QEMU_ARGS_EMPTY_DRIVES || !strcmp(d->file, "none");
	if (d->empty)
		return 0;
	r = qemu_args_volume_node(a, d->key, &d->line, host ? HOST_CDROM : d->file, QEMU_ARGS_CD, 0, &why);
	if (r < 0) {
		qemu_args_warn(a, d->key, "the drive is left empty: %s", error_message(why));
		d->empty = true;
	}
	return 0;
}

static void warn_of_line(const struct qemu_args *a, const struct drive *d)
{
	if (propstr_get_bool(&d->line, "scsiblock"))
		qemu_args_warn(a, d->key, "scsiblock is not translated: the guest gets a plain disk");
}

static int insert_disk(struct qemu_args *a, struct drive *d, const struct guest_disks *disks, bool *ret_there,
		       struct error **err)
{
	const char *volid = d->file;

	warn_of_line(a, d);
	if (propstr_get_bool(&d->line, "snapshot"))
		return error_set(
			err, ERR_UNSUPPORTED,
			"snapshot=1, writes that are thrown away, cannot be translated: remove it, or "
			"they would be kept");
	/* a bare name of a file becomes a volume id there */
	for (size_t i = 0; i < disks->n; i++)
		if (!strcmp(disks->disks[i].key, d->key))
			volid = disks->disks[i].volid;
	return qemu_args_disk_node(a, d->key, &d->line, volid, QEMU_ARGS_DISK, 0, ret_there, err);
}

typedef int add_drive_fn(struct qemu_args *a, const struct drive *d, struct error **err);

static int add_drive(struct qemu_args *a, struct drive *d, const struct guest_disks *disks, add_drive_fn *add,
		     struct error **err)
{
	bool there = true;
	int r;

	d->file = propstr_get(&d->line, "file");
	d->iothread = propstr_get_bool(&d->line, "iothread");
	d->cd = str_equal_null(propstr_get(&d->line, "media"), "cdrom") || !strcmp(d->file, "none") ||
		!strcmp(d->file, "cdrom");
	r = d->cd ? insert_medium(a, d, err) : insert_disk(a, d, disks, &there, err);
	if (r < 0)
		return error_wrap(err, r, "%s", d->key);
	return r == 0 && there ? add(a, d, err) : r;
}

int qemu_args_drives(struct qemu_args *a, struct error **err)
{
	static add_drive_fn *const add[GUEST_DRIVE_BUSES] = { add_ide, add_scsi, add_virtio, add_sata };
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	int r = guest_config_disks(a->config, &disks, err);

	guest_config_warn_beyond(a->config, "attached", a->options->log);
	for (size_t b = 0; b < GUEST_DRIVE_BUSES; b++)
		for (unsigned i = 0; r == 0 && i < guest_buses[b].count; i++) {
			struct drive d = { .index = i };
			char key[16];

			snprintf(key, sizeof(key), "%s%u", guest_buses[b].name, i);
			d.key = key;
			if (!qemu_args_get(a, key))
				continue;
			r = qemu_args_parse(a, key, &qemu_args_drive_format, &d.line, err);
			if (r == 0)
				r = add_drive(a, &d, &disks, add[b], err);
			propstr_clear(&d.line);
		}
	return r;
}

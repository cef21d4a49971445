/* The configuration of a libvirt guest in Proxmox VE's words: its disks, and all of it. */
#include "libvirt/domain-config.h"

#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "libvirt/domain-hardware.h"
#include "libvirt/xml.h"

/* ---- disks ---- */

/* The values of PVE's format=; anything else is "raw", as no guest of libvirt on QEMU has it. */
static bool is_format(const char *format)
{
	static const char *const known[] = { "raw", "qcow", "qed", "qcow2", "vmdk", "cloop" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(format, known[i]))
			return true;
	return false;
}

/* Why nothing can be copied from it; NULL if it can. */
static const char *trouble(const struct domain_disk *d)
{
	if (!strcmp(d->device, "lun"))
		return "a SCSI device that is passed through to the guest";
	if (d->source == DOMAIN_SOURCE_NONE)
		return "without a source";
	if (d->source == DOMAIN_SOURCE_NETWORK)
		return "on the network";
	if (d->source == DOMAIN_SOURCE_OTHER)
		return "neither a file nor a block device";
	if (!d->path)
		return "a volume of a storage pool that libvirt does not find";
	/* a value of a configuration ends at a comma, its line at a newline */
	if (d->path[0] != '/' || strpbrk(d->path, ",\n\r"))
		return "at a path that Proxmox VE's configurations cannot hold";
	if (d->format && !is_format(d->format))
		return "of a format that Proxmox VE does not know";
	return NULL;
}

/* "rbd:pool/image", "/dev/sdb", "pool/volume", "raw"; NULL if there is nothing to say. */
static const char *shown_source(const struct domain_disk *d)
{
	if (d->remote)
		return d->remote;
	return d->path ? d->path : d->volume;
}

static int refuse(const struct domain *d, const struct domain_disk *disk, const char *why, struct error **err)
{
	_cleanup_free_ char *command = domain_exclude_command(d, disk);
	const char *source = shown_source(disk);

	return error_set(
		err, ERR_UNSUPPORTED, "disk '%s'%s%s%s is %s, which cannot be backed up; to leave it out: %s",
		disk->target, source ? " (" : "", source ? source : "", source ? ")" : "", why, command);
}

static void add_option(struct buf *out, const char *name, const char *value)
{
	if (value)
		buf_addf(out, ",%s=%s", name, value);
}

/* Options of Proxmox VE that mean the same there. */
static void add_drive_options(struct buf *out, const struct domain_disk *d)
{
	static const char *const caches[] = { "none",       "writethrough", "writeback",
					      "directsync", "unsafe",       NULL };
	_cleanup_free_ char *cache = xml_get(d->node, "driver/@cache");
	_cleanup_free_ char *serial = xml_get(d->node, "serial");

	if (cache && strv_contains((char *const *)caches, cache))
		add_option(out, "cache", cache);
	if (xml_equals(d->node, "driver/@discard", "unmap"))
		add_option(out, "discard", "on");
	if (str_prefix(d->key, "virtio", NULL) && xml_get_u64(d->node, "driver/@iothread", 0))
		add_option(out, "iothread", "1");
	if (serial && *serial &&
	    strspn(serial, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
		    strlen(serial))
		add_option(out, "serial", serial);
	if (!str_prefix(d->key, "virtio", NULL) && xml_equals(d->node, "target/@rotation_rate", "1"))
		add_option(out, "ssd", "1");
	if (d->readonly && !str_prefix(d->key, "ide", NULL) && !str_prefix(d->key, "sata", NULL))
		add_option(out, "ro", "1");
}

static void add_device(struct buf *out, const char *key, const char *alias)
{
	if (alias && !strpbrk(alias, ":\n\r"))
		buf_addf(out, DOMAIN_DEVICE_LINE "%s:%s\n", key, alias);
}

static void tell_other_bus(const struct domain_disk *disk, char ***warnings)
{
	if (disk->bus && !str_prefix(disk->key, disk->bus, NULL))
		strv_addf(
			warnings,
			"disk '%s' of bus '%s' is '%s' in the archive: Proxmox VE has no such disk, or no more "
			"of them",
			disk->target, disk->bus, disk->key);
}

static int add_disk(const struct domain *d, const struct domain_disk *disk, char ***warnings, struct buf *out,
		    struct error **err)
{
	const char *why = trouble(disk);

	if (why && !disk->excluded && !(disk->shareable && disk->source != DOMAIN_SOURCE_NONE))
		return refuse(d, disk, why, err);
	if (disk->shareable && !disk->excluded)
		strv_addf(
			warnings,
			"disk '%s' is left out, since it is shareable: what other guests write to it meanwhile "
			"would make the copy inconsistent",
			disk->target);
	if (why) {
		if (disk->excluded)
			strv_addf(warnings, "disk '%s' is left out, as the guest's metadata says",
				  disk->target);
		buf_addf(out, "#%s: disk '%s' is %s, and is not in the backup\n", disk->key, disk->target,
			 why);
		return 0;
	}
	tell_other_bus(disk, warnings);
	buf_addf(out, "%s: %s,format=%s", disk->key, disk->path, disk->format ? disk->format : "raw");
	add_drive_options(out, disk);
	buf_adds(out, disk->excluded || disk->shareable ? ",backup=0\n" : "\n");
	add_device(out, disk->key, disk->alias);
	return 0;
}

static int add_disks(const struct domain *d, char ***warnings, struct buf *out, struct error **err)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct domain_disk *disk = &d->disks[i];
		int r;

		if (!strcmp(disk->device, "floppy"))
			continue;
		if (!strcmp(disk->device, "cdrom")) {
			buf_addf(out, "%s: none,media=cdrom\n", disk->key);
			continue;
		}
		r = add_disk(d, disk, warnings, out, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The small variables of older builds of OVMF or, by far more common, those of 4 MiB. */
static void add_efidisk(const struct domain *d, char ***warnings, struct buf *out)
{
	_cleanup_free_ char *loader = xml_get(d->node, "os/loader");

	if (!d->nvram)
		return;
	if (strpbrk(d->nvram, ",\n\r") || !is_format(d->nvram_format)) {
		strv_addf(warnings, "OVMF's variables '%s' are left out: not a path or format of Proxmox VE",
			  d->nvram);
		return;
	}
	buf_addf(out, "efidisk0: %s,format=%s", d->nvram, d->nvram_format);
	if (!loader || strcasestr(loader, "4m"))
		add_option(out, "efitype", "4m");
	if (xml_equals(d->node, "os/loader/@secure", "yes"))
		add_option(out, "pre-enrolled-keys", "1");
	buf_addc(out, '\n');
}

/* ---- all of it ---- */

/* A line of the description, as PVE::Tools::encode_text() writes it. */
static void add_note(struct buf *out, const char *label, const char *text)
{
	buf_addf(out, "#%s: ", label);
	for (const char *at = text; *at; at++) {
		const unsigned char c = (unsigned char)*at;

		if (c < ' ' || c > '~' || c == '%')
			buf_addf(out, "%%%02X", c);
		else
			buf_addc(out, *at);
	}
	buf_addc(out, '\n');
}

static void warn_about_guest(const struct domain *d, char ***warnings)
{
	for (size_t i = 0; d->unknown && d->unknown[i]; i++)
		strv_addf(warnings,
			  "the guest's metadata excludes a disk '%s', which the guest does not have",
			  d->unknown[i]);
	if (d->has_tpm)
		strv_addf(
			warnings,
			"the state of the emulated TPM, /var/lib/libvirt/swtpm/%s, is not in the backup: keep the "
			"recovery keys of disks that the guest unlocks with it",
			d->uuid);
}

int domain_to_config(const struct domain *d, char ***warnings, struct buf *out, struct error **err)
{
	_cleanup_strv_ char **ignored = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	int r;

	if (!warnings)
		warnings = &ignored;
	warn_about_guest(d, warnings);
	add_note(&text, "libvirt guest", d->name);
	if (d->uuid[0])
		add_note(&text, "libvirt uuid", d->uuid);
	domain_hardware(d, warnings, &text);
	add_efidisk(d, warnings, &text);
	r = add_disks(d, warnings, &text, err);
	if (r == 0)
		buf_adds(out, buf_str(&text));
	return r;
}

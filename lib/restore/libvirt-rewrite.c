/* The XML of a restored libvirt guest. */
#include "restore/libvirt-rewrite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "libvirt/domain-xml.h"
#include "libvirt/xml.h"
#include "restore/libvirt-allow.h"
#include "restore/libvirt-file.h"
#include "restore/plan-internal.h"

#define LIBVIRT_MAC_PREFIX "52:54:00"

/* ---- what belongs to the old host and process ---- */

static bool is_user_alias(const xmlNode *n)
{
	_cleanup_free_ char *name = xml_get(n, "@name");

	return name && str_prefix(name, "ua-", NULL);
}

/* In the element and all below it. */
static void strip_running(xmlNode *n)
{
	for (xmlNode *child = xmlFirstElementChild(n), *next; child; child = next) {
		next = xmlNextElementSibling(child);
		if (xml_is(child, "seclabel") || xml_is(child, "privateData") ||
		    (xml_is(child, "alias") && !is_user_alias(child)))
			xml_remove(child);
		else
			strip_running(child);
	}
}

/* A terminal's or socket's path that libvirt has chosen. */
static bool is_chosen_path(const char *path)
{
	static const char *const folders[] = { "/dev/pts/", "/var/lib/libvirt/qemu/", "/run/libvirt/",
					       "/var/run/libvirt/" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (str_prefix(path, folders[i], NULL))
			return true;
	return false;
}

static void strip_device(xmlNode *n)
{
	_cleanup_free_ char *path = xml_get(n, "source/@path");

	xml_set_attr(n, "tty", NULL);
	if (path && is_chosen_path(path))
		xml_remove_all(n, "source");
	if (!xml_is(n, "interface"))
		return;
	xml_remove_all(n, "target");
	if (xml_equals(n, "@type", "network")) {
		xml_set_attr(xml_find(n, "source"), "bridge", NULL);
		xml_set_attr(xml_find(n, "source"), "portid", NULL);
	}
}

static void strip_host(struct domain *d, bool keep)
{
	xmlNode *list = xml_find(d->node, "devices");

	xml_drop_foreign_attrs(d->node);
	xml_set_attr(d->node, "id", NULL);
	xml_remove_all(d->node, "seclabel");
	xml_remove_all(d->node, "resource");
	if (!keep)
		xml_remove_all(list, "emulator");
	strip_running(d->node);
	for (xmlNode *n = list ? xmlFirstElementChild(list) : NULL; n; n = xmlNextElementSibling(n))
		strip_device(n);
}

/* ---- who it is ---- */

static void set_element(xmlNode *parent, const char *name, const char *text)
{
	xmlNode *n = xml_find(parent, name);

	if (n)
		xml_set_text(n, text);
	else
		xml_add(parent, name, text);
}

/* The uuid of the SMBIOS tables has to be the guest's. */
static void drop_smbios_uuid(xmlNode *domain)
{
	for (xmlNode *n = xml_find(domain, "sysinfo/system/entry"), *next; n; n = next) {
		next = xml_next(n);
		if (xml_equals(n, "@name", "uuid"))
			xml_remove(n);
	}
}

static int new_macs(xmlNode *domain, struct error **err)
{
	int r = 0;

	for (xmlNode *n = xml_find(domain, "devices/interface"); r == 0 && n; n = xml_next(n)) {
		char mac[] = "00:00:00:00:00:00";
		xmlNode *element = xml_find(n, "mac");

		r = plan_new_mac(mac, LIBVIRT_MAC_PREFIX, NULL, err);
		for (size_t i = 0; mac[i]; i++)
			if (mac[i] >= 'A' && mac[i] <= 'F')
				mac[i] = (char)(mac[i] - 'A' + 'a');
		if (element)
			xml_set_attr(element, "address", mac);
	}
	return r;
}

/*
 * Our own element: which disks are left out of backups says nothing of the new guest, which has all it has.
 */
static void renew_metadata(struct domain *d, bool unique)
{
	xmlNode *metadata = xml_find(d->node, "metadata");

	for (xmlNode *n = metadata ? xmlFirstElementChild(metadata) : NULL, *next; n; n = next) {
		next = xmlNextElementSibling(n);
		if (!n->ns || !n->ns->href || strcmp((const char *)n->ns->href, DOMAIN_METADATA_URI) != 0)
			continue;
		if (unique)
			xml_remove(n);
		else
			xml_set_attr(n, "exclude", NULL);
	}
}

static int set_identity(struct domain *d, const struct libvirt_new *g, struct error **err)
{
	char uuid[UUID_TEXT_SIZE];
	xmlNode *vsock = xml_find(d->node, "devices/vsock/cid");
	int r;

	set_element(d->node, "name", g->name);
	renew_metadata(d, g->unique);
	/* libvirt makes a new one, which tells Windows that it has been restored */
	if (xml_find(d->node, "genid"))
		xml_set_text(xml_find(d->node, "genid"), "");
	if (!g->unique)
		return 0;
	if (vsock) {
		xml_set_attr(vsock, "auto", "yes");
		xml_set_attr(vsock, "address", NULL);
	}
	xml_remove_all(d->node, "hwuuid");
	drop_smbios_uuid(d->node);
	r = plan_new_uuid(uuid, err);
	if (r < 0)
		return r;
	set_element(d->node, "uuid", uuid);
	return new_macs(d->node, err);
}

/* ---- disks ---- */

/* The medium of a drive may be any file of this host, which the guest could then read. */
static void empty_drive(const struct domain_disk *disk, bool keep)
{
	if (keep && disk->source == DOMAIN_SOURCE_FILE && access(disk->path, R_OK) == 0)
		return;
	xml_set_attr(disk->node, "type", "file");
	xml_remove_all(disk->node, "source");
	xml_remove_all(disk->node, "backingStore");
	xml_remove_all(disk->node, "mirror");
}

static void set_disk(const struct domain_disk *disk, const struct libvirt_file *file, const struct log *log)
{
	static const char *const gone[] = { "source",     "backingStore", "mirror",         "auth",
					    "encryption", "shareable",    "throttlefilters" };

	if (xml_find(disk->node, "encryption") || xml_find(disk->node, "source/encryption"))
		log_warn(log, "disk '%s' was encrypted: it is not any more, as the archive is not",
			 disk->target);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		xml_remove_all(disk->node, gone[i]);
	xml_set_attr(disk->node, "snapshot", NULL);
	xml_set_attr(disk->node, "rawio", NULL);
	xml_set_attr(disk->node, "sgio", NULL);
	libvirt_file_set(disk->node, file->path);
}

static void set_disks(struct domain *d, const struct libvirt_new *g, const struct log *log)
{
	for (size_t i = 0; i < d->n; i++) {
		struct domain_disk *disk = &d->disks[i];
		const struct libvirt_file *file = libvirt_file_find(g, disk->key);

		if (!strcmp(disk->device, "cdrom") || !strcmp(disk->device, "floppy")) {
			empty_drive(disk, g->keep_host_lines);
		} else if (file) {
			set_disk(disk, file, log);
		} else {
			log_warn(log, "disk '%s' is not in the archive: the new guest does not have it",
				 disk->target);
			xml_remove(TAKE_PTR(disk->node));
		}
	}
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->files[i].key, "efidisk0") != 0 && !domain_find_disk(d, g->files[i].key))
			log_warn(log, "the XML in the archive has no disk '%s': '%s' belongs to no guest",
				 g->files[i].key, g->files[i].path);
}

/* libvirt will make the file, from the template that the XML may have.  Nothing else of it may stay. */
static void make_nvram_anew(xmlNode *os)
{
	xmlNode *nvram = xml_find(os, "nvram");
	_cleanup_free_ char *template = xml_get(nvram, "@template"), *format = xml_get(nvram, "@format");

	xml_remove_all(os, "nvram");
	if (!template)
		return;
	nvram = xml_add(os, "nvram", NULL);
	xml_set_attr(nvram, "template", template);
	xml_set_attr(nvram, "format", format);
}

static void set_nvram(struct domain *d, const struct libvirt_new *g, const struct log *log)
{
	const struct libvirt_file *file = libvirt_file_find(g, "efidisk0");
	xmlNode *os = xml_find(d->node, "os"), *nvram;

	if (!file) {
		if (d->nvram)
			log_warn(log,
				 "the archive does not have the guest's UEFI variables: it gets new ones");
		make_nvram_anew(os);
		return;
	}
	if (!os)
		return;
	xml_remove_all(os, "nvram");
	nvram = xml_add(os, "nvram", file->path);
	/* else newer versions take it to have the format of the code */
	if (xml_equals(os, "loader/@format", "qcow2"))
		xml_set_attr(nvram, "format", "raw");
}

/* Firmware of another distribution. */
static void check_loader(struct domain *d, const struct log *log)
{
	_cleanup_free_ char *path = xml_get(d->node, "os/loader");
	bool pflash;

	if (!path || !*path || access(path, R_OK) == 0)
		return;
	pflash = xml_equals(d->node, "os/loader/@type", "pflash");
	log_warn(log, "the firmware '%s' is not on this host: libvirt chooses one; see that the guest boots",
		 path);
	xml_remove_all(xml_find(d->node, "os"), "loader");
	if (pflash)
		xml_set_attr(xml_find(d->node, "os"), "firmware", "efi");
}

int libvirt_rewrite(const char *xml, const struct libvirt_new *g, const struct log *log, struct buf *out,
		    struct error **err)
{
	_cleanup_domain_ struct domain d = { 0 };
	int r = domain_parse(xml, &d, err);

	if (r < 0)
		return error_wrap(err, r, "the archive");
	if (d.has_tpm)
		log_warn(
			log,
			"the guest gets a new, empty TPM: what it unlocks with its TPM needs the recovery key");
	strip_host(&d, g->keep_host_lines);
	set_disks(&d, g, log);
	libvirt_allow(d.node, g->keep_host_lines, log);
	set_nvram(&d, g, log);
	check_loader(&d, log);
	r = set_identity(&d, g, err);
	if (r == 0)
		xml_write(d.doc, out);
	return r;
}

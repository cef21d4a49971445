/* The devices of a libvirt guest from a configuration of Proxmox VE. */
#include "restore/libvirt-make-devices.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "libvirt/xml.h"
#include "restore/plan-internal.h"
#include "restore/plan.h"

#define LIBVIRT_MAC_PREFIX "52:54:00"

enum {
	SATA_PORTS = 6, /* of one controller */
	MAX_SATA = 16,
};

struct devices {
	xmlNode *list;
	const struct guest_config *config;
	const struct libvirt_new *new;
	const struct log *log;
	unsigned letters; /* targets given so far, by the beginning of their name */
	unsigned virtio_letters;
	bool sata[MAX_SATA]; /* ports that are taken */
};

static void set_unsigned(xmlNode *n, const char *name, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	xml_set_attr(n, name, text);
}

static const char *option(const struct guest_drive *drive, const char *name)
{
	return propstr_get(&drive->line, name);
}

/* Letters, digits and a few signs: anything else is not taken over. */
static bool is_word(const char *s)
{
	return *s &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == strlen(s);
}

/* ---- disks ---- */

/* "vda", "sdab": libvirt wants different names, and gets the place of the disk by an <address>. */
static void set_target(struct devices *v, xmlNode *disk, const char *bus)
{
	const bool virtio = !strcmp(bus, "virtio");
	const unsigned n = virtio ? v->virtio_letters++ : v->letters++;
	xmlNode *target = xml_add(disk, "target", NULL);
	char name[8];

	if (n < 26)
		snprintf(name, sizeof(name), "%cd%c", virtio ? 'v' : 's', (char)('a' + n));
	else
		snprintf(name, sizeof(name), "%cd%c%c", virtio ? 'v' : 's', (char)('a' + n / 26 - 1),
			 (char)('a' + n % 26));
	xml_set_attr(target, "dev", name);
	xml_set_attr(target, "bus", bus);
}

static void add_address(xmlNode *disk, unsigned controller, unsigned bus, unsigned target, unsigned unit)
{
	xmlNode *address = xml_add(disk, "address", NULL);

	xml_set_attr(address, "type", "drive");
	set_unsigned(address, "controller", controller);
	set_unsigned(address, "bus", bus);
	set_unsigned(address, "target", target);
	set_unsigned(address, "unit", unit);
}

static bool is_q35(const struct devices *v)
{
	const char *machine = guest_config_get(v->config, "machine");

	return machine && strstr(machine, "q35");
}

/* Proxmox VE's ide2 of a q35 machine is a port of its SATA controller, as libvirt names it. */
static const char *bus_of(const struct devices *v, const char *key)
{
	static const char *const buses[] = { "virtio", "scsi", "sata", "ide" };

	for (size_t i = 0; i < ARRAY_SIZE(buses); i++)
		if (str_prefix(key, buses[i], NULL))
			return i == 3 && is_q35(v) ? "sata" : buses[i];
	return NULL;
}

static unsigned take_sata_port(struct devices *v, unsigned wanted)
{
	while (wanted < MAX_SATA - 1 && v->sata[wanted])
		wanted++;
	v->sata[wanted] = true;
	return wanted;
}

static void set_place(struct devices *v, xmlNode *disk, const char *bus, const char *key)
{
	const unsigned n = (unsigned)strtoul(key + strcspn(key, "0123456789"), NULL, 10);
	const char *hw = guest_config_get(v->config, "scsihw");

	set_target(v, disk, bus);
	if (!strcmp(bus, "ide")) {
		add_address(disk, 0, n / 2, 0, n % 2);
	} else if (!strcmp(bus, "sata")) {
		const unsigned port =
			take_sata_port(v, str_prefix(key, "sata", NULL) ? n : SATA_PORTS - 1 - n % 2);

		add_address(disk, port / SATA_PORTS, 0, 0, port % SATA_PORTS);
	} else if (!strcmp(bus, "scsi") && hw && str_prefix(hw, "virtio-scsi", NULL)) {
		add_address(disk, 0, 0, 0, n);
	}
}

static void set_options(xmlNode *disk, const char *bus, const struct guest_drive *drive)
{
	static const char *const caches[] = { "none",       "writethrough", "writeback",
					      "directsync", "unsafe",       NULL };
	const char *cache = option(drive, "cache"), *discard = option(drive, "discard");
	const char *serial = option(drive, "serial");
	xmlNode *driver = xml_find(disk, "driver");

	if (cache && strv_contains((char *const *)caches, cache))
		xml_set_attr(driver, "cache", cache);
	if (discard && (!strcmp(discard, "on") || !strcmp(discard, "1")))
		xml_set_attr(driver, "discard", "unmap");
	if (serial && is_word(serial))
		xml_add(disk, "serial", serial);
	if (option(drive, "ssd") && strcmp(bus, "virtio") != 0)
		xml_set_attr(xml_find(disk, "target"), "rotation_rate", "1");
}

static void add_disk(struct devices *v, const struct libvirt_file *file)
{
	_cleanup_guest_drive_ struct guest_drive drive = { 0 };
	const char *bus = bus_of(v, file->key), *value = guest_config_get(v->config, file->key);
	xmlNode *disk = xml_add(v->list, "disk", NULL);

	xml_set_attr(disk, "device", "disk");
	libvirt_file_set(disk, file->path);
	set_place(v, disk, bus, file->key);
	if (value && guest_drive_parse(value, &drive, NULL) == 0)
		set_options(disk, bus, &drive);
}

static void add_cdrom(struct devices *v, const char *key)
{
	const char *bus = bus_of(v, key);
	xmlNode *disk = xml_add(v->list, "disk", NULL);

	xml_set_attr(disk, "type", "file");
	xml_set_attr(disk, "device", "cdrom");
	xml_add(disk, "readonly", NULL);
	set_place(v, disk, bus, key);
}

/* CD drives are empty; other drives that are not in the archive are told of. */
static void add_other_drives(struct devices *v)
{
	for (size_t i = 0; i < v->config->n; i++) {
		const struct guest_pair *pair = &v->config->pairs[i];
		_cleanup_guest_drive_ struct guest_drive drive = { 0 };

		if (!plan_is_disk_key(pair->key) || libvirt_file_find(v->new, pair->key) ||
		    guest_drive_parse(pair->value, &drive, NULL) < 0)
			continue;
		if (drive.cdrom && bus_of(v, pair->key) && strcmp(bus_of(v, pair->key), "virtio") != 0)
			add_cdrom(v, pair->key);
		else
			log_warn(v->log, "disk '%s' is not in the archive: the new guest does not have it",
				 pair->key);
	}
}

static void add_disks(struct devices *v)
{
	for (size_t i = 0; i < v->new->n; i++)
		if (bus_of(v, v->new->files[i].key))
			add_disk(v, &v->new->files[i]);
	add_other_drives(v);
}

static void add_scsi_controller(struct devices *v)
{
	static const struct {
		const char *scsihw, *model;
	} known[] = { { "virtio-scsi-pci", "virtio-scsi" },
		      { "virtio-scsi-single", "virtio-scsi" },
		      { "megasas", "lsisas1078" },
		      { "pvscsi", "vmpvscsi" },
		      { "lsi", "lsilogic" },
		      { "lsi53c810", "lsilogic" } };
	const char *hw = guest_config_get(v->config, "scsihw");
	xmlNode *controller = xml_add(v->list, "controller", NULL);

	xml_set_attr(controller, "type", "scsi");
	xml_set_attr(controller, "index", "0");
	xml_set_attr(controller, "model", "lsilogic");
	for (size_t i = 0; hw && i < ARRAY_SIZE(known); i++)
		if (!strcmp(hw, known[i].scsihw))
			xml_set_attr(controller, "model", known[i].model);
}

/* ---- network ---- */

/* Not on a bridge of that name: it might be another network. */
static bool is_bridge(const char *name)
{
	_cleanup_free_ char *path = xasprintf("/sys/class/net/%s/bridge", name);

	return is_word(name) && *name != '.' && access(path, F_OK) == 0;
}

/* "virtio=BC:24:11:00:00:01,bridge=vmbr0": the first part is the card, whatever it is. */
static int add_card(const struct devices *v, xmlNode *nic, const char *card, struct error **err)
{
	const char *equals = strchr(card, '=');
	_cleanup_free_ char *model = xstrndup(card, equals ? (size_t)(equals - card) : strlen(card));
	char mac[] = "00:00:00:00:00:00";
	int r = 0;

	if (equals && strspn(equals + 1, "0123456789abcdefABCDEF:") == sizeof(mac) - 1 &&
	    !equals[sizeof(mac)] && !v->new->unique)
		memcpy(mac, equals + 1, sizeof(mac) - 1);
	else
		r = plan_new_mac(mac, LIBVIRT_MAC_PREFIX, NULL, err);
	xml_set_attr(xml_add(nic, "mac", NULL), "address", mac);
	if (is_word(model))
		xml_set_attr(xml_add(nic, "model", NULL), "type", model);
	return r;
}

static void set_network(const struct devices *v, xmlNode *nic, const char *key, const char *bridge)
{
	xmlNode *source;

	if (!bridge) {
		xml_set_attr(nic, "type", "user");
		return;
	}
	source = xml_add(nic, "source", NULL);
	if (is_bridge(bridge)) {
		xml_set_attr(nic, "type", "bridge");
		xml_set_attr(source, "bridge", bridge);
		return;
	}
	log_warn(v->log, "%s: this host has no bridge '%s': the card is in libvirt's network 'default'", key,
		 bridge);
	xml_set_attr(nic, "type", "network");
	xml_set_attr(source, "network", "default");
}

static int add_nic(const struct devices *v, const char *key, const char *value, struct error **err)
{
	_cleanup_strv_ char **parts = strv_split_list(value);
	xmlNode *nic = xml_add(v->list, "interface", NULL);
	const char *bridge = NULL, *rest;
	bool down = false;
	int r;

	if (!parts[0])
		return error_set(err, ERR_CORRUPT, "the archive's configuration has an empty line '%s'", key);
	r = add_card(v, nic, parts[0], err);
	for (size_t i = 0; parts[i]; i++) {
		if (str_prefix(parts[i], "bridge=", &rest)) {
			bridge = rest;
		} else if (str_prefix(parts[i], "link_down=", &rest)) {
			(void)units_parse_bool(rest, &down);
		} else if (str_prefix(parts[i], "tag=", &rest)) {
			log_warn(v->log, "%s: the card has no link, as its VLAN %s is not taken over", key,
				 rest);
			down = true;
		}
	}
	set_network(v, nic, key, bridge);
	if (down)
		xml_set_attr(xml_add(nic, "link", NULL), "state", "down");
	return r;
}

static int add_nics(const struct devices *v, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->config->n; i++) {
		const struct guest_pair *pair = &v->config->pairs[i];

		if (str_prefix(pair->key, "net", NULL) && pair->key[3] >= '0' && pair->key[3] <= '9')
			r = add_nic(v, pair->key, pair->value, err);
	}
	return r;
}

/* ---- the rest ---- */

static void add_agent(const struct devices *v)
{
	struct guest_agent agent;
	xmlNode *channel, *target;

	guest_config_agent(v->config, v->log, &agent);
	if (!agent.enabled)
		return;
	channel = xml_add(v->list, "channel", NULL);
	xml_set_attr(channel, "type", "unix");
	target = xml_add(channel, "target", NULL);
	xml_set_attr(target, "type", "virtio");
	xml_set_attr(target, "name", "org.qemu.guest_agent.0");
}

static void add_video(const struct devices *v)
{
	static const struct {
		const char *vga, *model;
	} known[] = { { "std", "vga" },
		      { "qxl", "qxl" },
		      { "cirrus", "cirrus" },
		      { "virtio", "virtio" },
		      { "vmware", "vmvga" } };
	const char *vga = guest_config_get(v->config, "vga"), *model = "vga";
	xmlNode *graphics;

	if (vga)
		str_prefix(vga, "type=", &vga);
	if (vga && (str_prefix(vga, "serial", NULL) || str_prefix(vga, "none", NULL)))
		return;
	for (size_t i = 0; vga && i < ARRAY_SIZE(known); i++)
		if (str_prefix(vga, known[i].vga, NULL))
			model = known[i].model;
	graphics = xml_add(v->list, "graphics", NULL);
	xml_set_attr(graphics, "type", "vnc");
	xml_set_attr(graphics, "autoport", "yes");
	xml_set_attr(xml_add(xml_add(v->list, "video", NULL), "model", NULL), "type", model);
}

static void add_ports(const struct devices *v)
{
	for (size_t i = 0; i < v->config->n; i++)
		if (str_prefix(v->config->pairs[i].key, "serial", NULL))
			xml_set_attr(xml_add(v->list, "serial", NULL), "type", "pty");
}

static void add_rng(const struct devices *v)
{
	xmlNode *rng, *backend;

	if (!guest_config_get(v->config, "rng0"))
		return;
	rng = xml_add(v->list, "rng", NULL);
	xml_set_attr(rng, "model", "virtio");
	backend = xml_add(rng, "backend", "/dev/urandom");
	xml_set_attr(backend, "model", "random");
}

/* A pointer that is where the user points, as Proxmox VE gives it to a guest. */
static void add_tablet(const struct devices *v)
{
	xmlNode *tablet = xml_add(v->list, "input", NULL);

	xml_set_attr(tablet, "type", "tablet");
	xml_set_attr(tablet, "bus", "usb");
}

/* ---- what it boots from ---- */

/* The disk with that file, or NULL. */
static xmlNode *disk_of(const struct devices *v, const char *key)
{
	const struct libvirt_file *file = libvirt_file_find(v->new, key);

	for (xmlNode *n = file ? xml_find(v->list, "disk") : NULL; n; n = xml_next(n))
		if (xml_equals(n, "source/@file", file->path))
			return n;
	return NULL;
}

/* "order=scsi0;net0", or before 6.2 "bootdisk: scsi0"; else the first disk. */
static void set_boot(const struct devices *v)
{
	const char *boot = guest_config_get(v->config, "boot"),
		   *first = guest_config_get(v->config, "bootdisk");
	_cleanup_strv_ char **keys = NULL;
	unsigned n = 0;

	if (boot && str_prefix(boot, "order=", &boot))
		keys = strv_split_list(boot);
	else if (first)
		strv_add(&keys, first);
	for (size_t i = 0; keys && keys[i]; i++) {
		xmlNode *disk = disk_of(v, keys[i]);

		if (disk && !xml_find(disk, "boot"))
			set_unsigned(xml_add(disk, "boot", NULL), "order", ++n);
	}
	for (size_t i = 0; !n && i < v->new->n; i++) {
		xmlNode *disk = disk_of(v, v->new->files[i].key);

		if (disk)
			set_unsigned(xml_add(disk, "boot", NULL), "order", ++n);
	}
}

int libvirt_make_devices(xmlNode *devices, const struct guest_config *c, const struct libvirt_new *g,
			 const struct log *log, struct error **err)
{
	struct devices v = { .list = devices, .config = c, .new = g, .log = log };
	int r;

	add_scsi_controller(&v);
	add_disks(&v);
	r = add_nics(&v, err);
	add_agent(&v);
	add_ports(&v);
	add_video(&v);
	add_tablet(&v);
	add_rng(&v);
	set_boot(&v);
	return r;
}

/* Proxmox VE's lines for the hardware of a libvirt guest. Facts: $confdesc of PVE::QemuServer. */
#include "libvirt/domain-hardware.h"

#include <ctype.h>
#include <string.h>

#include "base/strv.h"
#include "base/units.h"
#include "libvirt/xml.h"

/* ---- memory and processors ---- */

/* "<memory unit='GiB'>4</memory>" in bytes; 0 if it is missing. */
static uint64_t memory_bytes(const xmlNode *n, const char *name)
{
	static const struct {
		const char *unit;
		uint64_t bytes;
	} units[] = {
		{ "b", 1 },
		{ "bytes", 1 },
		{ "KB", 1000 },
		{ "k", KIB },
		{ "KiB", KIB },
		{ "MB", 1000000 },
		{ "M", MIB },
		{ "MiB", MIB },
		{ "G", GIB },
		{ "GiB", GIB },
		{ "GB", 1000000000 },
		{ "T", 1024 * GIB },
		{ "TiB", 1024 * GIB },
	};
	const xmlNode *element = xml_find(n, name);
	_cleanup_free_ char *unit = xml_get(element, "@unit");
	const uint64_t value = element ? xml_get_u64(element, "", 0) : 0;

	for (size_t i = 0; unit && i < ARRAY_SIZE(units); i++)
		if (!strcmp(unit, units[i].unit))
			return value > UINT64_MAX / units[i].bytes ? 0 : value * units[i].bytes;
	return value > UINT64_MAX / KIB ? 0 : value * KIB;
}

static void add_memory(const struct domain *d, struct buf *out)
{
	const uint64_t most = (memory_bytes(d->node, "memory") + MIB - 1) / MIB;
	const uint64_t now = (memory_bytes(d->node, "currentMemory") + MIB - 1) / MIB;

	if (most)
		buf_addf(out, "memory: %llu\n", (unsigned long long)(most < 16 ? 16 : most));
	if (now && now < most)
		buf_addf(out, "balloon: %llu\n", (unsigned long long)now);
}

/* Threads are cores in Proxmox VE, and so is all that lies between a socket and a core. */
static void add_processors(const struct domain *d, struct buf *out)
{
	const xmlNode *topology = xml_find(d->node, "cpu/topology");
	const uint64_t all = xml_get_u64(d->node, "vcpu", 1);
	const uint64_t now = xml_get_u64(d->node, "vcpu/@current", all);
	uint64_t sockets = xml_get_u64(topology, "@sockets", 1);

	if (!sockets || all % sockets)
		sockets = 1;
	buf_addf(out, "sockets: %llu\ncores: %llu\n", (unsigned long long)sockets,
		 (unsigned long long)(all / sockets));
	if (now && now < all)
		buf_addf(out, "vcpus: %llu\n", (unsigned long long)now);
}

static void add_cpu(const struct domain *d, char ***warnings, struct buf *out)
{
	/* models that QEMU, libvirt and Proxmox VE know by one name */
	static const char *const models[] = { "486",
					      "Broadwell",
					      "Broadwell-IBRS",
					      "Broadwell-noTSX",
					      "Broadwell-noTSX-IBRS",
					      "Cascadelake-Server",
					      "Cascadelake-Server-noTSX",
					      "Conroe",
					      "Cooperlake",
					      "EPYC",
					      "EPYC-Genoa",
					      "EPYC-IBPB",
					      "EPYC-Milan",
					      "EPYC-Rome",
					      "GraniteRapids",
					      "Haswell",
					      "Haswell-IBRS",
					      "Haswell-noTSX",
					      "Haswell-noTSX-IBRS",
					      "Icelake-Client",
					      "Icelake-Server",
					      "Icelake-Server-noTSX",
					      "IvyBridge",
					      "IvyBridge-IBRS",
					      "KnightsMill",
					      "Nehalem",
					      "Nehalem-IBRS",
					      "Opteron_G1",
					      "Opteron_G2",
					      "Opteron_G3",
					      "Opteron_G4",
					      "Opteron_G5",
					      "Penryn",
					      "SandyBridge",
					      "SandyBridge-IBRS",
					      "SapphireRapids",
					      "Skylake-Client",
					      "Skylake-Client-IBRS",
					      "Skylake-Client-noTSX-IBRS",
					      "Skylake-Server",
					      "Skylake-Server-IBRS",
					      "Skylake-Server-noTSX-IBRS",
					      "Westmere",
					      "Westmere-IBRS",
					      "athlon",
					      "core2duo",
					      "coreduo",
					      "kvm32",
					      "kvm64",
					      "max",
					      "pentium",
					      "pentium2",
					      "pentium3",
					      "phenom",
					      "qemu32",
					      "qemu64",
					      NULL };
	_cleanup_free_ char *mode = xml_get(d->node, "cpu/@mode");
	_cleanup_free_ char *model = xml_get(d->node, "cpu/model");

	if (mode && str_prefix(mode, "host-", NULL))
		buf_adds(out, "cpu: host\n");
	else if (str_equal_null(mode, "maximum"))
		buf_adds(out, "cpu: max\n");
	else if (model && strv_contains((char *const *)models, model))
		buf_addf(out, "cpu: %s\n", model);
	else if (model)
		strv_addf(
			warnings,
			"CPU model '%s' is not known to Proxmox VE: restored there, the guest gets the default",
			model);
}

/* ---- firmware and machine ---- */

static bool is_uefi(const struct domain *d)
{
	return d->nvram || xml_equals(d->node, "os/@firmware", "efi") ||
	       xml_equals(d->node, "os/loader/@type", "pflash");
}

static void add_machine(const struct domain *d, struct buf *out)
{
	_cleanup_free_ char *machine = xml_get(d->node, "os/type/@machine");

	if (xml_equals(d->node, "os/type/@arch", "aarch64"))
		buf_adds(out, "arch: aarch64\nmachine: virt\n");
	else if (machine && strstr(machine, "q35"))
		buf_adds(out, "machine: q35\n");
	if (is_uefi(d))
		buf_adds(out, "bios: ovmf\n");
}

/* The element of virt-install and others below <metadata>: "http://microsoft.com/win/11". */
static char *os_id(const struct domain *d)
{
	const xmlNode *metadata = xml_find(d->node, "metadata");

	for (const xmlNode *n = metadata ? metadata->children : NULL; n; n = n->next) {
		if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "libosinfo") != 0)
			continue;
		for (const xmlNode *os = n->children; os; os = os->next)
			if (os->type == XML_ELEMENT_NODE && !strcmp((const char *)os->name, "os"))
				return xml_get(os, "@id");
	}
	return NULL;
}

static const char *ostype(const struct domain *d)
{
	static const struct {
		const char *version;
		const char *ostype;
	} windows[] = {
		{ "11", "win11" },    { "2k25", "win11" },   { "2k22", "win11" }, { "10", "win10" },
		{ "2k19", "win10" },  { "2k16", "win10" },   { "8.1", "win8" },   { "8", "win8" },
		{ "2k12r2", "win8" }, { "2k12", "win8" },    { "7", "win7" },     { "2k8r2", "win7" },
		{ "2k8", "w2k8" },    { "vista", "wvista" }, { "2k3", "w2k3" },   { "2k3r2", "w2k3" },
		{ "xp", "wxp" },      { "2k", "w2k" },
	};
	_cleanup_free_ char *id = os_id(d);
	const char *version;

	if (!id)
		return xml_find(d->node, "features/hyperv") ? "win10" : "l26";
	if (str_prefix(id, "http://microsoft.com/win/", &version)) {
		for (size_t i = 0; i < ARRAY_SIZE(windows); i++)
			if (!strcmp(version, windows[i].version))
				return windows[i].ostype;
		return "win10";
	}
	if (strstr(id, "solaris"))
		return "solaris";
	return strstr(id, "bsd") ? "other" : "l26";
}

/* ---- network ---- */

/* "virtio=52:54:00:12:34:56", by the names of Proxmox VE. */
static void add_card(const xmlNode *nic, unsigned index, char ***warnings, struct buf *out)
{
	static const char *const models[] = {
		"e1000",    "e1000-82540em", "e1000-82544gc", "e1000-82545em", "e1000e", "i82551",  "i82557b",
		"i82559er", "ne2k_pci",      "pcnet",         "rtl8139",       "virtio", "vmxnet3", NULL
	};
	_cleanup_free_ char *model = xml_get(nic, "model/@type");
	_cleanup_free_ char *mac = xml_get(nic, "mac/@address");
	const char *card = model ? model : "rtl8139";

	if (str_prefix(card, "virtio", NULL))
		card = "virtio";
	if (!strv_contains((char *const *)models, card)) {
		strv_addf(warnings,
			  "net%u: network card '%s' is not known to Proxmox VE: it is e1000 in the archive",
			  index, card);
		card = "e1000";
	}
	buf_addf(out, "net%u: %s", index, card);
	if (mac && strlen(mac) == 17 && strspn(mac, "0123456789abcdefABCDEF:") == 17) {
		buf_addc(out, '=');
		for (const char *at = mac; *at; at++)
			buf_addc(out, (char)toupper((unsigned char)*at));
	}
}

static bool is_bridge_name(const char *s)
{
	return *s &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(s);
}

/*
 * A bridge keeps its name, and so does a libvirt network: no bridge of Proxmox VE is taken for it, which
 * might be another network, before somebody has decided that.
 */
static void add_bridge(const xmlNode *nic, unsigned index, char ***warnings, struct buf *out)
{
	_cleanup_free_ char *type = xml_get(nic, "@type");
	_cleanup_free_ char *bridge = xml_get(nic, "source/@bridge");
	_cleanup_free_ char *network = xml_get(nic, "source/@network");
	const char *name = bridge ? bridge : network;

	if (str_equal_null(type, "user"))
		return;
	if (name && is_bridge_name(name)) {
		buf_addf(out, ",bridge=%s", name);
		return;
	}
	buf_adds(out, ",bridge=vmbr0,link_down=1");
	strv_addf(warnings,
		  "net%u: a network of type '%s' is not known to Proxmox VE: restored there, the card is not "
		  "connected",
		  index, type ? type : "");
}

static void add_net(const xmlNode *nic, unsigned index, char ***warnings, struct buf *out)
{
	const uint64_t tag = xml_get_u64(nic, "vlan/tag/@id", 0);
	const uint64_t mtu = xml_get_u64(nic, "mtu/@size", 0);

	add_card(nic, index, warnings, out);
	add_bridge(nic, index, warnings, out);
	if (tag && tag < 4095)
		buf_addf(out, ",tag=%u", (unsigned)tag);
	if (mtu >= 576 && mtu <= 65520)
		buf_addf(out, ",mtu=%u", (unsigned)mtu);
	if (xml_equals(nic, "link/@state", "down"))
		buf_adds(out, ",link_down=1");
	buf_addc(out, '\n');
}

static void add_nets(const struct domain *d, char ***warnings, struct buf *out)
{
	unsigned index = 0;

	for (const xmlNode *n = xml_find(d->node, "devices/interface"); n && index < 32; n = xml_next(n))
		if (!xml_equals(n, "@type", "hostdev"))
			add_net(n, index++, warnings, out);
}

/* ---- the rest ---- */

/* A guest whose disks had to be moved to this bus gets the usual one. */
static void add_scsihw(const struct domain *d, struct buf *out)
{
	static const struct {
		const char *model;
		const char *scsihw;
	} known[] = {
		{ "virtio-scsi", "virtio-scsi-pci" },
		{ "virtio-transitional", "virtio-scsi-pci" },
		{ "virtio-non-transitional", "virtio-scsi-pci" },
		{ "lsilogic", "lsi" },
		{ "lsisas1078", "megasas" },
		{ "vmpvscsi", "pvscsi" },
	};
	const char *scsihw = "virtio-scsi-pci";

	for (const xmlNode *n = xml_find(d->node, "devices/controller"); n; n = xml_next(n)) {
		_cleanup_free_ char *model = xml_get(n, "@model");

		if (!xml_equals(n, "@type", "scsi"))
			continue;
		for (size_t i = 0; model && i < ARRAY_SIZE(known); i++)
			if (!strcmp(model, known[i].model))
				scsihw = known[i].scsihw;
		break;
	}
	buf_addf(out, "scsihw: %s\n", scsihw);
}

static void add_vga(const struct domain *d, struct buf *out)
{
	static const struct {
		const char *model;
		const char *vga;
	} known[] = { { "virtio", "virtio" }, { "qxl", "qxl" }, { "cirrus", "cirrus" },
		      { "vmvga", "vmware" },  { "vga", "std" }, { "bochs", "std" },
		      { "none", "none" } };
	_cleanup_free_ char *model = xml_get(d->node, "devices/video/model/@type");

	for (size_t i = 0; model && i < ARRAY_SIZE(known); i++)
		if (!strcmp(model, known[i].model))
			buf_addf(out, "vga: %s\n", known[i].vga);
	if (!model && xml_find(d->node, "devices/serial"))
		buf_adds(out, "vga: serial0\n");
}

/* Devices by their own <boot order=>, or the kinds of <os><boot dev=>, of which only the disk matters. */
static void add_boot(const struct domain *d, struct buf *out)
{
	const struct domain_disk *first = NULL;
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < d->n; i++) {
		const uint64_t order = xml_get_u64(d->disks[i].node, "boot/@order", UINT64_MAX);

		if (!d->disks[i].key[0] || !strcmp(d->disks[i].device, "cdrom"))
			continue;
		if (!first || order < least) {
			first = &d->disks[i];
			least = order;
		}
	}
	if (first)
		buf_addf(out, "boot: order=%s\n", first->key);
}

/* Names of guests are names of hosts in Proxmox VE. */
static void add_name(const struct domain *d, struct buf *out)
{
	_cleanup_buf_ struct buf name = BUF_INIT;

	for (const char *at = d->name; *at; at++) {
		if (isascii(*at) && isalnum((unsigned char)*at))
			buf_addc(&name, *at);
		else if (name.len && (name.data[name.len - 1] != '-' && name.data[name.len - 1] != '.') &&
			 at[1])
			buf_addc(&name, *at == '.' ? '.' : '-');
	}
	while (name.len && (name.data[name.len - 1] == '-' || name.data[name.len - 1] == '.'))
		name.data[--name.len] = '\0';
	if (name.len)
		buf_addf(out, "name: %.63s\n", name.data);
}

void domain_hardware(const struct domain *d, char ***warnings, struct buf *out)
{
	add_name(d, out);
	if (d->uuid[0])
		buf_addf(out, "smbios1: uuid=%s\n", d->uuid);
	buf_addf(out, "ostype: %s\n", ostype(d));
	add_machine(d, out);
	add_memory(d, out);
	add_processors(d, out);
	add_cpu(d, warnings, out);
	if (d->has_agent)
		buf_adds(out, "agent: 1\n");
	if (xml_equals(d->node, "clock/@offset", "localtime"))
		buf_adds(out, "localtime: 1\n");
	if (xml_find(d->node, "devices/rng"))
		buf_adds(out, "rng0: source=/dev/urandom\n");
	if (xml_find(d->node, "devices/serial"))
		buf_adds(out, "serial0: socket\n");
	add_scsihw(d, out);
	add_vga(d, out);
	add_boot(d, out);
	add_nets(d, warnings, out);
}

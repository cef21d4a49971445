/*
 * The XML of a libvirt guest from a configuration of Proxmox VE.  Facts: PVE::QemuServer::config_to_command,
 * libvirt's domain XML format.
 */
#include "restore/libvirt-make.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "guest/guest.h"
#include "libvirt/xml.h"
#include "restore/libvirt-make-devices.h"
#include "restore/plan-internal.h"
#include "restore/plan.h"

/* Lines that are understood here, or that say nothing which libvirt would have to know. */
static const char *const known[] = {
	"acpi",   "agent",    "arch",        "balloon", "bios",    "boot",       "bootdisk", "cores",
	"cpu",    "cpuunits", "description", "digest",  "freeze",  "localtime",  "machine",  "memory",
	"meta",   "name",     "numa",        "onboot",  "ostype",  "protection", "rng0",     "scsihw",
	"shares", "smbios1",  "smp",         "sockets", "startup", "tablet",     "tags",     "template",
	"vcpus",  "vga",      "vmgenid",     NULL,
};

static uint64_t number(const struct guest_config *c, const char *key, uint64_t fallback)
{
	const char *value = guest_config_get(c, key);
	uint64_t n;

	/* "memory" may be "current=2048" */
	if (value)
		str_prefix(value, "current=", &value);
	return value && units_parse_u64(value, 1, UINT32_MAX, key, &n, NULL) == 0 ? n : fallback;
}

static void add_number(xmlNode *parent, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	xml_add(parent, name, text);
}

static void set_number(xmlNode *n, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	xml_set_attr(n, name, text);
}

static bool is_windows(const struct guest_config *c)
{
	const char *os = guest_config_get(c, "ostype");

	return os && (os[0] == 'w' || strstr(os, "win"));
}

/* The first part of "host,flags=+aes" or "cputype=host". */
static char *first_part(const char *value, const char *name)
{
	_cleanup_free_ char *label = xasprintf("%s=", name);

	if (!value)
		return NULL;
	str_prefix(value, label, &value);
	return xstrndup(value, strcspn(value, ","));
}

static void add_memory(xmlNode *domain, const struct guest_config *c)
{
	const uint64_t most = number(c, "memory", 512);
	const uint64_t now = number(c, "balloon", most);

	add_number(domain, "memory", most * 1024);
	add_number(domain, "currentMemory", (now < most ? now : most) * 1024);
}

static void add_processors(xmlNode *domain, const struct guest_config *c)
{
	const uint64_t sockets = number(c, "sockets", number(c, "smp", 1)), cores = number(c, "cores", 1);
	const uint64_t now = number(c, "vcpus", sockets * cores);
	xmlNode *cpu, *topology;

	add_number(domain, "vcpu", sockets * cores);
	if (now < sockets * cores)
		set_number(xml_find(domain, "vcpu"), "current", now);
	cpu = xml_add(domain, "cpu", NULL);
	topology = xml_add(cpu, "topology", NULL);
	set_number(topology, "sockets", sockets);
	set_number(topology, "cores", cores);
	set_number(topology, "threads", 1);
}

/* Without KVM there is no CPU of the host's kind. */
static void set_cpu(xmlNode *domain, const struct guest_config *c, bool kvm)
{
	xmlNode *cpu = xml_find(domain, "cpu");
	_cleanup_free_ char *type = first_part(guest_config_get(c, "cpu"), "cputype");

	if (!kvm)
		xml_set_attr(cpu, "mode", "maximum");
	else if (type && !strcmp(type, "host"))
		xml_set_attr(cpu, "mode", "host-passthrough");
	else
		xml_set_attr(cpu, "mode", "host-model");
}

static bool is_q35(const struct guest_config *c)
{
	const char *machine = guest_config_get(c, "machine");

	return machine && strstr(machine, "q35");
}

static int add_os(xmlNode *domain, const struct guest_config *c, const struct libvirt_new *g,
		  const struct log *log, struct error **err)
{
	const struct libvirt_file *vars = libvirt_file_find(g, "efidisk0");
	const char *arch = guest_config_get(c, "arch");
	xmlNode *os = xml_add(domain, "os", NULL), *type = xml_add(os, "type", "hvm");

	if (arch && strcmp(arch, "x86_64") != 0)
		return error_set(
			err, ERR_UNSUPPORTED,
			"the guest is for '%s': only x86_64 becomes a libvirt guest; 'vma extract' gets "
			"its disks out",
			arch);
	xml_set_attr(type, "arch", "x86_64");
	xml_set_attr(type, "machine", is_q35(c) ? "q35" : "pc");
	if (!str_equal_null(guest_config_get(c, "bios"), "ovmf"))
		return 0;
	xml_set_attr(os, "firmware", "efi");
	if (vars && vars->size == LIBVIRT_NVRAM_SIZE)
		xml_add(os, "nvram", vars->path);
	else
		log_warn(log, "the guest gets new UEFI variables: %s",
			 vars ? "those of the archive are for firmware of 2 MiB" : "the archive has none");
	return 0;
}

static void add_features(xmlNode *domain, const struct guest_config *c)
{
	xmlNode *features = xml_add(domain, "features", NULL), *hyperv;

	xml_add(features, "acpi", NULL);
	xml_add(features, "apic", NULL);
	if (!is_windows(c))
		return;
	hyperv = xml_add(features, "hyperv", NULL);
	xml_set_attr(xml_add(hyperv, "relaxed", NULL), "state", "on");
	xml_set_attr(xml_add(hyperv, "vapic", NULL), "state", "on");
}

static void add_clock(xmlNode *domain, const struct guest_config *c)
{
	const char *value = guest_config_get(c, "localtime");
	bool local = false;

	if (!value || !units_parse_bool(value, &local))
		local = is_windows(c);
	xml_set_attr(xml_add(domain, "clock", NULL), "offset", local ? "localtime" : "utc");
}

/* The uuid that the guest sees in its SMBIOS tables is the domain's. */
static int add_uuid(xmlNode *domain, const struct guest_config *c, bool unique, struct error **err)
{
	const char *smbios = guest_config_get(c, "smbios1");
	_cleanup_strv_ char **parts = strv_split_list(smbios && !unique ? smbios : "");
	char uuid[UUID_TEXT_SIZE];
	const char *old;
	int r;

	for (size_t i = 0; parts[i]; i++)
		if (str_prefix(parts[i], "uuid=", &old) &&
		    strspn(old, "0123456789abcdefABCDEF-") == strlen(old)) {
			xml_add(domain, "uuid", old);
			return 0;
		}
	r = plan_new_uuid(uuid, err);
	if (r == 0)
		xml_add(domain, "uuid", uuid);
	return r;
}

static bool is_understood(const char *key)
{
	const size_t n = strcspn(key, "0123456789");

	return strv_contains((char *const *)known, key) || plan_is_disk_key(key) ||
	       (n == 3 && !strncmp(key, "net", n)) ||
	       (n == 6 && (!strncmp(key, "serial", n) || !strncmp(key, "unused", n))) ||
	       (n == 8 && !strncmp(key, "ipconfig", n));
}

static void tell_left_out(const struct guest_config *c, const struct log *log)
{
	for (size_t i = 0; i < c->n; i++)
		if (!is_understood(c->pairs[i].key))
			log_warn(log, "the configuration has '%s: %s', which is left out", c->pairs[i].key,
				 c->pairs[i].value);
}

static int make(xmlNode *domain, const struct guest_config *c, const struct libvirt_new *g,
		const struct log *log, struct error **err)
{
	int r;

	xml_set_attr(domain, "type", g->kvm ? "kvm" : "qemu");
	xml_add(domain, "name", g->name);
	r = add_uuid(domain, c, g->unique, err);
	if (r < 0)
		return r;
	if (guest_config_get(c, "vmgenid"))
		xml_add(domain, "genid", NULL);
	add_memory(domain, c);
	add_processors(domain, c);
	set_cpu(domain, c, g->kvm);
	r = add_os(domain, c, g, log, err);
	if (r < 0)
		return r;
	add_features(domain, c);
	add_clock(domain, c);
	tell_left_out(c, log);
	return libvirt_make_devices(xml_add(domain, "devices", NULL), c, g, log, err);
}

int libvirt_make(const char *config, const struct libvirt_new *g, const struct log *log, struct buf *out,
		 struct error **err)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_xml_doc_ xmlDoc *doc = xml_new("domain");
	int r;

	guest_config_parse(0, config, log, &c);
	guest_config_warn_beyond(&c, "restored", log);
	r = make(xmlDocGetRootElement(doc), &c, g, log, err);
	if (r == 0)
		xml_write(doc, out);
	return r;
}

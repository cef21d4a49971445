/* What of an archive's XML of a libvirt guest may be taken over.  Facts: libvirt's domain XML format. */
#include "restore/libvirt-allow.h"

#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "libvirt/xml.h"

struct allow {
	bool keep;
	const struct log *log;
};

/* True if name is one of names, which blanks separate. */
static bool is_one_of(const char *name, const char *names)
{
	const size_t len = strlen(name);

	for (const char *at = names; *at;) {
		const size_t n = strcspn(at, " ");

		if (n == len && !strncmp(at, name, n))
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

static bool attr_is(const xmlNode *n, const char *path, const char *values)
{
	_cleanup_free_ char *value = xml_get(n, path);

	return value && is_one_of(value, values);
}

/* "<hostdev type='pci'>", "<qemu:commandline>" */
static char *shown(const xmlNode *n)
{
	_cleanup_free_ char *type = xml_get(n, "@type");
	const char *prefix = n->ns && n->ns->prefix ? (const char *)n->ns->prefix : NULL;

	return xasprintf("<%s%s%s%s%s%s>", prefix ? prefix : "", prefix ? ":" : "", (const char *)n->name,
			 type ? " type='" : "", type ? type : "", type ? "'" : "");
}

/* The element must not be used after this. */
static void drop(const struct allow *a, xmlNode *n)
{
	_cleanup_free_ char *element = shown(n);
	_cleanup_free_ char *within = xasprintf("<%s>", (const char *)n->parent->name);

	if (a->keep) {
		log_warn(
			a->log,
			"the XML has %s in %s, which reaches out of the guest or is not known: look at it before "
			"you start the guest",
			element, within);
		return;
	}
	log_warn(a->log,
		 "the XML has %s in %s, which reaches out of the guest or is not known: it is left out "
		 "(--keep-host-lines 1 keeps it)",
		 element, within);
	xml_remove(n);
}

static void drop_all(const struct allow *a, xmlNode *parent, const char *name)
{
	for (xmlNode *n = xml_find(parent, name), *next; n; n = next) {
		next = xml_next(n);
		drop(a, n);
	}
}

/* Drops the elements in parent that are not among names, or have a namespace. */
static void drop_others(const struct allow *a, xmlNode *parent, const char *names)
{
	for (xmlNode *n = xmlFirstElementChild(parent), *next; n; n = next) {
		next = xmlNextElementSibling(n);
		if (n->ns || !is_one_of((const char *)n->name, names))
			drop(a, n);
	}
}

/* ---- devices ---- */

/*
 * A serial port that reaches out becomes a terminal of this host, so that the guest still has it; a channel
 * goes.
 */
static void check_port(const struct allow *a, xmlNode *n)
{
	drop_all(a, n, "log");
	if (attr_is(n, "@type", "pty null vc"))
		return;
	if (a->keep) {
		drop(a, n);
		return;
	}
	if (!attr_is(n, "@type", "unix spicevmc spiceport stdio"))
		log_warn(a->log,
			 "the XML's <%s> reaches out of the guest: it becomes a terminal ('virsh console')",
			 (const char *)n->name);
	xml_set_attr(n, "type", "pty");
	xml_remove_all(n, "source");
	xml_remove_all(n, "protocol");
}

/* The socket of a channel is libvirt's to choose, unless the XML names one. */
static void check_channel(const struct allow *a, xmlNode *n)
{
	drop_all(a, n, "log");
	if (!attr_is(n, "@type", "unix spicevmc qemu-vdagent pty null"))
		drop(a, n);
	else if (!a->keep)
		xml_remove_all(n, "source");
}

/* Whoever may reach this host's address could see and use the guest; two guests cannot have one port. */
static void check_graphics(const struct allow *a, xmlNode *n)
{
	static const char *const fixed[] = { "port",   "tlsPort",       "websocket", "socket",     "listen",
					     "passwd", "passwdValidTo", "connected", "sharePolicy" };

	if (!attr_is(n, "@type", "vnc spice")) {
		drop(a, n);
		return;
	}
	if (a->keep)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		xml_set_attr(n, fixed[i], NULL);
	xml_set_attr(n, "autoport", "yes");
	xml_remove_all(n, "listen");
	drop_others(a, n, "channel image jpeg zlib playback streaming clipboard mouse filetransfer");
}

static void check_interface(const struct allow *a, xmlNode *n)
{
	if (!attr_is(n, "@type", "bridge network user direct")) {
		drop(a, n);
		return;
	}
	drop_others(
		a, n,
		"mac source model driver boot address alias link mtu vlan bandwidth filterref target virtualport "
		"coalesce port acpi teaming");
}

static void check_rng(const struct allow *a, xmlNode *n)
{
	_cleanup_free_ char *file = xml_get(n, "backend");

	if (!attr_is(n, "backend/@model", "builtin") &&
	    !(attr_is(n, "backend/@model", "random") && is_one_of(file, "/dev/urandom /dev/random")))
		drop(a, n);
}

static void check_tpm(const struct allow *a, xmlNode *n)
{
	if (attr_is(n, "backend/@type", "emulator"))
		drop_others(a, xml_find(n, "backend"), "profile active_pcr_banks");
	else
		drop(a, n);
}

/* "passthrough" and "evdev" are devices of this host. */
static void check_input(const struct allow *a, xmlNode *n)
{
	if (!attr_is(n, "@type", "mouse keyboard tablet"))
		drop(a, n);
}

/* Its other modes are cards and files of this host. */
static void check_smartcard(const struct allow *a, xmlNode *n)
{
	if (!attr_is(n, "@type", "spicevmc") || !attr_is(n, "@mode", "passthrough"))
		drop(a, n);
}

static void check_spice_only(const struct allow *a, xmlNode *n)
{
	if (!attr_is(n, "@type", "spicevmc spice none"))
		drop(a, n);
}

/* NVDIMMs and their like are files. */
static void check_memory(const struct allow *a, xmlNode *n)
{
	if (!attr_is(n, "@model", "dimm virtio-mem"))
		drop(a, n);
	else
		drop_all(a, xml_find(n, "source"), "path");
}

static void check_video(const struct allow *a, xmlNode *n)
{
	drop_others(a, n, "model driver address alias");
	for (xmlNode *model = xml_find(n, "model"); model; model = xml_next(model))
		drop_all(a, model, "acceleration");
	/* a program of this host, which would have to be there */
	if (xml_equals(n, "driver/@name", "vhostuser"))
		drop_all(a, n, "driver");
}

static void check_crypto(const struct allow *a, xmlNode *n)
{
	if (!attr_is(n, "backend/@model", "builtin"))
		drop(a, n);
}

static void check_disk(const struct allow *a, xmlNode *n)
{
	drop_others(
		a, n,
		"source driver target iotune readonly shareable transient boot address alias serial wwn vendor "
		"product blockio geometry");
}

static void check_nothing(const struct allow *a, xmlNode *n)
{
	(void)a;
	(void)n;
}

static const struct {
	const char *name;
	void (*check)(const struct allow *a, xmlNode *n);
} devices[] = {
	{ "audio", check_spice_only },    { "channel", check_channel },
	{ "console", check_port },        { "controller", check_nothing },
	{ "crypto", check_crypto },       { "disk", check_disk },
	{ "graphics", check_graphics },   { "hub", check_nothing },
	{ "input", check_input },         { "interface", check_interface },
	{ "iommu", check_nothing },       { "memballoon", check_nothing },
	{ "memory", check_memory },       { "panic", check_nothing },
	{ "parallel", check_port },       { "redirdev", check_spice_only },
	{ "redirfilter", check_nothing }, { "rng", check_rng },
	{ "serial", check_port },         { "smartcard", check_smartcard },
	{ "sound", check_nothing },       { "tpm", check_tpm },
	{ "video", check_video },         { "vsock", check_nothing },
	{ "watchdog", check_nothing },
};

static void check_device(const struct allow *a, xmlNode *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (xml_is(n, devices[i].name)) {
			devices[i].check(a, n);
			return;
		}
	drop(a, n);
}

/*
 * Once more, whatever future versions of libvirt make of it: only the sources of disks, which are the
 * caller's, may name a file.
 */
static void strip_paths(xmlNode *n, bool is_disk)
{
	static const char *const names[] = { "file",  "path", "dir",   "socket",  "rendernode",
					     "evdev", "tap",  "vhost", "logFile", "audioDev" };

	for (xmlNode *child = xmlFirstElementChild(n); child; child = xmlNextElementSibling(child)) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			if (!is_disk || !xml_is(child, "source"))
				xml_set_attr(child, names[i], NULL);
		strip_paths(child, xml_is(child, "disk"));
	}
}

/* ---- the rest ---- */

/*
 * The firmware's code: any file could be read by the guest as such.  Without a file libvirt chooses one.
 */
static void check_loader(const struct allow *a, xmlNode *os)
{
	xmlNode *loader = xml_find(os, "loader");
	_cleanup_free_ char *path = xml_get(os, "loader");
	_cleanup_free_ char *template = xml_get(os, "nvram/@template");
	const bool pflash = xml_equals(os, "loader/@type", "pflash");

	if (template && (!str_prefix(template, "/usr/share/", NULL) || strstr(template, "/../")) && !a->keep)
		xml_set_attr(xml_find(os, "nvram"), "template", NULL);
	if (!path || !*path || (str_prefix(path, "/usr/share/", NULL) && !strstr(path, "/../")))
		return;
	drop(a, loader);
	if (!a->keep && pflash)
		xml_set_attr(os, "firmware", "efi");
}

static void check_os(const struct allow *a, xmlNode *os)
{
	drop_others(a, os, "type loader nvram boot smbios bootmenu bios firmware");
	check_loader(a, os);
}

/* Other kinds hand files of this host to the guest. */
static void check_sysinfo(const struct allow *a, xmlNode *domain)
{
	for (xmlNode *n = xml_find(domain, "sysinfo"), *next; n; n = next) {
		next = xml_next(n);
		if (!attr_is(n, "@type", "smbios"))
			drop(a, n);
	}
}

void libvirt_allow(xmlNode *domain, bool keep, const struct log *log)
{
	const struct allow a = { .keep = keep, .log = log };
	xmlNode *list = xml_find(domain, "devices"), *os = xml_find(domain, "os");

	drop_others(
		&a, domain,
		"name uuid hwuuid genid metadata title description maxMemory memory currentMemory memoryBacking "
		"memtune cputune numatune iothreads iothreadids defaultiothread vcpu vcpus cpu os features clock "
		"on_poweroff on_reboot on_crash on_lockfailure pm perf sysinfo devices launchSecurity");
	if (os)
		check_os(&a, os);
	check_sysinfo(&a, domain);
	for (xmlNode *n = list ? xmlFirstElementChild(list) : NULL, *next; n; n = next) {
		next = xmlNextElementSibling(n);
		check_device(&a, n);
	}
	if (list && !keep)
		strip_paths(list, false);
}

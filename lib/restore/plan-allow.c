/*
 * Which lines of an archive's configuration may be taken over.  PVE's restore keeps nearly everything for
 * root.  But an archive may come from anywhere, and its "args", "hookscript" or "virtiofs0" would name
 * commands and files on this host.  So only lines that stay within the guest are taken over; unknown ones
 * are not.
 *
 * Facts: the keys are those of qemu-server 9.1.
 */
#include <string.h>

#include "base/strv.h"
#include "restore/plan-internal.h"
#include "storage/storage.h"

static bool is_text(const char *value)
{
	(void)value;
	return true;
}

/* No path anywhere: nothing after a comma, semicolon or '=' begins with a slash or has a scheme. */
static bool is_plain(const char *value)
{
	for (const char *at = value; at; at = strpbrk(at, ",;=")) {
		at += at != value;
		at += strspn(at, " \t,;=");
		if (*at == '/' || strncmp(at, "file:", 5) == 0)
			return false;
	}
	return !strstr(value, "://") && !strstr(value, "/../") && !strstr(value, "/dev/");
}

static bool is_socket(const char *value)
{
	return !strcmp(value, "socket");
}

/* "spice", "host=spice,usb3=1": a device of the computer that shows the guest's screen, not of this host */
static bool is_spice_usb(const char *value)
{
	_cleanup_strv_ char **parts = strv_split_list(value);
	bool spice = false;

	for (size_t i = 0; parts[i]; i++) {
		const char *host = parts[i];

		if (str_prefix(parts[i], "usb3=", NULL))
			continue;
		str_prefix(parts[i], "host=", &host);
		if (strcasecmp(host, "spice") != 0)
			return false;
		spice = true;
	}
	return spice;
}

/* The kernel's generator never runs dry; /dev/hwrng, in contrast, is a device of this host. */
static bool is_kernel_rng(const char *value)
{
	_cleanup_strv_ char **parts = strv_split_list(value);
	bool source = false;

	for (size_t i = 0; parts[i]; i++) {
		const char *file = parts[i];

		if (str_prefix(parts[i], "max_bytes=", NULL) || str_prefix(parts[i], "period=", NULL))
			continue;
		str_prefix(parts[i], "source=", &file);
		if (strcmp(file, "/dev/urandom") != 0 && strcmp(file, "/dev/random") != 0)
			return false;
		source = true;
	}
	return source;
}

struct allowed {
	const char *keys; /* blanks between; "net#": with a number */
	bool (*fits)(const char *value);
};

static const struct allowed lines[] = {
	/* the guest's hardware */
	{ "acpi agent arch balloon bios boot bootdisk cores cpu cpulimit cpuunits freeze hotplug keyboard kvm "
	  "localtime machine memory numa numa# ostype reboot scsihw shares smp sockets startdate tablet tdf "
	  "vcpus vga vmgenid watchdog amd-sev intel-tdx",
	  is_plain },
	{ "net# vlan# ipconfig# audio0 spice_enhancements", is_plain },
	{ "serial#", is_socket },
	{ "usb#", is_spice_usb },
	{ "rng0", is_kernel_rng },
	/* text: in base64, URL-encoded, or for people to read */
	{ "name description tags meta smbios1 cipassword ciuser sshkeys searchdomain nameserver", is_text },
	/* how the host treats the guest: of the host they name only processors and memory */
	{ "affinity allow-ksm autostart citype ciupgrade hugepages keephugepages migrate_downtime migrate_speed "
	  "onboot protection startup template vmstatestorage",
	  is_plain },
};

static const char drive_options[] =
	"aio backup bps bps_max_length bps_rd bps_rd_length bps_rd_max_length bps_wr bps_wr_length "
	"bps_wr_max_length cache cyls detect_zeroes discard efitype format heads iops iops_max iops_max_length "
	"iops_rd iops_rd_length iops_rd_max iops_rd_max_length iops_wr iops_wr_length iops_wr_max "
	"iops_wr_max_length iothread mbps mbps_max mbps_rd mbps_rd_max mbps_wr mbps_wr_max media model ms-cert "
	"pre-enrolled-keys product queues replicate rerror ro scsiblock secs serial shared size snapshot ssd "
	"trans vendor version werror wwn";

/* True if key is one of names, which blanks separate; a '#' at the end of a name stands for a number. */
static bool is_one_of(const char *key, const char *names)
{
	const size_t digits = strspn(key + strcspn(key, "0123456789"), "0123456789");
	const size_t len = strlen(key);

	for (const char *at = names; *at;) {
		const size_t n = strcspn(at, " ");
		const bool numbered = at[n - 1] == '#';

		if (numbered ? digits && n - 1 + digits == len && !strncmp(at, key, n - 1)
			     : n == len && !strncmp(at, key, n))
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

bool plan_line_allowed(const char *key, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (is_one_of(key, lines[i].keys))
			return lines[i].fits(value);
	return false;
}

bool plan_drive_option_allowed(const char *key)
{
	return is_one_of(key, drive_options);
}

/* "none", "local:iso/debian.iso", or the bare name of an image, as older versions wrote it. */
bool plan_cdrom_allowed(const char *file)
{
	const char *colon = strchr(file, ':'), *name;
	char id[128];

	if (!colon)
		return !strchr(file, '/') && strcmp(file, "cdrom") != 0 && strcmp(file, "..") != 0;
	if ((size_t)(colon - file) >= sizeof(id) || !str_prefix(colon + 1, "iso/", &name))
		return false;
	memcpy(id, file, (size_t)(colon - file));
	id[colon - file] = '\0';
	return storage_id_valid(id) && *name && !strchr(name, '/') && *name != '.';
}

#include <fcntl.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "libvirt/domain-xml.h"
#include "libvirt/xml.h"
#include "restore/libvirt-images.h"
#include "restore/libvirt-make.h"
#include "restore/libvirt-rewrite.h"
#include "test-config-util.h"

static struct libvirt_file files[] = {
	{ "virtio0", "/new/copy-vda.raw", 8 << 20 },
	{ "efidisk0", "/new/copy-nvram.raw", 540672 },
};

static char *read_fixture(const char *name)
{
	_cleanup_free_ char *path = xasprintf("tests/fuzz/corpus/domain/%s.xml", name);
	struct buf text = BUF_INIT;

	if (io_read_file(path, 1 << 20, &text, NULL) < 0)
		diag("cannot read '%s'", path);
	return buf_steal(&text);
}

/* The new XML, read again; its warnings go to *log. */
static bool rewrite(const char *fixture, const struct libvirt_new *g, struct domain *ret, struct buf *log)
{
	_cleanup_free_ char *text = read_fixture(fixture), *what = xasprintf("%s is rewritten", fixture);
	_cleanup_buf_ struct buf out = BUF_INIT;
	const struct log into = LOG_INTO(*log);
	struct error *err = NULL;

	return works(libvirt_rewrite(text, g, &into, &out, &err), &err, what) &&
	       works(domain_parse(buf_str(&out), ret, &err), &err, "what is made can be read");
}

static char *text_of(const struct domain *d)
{
	struct buf b = BUF_INIT;

	xml_write(d->doc, &b);
	return buf_steal(&b);
}

static void value_is(const struct domain *d, const char *path, const char *want, const char *name)
{
	_cleanup_free_ char *got = xml_get(d->node, path);

	same(got, want, name);
}

static void logged(const struct buf *log, const char *part, const char *name)
{
	if (!ok(strstr(buf_str(log), part), "%s", name))
		diag("'%s' is not in:\n%s", part, buf_str(log));
}

static void test_copy(void)
{
	const struct libvirt_new g = { .name = "copy & co", .unique = true, .files = files, .n = 2 };
	_cleanup_buf_ struct buf log = BUF_INIT;
	_cleanup_free_ char *text = NULL, *mac = NULL;
	struct domain d;

	if (!rewrite("debian-uefi", &g, &d, &log))
		return;
	text = text_of(&d);
	same(d.name, "copy & co", "it has the new name");
	ok(strcmp(d.uuid, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0") != 0 && strlen(d.uuid) == 36,
	   "and a new uuid");
	ok(!d.vmid && !strstr(text, "urn:vzdump:guest"), "its backups are not the old guest's");
	ok(!d.running, "it does not run");
	ok(d.n == 2 && !strcmp(d.disks[0].target, "vda") && !strcmp(d.disks[1].target, "sda"),
	   "its disks are those of the archive, and the CD drive");
	same(d.disks[0].path, "/new/copy-vda.raw", "the disk is the restored file");
	same(d.disks[0].format, "raw", "which is raw");
	value_is(&d, "devices/disk/driver/@discard", "unmap", "its options stay");
	value_is(&d, "devices/disk/serial", "WEB-0001", "its serial number, too");
	value_is(&d, "devices/disk/address/@bus", "0x04", "and its place");
	same(d.nvram, "/new/copy-nvram.raw", "the UEFI variables are restored ones");
	value_is(&d, "os/nvram/@template", NULL, "and are made from no template");
	mac = xml_get(d.node, "devices/interface/mac/@address");
	ok(mac && !strncmp(mac, "52:54:00:", 9) && strcmp(mac, "52:54:00:6b:3c:58") != 0,
	   "a new MAC address");
	value_is(&d, "devices/interface/source/@network", "default", "in the same network");
	ok(!strstr(text, "base.qcow2") && !strstr(text, "seclabel") && !strstr(text, "vnet4") &&
		   !strstr(text, "portid") && !strstr(text, "/dev/pts") && !strstr(text, "virtio-disk0") &&
		   !strstr(text, "emulator>") && !strstr(text, "/run/libvirt"),
	   "nothing is left of the old host and process");
	value_is(&d, "cpu/@mode", "host-passthrough", "the processor stays");
	value_is(&d, "devices/graphics/@port", NULL, "the port of its screen is libvirt's to choose");
	logged(&log, "W disk 'vdb' is not in the archive: the new guest does not have it",
	       "a missing disk is told");
	logged(&log, "W the guest gets a new, empty TPM", "and so is what a TPM holds");
	ok(!strstr(buf_str(&log), "reaches out"), "and nothing else, as nothing reaches out");
	domain_clear(&d);
}

static void test_same(void)
{
	const struct libvirt_new g = { .name = "web", .files = files, .n = 1 };
	_cleanup_buf_ struct buf log = BUF_INIT;
	struct domain d;

	if (!rewrite("debian-uefi", &g, &d, &log))
		return;
	same(d.uuid, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "without 'unique' the uuid stays");
	value_is(&d, "devices/interface/mac/@address", "52:54:00:6b:3c:58", "and the MAC address");
	ok(d.vmid == 201 && !d.unknown, "and our id, but for the disks that were left out");
	ok(!d.nvram, "without UEFI variables in the archive there are none");
	logged(&log, "it gets new ones", "which is told");
	domain_clear(&d);
}

static void test_windows(void)
{
	static struct libvirt_file disks[] = { { "sata0", "/new/a", 1 },
					       { "ide0", "/new/b", 1 },
					       { "virtio7", "/new/c", 1 } };
	const struct libvirt_new g = { .name = "w", .unique = true, .files = disks, .n = 3 };
	_cleanup_buf_ struct buf log = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	struct domain d;

	if (!rewrite("windows-sata", &g, &d, &log))
		return;
	text = text_of(&d);
	value_is(&d, "genid", "", "a new generation, which Windows asks for");
	ok(!strstr(text, "0e1f7b5a"), "the old uuid is in no table either");
	ok(!strstr(text, ".iso") && !strstr(text, "boot.img"), "drives are empty");
	value_is(&d, "devices/graphics/@autoport", "yes", "the screen has a free port");
	ok(!strstr(text, "0.0.0.0"), "on this host alone");
	value_is(&d, "devices/interface/source/@dev", "eno1", "a card keeps its network");
	value_is(&d, "features/hyperv/spinlocks/@retries", "8191", "what Windows runs well with, stays");
	value_is(&d, "devices/disk/driver/@io", "native", "and how a disk is reached");
	logged(&log, "'/new/c' belongs to no guest", "a disk that the XML lacks is told");
	domain_clear(&d);
}

static void test_hostile(void)
{
	static struct libvirt_file one[] = { { "virtio0", "/new/vda.raw", 1 },
					     { "efidisk0", "/new/nvram", 1 } };
	const struct libvirt_new g = { .name = "tame", .unique = true, .files = one, .n = 2 };
	_cleanup_buf_ struct buf log = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	const xmlNode *first;
	struct domain d;

	if (!rewrite("hostile", &g, &d, &log))
		return;
	text = text_of(&d);
	if (!ok(!strstr(text, "hostile") && !strstr(text, "/etc/") && !strstr(text, "/dev/sda"),
		"no file, device, socket or command of this host is left in the XML"))
		diag("%s", text);
	ok(!strstr(text, "qemu:") && !strstr(text, "hostdev") && !strstr(text, "evdev"),
	   "and no way to QEMU's options");
	ok(d.n == 3, "the disk in the archive and two empty drives are left");
	same(d.nvram, "/new/nvram", "with the UEFI variables");
	first = xml_find(d.node, "devices/serial");
	ok(first && xml_equals(first, "@type", "pty") && !xml_find(first, "source"),
	   "a port became a terminal");
	logged(&log,
	       "W the XML has <hostdev type='pci'> in <devices>, which reaches out of the guest or is not known: it is "
	       "left out (--keep-host-lines 1 keeps it)",
	       "each is told");
	logged(&log, "<qemu:commandline> in <domain>", "also QEMU's options");
	domain_clear(&d);
}

/* Two sections, of which libvirt reads both, and attributes whose namespace libvirt does not look at. */
static void test_hidden(void)
{
	static const char *const twice[] = { "<devices/>", "<os/>" };
	static const char hidden[] =
		"<domain type='kvm' xmlns:x='urn:x'><name>hostile</name><os><type>hvm</type>%s</os><devices>"
		"<serial x:type='file' type='pty'><source x:path='/etc/hostile'/></serial>"
		"<smartcard mode='host' type='spicevmc'/></devices></domain>";
	static const char *const nvrams[] = {
		"<nvram type='block'><source file='x' dev='/dev/hostile'/></nvram>",
		"<nvram type='network'><source protocol='nbd'><host name='hostile'/></source></nvram>",
		"<nvram>hostile</nvram>",
		"<nvram/><nvram>/etc/hostile</nvram>",
	};
	const struct libvirt_new g = { .name = "tame", .unique = true };

	for (size_t i = 0; i < ARRAY_SIZE(twice); i++) {
		_cleanup_free_ char *xml =
			xasprintf("<domain><name>a</name>%s<os/><devices/></domain>", twice[i]);
		_cleanup_buf_ struct buf out = BUF_INIT;
		const struct log silent = { 0 };
		struct error *err = NULL;

		fails(libvirt_rewrite(xml, &g, &silent, &out, &err), &err, "two elements <", twice[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(nvrams); i++) {
		_cleanup_free_ char *xml = xasprintf(hidden, nvrams[i]);
		_cleanup_buf_ struct buf out = BUF_INIT, log = BUF_INIT;
		const struct log into = LOG_INTO(log);
		struct error *err = NULL;

		works(libvirt_rewrite(xml, &g, &into, &out, &err), &err, nvrams[i]);
		if (!ok(!strstr(buf_str(&out), "hostile") && !strstr(buf_str(&out), "x:") &&
				!strstr(buf_str(&out), "smartcard"),
			"nothing of it is left"))
			diag("%s", buf_str(&out));
	}
}

static void test_own(void)
{
	const struct libvirt_new g = {
		.name = "mine", .unique = true, .keep_host_lines = true, .files = files, .n = 2
	};
	_cleanup_buf_ struct buf log = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	struct domain d;

	if (!rewrite("fedora-session", &g, &d, &log))
		return;
	text = text_of(&d);
	ok(strstr(text, "qemu:commandline") && strstr(text, "/home/me/src") && strstr(text, "0x1050"),
	   "what reaches out of a guest of one's own is kept");
	logged(&log,
	       "<qemu:commandline> in <domain>, which reaches out of the guest or is not known: look at it",
	       "with a warning");
	value_is(&d, "devices/vsock/cid/@auto", "yes", "its number in the host's sockets is a new one");
	same(d.nvram, "/new/copy-nvram.raw", "the UEFI variables are the file");
	same(d.nvram_format, "raw", "of that format");
	ok(!strstr(text, "/usr/share/edk2") || access("/usr/share/edk2/ovmf/OVMF_CODE_4M.qcow2", R_OK) == 0,
	   "firmware that this host lacks is libvirt's to choose");
	domain_clear(&d);
}

/* ---- from a configuration of Proxmox VE ---- */

static bool make(const char *config, const struct libvirt_new *g, struct domain *ret, struct buf *log)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	const struct log into = LOG_INTO(*log);
	struct error *err = NULL;

	return works(libvirt_make(config, g, &into, &out, &err), &err, "XML is made from a configuration") &&
	       works(domain_parse(buf_str(&out), ret, &err), &err, "and can be read");
}

static void test_make(void)
{
	static const char config[] =
		"agent: 1\nargs: -device evil\nballoon: 1024\nbios: ovmf\nboot: order=scsi1;net0\ncores: 2\n"
		"cpu: host\nide2: local:iso/debian.iso,media=cdrom\nmachine: q35\nmemory: 2048\nname: old\n"
		"net0: virtio=BC:24:11:00:11:22,bridge=no-such-br0,firewall=1\n"
		"net1: e1000=BC:24:11:00:11:23,bridge=no-such-br0,tag=7\n"
		"net2: virtio=BC:24:11:00:11:24\n"
		"ostype: l26\nsata1: local:100/gone.raw\n"
		"scsi0: local:100/a.raw,discard=on,ssd=1,iothread=1,size=8G\nscsi1: local:100/b.qcow2\n"
		"scsihw: virtio-scsi-single\nserial0: socket\nsmbios1: uuid=11111111-2222-3333-4444-555555555555\n"
		"sockets: 2\nhostpci0: 01:00\nvga: qxl\nvirtio0: local:100/c.raw\n";
	static struct libvirt_file disks[] = { { "scsi0", "/new/scsi0", 1 },
					       { "scsi1", "/new/scsi1", 1 },
					       { "virtio0", "/new/virtio0", 1 },
					       { "efidisk0", "/new/nvram", 540672 } };
	const struct libvirt_new g = { .name = "new", .files = disks, .n = 4 };
	_cleanup_buf_ struct buf log = BUF_INIT;
	_cleanup_free_ char *text = NULL;
	const xmlNode *nic;
	struct domain d;

	if (!make(config, &g, &d, &log))
		return;
	text = text_of(&d);
	same(d.name, "new", "the name");
	same(d.uuid, "11111111-2222-3333-4444-555555555555", "the uuid that the guest has seen so far");
	value_is(&d, "memory", "2097152", "the memory");
	value_is(&d, "currentMemory", "1048576", "what of it is given");
	value_is(&d, "vcpu", "4", "the processors");
	value_is(&d, "cpu/topology/@sockets", "2", "in their sockets");
	value_is(&d, "os/type/@machine", "q35", "the machine");
	value_is(&d, "os/@firmware", "efi", "the firmware");
	same(d.nvram, "/new/nvram", "and its variables");
	ok(d.has_agent, "the agent");
	ok(d.n == 4, "three disks and a CD drive");
	ok(!strcmp(d.disks[0].bus, "scsi") && !strcmp(d.disks[2].bus, "virtio") &&
		   !strcmp(d.disks[3].bus, "sata"),
	   "at their buses; q35 has no IDE");
	ok(xml_equals(d.disks[1].node, "address/@unit", "1"), "and at their places");
	ok(xml_equals(d.disks[0].node, "driver/@discard", "unmap") &&
		   xml_equals(d.disks[0].node, "target/@rotation_rate", "1"),
	   "with their options");
	ok(xml_equals(d.disks[1].node, "boot/@order", "1") && !xml_find(d.disks[0].node, "boot"),
	   "and what it boots from");
	nic = xml_find(d.node, "devices/interface");
	ok(xml_equals(nic, "mac/@address", "BC:24:11:00:11:22") &&
		   xml_equals(nic, "source/@network", "default"),
	   "a card whose bridge is not here is in libvirt's network");
	logged(&log, "W net0: this host has no bridge 'no-such-br0'", "which is told");
	ok(xml_equals(xml_next(nic), "link/@state", "down"), "a card in a VLAN has no link");
	ok(xml_equals(xml_next(xml_next(nic)), "@type", "user"),
	   "a card without a bridge is in QEMU's own network");
	logged(&log, "W the configuration has 'args: -device evil', which is left out",
	       "options of QEMU are left out");
	logged(&log, "'hostpci0: 01:00', which is left out", "and devices of the host");
	logged(&log, "W disk 'sata1' is not in the archive", "and a disk that is missing is told");
	ok(!strstr(text, "evil") && !strstr(text, "debian.iso"), "none of it is in the XML");
	domain_clear(&d);
}

static void test_make_plain(void)
{
	static struct libvirt_file disks[] = { { "ide0", "/new/ide0", 1 },
					       { "efidisk0", "/new/vars", 131072 } };
	const struct libvirt_new g = { .name = "new", .unique = true, .files = disks, .n = 2 };
	_cleanup_buf_ struct buf log = BUF_INIT;
	struct error *err = NULL;
	struct buf out = BUF_INIT;
	struct domain d;

	if (!make("bios: ovmf\nide0: /x.raw\nostype: win10\nsmbios1: uuid=11111111-2222-3333-4444-555555555555\n",
		  &g, &d, &log))
		return;
	ok(strcmp(d.uuid, "11111111-2222-3333-4444-555555555555") != 0, "a new uuid if it is asked for");
	value_is(&d, "memory", "524288", "the memory that Proxmox VE gives by default");
	value_is(&d, "os/type/@machine", "pc", "its machine");
	value_is(&d, "clock/@offset", "localtime", "Windows has local time");
	value_is(&d, "devices/disk/address/@unit", "0", "an IDE disk");
	value_is(&d, "devices/disk/boot/@order", "1", "that it boots from");
	ok(!d.nvram, "variables of small firmware are not used");
	logged(&log, "those of the archive are for firmware of 2 MiB", "which is told");
	domain_clear(&d);
	fails(libvirt_make("arch: aarch64\n", &g, NULL, &out, &err), &err, "only x86_64",
	      "another machine is refused");
}

/* ---- the files ---- */

static char *new_folder(void)
{
	char path[] = "/tmp/test-restore-libvirt-XXXXXX";

	return xstrdup(mkdtemp(path));
}

static bool exists(const char *folder, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, name);

	return access(path, F_OK) == 0;
}

static unsigned count(const char *folder)
{
	DIR *d = opendir(folder);
	const struct dirent *entry;
	unsigned n = 0;

	while (d && (entry = readdir(d)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (d)
		closedir(d);
	return n;
}

static int fill(struct libvirt_images *im, const char *folder, struct error **err)
{
	struct target t[2];
	int r = libvirt_images_init(im, folder, "g", err);

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		target_init(&t[i]);
	if (r == 0)
		r = libvirt_images_add(im, "virtio0", "vda", 4096, &t[0], err);
	if (r == 0)
		r = libvirt_images_add(im, "efidisk0", "nvram", 4096, &t[1], err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(t); i++)
		r = target_finish(&t[i], err);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		target_clear(&t[i]);
	return r;
}

static void test_images(void)
{
	_cleanup_free_ char *folder = new_folder(), *path = xasprintf("%s/g-vda.raw", folder);
	struct libvirt_images im = { 0 };
	struct error *err = NULL;
	struct stat st;

	works(fill(&im, folder, &err), &err, "files are made");
	ok(!exists(folder, "g-vda.raw"), "under names that are not final");
	works(libvirt_images_place(&im, &err), &err, "then they get their own");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600, "for nobody else to read");
	libvirt_images_keep(&im);
	libvirt_images_clear(&im);
	ok(count(folder) == 2 && exists(folder, "g-nvram.raw"), "they stay, and nothing else");

	fails(fill(&im, folder, &err), &err, "exists, and nothing is overwritten",
	      "a file that exists is left alone");
	libvirt_images_clear(&im);
	ok(count(folder) == 2, "and nothing is left of that");

	unlink(path);
	fails(fill(&im, folder, &err), &err, "g-nvram.raw' exists", "also if it is the second one");
	libvirt_images_clear(&im);
	ok(count(folder) == 1, "of which the first is removed");
	fails(libvirt_images_init(&im, "/no/such/folder", "g", &err), &err, "--directory",
	      "a folder must exist");
	libvirt_images_clear(&im);
	io_remove_tree(folder, NULL);
}

/* In a process that ends without cleaning up. */
static void die_while(const char *folder, bool placed)
{
	pid_t child = fork();

	if (child == 0) {
		struct libvirt_images im = { 0 };

		if (fill(&im, folder, NULL) == 0 && placed)
			libvirt_images_place(&im, NULL);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void test_killed(void)
{
	_cleanup_free_ char *folder = new_folder(), *path = xasprintf("%s/g-vda.raw", folder);
	struct libvirt_images im = { 0 };
	struct error *err = NULL;

	die_while(folder, false);
	ok(count(folder) == 2, "a killed run leaves two files");
	works(libvirt_images_init(&im, folder, "other", &err), &err, "another guest's restore");
	libvirt_images_clear(&im);
	ok(count(folder) == 2, "leaves them");
	works(libvirt_images_init(&im, folder, "g", &err), &err, "the next one of this guest");
	libvirt_images_clear(&im);
	ok(count(folder) == 0, "removes them");

	die_while(folder, true);
	ok(count(folder) == 3 && exists(folder, "g-vda.raw"),
	   "one that is killed before the guest is defined leaves three");
	works(libvirt_images_init(&im, folder, "g", &err), &err, "the next one");
	libvirt_images_clear(&im);
	ok(count(folder) == 0, "removes those, too");

	die_while(folder, true);
	truncate(path, 8192);
	/* the clock of files has steps of some milliseconds */
	utimensat(AT_FDCWD, path,
		  (const struct timespec[]){ { .tv_sec = 4000000000 }, { .tv_sec = 4000000000 } }, 0);
	works(libvirt_images_init(&im, folder, "g", &err), &err, "if a guest has written to one of them");
	libvirt_images_clear(&im);
	ok(count(folder) == 1 && exists(folder, "g-vda.raw"), "that one stays");
	io_remove_tree(folder, NULL);
}

int main(void)
{
	test_copy();
	test_same();
	test_windows();
	test_hostile();
	test_hidden();
	test_own();
	test_make();
	test_make_plain();
	test_images();
	test_killed();
	return done_testing();
}

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest.h"
#include "libvirt/domain-config.h"
#include "test-config-util.h"

#define MANY 20

static char *read_fixture(const char *name)
{
	_cleanup_free_ char *path = xasprintf("tests/fuzz/corpus/domain/%s.xml", name);
	struct buf text = BUF_INIT;

	if (io_read_file(path, 1 << 20, &text, NULL) < 0)
		diag("cannot read '%s'", path);
	return buf_steal(&text);
}

static bool read_domain(const char *name, struct domain *ret)
{
	_cleanup_free_ char *text = read_fixture(name), *what = xasprintf("%s is read", name);
	struct error *err = NULL;

	return works(domain_parse(text, ret, &err), &err, what);
}

/* The configuration, which our own reader of them takes; warnings are lines of it that begin with "!". */
static char *config_of(const struct domain *d, struct guest_disks *disks)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_strv_ char **warnings = NULL;
	struct error *err = NULL;
	struct buf text = BUF_INIT;

	works(domain_to_config(d, &warnings, &text, &err), &err, "it becomes a configuration");
	guest_config_parse(100, buf_str(&text), NULL, &c);
	works(guest_config_disks(&c, disks, &err), &err, "whose disks can be read");
	for (size_t i = 0; warnings && warnings[i]; i++)
		buf_addf(&text, "!%s\n", warnings[i]);
	return buf_steal(&text);
}

static void has(const char *text, const char *line, const char *name)
{
	_cleanup_free_ char *whole = xasprintf("\n%s\n", line);

	if (!ok(strstr(text, whole) || !strncmp(text, whole + 1, strlen(whole) - 1), "%s", name))
		diag("no line '%s' in:\n%s", line, text);
}

static void lacks(const char *text, const char *part, const char *name)
{
	if (!ok(!strstr(text, part), "%s", name))
		diag("'%s' is in:\n%s", part, text);
}

static void test_uefi(void)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_free_ char *text = NULL;
	struct domain d;

	if (!read_domain("debian-uefi", &d))
		return;
	same(d.name, "web", "its name");
	same(d.uuid, "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "its uuid");
	ok(d.vmid == 201 && d.running && d.has_agent && d.has_tpm,
	   "our id, it runs, it has an agent and a TPM");
	same(d.nvram, "/var/lib/libvirt/qemu/nvram/web_VARS.fd", "its UEFI variables");
	same(d.disks[0].path, "/var/lib/libvirt/images/web.qcow2",
	     "a disk is its overlay, not what is below");
	ok(d.n == 3 && domain_find_disk(&d, "sda") == &d.disks[2] &&
		   domain_find_disk(&d, "virtio1") == &d.disks[1],
	   "a disk is found by its target and by its key");

	text = config_of(&d, &disks);
	has(text, "#libvirt uuid: 4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "a note says which guest it was");
	has(text, "name: web", "the name");
	has(text, "memory: 4096", "the memory");
	has(text, "balloon: 2048", "what of it is given");
	has(text, "sockets: 2", "the sockets");
	has(text, "cores: 2", "the cores");
	has(text, "vcpus: 2", "of which not all are in use");
	has(text, "cpu: host", "the processor");
	has(text, "machine: q35", "the machine");
	has(text, "bios: ovmf", "the firmware");
	has(text, "ostype: l26", "the system");
	has(text, "agent: 1", "the agent");
	has(text, "vga: virtio", "the screen");
	has(text, "serial0: socket", "the serial port");
	has(text, "boot: order=virtio0", "what it boots from");
	has(text, "net0: virtio=52:54:00:6B:3C:58,bridge=virbr0", "a card in libvirt's network");
	has(text, "net1: e1000e=52:54:00:6B:3C:59,bridge=br-dmz,link_down=1", "a card on a bridge");
	has(text,
	    "virtio0: /var/lib/libvirt/images/web.qcow2,format=qcow2,discard=on,iothread=1,serial=WEB-0001",
	    "a disk with its options");
	has(text, "#vzdump#device:virtio0:virtio-disk0", "and its device in QEMU");
	has(text, "virtio1: /srv/scratch.img,format=raw,backup=0", "a disk that our metadata excludes");
	has(text, "sata0: none,media=cdrom", "an empty CD drive");
	has(text,
	    "efidisk0: /var/lib/libvirt/qemu/nvram/web_VARS.fd,format=raw,efitype=4m,pre-enrolled-keys=1",
	    "the UEFI variables are a disk");
	ok(strstr(text, "!the state of the emulated TPM"), "the TPM's state is warned of");
	ok(disks.n == 3 && disks.disks[0].included && !disks.disks[1].included && disks.disks[2].included,
	   "a backup takes the disk and the UEFI variables");
	domain_clear(&d);
}

static void test_windows(void)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_free_ char *text = NULL;
	struct domain d;

	if (!read_domain("windows-sata", &d))
		return;
	ok(!d.running && !d.vmid && !d.nvram && !d.has_agent, "it does not run, and has nothing of these");
	text = config_of(&d, &disks);
	has(text, "#libvirt guest: B%C3%BCro 1_(alt)", "a note has the name as it is");
	has(text, "name: B-ro-1-alt", "the name is one that Proxmox VE takes");
	has(text, "memory: 8192", "memory in GiB");
	has(text, "ostype: win10", "the system");
	has(text, "localtime: 1", "the clock");
	has(text, "cpu: Skylake-Client-IBRS", "the processor's model");
	has(text, "sata0: /var/lib/libvirt/images/win.img,format=raw,cache=none,ssd=1", "a SATA disk");
	has(text, "ide0: /var/lib/libvirt/images/old.qcow2,format=qcow2", "an IDE disk");
	has(text, "sata1: none,media=cdrom", "a CD drive is empty");
	has(text, "sata2: /var/lib/libvirt/images/stick.img,format=raw", "a USB disk has a place at SATA");
	ok(strstr(text, "!disk 'sdc' of bus 'usb' is 'sata2'"), "which is told");
	lacks(text, "boot.img", "a floppy is left out");
	has(text, "boot: order=sata0", "what it boots from");
	has(text, "net0: e1000=52:54:00:AA:BB:CC,bridge=vmbr0,link_down=1",
	    "a card that Proxmox VE has no like of");
	ok(strstr(text, "!net0: a network of type 'direct'") && strstr(text, "!net0: network card 'igb'"),
	   "is told");
	domain_clear(&d);
}

static void test_lvm(void)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_free_ char *text = NULL;
	struct error *err = NULL;
	struct buf out = BUF_INIT;
	struct domain d;

	if (!read_domain("lvm-scsi", &d))
		return;
	fails(domain_to_config(&d, NULL, &out, &err), &err,
	      "disk 'vdb' (db-log.img) is a volume of a storage pool that libvirt does not find",
	      "a volume whose path nobody has set is an error");
	ok(!out.len, "which leaves no half configuration");
	d.disks[3].path = xstrdup("/pool/db-log.img");
	text = config_of(&d, &disks);
	has(text, "memory: 1024", "memory without a unit is in KiB");
	has(text, "scsihw: virtio-scsi-pci", "the controller");
	has(text, "scsi0: /dev/vg0/db-root,format=raw,cache=directsync", "a block device");
	has(text, "scsi1: /dev/vg0/quorum,format=raw,backup=0", "a shareable disk is not backed up");
	ok(strstr(text, "!disk 'sdb' is left out, since it is shareable"), "and it is said why");
	has(text, "virtio0: /var/lib/libvirt/images/db-tmp.qcow2,format=qcow2",
	    "a transient disk is backed up");
	has(text, "virtio1: /pool/db-log.img,format=raw", "a volume at the path that was set");
	has(text, "net0: virtio=52:54:00:01:02:03,bridge=br0,tag=42,mtu=9000", "VLAN and MTU");
	has(text, "vga: serial0", "without a screen the serial port is one");
	domain_clear(&d);
}

static void test_fedora(void)
{
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_free_ char *text = NULL;
	struct domain d;

	if (!read_domain("fedora-session", &d))
		return;
	same(d.nvram, "/home/me/.config/libvirt/qemu/nvram/fedora_VARS.qcow2",
	     "UEFI variables in an element");
	text = config_of(&d, &disks);
	has(text, "name: fedora.test", "a name does not end with a dash");
	has(text, "efidisk0: /home/me/.config/libvirt/qemu/nvram/fedora_VARS.qcow2,format=qcow2,efitype=4m",
	    "of the format that they have");
	has(text, "net0: virtio=52:54:00:11:22:33", "a card in the user's own network has no bridge");
	has(text, "cpu: max", "the processor");
	domain_clear(&d);
}

static void test_network(void)
{
	_cleanup_free_ char *text = read_fixture("network-disk"), *config = NULL, *excluded = NULL;
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	const char *at = strstr(text, "<memory");
	struct error *err = NULL;
	struct buf out = BUF_INIT;
	struct domain d;

	if (!works(domain_parse(text, &d, &err), &err, "a guest with a disk on the network is read"))
		return;
	fails(domain_to_config(&d, NULL, &out, &err), &err,
	      "disk 'vdb' (rbd:vms/ceph-data) is on the network, which cannot be backed up; to leave it out: "
	      "virsh metadata ceph urn:vzdump:guest --key vzdump --set '<guest exclude=\"vdb\"/>' --config",
	      "that disk is an error, with the way out");
	domain_clear(&d);

	excluded = xasprintf(
		"%.*s<metadata><vzdump:guest xmlns:vzdump='urn:vzdump:guest' exclude='vdb'/></metadata>%s",
		(int)(at - text), text, at);
	if (!works(domain_parse(excluded, &d, &err), &err, "the same with that disk excluded"))
		return;
	config = config_of(&d, &disks);
	ok(disks.n == 1 && !strcmp(disks.disks[0].key, "virtio0"), "the other disk is backed up");
	ok(strstr(config, "#virtio1: disk 'vdb' is on the network"), "a note says what is missing");
	ok(strstr(config, "!disk 'vdb' is left out, as the guest's metadata says"), "and so does a warning");
	domain_clear(&d);
}

static char *many_disks(const char *bus, const char *prefix, unsigned n)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "<domain><name>many</name><devices>");
	for (unsigned i = 0; i < n; i++) {
		char letters[3] = { 0 };

		letters[0] = (char)(i < 26 ? 'a' + i : 'a' + i / 26 - 1);
		if (i >= 26)
			letters[1] = (char)('a' + i % 26);
		buf_addf(&b, "<disk type='file'><source file='/d/%u'/><target dev='%s%s' bus='%s'/></disk>",
			 i, prefix, letters, bus);
	}
	buf_adds(&b, "</devices></domain>");
	return buf_steal(&b);
}

static void test_many(void)
{
	_cleanup_free_ char *text = many_disks("virtio", "vd", MANY), *sata = many_disks("sata", "sd", 12);
	_cleanup_free_ char *most = many_disks("virtio", "vd", 57), *more = many_disks("virtio", "vd", 58);
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_free_ char *config = NULL;
	struct error *err = NULL;
	struct domain d;

	if (!works(domain_parse(text, &d, &err), &err, "twenty virtio disks"))
		return;
	config = config_of(&d, &disks);
	ok(disks.n == MANY, "all are backed up");
	same(d.disks[15].key, "virtio15", "sixteen of them as they are");
	same(d.disks[19].key, "scsi3", "the others as SCSI disks");
	ok(strstr(config, "!disk 'vdq' of bus 'virtio' is 'scsi0'"), "which is told");
	domain_clear(&d);
	if (works(domain_parse(sata, &d, &err), &err, "twelve SATA disks")) {
		same(d.disks[6].key, "ide0", "what SATA has no place for goes to IDE");
		same(d.disks[10].key, "scsi0", "and then to SCSI");
		domain_clear(&d);
	}
	if (works(domain_parse(most, &d, &err), &err, "as many disks as there are keys"))
		domain_clear(&d);
	fails(domain_parse(more, &d, &err), &err, "more disks than an archive can name",
	      "one more is refused");
}

static void test_keys(void)
{
	static const char text[] =
		"<domain><name>k</name><devices>"
		"<disk type='file'><source file='/d/1'/><target dev='vdc' bus='virtio'/></disk>"
		"<disk type='file'><source file='/d/2'/><target dev='sdc' bus='virtio'/></disk>"
		"<disk type='file'><source file='/d/3'/><target dev='vdq' bus='virtio'/></disk>"
		"<disk type='file'><source file='/d/4'/><target dev='sda' bus='scsi'/></disk>"
		"</devices></domain>";
	struct error *err = NULL;
	struct domain d;

	if (!works(domain_parse(text, &d, &err), &err, "disks with odd names"))
		return;
	same(d.disks[0].key, "virtio2", "a key has the number of the letter, whatever else there is");
	same(d.disks[1].key, "virtio0", "if another disk has it, the first that is free");
	same(d.disks[2].key, "virtio1", "and so if there is no such key");
	same(d.disks[3].key, "scsi0", "disks of another bus take none away");
	domain_clear(&d);
}

static void test_odd(void)
{
	static const struct {
		const char *xml, *part, *name;
	} bad[] = {
		{ "<domain><name>x</name>", "not XML", "what ends early is refused" },
		{ "", "not XML", "and what is empty" },
		{ "<network><name>x</name></network>", "no <domain>", "and other things of libvirt" },
		{ "<domain xmlns='urn:x'><name>x</name></domain>", "no <domain>",
		  "and a <domain> of others" },
		{ "<domain></domain>", "no name", "and a guest without a name" },
		{ "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'>]><domain><name>&a;</name></domain>", "not XML",
		  "and XML with entities" },
		{ "<?xml version='1.0'?><!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain><name>x</name></domain>",
		  "not XML", "and with a document type" },
		{ "<domain><name>x</name><uuid>../../../../../../../../../../../tmp</uuid></domain>", "uuid",
		  "and with an odd uuid" },
		{ "<domain><name>x</name><devices><disk/></devices></domain>", "no target",
		  "a disk without a target" },
		{ "<domain><name>x</name><devices><disk><target dev='../x'/></disk></devices></domain>",
		  "no target", "and one whose target is a path" },
		{ "<domain><name>x</name><devices><disk><target dev='vda'/></disk><disk><target "
		  "dev='vda'/></disk></devices></domain>",
		  "two disks", "and two with the same" },
		{ "<domain><name>x</name><metadata><a:guest xmlns:a='urn:vzdump:guest' "
		  "vmid='7'/></metadata></domain>",
		  "vmid", "and an id that is none" },
	};
	struct error *err = NULL;
	struct domain d;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		fails(domain_parse(bad[i].xml, &d, &err), &err, bad[i].part, bad[i].name);
}

/* An element within an element and so on, and a text that is just too long. */
static void test_sizes(void)
{
	_cleanup_buf_ struct buf deep = BUF_INIT, large = BUF_INIT;
	struct error *err = NULL;
	struct domain d;

	for (unsigned i = 0; i < 100000; i++)
		buf_adds(&deep, "<domain>");
	fails(domain_parse(buf_str(&deep), &d, &err), &err, "not XML",
	      "XML that is endlessly deep is refused");
	buf_adds(&large, "<domain><name>");
	while (large.len <= 1024 * 1024)
		buf_adds(&large, "xxxxxxxxxxxxxxxx");
	buf_adds(&large, "</name></domain>");
	fails(domain_parse(buf_str(&large), &d, &err), &err, "more than 1048576 bytes",
	      "and so is a large one");
}

static void test_hostile(void)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct error *err = NULL;
	struct domain d;

	if (!read_domain("hostile", &d))
		return;
	fails(domain_to_config(&d, NULL, &out, &err), &err, "disk 'sdb' (/dev/hostile) is a SCSI device",
	      "a device that is passed through is an error");
	domain_clear(&d);
}

static void test_paths(void)
{
	static const char text[] =
		"<domain><name>k\n#x</name><devices>"
		"<disk type='file'><source file='/d/a,format=qcow2'/><target dev='vda'/></disk>"
		"</devices></domain>";
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct error *err = NULL;
	struct domain d;

	if (!works(domain_parse(text, &d, &err), &err, "a path with a comma"))
		return;
	fails(domain_to_config(&d, NULL, &out, &err), &err,
	      "a path that Proxmox VE's configurations cannot hold",
	      "is an error, as another disk would be read");
	domain_clear(&d);
}

int main(void)
{
	test_uefi();
	test_windows();
	test_lvm();
	test_fedora();
	test_network();
	test_many();
	test_keys();
	test_odd();
	test_sizes();
	test_hostile();
	test_paths();
	return done_testing();
}

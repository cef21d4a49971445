/* A guest's lines and the words of QEMU that they become; no QEMU is needed. */
#include <string.h>

#include "base/json.h"
#include "base/strv.h"
#include "guest/qemu-args.h"
#include "tap.h"
#include "test-root.h"

static struct storage_config storages;
static struct buf warnings;

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	(void)log;
	(void)level;
	buf_addf(&warnings, "%s\n", line);
}

static const struct log log_all = { .line = on_line };

/* The words with a newline behind each, or the error.  Caller frees. */
static char *words_for(const char *text, const struct qemu_args_options *given)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_error_ struct error *err = NULL;
	_cleanup_strv_ char **words = NULL;
	struct qemu_args_options o = *given;
	struct buf b = BUF_INIT;

	o.paths = &paths;
	o.storages = &storages;
	o.log = &log_all;
	buf_reset(&warnings);
	guest_config_parse(123, text, NULL, &c);
	if (qemu_args_make(&c, &o, &words, &err) < 0)
		return xstrdup(error_message(err));
	for (size_t i = 0; words[i]; i++)
		buf_addf(&b, "%s\n", words[i]);
	return buf_steal(&b);
}

static void check(const char *what, bool good, const char *got)
{
	if (!ok(good, "%s", what))
		diag("got:\n%s", got);
}

/* A line of a guest, and what is among the words, or is not. */
static const struct {
	const char *conf, *has, *has_not;
} rows[] = {
	/* clang-format off */
	/* machine */
	{ "name: a,b\n", "-name\nguest=a,,b\n", NULL },
	{ "", "-name\nguest=vm123\n", "-S\n" },
	{ "", "-m\n512M\n", NULL },
	{ "", "\ntype=pc,accel=kvm:tcg\n", NULL },
	{ "memory: current=2048\n", "-m\n2048M\n", NULL },
	{ "kvm: 0\nacpi: 0\n", "\ntype=pc,accel=tcg,acpi=off\n", NULL },
	{ "machine: pc-i440fx-7.2+pve0\n", "\ntype=pc-i440fx-7.2,", NULL },
	{ "machine: pc-i440fx-6.1.pxe\n", "\ntype=pc-i440fx-6.1,", NULL },
	{ "machine: type=q35\n", "\ntype=q35,", "piix3" },
	{ "machine: q35\n", "{\"driver\":\"pci-bridge\",\"id\":\"pci.0\",\"bus\":\"pcidmi\",\"addr\":\"1.0\",\"chassis_nr\":1}", NULL },
	{ "cores: 3\nsockets: 2\n", "-smp\n6,sockets=2,cores=3,maxcpus=6\n", NULL },
	{ "cores: 4\nvcpus: 2\n", "-smp\n2,sockets=1,cores=4,maxcpus=4\n", NULL },
	{ "cpu: host\n", "-cpu\nmax\n", NULL },
	{ "cpu: x86-64-v2,flags=+pcid;-svm\n", "-cpu\nqemu64,+popcnt,+pni,+sse4.1,+sse4.2,+ssse3,+pcid,-svm\n", NULL },
	{ "cpu: cputype=EPYC,hidden=1\n", "-cpu\nEPYC,kvm=off\n", NULL },
	{ "ostype: win11\n", "hv_relaxed", NULL },
	{ "ostype: win11\nkvm: 0\n", "-rtc\nbase=localtime,driftfix=slew\n", "hv_" },
	{ "ostype: l26\n", "-nodefaults\n", "-rtc" },
	{ "startdate: 2006-06-17T16:01:21\n", "-rtc\nbase=2006-06-17T16:01:21\n", NULL },
	{ "startdate: now\nostype: win11\nacpi: 0\n", "-rtc\nbase=localtime\n", NULL },
	{ "startdate: 2006-06-17T16:01:21\nostype: win11\n", "-rtc\nbase=2006-06-17T16:01:21,driftfix=slew\n", NULL },
	{ "tdf: 1\n", "-rtc\nbase=utc,driftfix=slew\n", NULL },
	{ "ostype: win11\n", "-global\nkvm-pit.lost_tick_policy=discard\n", NULL },
	{ "ostype: win11\n", "\ntype=pc,accel=kvm:tcg,hpet=off\n", NULL },
	{ "ostype: win11\nkvm: 0\n", ",hpet=off\n", "kvm-pit" },
	{ "ostype: wxp\n", "driftfix", "hpet" },
	{ "vga: serial0\nserial0: socket\n", ",smm=off\n", "\"VGA\"" },
	{ "vga: none\nbios: seabios\n", ",smm=off\n", "\"VGA\"" },
	{ "vga: std\n", "\"VGA\"", "smm=off" },
	{ "ostype: l26\nmachine: pc-i440fx-10.1\n", "hpet=off", NULL },
	{ "ostype: l26\nmachine: pc-q35-10.0+pve1\n", "pc-q35-10.0", "hpet" },
	{ "ostype: other\nmachine: pc-i440fx-10.1\n", "-m\n", "hpet" },
	{ "smbios1: uuid=3dd750ce-d910-44d0-9493-525c0be4e687\n", "-smbios\ntype=1,uuid=3dd750ce-d910-44d0-9493-525c0be4e687\n", NULL },
	{ "smbios1: base64=1,serial=YSxi\n", "-smbios\ntype=1,serial=a,,b\n", NULL },
	{ "vmgenid: 54d1c06c-8f5b-440f-b5b2-6eab1380e13d\n", "{\"driver\":\"vmgenid\",\"guid\":\"54d1c06c-8f5b-440f-b5b2-6eab1380e13d\"}", NULL },
	{ "freeze: 1\nreboot: 0\nkeyboard: de\n", "-k\nde\n-no-reboot\n-S\n", NULL },
	/* devices */
	{ "", "{\"driver\":\"VGA\",\"id\":\"vga\",\"bus\":\"pci.0\",\"addr\":\"0x2\"}", NULL },
	{ "", "{\"driver\":\"usb-tablet\",\"id\":\"tablet\",\"bus\":\"uhci.0\",\"port\":\"1\"}", NULL },
	{ "machine: q35\n", "{\"driver\":\"VGA\",\"id\":\"vga\",\"bus\":\"pcie.0\",\"addr\":\"0x1\"}", NULL },
	{ "vga: virtio,memory=64\n", "\"virtio-vga\",\"id\":\"vga\",\"max_hostmem\":67108864,", NULL },
	{ "vga: serial0\nserial0: socket\n", "{\"driver\":\"isa-serial\",\"chardev\":\"serial0\"}", "-vnc" },
	{ "vga: none\n", "-display\nnone\n", "tablet" },
	{ "agent: 1,fstrim_cloned_disks=1\n", "{\"driver\":\"virtserialport\",\"bus\":\"qga0.0\",\"chardev\":\"qga0\",\"name\":\"org.qemu.guest_agent.0\"}", NULL },
	{ "agent: enabled=1,type=isa\n", "{\"driver\":\"isa-serial\",\"chardev\":\"qga0\"}", "virtserialport" },
	{ "agent: 0\n", "-nodefaults", "qga" },
	{ "rng0: source=/dev/urandom,max_bytes=512\n", "\"rng\":\"rng0\",\"max-bytes\":512,\"period\":1000,\"bus\":\"pci.1\",\"addr\":\"0x1d\"}", NULL },
	{ "watchdog: action=reset\n", "{\"driver\":\"i6300esb\",\"bus\":\"pci.0\",\"addr\":\"0x4\"}", NULL },
	{ "", "{\"driver\":\"virtio-balloon-pci\",\"id\":\"balloon0\",\"bus\":\"pci.0\",\"addr\":\"0x3\",\"free-page-reporting\":true}", NULL },
	{ "balloon: 0\n", "-nodefaults", "balloon" },
	/* network */
	{ "net0: virtio=BC:24:11:00:00:01,queues=4\n", "\"vectors\":10,\"mq\":true,\"packed\":true,\"rx_queue_size\":1024,\"tx_queue_size\":256,\"bootindex\":300,\"mac\":\"BC:24:11:00:00:01\"}", NULL },
	{ "net0: e1000=BC:24:11:00:00:01\n", "{\"driver\":\"e1000\",\"id\":\"net0\",\"netdev\":\"net0\",\"bus\":\"pci.0\",\"addr\":\"0x12\",\"bootindex\":300,", NULL },
	{ "net7: model=rtl8139,macaddr=BC:24:11:00:00:01\n", "\"bus\":\"pci.1\",\"addr\":\"0x2\"", NULL },
	{ "net0: virtio,bridge=no-such-br0\n", "-netdev\nbridge,id=net0,br=no-such-br0\n", NULL },
	{ "net0: virtio\n", "-netdev\nuser,id=net0\n", NULL },
	{ "net1: virtio\n", "\"mac\":\"52:54:00:00:7b:01\"", NULL },
	/* disks */
	{ "scsi0: vm:123/vm-123-disk-0.raw\n", "{\"driver\":\"lsi\",\"id\":\"scsihw0\",\"bus\":\"pci.0\",\"addr\":\"0x5\"}", NULL },
	{ "scsi8: vm:123/vm-123-disk-0.raw\n", "{\"driver\":\"scsi-hd\",\"id\":\"scsi8\",\"bus\":\"scsihw1.0\",\"scsi-id\":1,", NULL },
	{ "scsihw: pvscsi\nscsi8: vm:123/vm-123-disk-0.raw\n", "\"bus\":\"scsihw0.0\",\"scsi-id\":8,", NULL },
	{ "scsihw: virtio-scsi-pci\nscsi8: vm:123/vm-123-disk-0.raw\n", "\"bus\":\"scsihw0.0\",\"channel\":0,\"lun\":8,\"scsi-id\":0,\"device_id\":\"drive-scsi8\",", NULL },
	{ "scsihw: virtio-scsi-single\nscsi8: vm:123/vm-123-disk-0.raw,iothread=1,queues=4\n", "{\"driver\":\"virtio-scsi-pci\",\"id\":\"virtioscsi8\",\"bus\":\"pci.3\",\"addr\":\"0x9\",\"iothread\":\"iothread-virtioscsi8\",\"num_queues\":4}", NULL },
	{ "scsihw: virtio-scsi-single\nscsi0: vm:123/vm-123-disk-0.raw\n", "{\"driver\":\"pci-bridge\",\"id\":\"pci.3\",\"chassis_nr\":3,\"bus\":\"pci.0\",\"addr\":\"0x5\"}", "iothread" },
	{ "virtio6: vm:123/vm-123-disk-0.raw,iothread=1\n", "{\"driver\":\"virtio-blk-pci\",\"id\":\"virtio6\",\"bus\":\"pci.2\",\"addr\":\"0x1\",\"iothread\":\"iothread-virtio6\",", NULL },
	{ "ide1: vm:123/vm-123-disk-0.raw,model=a%20b\n", "{\"driver\":\"ide-hd\",\"id\":\"ide1\",\"bus\":\"ide.0\",\"unit\":1,\"model\":\"a b\",", NULL },
	{ "machine: q35\nide1: vm:123/vm-123-disk-0.raw\n", "\"id\":\"ide1\",\"bus\":\"ide.2\",\"unit\":0,", NULL },
	{ "sata3: vm:123/vm-123-disk-0.raw,ssd=1\n", "{\"driver\":\"ide-hd\",\"id\":\"sata3\",\"bus\":\"ahci0.3\",\"rotation_rate\":1,", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,discard=on\n", "{\"driver\":\"raw\",\"discard\":\"unmap\",", "ignore" },
	{ "scsi0: vm:123/vm-123-disk-0.raw\n", "\"detect-zeroes\":\"on\",\"file\":{\"driver\":\"file\",", "unmap" },
	{ "scsi0: vm:123/vm-123-disk-0.raw,detect_zeroes=0\n", "\"detect-zeroes\":\"off\"", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,cache=writeback\n", "\"cache\":{\"direct\":false,\"no-flush\":false}", "\"direct\":true" },
	{ "scsi0: vm:123/vm-123-disk-0.raw,cache=unsafe\n", "\"cache\":{\"direct\":false,\"no-flush\":true}", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,cache=directsync,aio=native\n", "\"aio\":\"native\"", "\"write-cache\":\"on\"" },
	{ "scsi0: vm:123/vm-123-disk-0.raw,cache=writethrough,aio=native\n", "\"aio\":\"threads\"", "\"write-cache\":\"on\"" },
	{ "scsi0: vm:123/vm-123-disk-0.raw,ro=1\n", "\"read-only\":true", "\"read-only\":false" },
	{ "scsi0: vm:123/vm-123-disk-1.qcow2\n", "{\"driver\":\"qcow2\",", NULL },
	{ "scsi0: vm-123-disk-0.raw\n", "/var/lib/vz/images/123/vm-123-disk-0.raw\"", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,mbps=0.5,iops_wr_max=7\n", "{\"qom-type\":\"throttle-group\",\"id\":\"throttle-drive-scsi0\",\"limits\":{\"bps-total\":524288,\"iops-write-max\":7}}", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,mbps_rd=1\n", "{\"driver\":\"throttle\",\"throttle-group\":\"throttle-drive-scsi0\",", "\"bps-total\"" },
	{ "scsi0: vm:123/vm-123-disk-0.raw,serial=a%22%2Cb,wwn=0x5000c50015ea71ac\n", "\"wwn\":5764824127192592812,\"drive\":\"drive-scsi0\",\"bootindex\":100,\"serial\":\"a\\\",b\"", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,rerror=stop,werror=enospc\n", "\"rerror\":\"stop\",\"werror\":\"enospc\"", NULL },
	{ "ide2: none,media=cdrom\n", "{\"driver\":\"ide-cd\",\"id\":\"ide2\",\"bus\":\"ide.1\",\"unit\":0,\"bootindex\":200}", "drive-ide2" },
	{ "sata0: none\n", "{\"driver\":\"ide-cd\",\"id\":\"sata0\",\"bus\":\"ahci0.0\",", NULL },
	{ "scsi1: none,media=cdrom\nscsihw: megasas\n", "{\"driver\":\"scsi-cd\",\"id\":\"scsi1\",", NULL },
	/* order */
	{ "boot: order=net0;scsi0\nnet0: virtio\nscsi0: vm:123/vm-123-disk-0.raw\n", "\"drive\":\"drive-scsi0\",\"bootindex\":101", NULL },
	{ "boot: order=\nscsi0: vm:123/vm-123-disk-0.raw\n", "drive-scsi0", "bootindex" },
	{ "boot: nc\nbootdisk: scsi1\nscsi0: vm:123/vm-123-disk-0.raw\nscsi1: vm:123/vm-123-disk-1.qcow2\n", "\"drive\":\"drive-scsi1\",\"bootindex\":200", "\"bootindex\":100" },
	{ "scsi0: vm:123/vm-123-disk-0.raw\nscsi1: vm:123/vm-123-disk-1.qcow2\n", "\"drive\":\"drive-scsi0\",\"bootindex\":100", "\"bootindex\":101" },
	/* mistakes */
	{ "scsihw: foo\nscsi0: vm:123/vm-123-disk-0.raw\n", "scsihw: 'foo' is no controller (there are lsi,", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,snapshot=1\n", "scsi0: snapshot=1, writes that are thrown away", NULL },
	{ "scsi0: vm:123/vm-123-disk-0.raw,cache=fast\n", "scsi0: ", "-device" },
	{ "scsi0: vm:123/vm-123-disk-0.raw,mbps=x\n", "scsi0: mbps: 'x' is not a number that can be a limit", NULL },
	{ "scsi0: gone:123/vm-123-disk-0.raw\n", "scsi0: volume 'gone:123/vm-123-disk-0.raw': storage 'gone' does not exist", NULL },
	{ "virtio0: none,media=cdrom\n", "virtio0: a CD drive cannot be on this bus: call it ide2 or sata0", NULL },
	{ "net0: bridge=br0\n", "net0: no model of a card is named, as in 'virtio=<MAC>'", NULL },
	{ "net0: virtio=BC:24:11:00:00\n", "net0: 'BC:24:11:00:00' is no MAC address", NULL },
	{ "net0: virtio,bridge=x y,script=/tmp/z\n", "net0: 'x y' is no name of a bridge", NULL },
	{ "net0: virtio,bridge=../x\n", "net0: '../x' is no name of a bridge", NULL },
	{ "cpu: a/b\n", "cpu: 'a/b' is no processor", NULL },
	{ "cpu: max,flags=+a=b\n", "cpu: 'a=b' is no flag", NULL },
	{ "machine: pc,x\n", "machine: ", "-device" },
	{ "machine: virt\n", "machine: 'virt' is no type of x86", NULL },
	{ "keyboard: ../x\n", "keyboard: '../x' is no layout", NULL },
	{ "serial0: /etc/passwd\n", "serial0: '/etc/passwd' is neither 'socket' nor a device", NULL },
	{ "startdate: x,y\n", "startdate: 'x,y' is neither 'now' nor a date", NULL },
	{ "vga: foo\n", "vga: there is no type 'foo'", NULL },
	{ "bios: foo\n", "bios: 'foo' is neither seabios nor ovmf", NULL },
	{ "arch: aarch64\n", "arch: 'aarch64' is not translated, only x86_64 is", NULL },
	{ "vmgenid: x\n", "vmgenid: 'x' is no UUID", NULL },
	{ "kvm: maybe\n", "kvm: 'maybe' is neither 0 nor 1", NULL },
	{ "args: -foo \"bar\n", "-nodefaults", "-foo" },
	/* clang-format on */
};

static void test_rows(void)
{
	const struct qemu_args_options o = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = words_for(rows[i].conf, &o);
		_cleanup_free_ char *what = xstrdup(rows[i].conf);

		for (char *at = what; *at; at++)
			if (*at == '\n')
				*at = '|';
		check(what, strstr(got, rows[i].has) && (!rows[i].has_not || !strstr(got, rows[i].has_not)),
		      got);
	}
}

/* A line, and the warning about it. */
static const struct {
	const char *conf, *warning;
} told[] = {
	/* clang-format off */
	{ "virtio16: vm:123/vm-123-disk-2.raw\n",
	  "vm 123 - unable to parse value of 'virtio16' - unknown setting: 'vm:123/vm-123-disk-2.raw' is not "
	  "attached, since virtio0 to virtio15 are all" },
	{ "net32: virtio\n", "VM 123: net32: it is left out, since net0 to net31 are all there are" },
	{ "hostpci0: 01:00\n", "VM 123: hostpci0: is not translated: write what QEMU needs" },
	{ "usb0: host=1234:5678\n", "VM 123: usb0: is not translated" },
	{ "usb0: spice\n", NULL },
	{ "tpmstate0: vm:123/vm-123-disk-2.raw,version=v2.0\n", "VM 123: tpmstate0: is not translated: run swtpm" },
	{ "args: -foo\n", "VM 123: args: these options of QEMU are left out" },
	{ "net0: virtio,tag=5,firewall=1\n", "VM 123: net0: firewall, tag: without effect here; an interface tap123i0" },
	{ "net0: virtio,firewall=0\n", NULL },
	{ "net0: virtio,bridge=no-such-br0\n", "VM 123: net0: this host has no bridge 'no-such-br0'" },
	{ "ide2: vm:iso/gone.iso,media=cdrom\n", "VM 123: ide2: the drive is left empty: " },
	{ "vga: qxl\n", "VM 123: vga: 'qxl' is not translated: the guest gets a standard VGA card" },
	{ "cpu: custom-x\n", "VM 123: cpu: 'custom-x' is a model of a PVE cluster" },
	{ "numa: 0\nballoon: 512\nonboot: 1\ndescription: x\nmeta: creation-qemu=9.0\n", NULL },
	{ "machine: q35,viommu=intel\n", "VM 123: machine: viommu=intel is not translated" },
	/* clang-format on */
};

static void test_told(void)
{
	const struct qemu_args_options o = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		_cleanup_free_ char *got = words_for(told[i].conf, &o);

		check(told[i].warning ? told[i].warning : "no warning",
		      strstr(got, "-nodefaults") &&
			      (told[i].warning ? strstr(buf_str(&warnings), told[i].warning) != NULL
					       : !warnings.len),
		      buf_str(&warnings));
	}
}

static void test_version(void)
{
	static const char conf[] = "machine: pc-q35-9.2+pve1\nscsihw: virtio-scsi-single\n"
				   "scsi0: vm:123/vm-123-disk-0.raw,iothread=1\n";
	const struct qemu_args_options old = { .qemu_major = 7, .qemu_minor = 2 };
	const struct qemu_args_options new = { .qemu_major = 9, .qemu_minor = 2 };
	_cleanup_free_ char *got = words_for(conf, &old), *more = NULL;

	check("an old QEMU gets its newest machine, and no iothread for a SCSI disk",
	      strstr(got, "\ntype=q35,") && !strstr(got, "iothread"), got);
	check("both are told",
	      strstr(buf_str(&warnings),
		     "QEMU 7.2 does not know 'pc-q35-9.2': the guest gets its newest, 'q35'") &&
		      strstr(buf_str(&warnings), "VM 123: scsi0: no iothread"),
	      buf_str(&warnings));
	more = words_for(conf, &new);
	check("one that is new enough gets both",
	      strstr(more, "\ntype=pc-q35-9.2,") && strstr(more, "iothread-virtioscsi0") && !warnings.len,
	      more);
}

static void test_no_kvm(void)
{
	const struct qemu_args_options o = { .flags = QEMU_ARGS_NO_KVM };
	_cleanup_free_ char *got = words_for("ostype: win11\n", &o);

	check("without KVM Windows gets nothing that needs it",
	      strstr(got, ",accel=tcg,") && !strstr(got, "hv_") && !strstr(got, "kvm-pit") &&
		      strstr(got, "driftfix=slew"),
	      got);
}

static void test_left_out(void)
{
	static const char conf[] = "agent: 1\nserial0: socket\nnet0: virtio\nide2: vm:iso/x.iso,media=cdrom\n"
				   "args: -foo 'a b'\n";
	const struct qemu_args_options none = { .flags = QEMU_ARGS_NO_MONITOR | QEMU_ARGS_NO_PIDFILE |
							 QEMU_ARGS_NO_AGENT | QEMU_ARGS_NO_NETWORK |
							 QEMU_ARGS_NO_VNC | QEMU_ARGS_NO_SERIAL |
							 QEMU_ARGS_EMPTY_DRIVES };
	const struct qemu_args_options own = { .flags = QEMU_ARGS_OWN_WORDS };
	_cleanup_free_ char *got = words_for(conf, &none), *more = NULL, *open_quote = NULL;

	check("all that reaches out of QEMU can be left out",
	      !strstr(got, "-qmp") && !strstr(got, "-pidfile") && !strstr(got, "qga") &&
		      !strstr(got, "net0") && !strstr(got, "-vnc") && !strstr(got, "serial") &&
		      !strstr(got, "blockdev") && !strstr(got, paths.root) && strstr(got, "\"ide2\"") &&
		      strstr(got, "\"VGA\""),
	      got);
	more = words_for(conf, &own);
	check("words of one's own come last", str_suffix(more, "\n-foo\na b\n"), more);
	open_quote = words_for("args: -foo 'a\n", &own);
	check("a quote that is not closed is an error",
	      str_prefix(open_quote, "args: a quote is not closed", NULL), open_quote);
}

/* ---- disks that the caller gives ---- */

static int give_disk(void *opaque, const char *key, struct json_object **ret, struct error **err)
{
	struct buf *asked = opaque;

	buf_addf(asked, "%s ", key);
	if (!strcmp(key, "scsi1"))
		return 0;
	if (!strcmp(key, "sata0"))
		return error_set(err, ERR_GONE, "no sata0");
	*ret = json_put_str(json_new_str("driver", "nbd"), "export", key);
	return 0;
}

static void test_given(void)
{
	static const char conf[] =
		"bios: ovmf\nefidisk0: gone:x,efitype=4m\nide2: gone:iso/x.iso,media=cdrom\n"
		"scsi0: gone:y,mbps=5,iothread=1\nscsi1: gone:z\n";
	_cleanup_buf_ struct buf asked = BUF_INIT;
	const struct qemu_args_options o = {
		.disk = give_disk, .opaque = &asked, .firmware = "/x/code,fd", .flags = QEMU_ARGS_EMPTY_DRIVES
	};
	_cleanup_free_ char *got = words_for(conf, &o), *failed = NULL;

	check("disks of the caller's get the names of the guest's, and no storage is asked",
	      strstr(got, "{\"driver\":\"nbd\",\"export\":\"scsi0\",\"node-name\":\"drive-scsi0\"}") &&
		      strstr(got,
			     "{\"driver\":\"nbd\",\"export\":\"efidisk0\",\"node-name\":\"drive-efidisk0\"}") &&
		      strstr(got, "pflash0=pflash0,pflash1=drive-efidisk0") &&
		      strstr(got, "\"drive\":\"drive-scsi0\""),
	      got);
	check("one that is not given is not there", !strstr(got, "scsi1"), got);
	check("CD drives are not asked for", !strcmp(buf_str(&asked), "efidisk0 scsi0 scsi1 "),
	      buf_str(&asked));
	failed = words_for("sata0: gone:z\n", &o);
	check("the caller's error is the error", strstr(failed, "no sata0") != NULL, failed);
}

static void test_socket(void)
{
	const struct qemu_args_options o = { 0 };
	struct paths saved = paths;
	_cleanup_free_ char *got = NULL;
	char longer[200];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	paths.root = longer;
	got = words_for("", &o);
	paths = saved;
	check("a path that is too long for a socket is an error",
	      strstr(got, "is longer than 107 bytes") != NULL, got);
}

int main(void)
{
	static const char iso[] = "/s/template/iso/x.iso";
	_cleanup_free_ char *local = NULL, *config = NULL;

	root_make();
	put("/s/images/123/vm-123-disk-0.raw", "");
	put("/s/images/123/vm-123-disk-1.qcow2", "");
	put("/var/lib/vz/images/123/vm-123-disk-0.raw", "");
	put(iso, "");
	local = paths_get(&paths, "/var/lib/vz");
	config = xasprintf("dir: vm\n\tpath %s/s\n\tcontent images,iso\n", paths.root);
	storage_config_parse(config, "storage.cfg", "node", local, NULL, &storages);
	test_rows();
	test_told();
	test_version();
	test_no_kvm();
	test_left_out();
	test_given();
	test_socket();
	storage_config_clear(&storages);
	buf_clear(&warnings);
	root_remove();
	return done_testing();
}

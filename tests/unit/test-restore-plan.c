#include "base/mem.h"
#include "base/strv.h"
#include "restore/plan.h"
#include "test-config-util.h"

#define DISK1 (UINT64_C(1) << 30)
#define DISK2 UINT64_C(1000001)

static const char config[] = "#a note\n"
			     "#qmdump#map:scsi0:drive-scsi0:fast:raw:\n"
			     "#qmdump#map:virtio1:drive-virtio1:::\n"
			     "args: -device evil\n"
			     "ide2: local:iso/debian.iso,media=cdrom\n"
			     "ide3: local:vm-9-cloudinit,media=cdrom\n"
			     "lock: backup\n"
			     "name: web\n"
			     "net0: virtio=AA:BB:CC:00:11:22,bridge=vmbr0\n"
			     "sata5: local:9/gone.raw,size=1G\n"
			     "scsi0: fast:vm-9-disk-0,discard=on,evil=1,size=32G\n"
			     "smbios1: uuid=11111111-2222-3333-4444-555555555555,serial=x\n"
			     "template: 1\n"
			     "unused0: local:9/old.raw\n"
			     "vmgenid: 99999999-2222-3333-4444-555555555555\n";

static void make_header(struct vma_header *h, const char *text)
{
	*h = (struct vma_header){ 0 };
	vma_header_add_config(h, "qemu-server.conf", text, strlen(text), NULL);
	vma_header_add_config(h, "qemu-server.fw", "[OPTIONS]\n", 10, NULL);
	h->devices[1] = (struct vma_device){ .name = xstrdup("drive-scsi0"), .size = DISK1 };
	h->devices[2] = (struct vma_device){ .name = xstrdup("drive-virtio1"), .size = DISK2 };
	/* it has no map */
	h->devices[3] = (struct vma_device){ .name = xstrdup("drive-sata0"), .size = 512 };
}

static int read_text(const char *text, enum plan_scope scope, const struct log *log, struct plan *ret,
		     struct error **err)
{
	_cleanup_vma_header_ struct vma_header h = { 0 };

	make_header(&h, text);
	return plan_read(&h, scope, log, ret, err);
}

static void test_read(void)
{
	_cleanup_plan_ struct plan p = { 0 };
	struct error *err = NULL;
	const struct plan_disk *d;

	if (!works(read_text(config, PLAN_WHOLE_GUEST, NULL, &p, &err), &err, "a header is read"))
		return;
	same(p.firewall, "[OPTIONS]\n", "with its firewall rules");
	ok(p.n == 4, "three disks and a cloud-init image are to be restored");
	d = plan_find(&p, "scsi0");
	ok(d && d->dev == 1 && d->size == DISK1, "a disk that is mapped is found by its key");
	ok(d && d == plan_find(&p, "drive-scsi0"), "and by its device's name");
	same(d ? d->storage : NULL, "fast", "its storage is that of the map");
	same(d ? d->format : NULL, "raw", "and its format");
	d = plan_find(&p, "virtio1");
	ok(d && d->dev == 2 && !d->storage && !d->format, "a map may leave both open");
	ok(d && plan_volume_size(d) == 1000448, "a volume is rounded up to KiB");
	d = plan_find(&p, "sata0");
	ok(d && d->dev == 3, "a disk without a map is found by its name");
	d = plan_find(&p, "ide3");
	ok(d && d->cloudinit && !d->dev, "a cloud-init image has no data in the archive");
	same(d ? d->storage : NULL, "local", "it goes to where it was");
	ok(!plan_find(&p, "ide2") && !plan_find(&p, "sata5"), "nothing else is a disk of the archive");
}

static void test_bad(void)
{
	static const struct {
		const char *config, *part, *name;
	} bad[] = {
		{ "#qmdump#map:scsi0\n", "bad line", "a map that ends early is refused" },
		{ "#qmdump#map:scsi99:drive-scsi0:a:raw:\n", "no disk has that name",
		  "a map of no disk, too" },
		{ "#qmdump#map:scsi0:drive-scsi0:a:raw:\n#qmdump#map:scsi0:drive-x:a:raw:\n", "mapped twice",
		  "and one disk twice" },
		{ "#qmdump#map:sata0:drive-scsi0:a:raw:\n", "does not say",
		  "and a device whose key is taken" },
	};
	_cleanup_plan_ struct plan p = { 0 };
	struct error *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		fails(read_text(bad[i].config, PLAN_WHOLE_GUEST, NULL, &p, &err), &err, bad[i].part,
		      bad[i].name);
}

/* Whether a disk that the archive has no data of matters depends on what is restored. */
static void test_absent(void)
{
	static const char text[] = "#qmdump#map:scsi7:drive-scsi7:a:raw:\n"
				   "#qmdump#map:scsi0:drive-scsi0:a:raw:\n";
	_cleanup_plan_ struct plan p = { 0 };
	struct error *err = NULL;

	fails(read_text(text, PLAN_WHOLE_GUEST, NULL, &p, &err), &err, "no data for disk 'scsi7'",
	      "a whole guest needs all of its disks");
	if (!works(read_text(text, PLAN_SINGLE_DISKS, NULL, &p, &err), &err, "single disks do not"))
		return;
	ok(p.n == 3 && !plan_find(&p, "scsi7") && plan_find(&p, "scsi0"), "only that one is left out");
}

static void test_choose(void)
{
	char *two[] = { (char[]){ "virtio1" }, (char[]){ "scsi0" }, (char[]){ "drive-virtio1" }, NULL };
	char *unknown[] = { (char[]){ "scsi1" }, NULL };
	char *no_data[] = { (char[]){ "ide3" }, NULL };
	struct error *err = NULL;

	for (unsigned i = 0; i < 2; i++) {
		_cleanup_plan_ struct plan p = { 0 };

		read_text(config, PLAN_SINGLE_DISKS, NULL, &p, NULL);
		ok(p.n_chosen == 0, "nothing is chosen at first");
		works(plan_choose(&p, i ? two : NULL, &err), &err, "disks can be chosen");
		if (i == 0) {
			ok(p.n_chosen == p.n, "all of them");
			continue;
		}
		ok(p.n_chosen == 2 && p.chosen[0] == plan_find(&p, "virtio1") &&
			   p.chosen[1] == plan_find(&p, "scsi0"),
		   "or some, each once and in the order in which they are named");
		fails(plan_choose(&p, unknown, &err), &err, "disk 'scsi1' is not in the archive",
		      "one that is not there is refused");
		fails(plan_choose(&p, no_data, &err), &err, "disk 'ide3' is not in the archive",
		      "so is one without data");
	}
}

/* Whether a uuid follows what. */
static bool has_uuid(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	return at && strspn(at + strlen(what), "0123456789abcdef-") == 36;
}

static void test_config(void)
{
	static const struct plan_guest g = { .vmid = 100 };
	_cleanup_plan_ struct plan p = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT, lines = BUF_INIT;
	const struct log log = LOG_INTO(lines);
	struct error *err = NULL;
	const char *text;

	read_text(config, PLAN_WHOLE_GUEST, NULL, &p, NULL);
	for (size_t i = 0; i < p.n; i++)
		p.disks[i].volid = xasprintf("new:vm-100-%s", p.disks[i].key);
	works(plan_config(&p, &g, &log, &out, &err), &err, "a configuration is made");
	text = buf_str(&out);
	ok(strstr(text, "scsi0: new:vm-100-scsi0,discard=on,size=1G\n") != NULL,
	   "a disk has its new volume and size, and the options that are known");
	ok(strstr(text, "ide3: new:vm-100-ide3,media=cdrom,size=4M\n") != NULL, "a cloud-init image, too");
	ok(strstr(text, "virtio1: new:vm-100-virtio1,size=977K\n") != NULL, "a disk without a line gets one");
	ok(strstr(text, "\nide2: local:iso/debian.iso,media=cdrom\n") != NULL, "an ISO image stays");
	ok(strstr(text, "\n#args: -device evil\n") != NULL, "what reaches out of the guest is commented out");
	ok(strstr(text, "\n#sata5: ") != NULL, "so is a disk that is not in the archive");
	ok(!strstr(text, "lock:") && !strstr(text, "unused0") && !strstr(text, "qmdump") &&
		   !strstr(text, "template"),
	   "what is of the backup or of the old guest is left out");
	ok(str_prefix(text, "#a note\n", NULL), "comments stay");
	ok(strstr(text, "AA:BB:CC:00:11:22") && strstr(text, "uuid=11111111-"), "addresses stay");
	ok(has_uuid(text, "\nvmgenid: ") && !strstr(text, "99999999-"), "but the generation id is a new one");
	ok(strstr(buf_str(&lines), "W disk 'scsi0' is restored without its option 'evil=1'") != NULL,
	   "options that are left out are warned about");
}

static void test_unique(void)
{
	const struct plan_guest g = {
		.vmid = 100, .unique = true, .keep_host_lines = true, .mac_prefix = "02:42"
	};
	_cleanup_plan_ struct plan p = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct error *err = NULL;

	read_text(config, PLAN_WHOLE_GUEST, NULL, &p, NULL);
	works(plan_config(&p, &g, NULL, &out, &err), &err, "a copy's configuration is made");
	ok(strstr(buf_str(&out), "net0: virtio=02:42:") != NULL, "a MAC address begins as is wanted");
	ok(strstr(buf_str(&out), ",bridge=vmbr0\n") != NULL, "what follows it stays");
	ok(has_uuid(buf_str(&out), "\nsmbios1: uuid=") && !strstr(buf_str(&out), "uuid=11111111-") &&
		   strstr(buf_str(&out), ",serial=x\n"),
	   "the system's uuid is a new one, and the rest stays");
	ok(strstr(buf_str(&out), "\nargs: -device evil\n") != NULL,
	   "lines that reach out of the guest are kept if that is asked for");
}

int main(void)
{
	test_read();
	test_bad();
	test_absent();
	test_choose();
	test_config();
	test_unique();
	return done_testing();
}

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest.h"
#include "test-config-util.h"

static const char text[] = "# a note\n"
			   "agent: 1,freeze-fs-on-backup=0\n"
			   "bios: ovmf\n"
			   "cdrom: none,media=cdrom\n"
			   "virtio0: local:100/vm-100-disk-2.raw,size=1G\n"
			   "scsi10: fast:vm-100-disk-1,backup=0,size=32G\n"
			   "scsi2: volume=fast:vm-100-disk-0,iothread=1,cache=none,backup=yes,cyls=1\n"
			   "ide0: /dev/sdx,size=512\n"
			   "ide3: local:vm-100-cloudinit,media=cdrom\n"
			   "sata1: local:100/vm-100-cloudinit.qcow2\n"
			   "efidisk0: local:100/vm-100-disk-3.raw,efitype=4m,size=528K\n"
			   "tpmstate0: local:100/vm-100-disk-4.raw,size=4M,version=v2.0\n"
			   "unused0: local:100/vm-100-disk-9.raw\n"
			   "name: web\n"
			   "parent: snap1\n"
			   "What is this?\n"
			   "#qmdump#map:old:drive-old::raw:\n"
			   "#vzdump#old\n"
			   "\n"
			   "[PENDING]\n"
			   "name: other\n"
			   "[special:fleecing]\n"
			   "fleecing-images: x\n"
			   "[snap1]\n"
			   "unused1: local:100/x.raw\n"
			   "lock: snapshot\n";

static void test_disks(const struct guest_config *c)
{
	static const struct {
		const char *key, *volid, *reason;
		bool included;
	} want[] = {
		{ "ide0", "/dev/sdx", "backup=yes", true },
		{ "scsi2", "fast:vm-100-disk-0", "backup=no", true },
		{ "scsi10", "fast:vm-100-disk-1", "backup=no", false },
		{ "virtio0", "local:100/vm-100-disk-2.raw", "backup=yes", true },
		{ "sata1", "local:100/vm-100-cloudinit.qcow2", "backup=yes", true },
		{ "efidisk0", "local:100/vm-100-disk-3.raw", "backup=yes", true },
		{ "tpmstate0", "local:100/vm-100-disk-4.raw", "backup=yes", true },
	};
	_cleanup_guest_disks_ struct guest_disks d = { 0 };
	struct error *err = NULL;

	works(guest_config_disks(c, &d, &err), &err, "disks are read");
	ok(d.n == ARRAY_SIZE(want), "media=cdrom and unused are not among them");
	for (size_t i = 0; i < d.n && i < ARRAY_SIZE(want); i++) {
		same(d.disks[i].key, want[i].key, "in PVE's order");
		same(d.disks[i].volid, want[i].volid, "  its volume");
		same(d.disks[i].reason, want[i].reason, "  PVE's reason");
		ok(d.disks[i].included == want[i].included, "  included or not");
	}
	ok(d.disks[1].iothread && !d.disks[0].iothread, "iothread is seen");
	ok(d.disks[4].cloudinit && !d.disks[3].cloudinit, "a cloud-init image is recognized");
	ok(d.disks[5].has_size && d.disks[5].size == 528 * 1024, "sizes are bytes");
	ok(!d.disks[1].has_size, "a size may be missing");
}

static void test_volumes(const struct guest_config *c)
{
	_cleanup_guest_disks_ struct guest_disks d = { 0 };
	struct error *err = NULL;

	works(guest_config_volumes(c, &d, &err), &err, "volumes are read");
	ok(d.n == 8, "cloud-init images are among them, other CD drives are not (%zu)", d.n);
	same(d.disks[1].volid, "local:vm-100-cloudinit", "  in their place");
	ok(d.disks[1].cloudinit, "  as what they are");
}

static void test_parse(void)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	struct guest_agent agent;

	guest_config_parse(100, text, &log, &c);
	same(buf_str(&lines), "W vm 100 - unable to parse config: What is this?\n",
	     "a line that is no pair is warned about");
	same(guest_config_get(&c, "name"), "web", "the main section counts, not pending");
	same(guest_config_get(&c, "ide2"), "none,media=cdrom", "cdrom is ide2");
	same(guest_config_lock(&c), NULL, "a snapshot's lock is not the guest's");
	guest_config_agent(&c, NULL, &agent);
	ok(agent.enabled && !agent.freeze, "agent is on without freeze");
	ok(!guest_config_is_template(&c), "it is no template");
	test_disks(&c);
	test_volumes(&c);
}

static void agent_is(const char *value, bool enabled, bool freeze)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	struct guest_agent a;
	char conf[200];

	snprintf(conf, sizeof(conf), "agent: %s\n", value);
	guest_config_parse(100, conf, NULL, &c);
	guest_config_agent(&c, NULL, &a);
	ok(a.enabled == enabled && a.freeze == freeze, "agent '%s': enabled %d, freeze %d", value, enabled,
	   freeze);
}

static void bad_disk(const char *line, const char *part)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	struct guest_disks d = { 0 };
	struct error *err = NULL;

	guest_config_parse(100, line, NULL, &c);
	fails(guest_config_disks(&c, &d, &err), &err, part, line);
}

static void test_odd_disks(void)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_guest_disks_ struct guest_disks d = { 0 };
	struct error *err = NULL;

	bad_disk("scsi0: a b/c", "vm 100 - unable to parse value of 'scsi0': 'a b/c' is neither");
	bad_disk("scsi0: local:1/x.raw,backup=maybe", "key 'backup'");
	bad_disk("scsi0: local:1/x.raw,local:1/y.raw", "key 'file' is given twice");
	bad_disk("scsi0: size=1G", "key 'file' is missing");
	bad_disk("scsi0: local:", "neither");

	guest_config_parse(100, "scsi0: disk.raw\nefidisk0: aa:b,size=1M\nscsi31: aa:x\nide4: aa:y\n", NULL,
			   &c);
	works(guest_config_disks(&c, &d, &err), &err, "odd disks are read");
	ok(d.n == 2, "drives PVE does not know are none");
	same(d.disks[0].volid, "local:100/disk.raw", "a bare file lies on local");
	same(d.disks[1].reason, "efidisk but no OVMF BIOS", "an efidisk needs OVMF");
	ok(!d.disks[1].included, "else it is left out");
}

static void test_beyond(void)
{
	static const char unlike[] =
		"scsihw: lsi\nvirtiofs0: x\nscsi30: a:b\nsata5: a:c\nide3: none\nscsi: a:d\n";
	_cleanup_guest_config_ struct guest_config c = { 0 }, archived = { 0 }, usual = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT;
	const struct log log = LOG_INTO(out);

	guest_config_parse(0, unlike, NULL, &usual);
	guest_config_warn_beyond(&usual, "saved", &log);
	same(buf_str(&out), "", "disks that PVE knows, and keys that are none, are not warned of");

	guest_config_parse(100, "scsi31: aa:x,size=1G\nscsi03: aa:y\nefidisk1: aa:z\n", NULL, &c);
	guest_config_warn_beyond(&c, "saved", &log);
	same(buf_str(&out),
	     "W vm 100 - unable to parse value of 'scsi31' - unknown setting: 'aa:x,size=1G' is not saved, since "
	     "scsi0 to scsi30 are all there are; give it the key of a disk that is free\n"
	     "W vm 100 - unable to parse value of 'scsi03' - unknown setting: 'aa:y' is not saved, since scsi0 to "
	     "scsi30 are all there are; give it the key of a disk that is free\n"
	     "W vm 100 - unable to parse value of 'efidisk1' - unknown setting: 'aa:z' is not saved, since efidisk0 "
	     "is all there is; give it the key of a disk that is free\n",
	     "others are, with value and way out");

	buf_reset(&out);
	guest_config_parse(0, "sata6: aa:x\n", NULL, &archived);
	guest_config_warn_beyond(&archived, "restored", &log);
	ok(str_prefix(buf_str(&out), "W unable to parse value of 'sata6'", NULL),
	   "of a configuration without a number, too");
}

static void test_cloudinit(void)
{
	static const struct {
		const char *volid;
		bool is;
	} ids[] = {
		{ "local:100/vm-100-cloudinit.qcow2", true },
		{ "zfs:vm-100-cloudinit", true },
		{ "zfs:cloudinit", true },
		{ "local:100/cloudinit.raw", true },
		{ "local:iso/ubuntu-cloudinit.iso", false },
		{ "local:iso/cloudinit.iso", false },
		{ "local:iso/cloudinit-24.04.iso", false },
		{ "zfs:vm-100-disk-0-cloudinit", false },
		{ "zfs:vm-x-cloudinit", false },
		{ "vm-100-cloudinit", false },
		{ "local:cloudinit/vm-100-disk-0.raw", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ok(guest_volume_is_cloudinit(ids[i].volid) == ids[i].is, "'%s' is %s cloud-init image",
		   ids[i].volid, ids[i].is ? "a" : "no");
}

static void drive_is(const char *value, const char *file, bool cdrom, const char *discard)
{
	_cleanup_guest_drive_ struct guest_drive d = { 0 };
	struct error *err = NULL;

	works(guest_drive_parse(value, &d, &err), &err, value);
	same(d.file, file, "  its file");
	ok(d.cdrom == cdrom, "  a CD drive or none");
	same(propstr_get(&d.line, "discard"), discard, "  its options");
}

static void test_drives(void)
{
	struct guest_drive d = { 0 };
	struct error *err = NULL;

	drive_is("local:1/x.raw,discard=on,size=strange", "local:1/x.raw", false, "on");
	drive_is("cache=none,file=local:1/x.raw,discard=on", "local:1/x.raw", false, "on");
	drive_is("discard=on,volume=local:1/x.raw,media=disk", "local:1/x.raw", false, "on");
	drive_is("media=cdrom,file=local:iso/x.iso", "local:iso/x.iso", true, NULL);
	drive_is("none", "none", true, NULL);
	drive_is("cdrom", "cdrom", true, NULL);
	fails(guest_drive_parse("cache=none", &d, &err), &err, "'file' is missing", "one without a file");
	fails(guest_drive_parse("a:b,file=c:d", &d, &err), &err, "given twice", "one with two");
}

static void test_assemble(void)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	_cleanup_buf_ struct buf maps = BUF_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct log log = LOG_INTO(lines);

	guest_config_parse(100,
			   "#n\nname: a\nunused3:  x:y \nlock: backup\nparent: "
			   "s\n#qmdump#m\n#vzdump#\n\nonboot: 1\n"
			   "[pending]\na: b\n[special:x]\nc: d\n[s]\ne: f",
			   NULL, &c);
	guest_config_add_map(&maps, "scsi0", "drive-scsi0", "local", "raw");
	guest_config_add_map(&maps, "ide0", "drive-ide0", NULL, NULL);
	guest_config_assemble(&c, buf_str(&maps), &log, &out);
	same(buf_str(&out),
	     "#n\nname: a\n\nonboot: "
	     "1\n#qmdump#map:scsi0:drive-scsi0:local:raw:\n#qmdump#map:ide0:drive-ide0:::\n",
	     "the archive's config is the main section and the maps");
	same(buf_str(&lines),
	     "I skip unused drive 'x:y' (not included into backup)\n"
	     "I special config section found (not included into backup)\n"
	     "I snapshots found (not included into backup)\n"
	     "I pending configuration changes found (not included into backup)\n",
	     "what is left out is logged in PVE's words");
}

static char *file_text(const char *path)
{
	struct buf b = BUF_INIT;

	io_read_file(path, 1 << 20, &b, NULL);
	return buf_steal(&b);
}

static void put(const struct paths *p, const char *content)
{
	_cleanup_free_ char *path = guest_config_path(p, 100);

	io_write_file_atomic(path, content, strlen(content), 0640, NULL, NULL);
}

static void check_lock_round(const struct paths *p, const char *before, const char *locked)
{
	_cleanup_free_ char *path = guest_config_path(p, 100);
	_cleanup_free_ char *with = NULL;
	_cleanup_free_ char *after = NULL;
	struct error *err = NULL;

	put(p, before);
	works(guest_config_set_lock(p, 100, "backup", NULL, NULL, &err), &err, "the lock is set");
	with = file_text(path);
	same(with, locked, "  in the main section");
	ok(guest_config_set_lock(p, 100, "backup", NULL, NULL, &err) == -EBUSY &&
		   str_prefix(error_message(err), "VM is locked (backup): ", NULL) &&
		   strstr(error_message(err), ", last written 20") &&
		   strstr(error_message(err), "qm unlock 100"),
	   "  once only, in PVE's words, and with a way out");
	error_free(TAKE_PTR(err));
	works(guest_config_remove_lock(p, 100, "backup", &err), &err, "  and taken out");
	after = file_text(path);
	same(after, before, "  which leaves the file as it was");
}

/* Somebody changes the configuration, and a signal comes meanwhile. */
static void test_lock_wait(const struct paths *p)
{
	_cleanup_free_ char *file = paths_get(p, "/run/lock/qemu-server/lock-100.conf");
	_cleanup_close_ int fd = open(file, O_RDWR | O_CLOEXEC);
	struct error *err = NULL;
	struct cancel c;

	cancel_init(&c, NULL);
	cancel_request(&c);
	ok(flock(fd, LOCK_EX) == 0 && guest_config_set_lock(p, 100, "backup", &c, NULL, &err) == ERR_CANCELED,
	   "the wait for PVE's lock is ended by a signal");
	error_free(err);
	cancel_clear(&c);
}

static void test_lock(const struct paths *p)
{
	_cleanup_free_ char *loop = NULL;
	_cleanup_free_ char *path = guest_config_path(p, 100);
	struct error *err = NULL;
	struct stat st;

	check_lock_round(p, "#note\nname: a\n[s]\nlock: x\n", "#note\nlock: backup\nname: a\n[s]\nlock: x\n");
	check_lock_round(p, "name: a", "lock: backup\nname: a");
	check_lock_round(p, "[s]\nname: a\n", "lock: backup\n[s]\nname: a\n");
	check_lock_round(p, "", "lock: backup\n");
	check_lock_round(p, "#only\n", "#only\nlock: backup\n");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "the file's mode is kept");

	put(p, "lock: migrate\n");
	ok(guest_config_set_lock(p, 100, "backup", NULL, NULL, &err) == -EBUSY &&
		   str_prefix(error_message(err), "VM is locked (migrate): ", NULL),
	   "another lock is honoured");
	error_free(TAKE_PTR(err));
	fails(guest_config_remove_lock(p, 100, "backup", &err), &err,
	      "found lock 'migrate' trying to remove 'backup' lock", "and not removed");
	put(p, "name: a\n");
	fails(guest_config_remove_lock(p, 100, "backup", &err), &err,
	      "no lock found trying to remove 'backup'  lock", "a missing lock is told");
	fails(guest_config_set_lock(p, 101, "backup", NULL, NULL, &err), &err, "unable to find VM '101'",
	      "a missing guest is told");
	loop = paths_get(p, "/etc/pve/qemu-server/102.conf");
	ok(symlink("102.conf", loop) == 0 && guest_config_replace(p, 102, "x", NULL, NULL) == -ELOOP &&
		   guest_config_sync(p, 102, NULL) == -ELOOP,
	   "a file that cannot be found out about is not a missing one");
	ok(guest_config_sync(p, 103, NULL) == -ENOENT, "which is -ENOENT");
	unlink(loop);
	test_lock_wait(p);
}

/* opaque: the line to add, or NULL to refuse */
static int add_line(void *opaque, const struct guest_config *now, struct buf *out, struct error **err)
{
	if (!opaque)
		return error_set(err, -EPERM, "no");
	guest_config_add_lines(now->text, opaque, out);
	return 0;
}

static void test_change(const struct paths *p)
{
	_cleanup_free_ char *path = guest_config_path(p, 100);
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_free_ char *after = NULL, *without = NULL;
	char line[] = "unused1: a:b\n";
	struct error *err = NULL;

	put(p, "name: a\nunused0: x:y\nunused2: x:z\n[s]\nname: b");
	fails(guest_config_change(p, 100, add_line, NULL, NULL, &err), &err, "no", "a change may be refused");
	works(guest_config_change(p, 100, add_line, line, NULL, &err), &err, "and made");
	after = file_text(path);
	same(after, "name: a\nunused0: x:y\nunused2: x:z\nunused1: a:b\n[s]\nname: b\n",
	     "  at the end of the main section");
	put(p, "name: a\nunused0: x:y\nunused2: x:z\n");
	works(guest_config_load(p, 100, NULL, &c, &err), &err, "a configuration with unused disks");
	ok(guest_config_free_unused(&c, 0) == 1 && guest_config_free_unused(&c, 2) == 3,
	   "  has free names between and behind them");
	works(guest_config_change(p, 100, add_line, line, NULL, &err), &err, "one without sections");
	without = file_text(path);
	same(without, "name: a\nunused0: x:y\nunused2: x:z\nunused1: a:b\n", "  gets lines at its end");
	fails(guest_config_change(p, 101, add_line, line, NULL, &err), &err, "unable to find VM '101'",
	      "a missing guest is not changed");
}

static void test_files(void)
{
	char dir[] = "/tmp/test-guest-XXXXXX";
	_cleanup_free_ char *conf = NULL;
	struct guest_config c = { 0 };
	struct error *err = NULL;
	struct paths p;
	uint32_t *vmids;
	size_t n;

	ok(mkdtemp(dir) != NULL, "a directory for files");
	paths_init(&p, dir);
	works(guest_config_list(&p, &vmids, &n, &err), &err, "a missing folder");
	ok(n == 0, "has no guests");
	conf = paths_get(&p, "/etc/pve/qemu-server");
	io_mkdir_p(conf, 0755, NULL);
	test_lock(&p);
	test_change(&p);

	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = { "200.conf", "99.conf", "1000.conf", "300.conf.tmp" };
		_cleanup_free_ char *path = xasprintf("%s/%s", conf, names[i]);

		io_write_file_atomic(path, "", 0, 0640, NULL, NULL);
	}
	works(guest_config_list(&p, &vmids, &n, &err), &err, "guests are listed");
	ok(n == 3 && vmids[0] == 100 && vmids[1] == 200 && vmids[2] == 1000,
	   "in order, without what is no guest's");
	free(vmids);
	ok(guest_config_load(&p, 555, NULL, &c, &err) == ERR_NOT_FOUND, "a missing guest is not found");
	error_free(err);
	io_remove_tree(dir, NULL);
	paths_clear(&p);
}

static void test_sections(void)
{
	static const char config[] = "scsi0: a:1/x.raw\n"
				     "[special:fleecing]\nfleecing-images: a:f\n"
				     "[first] \n#notes\nscsi0: a:1/y.raw\nvmstate: a:1/s.raw\n\n"
				     "[pending]\nscsi1: a:1/z.raw\n[empty]\n[last]\nscsi2: b:q";
	static const struct {
		const char *name, *key, *value;
	} want[] = { { "first", "vmstate", "a:1/s.raw" },
		     { NULL, "scsi1", "a:1/z.raw" },
		     { "empty", NULL, NULL },
		     { "last", "scsi2", "b:q" } };
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_guest_sections_ struct guest_sections s = { 0 };

	guest_config_parse(100, config, NULL, &c);
	guest_config_sections(&c, &s);
	ok(s.n == ARRAY_SIZE(want), "snapshots and pending changes are found (%zu)", s.n);
	for (size_t i = 0; i < s.n && i < ARRAY_SIZE(want); i++) {
		const struct guest_config *one = &s.sections[i].config;

		ok(str_equal_null(s.sections[i].name, want[i].name), "  %s",
		   want[i].name ? want[i].name : "pending");
		ok(want[i].key ? str_equal_null(guest_config_get(one, want[i].key), want[i].value)
			       : one->n == 0,
		   "    with its own lines");
	}
	ok(s.sections[0].config.n == 2, "  and no others");
}

int main(void)
{
	test_parse();
	test_sections();
	agent_is("1", true, true);
	agent_is("0,freeze-fs=1", false, false);
	agent_is("enabled=1,guest-fsfreeze=0", true, false);
	agent_is("1,freeze-fs=0,fstrim_cloned_disks=1,type=isa", true, false);
	agent_is("nonsense=1", false, false);
	test_odd_disks();
	test_beyond();
	test_cloudinit();
	test_drives();
	test_assemble();
	test_files();
	return done_testing();
}

/* Mirrors of libvirt guests: their files, and how the rest of the program finds these guests.  No libvirt. */
#include "tap.h"
#include "test-root.h"

#include "base/strv.h"
#include "guest/guest-list.h"
#include "guest/guest-ops.h"
#include "guest/libvirt-guests.h"
#include "guest/mirror.h"

#define WEB     "4875ffda-ddee-4f5d-8ce8-fc4557d08692"
#define DB      "0b9274b7-281c-4cb1-9743-19a671398e0d"
#define SYSTEM  "qemu:///system"
#define SESSION "qemu:///session"
#define CONFIG                                                                                   \
	"name: web\nvirtio0: /srv/web.qcow2,format=qcow2\n#vzdump#device:virtio0:virtio-disk0\n" \
	"scsi1: /srv/b.raw,format=raw\n"

static int make(uint32_t vmid, const char *uuid, const char *uri, const char *name)
{
	_cleanup_mirror_ struct mirror m = { xstrdup(uuid), xstrdup(uri), xstrdup(name) };

	return mirror_write(&paths, vmid, &m, CONFIG, NULL, NULL);
}

static void take_away(const char *file)
{
	_cleanup_free_ char *path = paths_get(&paths, "%s", file);

	unlink(path);
}

static void test_files(void)
{
	_cleanup_mirror_ struct mirror m = { 0 }, none = { 0 };
	_cleanup_error_ struct error *err = NULL, *bad = NULL;

	ok(make(201, WEB, SYSTEM, "my web") == 0, "a mirror is written");
	ok(holds("/var/lib/vzdump/libvirt/201.conf",
		 "#vzdump#libvirt:" WEB " " SYSTEM "\n#vzdump#domain:my web\n" CONFIG),
	   "with the lines that say whose it is");
	ok(mirror_load(&paths, 201, &m, NULL) == 0 && !strcmp(m.uuid, WEB) && !strcmp(m.uri, SYSTEM) &&
		   !strcmp(m.domain, "my web"),
	   "and read");
	ok(mirror_load(&paths, 202, &none, &err) == ERR_NOT_FOUND, "there may be none");
	put("/var/lib/vzdump/libvirt/300.conf", "name: x\n");
	ok(mirror_load(&paths, 300, &none, &bad) == ERR_INVALID, "what names no guest of libvirt is refused");
	mirror_drop(&paths, 300, NULL);
	ok(!is_there("/var/lib/vzdump/libvirt/300.conf"), "and can be dropped");
}

static void test_lock(void)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };

	ok(guest_config_set_lock(&paths, 201, "backup", NULL, NULL, NULL) == 0,
	   "it is locked like any guest");
	ok(make(201, WEB, SYSTEM, "web") == 0 && guest_config_load(&paths, 201, NULL, &c, NULL) == 0 &&
		   str_equal_null(guest_config_lock(&c), "backup"),
	   "renewing it keeps the lock");
	ok(mirror_drop(&paths, 201, NULL) == 0 && mirror_has(&paths, 201), "a locked one is not dropped");
	ok(guest_config_remove_lock(&paths, 201, "backup", NULL) == 0, "it is unlocked");
	put("/var/lib/vzdump/201.journal", "");
	ok(mirror_drop(&paths, 201, NULL) == 0 && mirror_has(&paths, 201), "nor is one with a journal");
	take_away("/var/lib/vzdump/201.journal");
}

static void test_found(void)
{
	const struct guest_ops pve = { 0 };
	const struct host host = { .paths = &paths, .guest_ops = &pve };
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_guest_disks_ struct guest_disks disks = { 0 };
	_cleanup_guest_entry_ struct guest_entry e = { 0 };
	_cleanup_buf_ struct buf archived = BUF_INIT;

	ok(guest_of(&host, 201).ops == &guest_ops_libvirt && guest_of(&host, 202).ops == &pve,
	   "its guest is reached by way of libvirt, others as before");
	ok(guest_entry_find(&paths, 201, &e, NULL) == 1 && e.kind == GUEST_LIBVIRT, "its id is taken");
	is_text(guest_entry_describe(&paths, &e), "libvirt domain 'web' (id 201)", "it");
	ok(guest_config_load(&paths, 201, NULL, &c, NULL) == 0 && guest_config_disks(&c, &disks, NULL) == 0 &&
		   disks.n == 2,
	   "it has a configuration with disks");
	ok(disks.n == 2 && !disks.disks[0].device && str_equal_null(disks.disks[1].device, "virtio-disk0"),
	   "and their devices' ids in QEMU");
	guest_config_assemble(&c, NULL, NULL, &archived);
	ok(!strstr(buf_str(&archived), "#vzdump#"), "the archive's copy has none of our lines");
	put("/etc/pve/qemu-server/201.conf", "name: pve\n");
	ok(guest_of(&host, 201).ops == &pve && !mirror_has(&paths, 201), "a guest of Proxmox VE hides it");
	take_away("/etc/pve/qemu-server/201.conf");
}

/* "201 202" */
static char *known(const char *uri, const char *names, uint32_t excluded)
{
	_cleanup_strv_ char **list = strv_split_list(names);
	_cleanup_free_ uint32_t *vmids = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT;
	size_t n = 0;

	libvirt_guests_known(&paths, uri, list, &excluded, 1, &vmids, &n);
	for (size_t i = 0; i < n; i++)
		buf_addf(&out, "%s%u", i ? " " : "", vmids[i]);
	return buf_steal(&out);
}

static void test_known(void)
{
	make(202, DB, SESSION, "db");
	is_text(known(NULL, "web", 0), "201", "by name");
	is_text(known(NULL, DB ",web", 0), "201 202", "by uuid and name");
	is_text(known(NULL, "*", 0), "201 202", "all of them");
	is_text(known(SESSION, "*", 0), "202", "all of one connection");
	is_text(known(NULL, "*", 201), "202", "all but one");
	is_text(known(NULL, "web", 201), "201", "one that is named although it is excluded");
	is_text(known(NULL, "nobody", 0), "", "a name that nobody has");
}

static void test_ids_are_renewed(void)
{
	const uint32_t vmids[] = { 100, 100, 203 };
	const struct libvirt_guests_request q = { .paths = &paths, .vmids = vmids, .n_vmids = 3 };
	_cleanup_libvirt_guests_ struct libvirt_guests found = { 0 };

	/* no libvirt is asked for it, whether there is one or not */
	make(203, DB, "qemu+ssh://elsewhere/system", "far");
	ok(libvirt_guests_find(&q, &found, NULL) == 0 && found.n == 2 && found.vmids[0] == 100 &&
		   found.vmids[1] == 100,
	   "ids of other guests stay as they are");
	ok(strv_len(found.failed) == 1 && strstr(found.failed[0], "libvirt domain 'far': ") &&
		   strstr(found.failed[0], "run vzdump on that host"),
	   "a guest of another host's libvirt is refused");
}

int main(void)
{
	root_make();
	test_files();
	test_lock();
	test_found();
	test_known();
	test_ids_are_renewed();
	root_remove();
	return done_testing();
}

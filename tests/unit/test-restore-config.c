#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "restore/config.h"
#include "test-config-util.h"

static char root[] = "/tmp/test-restore-XXXXXX";

static const char before[] = "# a note\n"
			     "cdrom: none,media=cdrom\n"
			     "lock: create\n"
			     "name: web\n"
			     "sata0: none,media=cdrom\n"
			     "scsi0: local:100/vm-100-disk-0.raw,discard=on,size=1G\n"
			     "scsi1: local:7/vm-7-disk-0.raw\n"
			     "unused0: local:100/vm-100-disk-8.raw\n"
			     "[snap]\n"
			     "lock: create\n"
			     "scsi0: local:100/vm-100-disk-0.raw,size=1G\n";

static const char after[] = "# a note\n"
			    "name: web\n"
			    "unused0: local:100/vm-100-disk-8.raw\n"
			    "scsi0: local:100/vm-100-disk-5.raw,discard=on,size=8M\n"
			    "unused1: local:100/vm-100-disk-0.raw\n"
			    "scsi1: local:100/vm-100-disk-6.raw,size=8M\n"
			    "ide2: local:100/vm-100-disk-7.raw,ssd=1,size=8M\n"
			    "sata0: local:100/vm-100-disk-9.raw,size=8M\n"
			    "[snap]\n"
			    "lock: create\n"
			    "scsi0: local:100/vm-100-disk-0.raw,size=1G\n";

struct fixture {
	struct paths paths;
	struct storage_config storages;
	struct host host;
	struct buf lines;
	struct log log;
	struct restore_context context;
	struct replaced old;
	struct plan plan;
	struct volumes volumes;
};

static void write_config(const struct fixture *f, const char *text)
{
	_cleanup_free_ char *path = guest_config_path(&f->paths, 100);

	ok(io_write_file_atomic(path, text, strlen(text), 0600, NULL, NULL) == 0, "a configuration is there");
}

static void is_config(const struct fixture *f, const char *want, const char *name)
{
	_cleanup_guest_config_ struct guest_config c = { 0 };

	ok(guest_config_load(&f->paths, 100, NULL, &c, NULL) == 0, "it can be read");
	same(c.text, want, name);
}

static void make_plan(struct fixture *f)
{
	static const char *const keys[] = { "scsi0", "scsi1", "ide2", "sata0" };
	static const char numbers[] = "5679";

	f->plan.config = xstrdup("ide2: old:x,ssd=1\n");
	f->plan.n = ARRAY_SIZE(keys);
	f->plan.disks = xcalloc(f->plan.n, sizeof(*f->plan.disks));
	for (size_t i = 0; i < f->plan.n; i++) {
		struct plan_disk *d = &f->plan.disks[i];

		snprintf(d->key, sizeof(d->key), "%s", keys[i]);
		d->dev = (uint8_t)(i + 1);
		d->size = 8u << 20;
		d->volid = xasprintf("local:100/vm-100-disk-%c.raw", numbers[i]);
	}
	plan_choose(&f->plan, NULL, NULL);
	volumes_init(&f->volumes, &f->context, &f->plan);
}

static void test_disks(struct fixture *f)
{
	struct error *err = NULL, *not_synced = NULL;
	const char *log;

	write_config(f, before);
	works(config_put_disks(&f->old, &f->plan, &f->volumes, &not_synced, &err), &err,
	      "single disks are put in");
	is_config(f, after, "their lines are replaced, our lock is out, and snapshots are as they were");
	log = buf_str(&f->lines);
	ok(strstr(log, "the disk that was 'scsi0' is kept as unused1: local:100/vm-100-disk-0.raw") != NULL,
	   "the guest's own disk that was there is kept");
	ok(strstr(log, "'scsi1: local:7/vm-7-disk-0.raw' is no longer in the configuration") != NULL,
	   "another guest's is not");
	error_free(not_synced);
}

static void test_lock(struct fixture *f)
{
	static const char *const others[] = { "lock: migrate\nname: web\n", "name: web\n" };
	struct error *err = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		write_config(f, others[i]);
		fails(config_put_disks(&f->old, &f->plan, &f->volumes, NULL, &err), &err,
		      "somebody else works on the guest", "without our lock nothing is put in");
		is_config(f, others[i], "and the configuration stays");
		fails(config_put(&f->context, "name: x\n", NULL, &err), &err,
		      i ? "there is none" : "there is migrate", "nor is a whole one");
		is_config(f, others[i], "and the configuration stays");
	}
	write_config(f, before);
	works(config_put(&f->context, "name: x\n", NULL, &err), &err, "with our lock a whole one is");
	is_config(f, "name: x\n", "it replaces all that was there");
}

int main(void)
{
	static const struct restore_params params = { .vmid = 100 };
	struct fixture f = { .lines = BUF_INIT };
	_cleanup_free_ char *conf = NULL, *lock = NULL;

	ok(mkdtemp(root) != NULL, "a root");
	conf = xasprintf("%s/etc/pve/qemu-server", root);
	lock = xasprintf("%s/run/lock/qemu-server", root);
	ok(io_mkdir_p(conf, 0755, NULL) == 0 && io_mkdir_p(lock, 0755, NULL) == 0, "with its folders");
	paths_init(&f.paths, root);
	storage_config_parse("dir: local\n\tpath /nonexistent\n\tcontent images\n", "f", "me", "/nonexistent",
			     NULL, &f.storages);
	f.log = LOG_INTO(f.lines);
	f.host = (struct host){ .paths = &f.paths, .storages = &f.storages, .log = &f.log };
	f.context = (struct restore_context){ .host = &f.host, .params = &params };
	f.old = (struct replaced){ .context = &f.context };
	make_plan(&f);
	test_disks(&f);
	test_lock(&f);
	volumes_clear(&f.volumes);
	plan_clear(&f.plan);
	storage_config_clear(&f.storages);
	paths_clear(&f.paths);
	buf_clear(&f.lines);
	io_remove_tree(root, NULL);
	return done_testing();
}

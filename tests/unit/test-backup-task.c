/*
 * lib/backup/task: the volumes of a guest that is shut down for its backup, and what becomes of older
 * archives when the new one is tried.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backup/task.h"
#include "backup/undo.h"
#include "base/strv.h"
#include "config/vzdump-options.h"
#include "guest/guest-ops.h"
#include "journal/image.h"
#include "journal/recover.h"
#include "test-config-util.h"
#include "test-root.h"

#define DISK "/disks/images/123/vm-123-disk-0.raw"

static struct buf calls;

static void call(const char *name)
{
	_cleanup_free_ char *conf = paths_get(&paths, "/etc/pve/qemu-server/123.conf");
	_cleanup_buf_ struct buf text = BUF_INIT;

	io_read_file(conf, 4096, &text, NULL);
	buf_addf(&calls, "%s%s\n", name, strstr(buf_str(&text), "lock: backup") ? ", locked" : "");
}

/* ---- a storage whose volumes are there while they are active ---- */

static void move(const char *from, const char *to)
{
	_cleanup_free_ char *a = paths_get(&paths, "%s", from), *b = paths_get(&paths, "%s", to);

	/* it may be there already */
	(void)!rename(a, b);
}

static int fake_activate(const struct volume *v, struct error **err)
{
	(void)v, (void)err;
	call("activate");
	move("/inactive", DISK);
	return 0;
}

static int fake_deactivate(const struct volume *v, struct error **err)
{
	(void)v, (void)err;
	call("deactivate");
	move(DISK, "/inactive");
	return 0;
}

/* ---- a guest whose volumes are deactivated when it has shut itself down ---- */

static bool runs;
static int shutdown_result;
static unsigned goes_down_after; /* looks at it, after a shutdown that has failed; 0: it stays up */

static int fake_status(const struct guest *g, struct guest_status *ret, struct error **err)
{
	(void)g, (void)err;
	if (goes_down_after && --goes_down_after == 0)
		runs = false;
	ret->running = runs;
	return 0;
}

static int fake_shutdown(const struct guest *g, const struct guest_config *conf, uint64_t minutes,
			 const struct cancel *cancel, const struct log *log, struct error **err)
{
	(void)g, (void)conf, (void)minutes, (void)cancel, (void)log;
	call("shutdown");
	if (shutdown_result < 0) {
		goes_down_after = shutdown_result == ERR_CANCELED ? 3 : 0;
		return error_set(err, shutdown_result, "it is not down yet");
	}
	runs = false;
	move(DISK, "/inactive");
	return 0;
}

static int fake_start(const struct guest *g, enum guest_start how, const struct cancel *cancel,
		      const struct log *log, struct error **err)
{
	(void)g, (void)how, (void)cancel, (void)log, (void)err;
	call("start");
	runs = true;
	return 0;
}

static bool fake_starts_paused(const struct guest *g)
{
	(void)g;
	return false;
}

static const struct guest_ops fake_guest = { .status = fake_status,
					     .shutdown = fake_shutdown,
					     .start = fake_start,
					     .starts_paused = fake_starts_paused };

/* ---- its backup ---- */

static const struct journal_kind *const kinds[] = { &journal_kind_pid,  &journal_kind_dir,
						    &journal_kind_file, &journal_kind_lock,
						    &journal_kind_down, NULL };

/* ---- a guest that is tried from its archive ---- */

static int boot_result;
static enum boot_state boot_state;

static int fake_boot(const struct host *host, const struct verify_boot_config *config, uint32_t vmid,
		     const char *archive, struct boot_report *ret, struct error **err)
{
	(void)host, (void)config, (void)vmid;
	if (boot_result < 0)
		return error_set(err, boot_result, "%s", archive);
	ret->state = boot_state;
	ret->words = xstrdup("words");
	return 0;
}

/* ---- a backup ---- */

static void back_up(const struct host *host, struct settings *settings)
{
	struct budget budget;
	_cleanup_free_ char *dump = paths_get(&paths, "/dump");
	struct place *place = place_dir_new(dump, NULL);
	_cleanup_report_ struct job_report report = { 0 };
	const uint32_t vmid = 123;

	report_begin(&report, &vmid, 1);
	budget_init(&budget, &(struct budget_limits){ .threads = 1 });
	io_mkdir_p(dump, 0755, NULL);
	task_run(host,
		 &(struct task_options){
			 .settings = settings,
			 .place = place,
			 .dumpdir = dump,
			 .budget = &budget,
			 .report = &report,
			 .boot = fake_boot,
			 .remove = settings->verify_boot.enabled,
			 .keep = { .all = !settings->verify_boot.enabled, .count = { [PRUNE_LAST] = 1 } } },
		 &report.tasks[0]);
	diag("%s", report.tasks[0].error ? report.tasks[0].error : "saved");
	place_free(place);
}

#define OLD "/dump/vzdump-qemu-123-2020_01_02-03_04_05.vma.zst"

/* With keep-last=1, after a boot with this result. */
static bool old_is_removed(const struct host *host, struct settings *settings, int result,
			   enum boot_state state)
{
	_cleanup_free_ char *old = paths_get(&paths, OLD);

	boot_result = result;
	boot_state = state;
	put(OLD, "an older archive");
	back_up(host, settings);
	return access(old, F_OK) < 0;
}

static void test_verify(const struct host *host, struct settings *settings)
{
	runs = false;
	settings->verify_boot.enabled = true;
	ok(old_is_removed(host, settings, 0, BOOT_STARTED), "a guest that starts: older archives go");
	ok(old_is_removed(host, settings, 0, BOOT_UNPROVEN), "no proof: they go");
	ok(!old_is_removed(host, settings, 0, BOOT_FAILED), "one that does not start: they stay");
	ok(!old_is_removed(host, settings, ERR_CORRUPT, BOOT_FAILED),
	   "an archive that cannot be read: they stay");
	ok(!old_is_removed(host, settings, ERR_CANCELED, BOOT_FAILED), "a stop meanwhile: they stay");
	ok(old_is_removed(host, settings, ERR_PEER, BOOT_FAILED), "a host that cannot try it: they go");
}

int main(void)
{
	_cleanup_strv_ char **argv = strv_split_args("vzdump 123 --mode stop");
	_cleanup_options_ struct options o = { 0 };
	_cleanup_settings_ struct settings settings = { 0 };
	struct storage_config storages = { 0 };
	struct storage_ops ops;
	struct host host = { .paths = &paths,
			     .storages = &storages,
			     .guest_ops = &fake_guest,
			     .commands = &settings.commands,
			     .kinds = kinds };
	_cleanup_free_ char *config = NULL;

	root_make();
	config = xasprintf("dir: disks\n\tpath %s/disks\n\tcontent images\n", paths.root);
	put("/etc/pve/storage.cfg", config);
	put("/etc/pve/qemu-server/123.conf", "scsi0: disks:123/vm-123-disk-0.raw,size=64K\n");
	put(DISK, "what the guest has on its disk");
	options_parse(&vzdump_options, (int)strv_len(argv), argv, &o, NULL);
	settings_init(&settings, &o);
	ok(settings_load(&settings, &o, &paths, NULL, NULL) == 0 &&
		   storage_config_load(&paths, NULL, &storages, NULL) == 0,
	   "a host with a guest");
	for (size_t i = 0; i < storages.n; i++) {
		if (strcmp(storages.storages[i].id, "disks") != 0)
			continue;
		ops = *storages.storages[i].ops;
		ops.volume_activate = fake_activate;
		ops.volume_deactivate = fake_deactivate;
		storages.storages[i].ops = &ops;
	}

	runs = true;
	back_up(&host, &settings);
	same(buf_str(&calls),
	     "activate, locked\nshutdown, locked\nactivate, locked\ndeactivate, locked\nstart\n",
	     "mode stop: volumes that vanish with the guest are activated again, and deactivated before it starts");
	buf_clear(&calls);

	move(DISK, "/inactive");
	runs = false;
	back_up(&host, &settings);
	same(buf_str(&calls), "activate, locked\ndeactivate, locked\n",
	     "a guest that is off: its volumes are active only while it is locked");
	buf_clear(&calls);

	move("/inactive", DISK);
	runs = true;
	shutdown_result = ERR_CANCELED;
	back_up(&host, &settings);
	same(buf_str(&calls), "activate, locked\nshutdown, locked\nstart\n",
	     "a guest that goes down only after a request to stop is started again");
	buf_clear(&calls);

	shutdown_result = ERR_TIMEOUT;
	back_up(&host, &settings);
	same(buf_str(&calls), "activate, locked\nshutdown, locked\n",
	     "one that does not go down in time runs on");
	buf_clear(&calls);

	test_verify(&host, &settings);
	buf_clear(&calls);

	storage_config_clear(&storages);
	root_remove();
	return done_testing();
}

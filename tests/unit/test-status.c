/* What `vzdump status` finds out about guests, from names and records alone. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/strv.h"
#include "place/retention.h"
#include "status/after-run.h"
#include "status/metrics.h"
#include "status/status.h"
#include "status/verified.h"
#include "tap.h"
#include "test-root.h"

/* Thursday, 2026-11-26 12:00 UTC, and the job's next time. */
#define NOW  1795694400
#define NEXT (NOW + 10 * 3600)

static unsigned warnings;
static struct buf lines;

static void on_line(const struct log *l, enum log_level level, const char *line)
{
	(void)l;
	diag("%s", line);
	warnings += level == LOG_LEVEL_WARN;
	buf_addf(&lines, "%s\n", line);
}

static const struct log to_diag = { .line = on_line };
static struct storage_config storages;
static const struct host host = { .paths = &paths, .storages = &storages, .log = &to_diag };

/* ---- a host ---- */

static void load_storages(const char *text)
{
	_cleanup_free_ char *local = paths_get(&paths, "/local");

	storage_config_clear(&storages);
	storage_config_parse(text, "storage.cfg", "pve1", local, &to_diag, &storages);
}

static void put_storages(void)
{
	_cleanup_free_ char *text = xasprintf("dir: local\n\tpath %s/local\n\tcontent images\n\n"
					      "dir: backup\n\tpath %s/backup\n\tcontent backup\n"
					      "\tprune-backups keep-last=2\n\n"
					      "dir: other\n\tpath %s/other\n\tcontent backup\n\n"
					      "dir: off\n\tpath %s/off\n\tcontent backup\n\tdisable\n",
					      paths.root, paths.root, paths.root, paths.root);

	load_storages(text);
}

static void put_guests(void)
{
	put("/etc/hostname", "pve1\n");
	put("/etc/pve/qemu-server/100.conf", "\n");
	put("/etc/pve/qemu-server/101.conf", "\n");
	put("/etc/pve/qemu-server/102.conf", "\n");
	put("/etc/pve/lxc/103.conf", "\n");
	put("/etc/pve/nodes/pve2/qemu-server/200.conf", "\n");
}

static void put_archive(const char *folder, uint32_t vmid, int day, const char *text)
{
	_cleanup_free_ char *file =
		xasprintf("%s/dump/vzdump-qemu-%u-2026_11_%02d-02_00_00.vma.zst", folder, vmid, day);

	put(file, text);
}

static void put_jobs(void)
{
	put("/etc/pve/jobs.cfg", "vzdump: nightly\n\tschedule 22:00\n\tvmid 100,103\n\tstorage backup\n\n"
				 "vzdump: later\n\tschedule 23:00\n\tvmid 100,102\n\tstorage other\n"
				 "\tprune-backups keep-last=1\n\n"
				 "vzdump: disabled\n\tschedule 12:30\n\tenabled 0\n\tall 1\n\n"
				 "vzdump: elsewhere\n\tschedule 12:30\n\tnode pve2\n\tall 1\n");
}

static void put_record(uint32_t vmid, enum task_outcome outcome, const char *archive, const char *volid,
		       time_t start)
{
	const struct job_report job = { .start = start };
	const struct task_report task = {
		.vmid = vmid,
		.name = (char *)"web",
		.outcome = outcome,
		.start = start,
		.archive = (char *)archive,
		.volid = (char *)volid,
		.archive_size = 77,
		.error = (char *)(outcome == TASK_SAVED ? NULL : "no space"),
	};

	record_save(&paths, &job, &task, NULL, NULL);
}

static int ask(struct status *s, const char *storage, const uint32_t *vmids, size_t n)
{
	const struct status_request q = { .now = NOW, .storage = storage, .vmids = vmids, .n_vmids = n };

	warnings = 0;
	buf_reset(&lines);
	return status_make(&host, &q, s, NULL);
}

/* ---- tests ---- */

static void test_guests(void)
{
	_cleanup_status_ struct status s = { 0 };

	ok(ask(&s, NULL, NULL, 0) == 0 && !warnings, "the status of a host");
	ok(s.n == 4 && s.guests[0].vmid == 100 && s.guests[3].vmid == 103 && s.guests[3].is_container,
	   "has its own guests alone");
	ok(s.guests[0].problems == STATUS_NO_BACKUP &&
		   s.guests[1].problems == (STATUS_NO_BACKUP | STATUS_NO_JOB),
	   "at first there is no backup, and not all have a job");
	ok(s.archives.n == 2, "storages that are disabled, or not for backups, are not looked at");
}

static void test_jobs(void)
{
	_cleanup_status_ struct status s = { 0 };

	ask(&s, NULL, NULL, 0);
	ok(s.planned.n == 2, "jobs that are disabled, or for another node, do not count");
	ok(s.guests[0].n_jobs == 2 && !strcmp(s.guests[0].next->id, "nightly") &&
		   s.guests[0].next->next == NEXT,
	   "of two jobs the first comes next");
	ok(s.guests[2].n_jobs == 1 && !strcmp(s.guests[2].next->id, "later"), "one has its only job");
	ok(!s.guests[1].n_jobs && !s.guests[1].next, "one has none");
}

static void test_backups(void)
{
	_cleanup_status_ struct status s = { 0 };
	_cleanup_status_ struct status one = { 0 };
	const struct status_backup *b;

	put_archive("/backup", 100, 20, "1");
	put_archive("/backup", 100, 21, "22");
	put_archive("/other", 100, 22, "333");
	put_archive("/backup", 100, 28, "of the future");
	put_archive("/off", 100, 25, "x");
	put_archive("/local", 100, 25, "x");
	put_archive("/backup", 1000, 25, "x");
	put("/other/dump/vzdump-qemu-100-2026_11_22-02_00_00.vma.zst.protected", "");
	put("/other/dump/vzdump-qemu-100-2026_11_23-02_00_00.vma.dat", "x");
	put("/other/dump/vzdump-qemu-100-2026_11_23-02_00_00.log", "x");
	put("/other/dump/vzdump-lxc-100-2026_11_24-02_00_00.tar.zst", "x");
	put("/other/dump/vzdump-lxc-103-2026_11_24-02_00_00.tar.zst", "x");
	ask(&s, NULL, NULL, 0);
	b = &s.guests[0].backup;
	ok(b->is_seen && b->size == 3 && b->is_protected &&
		   !strcmp(b->volid, "other:backup/vzdump-qemu-100-2026_11_22-02_00_00.vma.zst"),
	   "the newest backup of all storages");
	ok(s.guests[0].n_backups == 4 && !(s.guests[0].problems & STATUS_NO_BACKUP),
	   "of as many as there are");
	ok(s.guests[3].backup.time && !strcmp(s.guests[3].backup.volid,
					      "other:backup/vzdump-lxc-103-2026_11_24-02_00_00.tar.zst"),
	   "those of containers are theirs");
	ok(ask(&one, "backup", NULL, 0) == 0 && one.guests[0].backup.size == 2 &&
		   !one.guests[0].backup.is_protected,
	   "or the newest of one storage");
}

static void test_pruned(void)
{
	_cleanup_status_ struct status s = { 0 };

	ask(&s, NULL, NULL, 0);
	/*
	 * keep-last=2 of the storage: the new one, and that of the 21st; what comes from the future does
	 * not count
	 */
	ok(strv_len(s.guests[0].pruned) == 1 &&
		   !strcmp(s.guests[0].pruned[0],
			   "backup:backup/vzdump-qemu-100-2026_11_20-02_00_00.vma.zst"),
	   "the next run will remove what its storage's retention does not keep beside its own backup");
	put_archive("/other", 102, 10, "x");
	put_archive("/other", 102, 11, "x");
	status_clear(&s);
	ask(&s, NULL, NULL, 0);
	ok(strv_len(s.guests[2].pruned) == 2 && s.guests[2].pruned_time == 1794276000,
	   "the job's retention comes before the storage's");
	ok(!s.guests[3].pruned, "nothing of a container's");
}

/* A number below n; the same sequence in each run. */
static unsigned pick(unsigned n)
{
	static uint64_t state = 12;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(state >> 33) % n;
}

/* Archives of some weeks: a few protected, renamed, dated in the future, or of another guest. */
static void put_random_archives(void)
{
	for (unsigned n = pick(40); n > 0; n--) {
		_cleanup_free_ char *stem = archive_stem(pick(20) ? "qemu" : "lxc", pick(15) ? 101 : 102,
							 NOW + 2 * 86400 - (time_t)pick(60 * 86400));
		_cleanup_free_ char *file = xasprintf("/random/dump/%s%s.vma%s", stem, pick(15) ? "" : "-x",
						      pick(2) ? "" : ".zst");

		put(file, "x");
		if (!pick(8)) {
			_cleanup_free_ char *marker = xasprintf("%s.protected", file);

			put(marker, "");
		}
	}
}

static void put_random_job(void)
{
	_cleanup_free_ char *cfg = xasprintf(
		"vzdump: a\n\tschedule 22:00\n\tvmid 101\n\tstorage random\n\tprotected %u\n"
		"\tprune-backups keep-last=%u,keep-hourly=%u,keep-daily=%u,keep-weekly=%u,keep-monthly=%u,"
		"keep-yearly=%u\n",
		pick(4) == 0, 1 + pick(4), pick(3), pick(8), pick(4), pick(3), pick(2));

	put("/etc/pve/jobs.cfg", cfg);
}

/* What the job removes when its time comes: with its archive among the others. */
static char **removed_by_run(const struct planned_job *job)
{
	_cleanup_free_ char *dir = paths_get(&paths, "/random/dump"),
			    *stem = archive_stem("qemu", 101, job->next);
	_cleanup_free_ char *new = xasprintf("/random/dump/%s.vma.zst", stem),
			    *marker = xasprintf("%s.protected", new);
	_cleanup_place_ struct place *place = place_dir_new(dir, "random");
	_cleanup_backups_ struct backups b = { 0 };
	struct prune_keep keep;
	char **ret = NULL;

	put(new, "x");
	if (job->settings.protect)
		put(marker, "");
	place_list(place, "qemu", 101, &b, NULL);
	for (size_t i = 0; i < b.n; i++)
		b.list[i].is_new = str_prefix(b.list[i].name.filename, stem, NULL);
	settings_keep(&job->settings.retention, NULL, &keep, NULL);
	backups_mark(&b, &keep, job->next + 7);
	for (size_t i = 0; i < b.n; i++) {
		_cleanup_free_ char *volid = xasprintf("random:backup/%s", b.list[i].name.filename);

		if (b.list[i].mark == PRUNE_REMOVE)
			strv_add(&ret, volid);
	}
	return ret;
}

static bool is_same_set(char *const *a, char *const *b)
{
	bool same = strv_len(a) == strv_len(b);

	for (size_t i = 0; i < strv_len(a) && same; i++)
		same = strv_contains(b, a[i]);
	return same;
}

static void test_random(void)
{
	static const char *const zones[] = { "UTC", "Europe/Berlin", "America/New_York" };
	_cleanup_free_ char *folder = paths_get(&paths, "/random");
	_cleanup_free_ char *text = xasprintf("dir: random\n\tpath %s\n\tcontent backup\n", folder);
	unsigned differ = 0, removed = 0;

	load_storages(text);
	for (unsigned i = 0; i < 150; i++) {
		_cleanup_status_ struct status s = { 0 };
		_cleanup_strv_ char **run = NULL;

		setenv("TZ", zones[i % ARRAY_SIZE(zones)], 1);
		tzset();
		put_random_archives();
		put_random_job();
		ask(&s, NULL, NULL, 0);
		run = removed_by_run(s.guests[1].next);
		removed += (unsigned)strv_len(run);
		differ += !is_same_set(s.guests[1].pruned, run);
		io_remove_tree(folder, NULL);
	}
	ok(!differ && removed > 500, "of 150 random sets the next run removes what the status says (%u)",
	   removed);
	setenv("TZ", "UTC", 1);
	tzset();
	put_jobs();
	put_storages();
}

static void test_by_hand(void)
{
	_cleanup_status_ struct status s = { 0 };

	put_archive("/backup", 101, 5, "x");
	put_archive("/backup", 101, 6, "x");
	ask(&s, NULL, NULL, 0);
	ok(strv_len(s.guests[1].pruned) == 1,
	   "without a job: as a run by hand would, where the last backup is");
	put("/etc/vzdump.conf", "remove: 0\n");
	status_clear(&s);
	ask(&s, NULL, NULL, 0);
	ok(!s.guests[1].pruned && !s.guests[0].pruned, "nothing goes if remove is off");
	put("/etc/vzdump.conf", "");
}

static void test_records(void)
{
	_cleanup_status_ struct status s = { 0 };

	put_record(100, TASK_SAVED, "/x", "other:backup/x", NOW - 86400 * 4);
	put_record(100, TASK_FAILED, NULL, NULL, NOW - 3600);
	ask(&s, NULL, NULL, 0);
	ok(s.guests[0].problems == STATUS_FAILED && !strcmp(s.guests[0].record.last.error, "no space"),
	   "a guest whose last run failed, with its error");
	ok(!strcmp(s.guests[0].record.name, "web") && !s.guests[1].has_record, "names come from records");
}

static void test_dumpdirs(void)
{
	_cleanup_status_ struct status s = { 0 };
	_cleanup_free_ char *archive =
		paths_get(&paths, "/mnt/dump/vzdump-qemu-101-2026_11_24-02_00_00.vma.zst");

	put_archive("/mnt", 101, 24, "four");
	put_record(101, TASK_SAVED, archive, NULL, NOW - 86400 * 2);
	ask(&s, NULL, NULL, 0);
	ok(s.guests[1].backup.is_seen && s.guests[1].backup.size == 4 && !s.guests[1].backup.volid &&
		   !strcmp(s.guests[1].backup.path, archive),
	   "a folder that a record names is looked at");
	unlink(archive);
	status_clear(&s);
	ask(&s, NULL, NULL, 0);
	ok(s.guests[1].backup.is_seen && s.guests[1].backup.volid,
	   "an archive that has gone from it does not count");
}

static void test_dumpdir_of_job(void)
{
	_cleanup_status_ struct status s = { 0 };
	_cleanup_free_ char *cfg =
		xasprintf("vzdump: a\n\tschedule 22:00\n\tvmid 101\n\tdumpdir %s/mnt/dump/\n"
			  "\tprune-backups keep-last=1\n",
			  paths.root);

	put("/etc/pve/jobs.cfg", cfg);
	put_archive("/mnt", 101, 25, "five!");
	ask(&s, NULL, NULL, 0);
	ok(s.guests[1].backup.size == 5 && s.guests[1].n_backups == 3 && strv_len(s.guests[1].pruned) == 1 &&
		   *s.guests[1].pruned[0] == '/',
	   "and one that a job names, with its retention");
	put_jobs();
}

/* With the job's retention, and without counting anything twice. */
static void test_dumpdir_is_a_storage(void)
{
	_cleanup_status_ struct status s = { 0 }, before = { 0 };
	_cleanup_free_ char *cfg =
		xasprintf("vzdump: a\n\tschedule 22:00\n\tvmid 100\n\tdumpdir %s/backup/dump\n"
			  "\tprune-backups keep-last=1\n",
			  paths.root);

	ask(&before, NULL, NULL, 0);
	put("/etc/pve/jobs.cfg", cfg);
	ask(&s, NULL, NULL, 0);
	ok(s.guests[0].n_backups == before.guests[0].n_backups && strv_len(s.guests[0].pruned) > 0,
	   "a job's folder may be that of a storage");
	put_jobs();
}

static void test_out_of_sight(void)
{
	_cleanup_status_ struct status s = { 0 };

	put_record(102, TASK_SAVED, "-", NULL, NOW - 60);
	ask(&s, NULL, NULL, 0);
	ok(!s.guests[2].backup.is_seen && s.guests[2].backup.time == NOW - 60 &&
		   s.guests[2].backup.size == 77,
	   "a backup that went to standard output counts as our record has it");
	status_clear(&s);
	ask(&s, "other", NULL, 0);
	ok(s.guests[2].backup.is_seen, "but not on a storage");
}

static void test_place_left_out(void)
{
	_cleanup_status_ struct status s = { 0 };
	_cleanup_free_ char *text =
		xasprintf("dir: backup\n\tpath %s/backup\n\tcontent backup\n\n"
			  "dir: gone\n\tpath %s/gone\n\tcontent backup\n\tis_mountpoint 1\n",
			  paths.root, paths.root);
	_cleanup_free_ char *archive = paths_get(&paths, "/gone/dump/a.vma");

	load_storages(text);
	put_record(102, TASK_SAVED, archive, "gone:backup/a.vma", NOW - 30);
	ok(ask(&s, NULL, NULL, 0) == 0 && strstr(buf_str(&lines), "storage 'gone' is left out"),
	   "a storage that cannot be used is named in a warning");
	ok(s.guests[1].backup.is_seen && s.guests[1].n_backups == 3, "and the others are shown");
	ok(!s.guests[2].backup.is_seen && !strcmp(s.guests[2].backup.volid, "gone:backup/a.vma") &&
		   !(s.guests[2].problems & STATUS_NO_BACKUP),
	   "with what is on record of it");
	put_storages();
}

/* Two storages in one folder, the second by a link; another folder has one more. */
static void test_one_folder(void)
{
	_cleanup_status_ struct status s = { 0 };
	_cleanup_free_ char *text = xasprintf("dir: one\n\tpath %s/backup\n\tcontent backup\n\n"
					      "dir: two\n\tpath %s/link\n\tcontent backup\n"
					      "\tprune-backups keep-last=1\n",
					      paths.root, paths.root);
	_cleanup_free_ char *link = paths_get(&paths, "/link");

	symlink("backup", link);
	load_storages(text);
	put("/etc/pve/jobs.cfg", "vzdump: a\n\tschedule 22:00\n\tvmid 101\n\tstorage two\n");
	ask(&s, NULL, NULL, 0);
	ok(s.guests[1].n_backups == 3, "backups that two storages show are counted once");
	ok(strv_len(s.guests[1].pruned) == 2 && !strncmp(s.guests[1].pruned[0], "two:", 4),
	   "and a job removes those of its storage");
	put_jobs();
	put_storages();
}

static void test_verified(void)
{
	_cleanup_status_ struct status s = { 0 };
	_cleanup_free_ char *path =
		paths_get(&paths, "/other/dump/vzdump-qemu-100-2026_11_22-02_00_00.vma.zst");
	FILE *f = fopen(path, "re");

	verified_add(&paths, path, fileno(f), NOW - 5, NULL);
	fclose(f);
	ask(&s, NULL, NULL, 0);
	ok(s.guests[0].backup.verified == NOW - 5, "when the last backup was verified");
	put_archive("/other", 100, 22, "666");
	status_clear(&s);
	ask(&s, NULL, NULL, 0);
	ok(s.guests[0].backup.verified == 0, "another archive of that name was not");
}

static void test_named(void)
{
	static const uint32_t two[] = { 102, 100, 102 }, elsewhere[] = { 200 }, none[] = { 100, 555 };
	_cleanup_status_ struct status s = { 0 };

	ok(ask(&s, NULL, two, 3) == 0 && s.n == 2 && s.guests[0].vmid == 100, "guests that are named");
	status_clear(&s);
	ok(ask(&s, NULL, elsewhere, 1) == ERR_NOT_FOUND, "not of another node");
	status_clear(&s);
	ok(ask(&s, NULL, none, 2) == ERR_NOT_FOUND, "nor one that there is not");
	status_clear(&s);
	ok(ask(&s, "nowhere", NULL, 0) == ERR_NOT_FOUND, "nor a storage that there is not");
	status_clear(&s);
	ok(ask(&s, "local", NULL, 0) == ERR_INVALID, "or that has no backups");
}

static void test_bad_jobs(void)
{
	_cleanup_status_ struct status s = { 0 };

	put("/etc/pve/jobs.cfg", "vzdump: a\n\tschedule 22:00\n\tpool nowhere\n\n"
				 "vzdump: b\n\tschedule 22:00\n\tvmid 100\n\tall 1\n\n"
				 "vzdump: c\n\tschedule *-02-30\n\tvmid 100\n");
	ok(ask(&s, NULL, NULL, 0) == 0 && warnings == 2, "jobs that cannot run are warned about");
	ok(s.planned.n == 1 && s.guests[0].n_jobs == 1 && !s.guests[0].next,
	   "one that never comes is a job without a time");
	put_jobs();
}

static void test_figures(void)
{
	_cleanup_guest_list_ struct guest_list guests = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	const struct job_report job = { .start = NOW };
	const struct task_report slowed = {
		.vmid = 101,
		.outcome = TASK_SAVED,
		.start = NOW,
		.slowdown = { .limited = true, .limit = 5, .times = 1, .ns = 70500000000, .rate = 3 },
	};

	record_save(&paths, &job, &slowed, NULL, NULL);
	guest_list_load(&paths, &guests, NULL);
	metrics_text(&host, &guests, &(struct job_report){ .start = NOW }, NOW, &text);
	ok(strstr(buf_str(&text),
		  "\nvzdump_job_next_run_timestamp_seconds{job_id=\"nightly\"} 1795730400\n") &&
		   !strstr(buf_str(&text), "elsewhere") && !strstr(buf_str(&text), "disabled"),
	   "the figures have the next runs of jobs");
	ok(strstr(buf_str(&text), "\n# TYPE vzdump_guest_last_run_slowed_seconds gauge\n"
				  "vzdump_guest_last_run_slowed_seconds{vmid=\"101\"} 70.500000\n") &&
		   !strstr(buf_str(&text), "slowed_seconds{vmid=\"100\"}"),
	   "and how long a guest was slowed, of those with a limit");
}

int main(void)
{
	setenv("TZ", "UTC", 1);
	root_make();
	put_storages();
	put_guests();
	put_jobs();
	test_guests();
	test_jobs();
	test_backups();
	test_pruned();
	test_random();
	test_by_hand();
	test_records();
	test_verified();
	test_dumpdirs();
	test_dumpdir_of_job();
	test_dumpdir_is_a_storage();
	test_out_of_sight();
	test_place_left_out();
	test_one_folder();
	test_named();
	test_bad_jobs();
	test_figures();
	storage_config_clear(&storages);
	buf_clear(&lines);
	root_remove();
	return done_testing();
}

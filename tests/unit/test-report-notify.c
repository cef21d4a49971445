/* The notification of a run: what the templates show. */
#include "base/fqdn.h"
#include "base/mem.h"
#include "base/strv.h"
#include "report/report-notify.h"
#include "tap.h"
#include "test-config-util.h"
#include "test-root.h"

static struct job_report report;

static void put_log(struct buf *log, const char *text)
{
	report_keep_log(&report, log, text, strlen(text));
}

static void make_report(void)
{
	static const uint32_t vmids[] = { 100, 101, 102 };

	report = (struct job_report){ .node = xstrdup("here"),
				      .command_line = xstrdup("vzdump 100 101 102"),
				      .ns = UINT64_C(3723000000000),
				      .begun = true };
	report_begin(&report, vmids, ARRAY_SIZE(vmids));
	report.tasks[0] = (struct task_report){ .vmid = 100,
						.outcome = TASK_SAVED,
						.name = xstrdup("web"),
						.archive = xstrdup("/dump/a.vma.zst"),
						.archive_size = 1536,
						.ns = UINT64_C(61900000000) };
	report.tasks[1] = (struct task_report){ .vmid = 101,
						.outcome = TASK_FAILED,
						.name = xstrdup("VM 101"),
						.archive = xstrdup("/dump/b"),
						.error = xstrdup("why"),
						.archive_size = 5 };
	put_log(&report.log_before, "mounted\n");
	put_log(&report.tasks[0].log, "2026-11-26 20:00:00 INFO: one\n2026-11-26 20:00:01 INFO: two\n");
	put_log(&report.log_after, "unmounted\n");
}

static const char *value(struct json_object *o, const char *key)
{
	return json_text(json_get_obj(o, key)) ? json_text(json_get_obj(o, key)) : "null";
}

static void test_good_and_bad(void)
{
	_cleanup_json_ struct json_object *o = NULL;

	make_report();
	o = report_template_data(&report, &paths);
	same(json_get_str(o, "hostname"), "here", "the host");
	same(json_get_str(o, "fqdn"), "here.example.org", "its full name");
	ok(!json_get_obj(o, "cluster-name"), "outside of a cluster there is no cluster's name");
	same(json_get_str(o, "status-text"), "backup failed", "a guest failed");
	same(value(o, "error"), "null", "which is no error of the run");
	same(value(o, "total-time"), "3723", "seconds");
	same(value(o, "total-size"), "1536", "bytes of what was saved");
	same(json_text(json_get_array(json_get_obj(o, "guest-table"), "data")),
	     "[{\"vmid\":100,\"name\":\"web\",\"status\":\"ok\",\"time\":61,\"size\":1536,\"filename\":\"/dump/a.vma.zst\"},"
	     "{\"vmid\":101,\"name\":\"VM 101\",\"status\":\"err\",\"time\":0,\"size\":0,\"filename\":null},"
	     "{\"vmid\":102,\"name\":\"VM 102\",\"status\":\"todo\",\"time\":0,\"size\":0,\"filename\":null}]",
	     "a row for each guest");
	same(json_text(json_walk(o, "guest-table", "schema", "columns", NULL)),
	     "[{\"label\":\"VMID\",\"id\":\"vmid\"},{\"label\":\"Name\",\"id\":\"name\"},"
	     "{\"label\":\"Status\",\"id\":\"status\"},{\"label\":\"Time\",\"id\":\"time\",\"renderer\":\"duration\"},"
	     "{\"label\":\"Size\",\"id\":\"size\",\"renderer\":\"human-bytes\"},{\"label\":\"Filename\",\"id\":\"filename\"}]",
	     "PVE's columns");
	same(json_get_str(o, "logs"),
	     "vzdump 100 101 102\n\nmounted\n\n"
	     "100: 2026-11-26 20:00:00 INFO: one\n100: 2026-11-26 20:00:01 INFO: two\n\n"
	     "101: no log available\n101: ERROR: Backup of VM 101 failed - why\n\n102: no log available\n\nunmounted\n",
	     "the logs");
	same(value(o, "fleecing-table"), "null", "nobody used fleecing");
	same(value(o, "incremental-table"), "null", "nor incremental backups");
	same(value(o, "warnings"), "null", "nothing to warn of");
	report_clear(&report);
}

static void status_is(const char *error, const char *want_text)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *got = NULL;

	make_report();
	report.tasks[1].outcome = report.tasks[2].outcome = TASK_SAVED;
	report.error = xstrdup_null(error);
	o = report_template_data(&report, &paths);
	got = xasprintf("%s; %s", json_get_str(o, "status-text"), value(o, "error"));
	same(got, want_text, error ? "an error of the run" : "no error");
	report_clear(&report);
}

static void test_ours(void)
{
	_cleanup_json_ struct json_object *o = NULL;

	make_report();
	report.tasks[0].disks = xcalloc(1, sizeof(struct disk_report));
	report.tasks[0].n_disks = 1;
	report.tasks[0].disks[0] = (struct disk_report){ .name = xstrdup("drive-scsi0"),
							 .way = "fleecing",
							 .fleecing = true,
							 .peak = 7,
							 .copied = 9,
							 .discarded = 8 };
	strv_add(&report.warnings, "of the run");
	report.n_warnings = 1;
	strv_add(&report.tasks[1].warnings, "of a guest");
	report.tasks[1].n_warnings = 3;
	o = report_template_data(&report, &paths);
	same(json_text(json_get_array(json_get_obj(o, "fleecing-table"), "data")),
	     "[{\"vmid\":100,\"peak\":7,\"copied\":9,\"discarded\":8,\"slowed\":\"no\"}]",
	     "who used fleecing");
	ok(json_array_len(json_walk(o, "fleecing-table", "schema", "columns", NULL)) == 4,
	   "nothing more is shown where no guest was slowed");
	same(json_text(json_get_array(o, "warnings")),
	     "[\"of the run\",\"101: of a guest\",\"101: 2 more warnings, see the log\"]", "warnings");
	report_clear(&report);
}

static void test_slowed(void)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct disk_report disks[2] = { { .fleecing = true }, { .fleecing = true } };

	make_report();
	for (size_t i = 0; i < 2; i++) {
		report.tasks[i].disks = &disks[i];
		report.tasks[i].n_disks = 1;
		report.tasks[i].slowdown.limited = true;
	}
	report.tasks[1].slowdown.times = 1;
	report.tasks[1].slowdown.ns = 70000000000;
	report.tasks[1].slowdown.rate = 5 * 1048576;
	o = report_template_data(&report, &paths);
	same(json_text(json_walk(o, "fleecing-table", "schema", "columns", NULL)),
	     "[{\"label\":\"VMID\",\"id\":\"vmid\"},{\"label\":\"Peak\",\"id\":\"peak\",\"renderer\":\"human-bytes\"},"
	     "{\"label\":\"Copied\",\"id\":\"copied\",\"renderer\":\"human-bytes\"},"
	     "{\"label\":\"Discarded\",\"id\":\"discarded\",\"renderer\":\"human-bytes\"},"
	     "{\"label\":\"Slowed for\",\"id\":\"slowed\"}]",
	     "where a guest was slowed, a column says so");
	same(json_get_str(json_array_at(json_get_array(json_get_obj(o, "fleecing-table"), "data"), 1),
			  "slowed"),
	     "1m 10s to 5.0 MiB/s", "for how long, and to which rate");
	for (size_t i = 0; i < 2; i++) {
		report.tasks[i].disks = NULL;
		report.tasks[i].n_disks = 0;
	}
	report_clear(&report);
}

static void test_incremental(void)
{
	_cleanup_json_ struct json_object *o = NULL;

	make_report();
	report.tasks[0].incremental = (struct incremental_report){ .asked = true,
								   .chained = true,
								   .base = xstrdup("a"),
								   .generation = 2,
								   .changed = 9,
								   .shared = 1500 };
	report.tasks[1].incremental = (struct incremental_report){ .asked = true,
								   .chained = true,
								   .reason = xstrdup("no archive") };
	report.tasks[2].incremental = (struct incremental_report){ .asked = true };
	o = report_template_data(&report, &paths);
	same(json_text(json_get_array(json_get_obj(o, "incremental-table"), "data")),
	     "[{\"vmid\":100,\"changed\":9,\"new\":36,\"shared\":1500,\"generation\":2,\"base\":\"a\"},"
	     "{\"vmid\":101,\"changed\":0,\"new\":5,\"shared\":0,\"generation\":0,"
	     "\"base\":\"full backup: no archive\"}]",
	     "which archives belong to a chain");
	report.tasks[1].incremental.chained = false;
	json_object_put(o);
	o = report_template_data(&report, &paths);
	same(json_text(json_array_at(json_get_array(json_get_obj(o, "incremental-table"), "data"), 1)),
	     "{\"vmid\":101,\"changed\":0,\"new\":5,\"shared\":0,\"generation\":\"none\","
	     "\"base\":\"full backup: no archive\"}",
	     "and why one belongs to none");
	report_clear(&report);
}

static void test_logs(void)
{
	_cleanup_json_ struct json_object *o = NULL, *long_line = NULL;
	_cleanup_free_ char *line = xcalloc(1, 2002), *big = xcalloc(1, REPORT_LOG_MAX + 1);
	const char *logs;

	make_report();
	/* a character of two bytes stands on the place where the line must break */
	memset(line, 'a', 2000);
	memcpy(line + 989, "\303\244", 2);
	put_log(&report.tasks[1].log, line);
	long_line = report_template_data(&report, &paths);
	logs = strstr(json_get_str(long_line, "logs"), "101: ");
	ok(logs && strcspn(logs, "\n") == strlen("101: ") + 989 &&
		   !strncmp(logs + 5 + 989, "\n101: \303\244a", 9),
	   "a long line is broken between two characters");
	memset(big, 'x', REPORT_LOG_MAX);
	put_log(&report.tasks[2].log, big);
	o = report_template_data(&report, &paths);
	same(json_get_str(o, "logs"),
	     "The logs are longer than 1024 KiB and are not shown here: see /var/log/vzdump on here.\n"
	     "101: ERROR: Backup of VM 101 failed - why\n",
	     "logs that are too long for a mail");
	report_clear(&report);
}

static void test_not_begun(void)
{
	_cleanup_json_ struct json_object *o = NULL;

	make_report();
	report.begun = false;
	o = report_template_data(&report, &paths);
	same(json_text(json_get_array(json_get_obj(o, "guest-table"), "data")), "[]",
	     "a run that has not begun has no guests");
	same(json_get_str(o, "logs"), "vzdump 100 101 102\n\nmounted\n\nunmounted\n", "nor their logs");
	report_clear(&report);
}

static void test_fqdn(void)
{
	put("/etc/hosts", "127.0.0.1 localhost # here\n");
	is_text(fqdn_of_node(&paths), "here", "a host that has no full name");
	put("/etc/hosts", "127.0.0.1 localhost\n10.0.0.1\tpve.example.org here\n10.0.0.2 here.other here");
	is_text(fqdn_of_node(&paths), "pve.example.org", "the first line that names the host counts");
}

int main(void)
{
	root_make();
	put("/etc/hostname", "here\n");
	put("/etc/hosts", "10.0.0.1 here.example.org here\n");
	test_good_and_bad();
	status_is(NULL, "backup successful; null");
	status_is("no lock", "backup failed: no lock; null");
	status_is("one\ntwo", "backup failed: multiple problems; \"one\\ntwo\"");
	test_ours();
	test_slowed();
	test_incremental();
	test_logs();
	test_not_begun();
	test_fqdn();
	root_remove();
	return done_testing();
}

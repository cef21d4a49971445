/* The report of a run: what it keeps, what it adds up, and its JSON. */
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "report/report-json.h"
#include "report/report-log.h"
#include "tap.h"

static const uint32_t vmids[] = { 100, 101, 101 };

/* ---- warnings ---- */

static void count_lines(const struct log *log, enum log_level level, const char *line)
{
	unsigned *n = log->opaque;

	(void)level;
	*n += line != NULL;
}

static void test_warnings(void)
{
	_cleanup_report_ struct job_report r = { 0 };
	struct report_log l;
	unsigned lines = 0;
	const struct log outer = { .line = count_lines, .opaque = &lines };
	struct log guest;

	report_log_init(&l, &r, &outer);
	log_warn(&l.log, "before there are guests");
	report_begin(&r, vmids, ARRAY_SIZE(vmids));
	guest = log_for_guest(&l.log, 101);
	r.tasks[0].outcome = r.tasks[1].outcome = TASK_SAVED;
	log_warn(&guest, "first");
	r.tasks[2].outcome = TASK_RUNS;
	log_warn(&guest, "second");
	log_info(&guest, "no warning");
	guest = log_for_guest(&l.log, 999);
	log_warn(&guest, "a guest of no row");
	ok(strv_len(r.warnings) == 2 && !strcmp(r.warnings[1], "a guest of no row"), "warnings of the run");
	ok(r.tasks[1].n_warnings == 1 && !strcmp(r.tasks[1].warnings[0], "first"), "and of a guest");
	ok(r.tasks[2].n_warnings == 1 && !strcmp(r.tasks[2].warnings[0], "second"), "that is saved twice");
	ok(report_warnings(&r) == 4 && lines == 5, "all lines go on");
	for (int i = 0; i < 2 * REPORT_WARNINGS_MAX; i++)
		log_warn(&l.log, "again");
	ok(strv_len(r.warnings) == REPORT_WARNINGS_MAX && r.n_warnings == 2 + 2 * REPORT_WARNINGS_MAX,
	   "a flood of them is counted, but not kept");
	report_log_clear(&l);
}

/* ---- logs ---- */

static void test_logs(void)
{
	_cleanup_report_ struct job_report r = { 0 };
	_cleanup_free_ char *half = xcalloc(1, REPORT_LOG_MAX / 2);

	memset(half, 'x', REPORT_LOG_MAX / 2);
	report_begin(&r, vmids, ARRAY_SIZE(vmids));
	report_keep_log(&r, &r.log_before, half, REPORT_LOG_MAX / 2);
	report_keep_log(&r, &r.tasks[0].log, half, REPORT_LOG_MAX / 2);
	ok(!r.log_too_long && r.tasks[0].log.len == REPORT_LOG_MAX / 2, "logs of the largest size are kept");
	report_keep_log(&r, &r.tasks[1].log, "x", 1);
	ok(r.log_too_long && !r.log_before.len && !r.tasks[0].log.len && !r.tasks[1].log.len,
	   "a byte more, and none is");
	report_keep_log(&r, &r.log_after, "x", 1);
	ok(!r.log_after.len, "nor any that follows");
}

/* ---- sums ---- */

static void test_sums(void)
{
	_cleanup_report_ struct job_report r = { 0 };
	struct disk_report sum;

	ok(report_is_good(&r), "a run without guests has not failed");
	report_begin(&r, vmids, ARRAY_SIZE(vmids));
	ok(!report_is_good(&r) && report_count(&r, TASK_TODO) == 3, "one that reached no guest is not good");
	for (size_t i = 0; i < 3; i++) {
		r.tasks[i].outcome = TASK_SAVED;
		r.tasks[i].archive_size = 5;
	}
	ok(report_is_good(&r) && report_total_size(&r) == 15, "all saved");
	r.tasks[1].outcome = TASK_CANCELED;
	ok(!report_is_good(&r) && report_total_size(&r) == 10, "only what was saved counts");
	r.tasks[1].outcome = TASK_SAVED;
	report_add_error(&r, "one");
	report_add_error(&r, "two");
	ok(!report_is_good(&r) && !strcmp(r.error, "one\ntwo"), "an error of the run, a line for each");

	ok(!task_report_fleecing(&r.tasks[0], &sum) && !sum.fleecing, "no disk, no fleecing");
	r.tasks[0].disks = xcalloc(3, sizeof(*r.tasks[0].disks));
	r.tasks[0].n_disks = 3;
	for (size_t i = 0; i < 3; i++)
		r.tasks[0].disks[i] = (struct disk_report){ .name = xstrdup("d"),
							    .way = "x",
							    .fleecing = i > 0,
							    .peak = 1 + i,
							    .copied = 10,
							    .discarded = 7 };
	ok(task_report_fleecing(&r.tasks[0], &sum) && sum.peak == 5 && sum.copied == 20 &&
		   sum.discarded == 14,
	   "the sum of those with a fleecing image");
}

/* ---- incremental backups ---- */

static void test_new(void)
{
	struct task_report t = { .archive_size = 100 };

	ok(task_report_new(&t) == 100, "all of an archive that shares nothing is new");
	t.incremental.shared = 70;
	ok(task_report_new(&t) == 30, "else what it does not share");
	t.archive_size = 0;
	ok(task_report_new(&t) == 0, "where there is no archive, nothing is new");
}

/* ---- JSON ---- */

static void test_json(void)
{
	_cleanup_report_ struct job_report r = { .start = 1792886400,
						 .ns = 61500000999,
						 .node = xstrdup("here") };
	_cleanup_json_ struct json_object *o = NULL;
	struct task_report *t;

	report_begin(&r, vmids, 1);
	t = &r.tasks[0];
	t->outcome = TASK_FAILED;
	t->name = xstrdup("caf\xe9");
	t->error = xstrdup("why");
	t->ns = 2000000000;
	t->size = 10;
	o = report_json(&r);
	is_text(xstrdup(json_text(o)),
		"{\"version\":1,\"state\":\"failed\",\"error\":null,\"command\":null,\"job-id\":null,"
		"\"node\":\"here\",\"storage\":null,\"dumpdir\":null,\"start\":1792886400,\"seconds\":61.5,"
		"\"warnings\":[],\"guests\":[{\"vmid\":100,\"name\":\"caf\303\251\",\"state\":\"failed\","
		"\"error\":\"why\",\"mode\":null,\"start\":null,\"seconds\":2.0,\"archive\":null,\"volid\":null,"
		"\"archive-size\":null,\"incremental\":null,\"boot\":null,\"size\":10,\"read\":0,\"zero\":0,\"speed\":5,\"fleecing\":null,"
		"\"slowdown\":null,\"disks\":[],\"stopped-seconds\":0.0,\"frozen-seconds\":0.0,\"warnings\":[]}],"
		"\"totals\":{\"guests\":1,\"ok\":0,\"size\":10,\"read\":0,\"zero\":0,\"archive-size\":0,"
		"\"shared\":0,\"warnings\":0}}",
		"a report as JSON");
}

static void slowed_for(uint64_t ns, uint64_t rate, const char *want)
{
	const struct slowdown_report s = {
		.limited = true, .limit = 1, .times = ns ? 1 : 0, .ns = ns, .rate = rate, .lowest_rate = 1024
	};
	_cleanup_free_ char *text = slowdown_report_text(&s);

	ok(want ? text && !strcmp(text, want) : !text, "slowed for %s (%s)", want ? want : "no time",
	   text ? text : "-");
}

static void test_slowdown(void)
{
	_cleanup_report_ struct job_report r = { 0 };
	_cleanup_json_ struct json_object *o = NULL, *unlimited = NULL;

	slowed_for(0, 0, NULL);
	slowed_for(70000000000, 5 * 1048576, "1m 10s to 5.0 MiB/s");
	slowed_for(70499999999, 5 * 1048576, "1m 10s to 5.0 MiB/s");
	slowed_for(1, 0, "1s to 1.0 KiB/s");
	report_begin(&r, vmids, 1);
	r.tasks[0].slowdown = (struct slowdown_report){ .limited = true,
							.limit = 2000,
							.reason = "reserve",
							.times = 2,
							.ns = 1500000000,
							.rate = 30,
							.lowest_rate = 20 };
	o = report_json(&r);
	is_text(xstrdup(json_text(
			json_get_obj(json_object_array_get_idx(json_get_array(o, "guests"), 0), "slowdown"))),
		"{\"limit\":2000,\"reason\":\"reserve\",\"times\":2,\"seconds\":1.5,\"speed\":30,"
		"\"lowest-speed\":20}",
		"what a limit did");
	unlimited = slowdown_report_json(&(struct slowdown_report){ .limited = true, .limit = UINT64_MAX });
	is_text(xstrdup(json_text(unlimited)),
		"{\"limit\":null,\"reason\":null,\"times\":0,\"seconds\":0.0,\"speed\":0,\"lowest-speed\":0}",
		"one that is not known");
}

static void test_json_incremental(void)
{
	_cleanup_report_ struct job_report r = { 0 };
	_cleanup_json_ struct json_object *o = NULL;

	report_begin(&r, vmids, 2);
	r.tasks[0].outcome = TASK_SAVED;
	r.tasks[0].archive_size = 100;
	r.tasks[0].incremental = (struct incremental_report){ .asked = true,
							      .chained = true,
							      .base = xstrdup("a"),
							      .generation = 3,
							      .looked_at = 50,
							      .changed = 40,
							      .shared = 70,
							      .taken = 20,
							      .bad = 1 };
	r.tasks[1].outcome = TASK_FAILED;
	r.tasks[1].incremental =
		(struct incremental_report){ .asked = true, .reason = xstrdup("b"), .shared = 9 };
	o = report_json(&r);
	is_text(xstrdup(json_text(json_get_obj(json_object_array_get_idx(json_get_array(o, "guests"), 0),
					       "incremental"))),
		"{\"base\":\"a\",\"reason\":null,\"generation\":3,\"looked-at\":50,\"changed\":40,\"new\":30,"
		"\"shared\":70,\"copied\":20,\"bad-frames\":1}",
		"an incremental backup as JSON");
	is_text(xstrdup(json_text(json_get_obj(json_object_array_get_idx(json_get_array(o, "guests"), 1),
					       "incremental"))),
		"{\"base\":null,\"reason\":\"b\",\"generation\":null,\"looked-at\":0,\"changed\":0,\"new\":0,"
		"\"shared\":9,\"copied\":0,\"bad-frames\":0}",
		"one whose archive belongs to no chain");
	is_text(xstrdup(json_text(json_walk(o, "totals", "shared", NULL))), "70",
		"the sum of what is shared");
}

int main(void)
{
	test_warnings();
	test_logs();
	test_sums();
	test_new();
	test_json();
	test_slowdown();
	test_json_incremental();
	return done_testing();
}

/* What observers hear of a job, in which order, without a QEMU. */
#include <sys/stat.h>

#include "backup/job.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/vzdump-options.h"
#include "test-config-util.h"
#include "test-root.h"

/* ---- one that writes down all it hears ---- */

struct recorder {
	struct buf heard;
	const char *fails_at; /* this phase; NULL: none */
	const char *name;     /* NULL: it is alone */
};

static int on_phase(void *opaque, const struct phase *p, struct error **err)
{
	struct recorder *x = opaque;

	buf_addf(&x->heard, "%sphase %s", x->name ? x->name : "", p->name);
	if (p->guest)
		buf_addf(&x->heard, " of %u (%s)", p->guest->vmid, p->guest->known ? "known" : "unknown");
	buf_adds(&x->heard, p->rule == PHASE_ALWAYS ? ", always\n" : "\n");
	return x->fails_at && !strcmp(x->fails_at, p->name) ? error_set(err, ERR_PEER, "no %s", p->name) : 0;
}

static void on_event(void *opaque, const struct event *e)
{
	struct recorder *x = opaque;

	buf_addf(&x->heard, "event %s%s", e->level == LOG_LEVEL_ERROR ? "ERROR " : "", e->line);
	if (e->vmid)
		buf_addf(&x->heard, " [%u]", e->vmid);
	buf_adds(&x->heard, "\n");
}

static struct observer observe(struct recorder *x)
{
	return (struct observer){ .phase = on_phase, .event = on_event, .opaque = x };
}

/* ---- jobs ---- */

static int run_job(const char *line, struct recorder *x, struct job_report *report, struct error **err)
{
	_cleanup_free_ char *all = xasprintf("vzdump %s --dumpdir %s/dump", line, paths.root);
	_cleanup_strv_ char **argv = strv_split_args(all);
	_cleanup_options_ struct options o = { 0 };
	_cleanup_settings_ struct settings settings = { 0 };
	_cleanup_selection_ struct selection selection = { 0 };
	const struct host host = { .paths = &paths };
	const struct observer list[] = { { 0 }, observe(x) };
	const struct observers observers = { .list = list, .n = ARRAY_SIZE(list) };
	const struct job_params params = { .settings = &settings,
					   .selection = &selection,
					   .command_line = line,
					   .observers = &observers,
					   .report = report };
	int r = options_parse(&vzdump_options, (int)strv_len(argv), argv, &o, err);

	settings_init(&settings, &o);
	if (r == 0)
		r = settings_load(&settings, &o, &paths, NULL, err);
	if (r == 0)
		r = job_choose(&host, &settings.request, job_stop_running, &selection, err);
	return r > 0 ? job_run(&host, &params, err) : r;
}

static void test_order(void)
{
	_cleanup_free_ char *why =
		xasprintf("unable to find VM '999' (no file %s/etc/pve/qemu-server/999.conf)", paths.root);
	_cleanup_free_ char *want = NULL;
	struct recorder x = { .heard = BUF_INIT };
	_cleanup_report_ struct job_report report = { 0 };
	struct error *err = NULL;

	fails(run_job("999 105", &x, &report, &err), &err, "job errors",
	      "a job whose guests fail has errors");
	want = xasprintf(
		"phase job-init\n"
		"event starting new backup job: 999 105\n"
		"phase job-start\n"
		"event ERROR Backup of VM 105 failed - it is a container (%s/etc/pve/lxc/105.conf): only VMs can be saved so far [105]\n"
		"event ERROR Backup of VM 999 failed - %s [999]\n"
		"phase backup-abort of 999 (unknown), always\n"
		"phase log-end of 999 (unknown), always\n"
		"phase job-end\n"
		"event Backup job finished with errors\n",
		paths.root, why);
	same(buf_str(&x.heard), want, "and observers hear all of it in order");
	buf_clear(&x.heard);
	ok(report.n == 2 && report.begun && !report.error && !report_is_good(&report),
	   "the report has both guests");
	ok(report.tasks[0].outcome == TASK_UNSUPPORTED && report.tasks[1].outcome == TASK_FAILED,
	   "and what became of them");
	same(report.tasks[1].error, why, "and why");
	ok(!report.tasks[1].name && !report.tasks[1].archive && report.tasks[1].start,
	   "it names no archive that there is not");
}

static void test_refused_phase(void)
{
	struct recorder x = { .heard = BUF_INIT, .fails_at = "job-start" };
	struct job_report report = { 0 };
	struct error *err = NULL;

	fails(run_job("999", &x, &report, &err), &err, "no job-start",
	      "an observer that refuses a phase ends the job");
	same(buf_str(&x.heard),
	     "phase job-init\n"
	     "event starting new backup job: 999\n"
	     "phase job-start\n"
	     "phase job-abort, always\n"
	     "event ERROR Backup job failed - no job-start\n",
	     "and no guest's turn comes");
	same(report.error, "no job-start", "the report has the error");
	ok(report.begun && report.n == 1 && report.tasks[0].outcome == TASK_TODO,
	   "and the guest that was not reached");
	report_clear(&report);
	buf_clear(&x.heard);

	x = (struct recorder){ .heard = BUF_INIT, .fails_at = "job-init" };
	fails(run_job("999 --tmpdir /nowhere", &x, &report, &err), &err, "no job-init; tmpdir",
	      "one that refuses job-init too");
	same(buf_str(&x.heard), "phase job-init\n", "and the job has not begun");
	same(report.error, "no job-init\ntmpdir '/nowhere' does not exist",
	     "the report has all that was wrong, a line each");
	ok(!report.begun, "and says that no guest was reached");
	report_clear(&report);
	buf_clear(&x.heard);
}

/* ---- several observers ---- */

static void reached(enum phase_rule rule, const char *want, const char *name)
{
	struct recorder one = { .heard = BUF_INIT, .fails_at = "p", .name = "1 " };
	struct recorder two = { .heard = BUF_INIT, .fails_at = "p", .name = "2 " };
	const struct observer list[] = { observe(&one), observe(&two) };
	const struct observers observers = { .list = list, .n = ARRAY_SIZE(list) };
	_cleanup_free_ char *both = NULL;
	struct error *err = NULL;

	fails(observers_phase(&observers, &(struct phase){ .name = "p", .rule = rule }, &err), &err, "no p",
	      name);
	both = xasprintf("%s%s", buf_str(&one.heard), buf_str(&two.heard));
	same(both, want, "  and these hear of it");
	buf_clear(&one.heard);
	buf_clear(&two.heard);
}

static void test_observers(void)
{
	const struct observer list[] = { { 0 }, { .shows_progress = true } };
	const struct observers shows = { .list = list, .n = 2 }, does_not = { .list = list, .n = 1 };

	reached(PHASE_MAY_FAIL, "1 phase p\n", "a phase that fails goes no further");
	reached(PHASE_ALWAYS, "1 phase p, always\n2 phase p, always\n", "one that always comes reaches all");
	ok(observers_show_progress(&shows) && !observers_show_progress(&does_not), "who shows progress");
	ok(!observers_show_progress(NULL), "nobody shows progress if nobody is there");
	ok(observers_phase(NULL, &(struct phase){ .name = "p" }, NULL) == 0, "nor does anybody fail");
}

int main(void)
{
	_cleanup_free_ char *dump = NULL;

	root_make();
	dump = paths_get(&paths, "/dump");
	io_mkdir_p(dump, 0755, NULL);
	put("/etc/hostname", "here\n");
	put("/etc/pve/lxc/105.conf", "");
	put("/etc/pve/qemu-server/100.conf", "");
	test_order();
	test_refused_phase();
	test_observers();
	root_remove();
	return done_testing();
}

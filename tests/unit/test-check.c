/* vzdump check on hosts without a QEMU: guests that answer as the test says. */
#include "check/check.h"

#include "base/text.h"
#include "check/rows.h"
#include "guest/guest-ops.h"
#include "journal/journal.h"
#include "tap.h"
#include "test-root.h"

#define MUTE    102
#define UNKNOWN 103

/* ---- guests ---- */

static int fake_status(const struct guest *g, struct guest_status *ret, struct error **err)
{
	if (g->vmid == UNKNOWN)
		return error_set(err, ERR_INVALID, "VM 103 is in a state that nobody knows");
	ret->running = g->vmid == MUTE;
	return 0;
}

static int fake_monitor(const struct guest *g, const struct cancel *cancel, struct qmp **ret,
			struct error **err)
{
	(void)g;
	(void)cancel;
	(void)ret;
	return error_set(err, ERR_TIMEOUT, "it took too long");
}

static const struct guest_ops fake_ops = { .status = fake_status, .monitor = fake_monitor };
static const struct journal_kind *const kinds[] = { &journal_kind_pid, NULL };

/* ---- findings ---- */

static struct findings found;

/* A finding of that level about the subject whose text, or way out, has this in it. */
static const struct finding *find(enum finding_level level, const char *subject, const char *text)
{
	for (size_t i = 0; i < found.n; i++) {
		const struct finding *f = &found.list[i];

		if (f->level == level && !strcmp(f->subject, subject) &&
		    (strstr(f->text, text) || (f->way_out && strstr(f->way_out, text))))
			return f;
	}
	return NULL;
}

static bool is_sorted(void)
{
	for (size_t i = 1; i < found.n; i++)
		if (found.list[i].vmid < found.list[i - 1].vmid)
			return false;
	return true;
}

static int check(const struct check_request *q, struct error **err)
{
	const struct host host = { .paths = &paths, .guest_ops = &fake_ops, .kinds = kinds };

	findings_clear(&found);
	return check_make(&host, q, &found, err);
}

/* ---- tests ---- */

static void test_rows(void)
{
	struct findings f = { 0 };
	struct check c = { .findings = &f, .group = "host" };
	struct row_log l;
	struct log guest;

	row_add(&c, FINDING_WARNING, 0, xstrdup("a"), xstrdup("one\ntwo\033"), NULL);
	ok(f.n == 1 && !strcmp(f.list[0].text, "one two?"), "a text is one line that a terminal may show");
	row_add(&c, FINDING_FAULT, 0, xstrdup("b"), xstrdup("one two?"), xstrdup("way"));
	ok(f.n == 1, "what was said already is not said again");
	row_add(&c, FINDING_WARNING, 101, xstrdup("VM 101"), xstrdup("one two?"), NULL);
	ok(f.n == 2, "but for another guest");
	row_add(&c, FINDING_OK, 0, xstrdup("a"), xstrdup("fine"), NULL);
	row_add(&c, FINDING_OK, 0, xstrdup("b"), xstrdup("fine"), NULL);
	ok(f.n == 4, "what is fine may be fine for several");
	row_log_init(&l, &c, "file", FINDING_REMARK);
	guest = log_for_guest(&l.log, 105);
	log_info(&l.log, "nothing");
	log_warn(&l.log, "a warning");
	log_error(&guest, "an error");
	ok(f.n == 6 && l.n == 2, "of a log, warnings and errors are findings");
	ok(f.list[4].level == FINDING_REMARK && !strcmp(f.list[4].subject, "file") && !f.list[4].vmid,
	   "a warning has the level and the subject that was asked for");
	ok(f.list[5].level == FINDING_FAULT && !strcmp(f.list[5].subject, "VM 105") && f.list[5].vmid == 105,
	   "an error is a fault, of the guest that it is about");
	l.skip_errors = true;
	log_error(&l.log, "another error");
	ok(f.n == 6, "errors that are told in another way are left out");
	ok(findings_count(&f, FINDING_OK) == 2 && findings_count(&f, FINDING_WARNING) == 2,
	   "they are counted");
	findings_clear(&f);
	ok(!strcmp(finding_level_name(FINDING_OK), "ok") &&
		   !strcmp(finding_level_name(FINDING_FAULT), "fault"),
	   "levels have names");
}

static void test_empty_host(void)
{
	const struct check_request q = { .now = 1800000000 };
	_cleanup_error_ struct error *err = NULL;

	ok(check(&q, &err) == 0, "a host without any file can be checked");
	ok(find(FINDING_OK, "storage.cfg", "only the storage 'local'") &&
		   find(FINDING_OK, "jobs.cfg", "there is no"),
	   "it has no storage.cfg and no jobs.cfg, which is fine");
	ok(find(FINDING_OK, "host", "/var/lib/vzdump"), "its folders can be written to");
	ok(!find(FINDING_WARNING, "host", "socket"), "it has no sockets");
}

static void test_clock(void)
{
	const struct check_request q = { .now = 86400 };

	check(&q, NULL);
	ok(find(FINDING_FAULT, "host", "the clock is at 86400 s since 1970"),
	   "a clock that was never set is a fault");
}

static void test_guests(void)
{
	const struct check_request all = { .now = 1800000000 };
	const uint32_t vmids[] = { 101 }, none[] = { 999 };
	const struct check_request one = { .now = 1800000000, .vmids = vmids, .n_vmids = 1 };
	const struct check_request missing = { .now = 1800000000, .vmids = none, .n_vmids = 1 };
	const struct check_request nowhere = { .now = 1800000000, .storage = "nowhere" };
	_cleanup_error_ struct error *err = NULL;

	put("/etc/pve/qemu-server/101.conf", "memory: 16\n");
	put("/etc/pve/qemu-server/102.conf", "memory: 16\n");
	put("/etc/pve/qemu-server/103.conf", "memory: 16\n");
	put("/etc/pve/lxc/104.conf", "memory: 16\n");
	put("/etc/pve/storage.cfg", "dir: backup\n\tpath /nonexistent/backup\n\tcontent backup\n\tmkdir 0\n");
	put("/etc/pve/jobs.cfg", "vzdump: nightly\n\tschedule 22:00\n\tvmid 101\n\tstorage backup\n");
	ok(check(&all, &err) == 0 && is_sorted(), "the host comes first, then guest by guest");
	ok(find(FINDING_OK, "VM 101", "does not run"), "a guest that does not run");
	ok(find(FINDING_FAULT, "VM 102", "its QEMU does not answer: it took too long"),
	   "one whose QEMU is mute");
	ok(find(FINDING_FAULT, "VM 103", "a state that nobody knows"), "one of which nothing is known");
	ok(find(FINDING_REMARK, "container 104", "not saved"), "a container");
	ok(find(FINDING_FAULT, "storage 'backup'", "does not exist or is unreachable"),
	   "a target that is not there");
	ok(find(FINDING_WARNING, "VM 102", "no job saves it") && !find(FINDING_WARNING, "VM 101", "no job"),
	   "guests in no job");
	ok(find(FINDING_WARNING, "jobs", "no job is started"), "nobody starts jobs");
	ok(check(&one, &err) == 0 && !find(FINDING_FAULT, "VM 102", "") && find(FINDING_OK, "VM 101", ""),
	   "guests that are asked for, and no others");
	ok(check(&missing, &err) == ERR_NOT_FOUND &&
		   !strcmp(error_message(err), "there is no guest 999 on this host"),
	   "a guest that there is not");
	error_free(TAKE_PTR(err));
	ok(check(&nowhere, &err) == ERR_NOT_FOUND && strstr(error_message(err), "'nowhere' does not exist"),
	   "a storage that there is not");
}

int main(void)
{
	root_make();
	test_rows();
	test_empty_host();
	test_clock();
	test_guests();
	findings_clear(&found);
	root_remove();
	return done_testing();
}

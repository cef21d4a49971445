/* lib/journal/recover: what a journal holds is undone in the order of ranks, and what fails stays. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "journal/recover.h"
#include "tap.h"
#include "test-root.h"

#define CONF "/etc/pve/qemu-server/123.conf"

static struct buf undone = BUF_INIT, said = BUF_INIT;
static const char *failing; /* value of the entry that cannot be undone */

static int undo(const char *kind, const char *value, struct error **err)
{
	buf_addf(&undone, "%s%s:%s", undone.len ? " " : "", kind, value);
	if (failing && !strcmp(value, failing))
		return error_set(err, -EBUSY, "'%s' is in use", value);
	return 0;
}

#define DEFINE_KIND(name, rank, ...)                                                          \
	static int undo_##name(const struct host *host, struct journal *j, const char *value, \
			       const struct log *log, struct error **err)                     \
	{                                                                                     \
		(void)host, (void)j, (void)log;                                               \
		return undo(#name, value, err);                                               \
	}                                                                                     \
	static const struct journal_kind kind_##name = { #name, rank, undo_##name, __VA_ARGS__ }

static bool is_mark_needed(const struct journal *j)
{
	return journal_has(j, "disk");
}

DEFINE_KIND(first, 1, NULL);
DEFINE_KIND(disk, 20, NULL);
DEFINE_KIND(mark, 30, is_mark_needed);
DEFINE_KIND(last, 1000, NULL);
static const struct journal_kind kind_passive = { .name = "passive" };

static const struct journal_kind *const kinds[] = {
	&kind_last, &kind_disk,  &journal_kind_pid,  &kind_passive,
	&kind_mark, &kind_first, &journal_kind_lock, NULL,
};

static void keep_line(const struct log *log, enum log_level level, const char *line)
{
	(void)level;
	buf_addf(log->opaque, "%s\n", line);
}

static const struct log keep = { .line = keep_line, .opaque = &said };

static void begin(const char *fails)
{
	buf_reset(&undone);
	buf_reset(&said);
	failing = fails;
}

static bool has_value(const struct journal *j, const char *kind, const char *value)
{
	for (size_t i = 0; i < j->n; i++)
		if (journal_entry_is(&j->entries[i], kind) && !strcmp(j->entries[i].value, value))
			return true;
	return false;
}

static void test_order(const struct host *host)
{
	_cleanup_(journal_freep) struct journal *j = NULL;

	begin(NULL);
	journal_create(host->paths, kinds, 123, &j, NULL);
	journal_add(j, "last", "z", NULL);
	journal_add(j, "disk", "one", NULL);
	journal_add(j, "passive", "p", NULL);
	journal_add(j, "mark", NULL, NULL);
	journal_add(j, "disk", "two", NULL);
	journal_add(j, "first", "a", NULL);
	ok(recover_rest(host, j, &keep, NULL) == 0 &&
		   !strcmp(buf_str(&undone), "first:a disk:one disk:two mark: last:z"),
	   "kinds are undone in the order of their ranks, entries of one as they came: %s", buf_str(&undone));
	ok(j->n == 2 && journal_has(j, JOURNAL_PID) && journal_has(j, "passive"),
	   "those without an undo stay, all others are struck out");
	journal_strike(j, "passive", "p");
	ok(journal_finish(j), "then the journal can go");
}

static void test_failure(const struct host *host)
{
	_cleanup_(journal_freep) struct journal *j = NULL, *read = NULL;
	_cleanup_error_ struct error *err = NULL;

	begin("one");
	journal_create(host->paths, kinds, 123, &j, NULL);
	journal_add(j, "disk", "one", NULL);
	journal_add(j, "disk", "two", NULL);
	journal_add(j, "mark", NULL, NULL);
	journal_add(j, "last", "z", NULL);
	ok(recover_rest(host, j, &keep, &err) == -EBUSY &&
		   !strcmp(error_message(err), "cleaning up: 'one' is in use"),
	   "an entry that cannot be undone is an error: %s", error_message(err));
	ok(!strcmp(buf_str(&said), "cleaning up: 'one' is in use\n"), "which is logged once");
	ok(!strcmp(buf_str(&undone), "disk:one disk:two last:z"),
	   "and does not keep the rest from being undone");
	ok(j->n == 3 && has_value(j, "disk", "one") && journal_has(j, "mark"),
	   "it stays, and so does what others still need, which is not undone");
	ok(!journal_finish(j), "and the journal with it");
	journal_free(TAKE_PTR(j));

	begin(NULL);
	ok(journal_load(host->paths, kinds, 123, &read, NULL) == 0 &&
		   recover_rest(host, read, &keep, NULL) == 0 &&
		   !strcmp(buf_str(&undone), "disk:one mark:") && journal_finish(read),
	   "the next attempt undoes just these: %s", buf_str(&undone));
}

static void test_unknown(const struct host *host)
{
	static const struct journal_kind *const few[] = { &journal_kind_pid, &kind_disk, NULL };
	_cleanup_(journal_freep) struct journal *j = NULL, *read = NULL;
	_cleanup_error_ struct error *err = NULL;

	begin(NULL);
	journal_create(host->paths, kinds, 123, &j, NULL);
	journal_add(j, "last", "z", NULL);
	journal_add(j, "disk", "one", NULL);
	journal_strike(j, "last", "z");
	journal_add(j, "last", "y", NULL);
	journal_free(TAKE_PTR(j));
	ok(journal_load(host->paths, few, 123, &read, NULL) == 0 && read->n == 2 && journal_has(read, "disk"),
	   "entries of kinds that nobody knows are passed over");
	ok(journal_add(read, "last", "x", &err) == ERR_INVALID && read->n == 2, "and cannot be added: %s",
	   error_message(err));
	ok(recover_rest(host, read, &keep, NULL) == 0 && journal_finish(read), "they keep no journal");
}

static int undo_lock_of(const struct host *host, const char *conf, struct error **err)
{
	_cleanup_(journal_freep) struct journal *j = NULL;
	int r = journal_create(host->paths, kinds, 123, &j, NULL);

	if (conf)
		put(CONF, conf);
	if (r == 0)
		r = journal_add(j, JOURNAL_LOCK, NULL, err);
	if (r == 0)
		r = recover_rest(host, j, &keep, err);
	if (journal_has(j, JOURNAL_LOCK) != (r < 0))
		r = 1;
	journal_remove(j, NULL);
	return r;
}

static void test_lock(const struct host *host)
{
	_cleanup_free_ char *dir = paths_get(host->paths, "/etc/pve/qemu-server");
	_cleanup_error_ struct error *err = NULL;

	begin(NULL);
	ok(undo_lock_of(host, NULL, &err) == -ENOENT &&
		   strstr(error_message(err), "whether VM 123 is still locked"),
	   "without /etc/pve the lock stays in the journal, since it may come back: %s", error_message(err));
	io_mkdir_p(dir, 0755, NULL);
	ok(undo_lock_of(host, NULL, NULL) == 0, "of a guest that is gone it is struck out");
	ok(undo_lock_of(host, "lock: backup\ncores: 2\n", NULL) == 0 && holds(CONF, "cores: 2\n"),
	   "the guest's lock is removed");
	ok(undo_lock_of(host, "cores: 2\n", NULL) == 0 && undo_lock_of(host, "lock: migrate\n", NULL) == 0 &&
		   holds(CONF, "lock: migrate\n"),
	   "one that is removed already is no error, and another program's stays");
}

/* Files that are replaced in one step, and were not yet when their process ended. */
static void test_unfinished(const struct host *host)
{
	static const char *const files[] = { CONF, "/etc/pve/firewall/123.fw", "/var/lib/vzdump/123.fw",
					     "/var/lib/vzdump/123.conf", "/var/lib/vzdump/123.finish" };
	_cleanup_(journal_freep) struct journal *j = NULL;
	bool good = true;

	begin(NULL);
	journal_create(host->paths, kinds, 123, &j, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *ours = io_unfinished_name(files[i], getpid());
		_cleanup_free_ char *others = io_unfinished_name(files[i], 1);

		put(ours, "half");
		put(others, "half");
	}
	recover_rest(host, j, &keep, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *ours = io_unfinished_name(files[i], getpid());
		_cleanup_free_ char *others = io_unfinished_name(files[i], 1);

		good = good && !is_there(ours) && is_there(others);
	}
	ok(good, "what the journal's process was writing goes, and nobody else's");
	journal_remove(j, NULL);
}

static void test_all(const struct host *host)
{
	_cleanup_(journal_freep) struct journal *dead = NULL, *other = NULL, *alive = NULL;
	_cleanup_error_ struct error *err = NULL;
	unsigned n = 0;
	int r;

	begin("stuck");
	journal_create(host->paths, kinds, 200, &dead, NULL);
	journal_add(dead, "disk", "gone", NULL);
	journal_free(TAKE_PTR(dead));
	journal_create(host->paths, kinds, 201, &other, NULL);
	journal_add(other, "disk", "stuck", NULL);
	journal_free(TAKE_PTR(other));
	journal_create(host->paths, kinds, 202, &alive, NULL);
	journal_add(alive, "disk", "living", NULL);
	r = recover_all(host, 0, &n, &err);
	ok(r == -EBUSY && n == 2 && strstr(error_message(err), "VM 201: ") &&
		   strstr(error_message(err), "'vzdump --cleanup 201' tries again"),
	   "all journals of dead processes are gone through, and the first error names its guest: %s",
	   error_message(err));
	ok(strstr(buf_str(&said), "cleaning up: 'stuck' is in use\n"), "what cannot be undone is logged");
	ok(strstr(buf_str(&said), "left over: disk gone\n") && !strstr(buf_str(&undone), "living"),
	   "it is said what was left over; a guest that somebody works on is left alone");
	begin(NULL);
	ok(recover_all(host, 202, &n, NULL) == 0 && n == 0 && recover_all(host, 201, &n, NULL) == 0 &&
		   n == 1 && !strcmp(buf_str(&undone), "disk:stuck"),
	   "one guest alone can be asked for");
	journal_remove(alive, NULL);
}

int main(void)
{
	struct host host = { .paths = &paths, .log = &keep, .kinds = kinds };

	root_make();
	test_order(&host);
	test_failure(&host);
	test_unknown(&host);
	test_lock(&host);
	test_unfinished(&host);
	test_all(&host);
	root_remove();
	buf_clear(&undone);
	buf_clear(&said);
	return done_testing();
}

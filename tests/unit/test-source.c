/* The set of a guest's sources: which kind each disk has, and who is called with which disks. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "source/choose.h"
#include "source/source.h"
#include "tap.h"

static void test_choose(void)
{
	ok(source_choose("scsi0", SOURCE_FLEECING) == &source_fleecing,
	   "a disk is fleeced if that is asked for");
	ok(source_choose("scsi0", SOURCE_NO_FLEECING) == &source_sink,
	   "without fleecing its old data is pushed");
	ok(source_choose("efidisk0", SOURCE_FLEECING) == &source_sink, "the EFI disk has no fleecing image");
	ok(source_choose("tpmstate0", SOURCE_FLEECING) == &source_offline,
	   "the TPM's state is read beside QEMU");
	ok(source_choose("tpmstate0", SOURCE_NO_FLEECING) == &source_offline,
	   "the TPM's state is, without fleecing too");
}

/* ---- two kinds of our own, which write down their calls ---- */

static struct buf calls = BUF_INIT;
static int answer;

static void note(const char *what, struct source *const *disks, size_t n)
{
	buf_addf(&calls, "%s", what);
	for (size_t i = 0; i < n; i++)
		buf_addf(&calls, "%c%s", i ? '+' : '=', disks[i]->device);
	buf_addf(&calls, " ");
}

#define STEP(name)                                                                                    \
	static int name(struct sources *s, struct source *const *disks, size_t n, struct error **err) \
	{                                                                                             \
		(void)s;                                                                              \
		note(#name, disks, n);                                                                \
		return answer < 0 ? error_set(err, answer, "told to fail") : 0;                       \
	}

STEP(open_a)
STEP(open_b)
STEP(prepare_a)
STEP(prepare_b)
STEP(begin)
STEP(check)

static int explain_a(const struct source *d, int code, struct error **err)
{
	return error_set(err, code, "%s had a bad day", d->device);
}

static const struct source_ops a = { .name = "a",
				     .open = open_a,
				     .prepare = prepare_a,
				     .begin = begin,
				     .check = check,
				     .explain = explain_a };
static const struct source_ops b = { .name = "b", .open = open_b, .prepare = prepare_b, .begin = begin };
static const struct source_ops c = { .name = "c", .open = open_b };

static struct sources *make(void)
{
	static const struct source_ops *const kinds[] = { &a, &b, &a, &c };
	static const char *const names[] = { "d0", "d1", "d2", "d3" };
	struct sources *s = sources_new(&(struct source_params){ 0 });

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		sources_add(s, NULL, names[i], NULL)->ops = kinds[i];
	buf_clear(&calls);
	answer = 0;
	return s;
}

static bool called(const char *want)
{
	if (!strcmp(buf_str(&calls), want))
		return true;
	diag("called: %s", buf_str(&calls));
	return false;
}

static void test_steps(void)
{
	struct sources *s = make();

	ok(sources_open(s, "/run/x", NULL) == 0 && called("open_a=d0+d2 open_b=d1+d3 "),
	   "each function that opens is called once, with all disks that have it, in their order");
	buf_clear(&calls);
	ok(sources_begin(s, SOURCES_FREEZE, NULL) == 0 &&
		   called("prepare_a=d0+d2 prepare_b=d1 begin=d0+d1+d2 "),
	   "kinds prepare each for itself, then there is one instant for the disks of two kinds");
	buf_clear(&calls);
	ok(sources_look(s, NULL) == 0 && sources_check(s, NULL) == 0 && called("check=d0+d2 "),
	   "kinds without a check are not asked");
	sources_free(s);
}

static void test_failure(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct sources *s = make();

	answer = -EBUSY;
	ok(sources_open(s, "/run/x", &err) == -EBUSY && called("open_a=d0+d2 "),
	   "after a failure nothing else is opened");
	buf_clear(&calls);
	ok(sources_begin(s, SOURCES_FREEZE, NULL) == -EBUSY && called("prepare_a=d0+d2 "),
	   "where preparing fails the instant does not come");
	sources_free(s);
}

static void test_explain(void)
{
	_cleanup_error_ struct error *err = NULL;
	struct sources *s = make();

	ok(sources_explain(s, s->list[1], -EINVAL, &err) == 0 && !err, "a kind may have no explanation");
	ok(sources_explain(s, NULL, -EINVAL, &err) == 0 && !err, "an unknown disk has none");
	ok(sources_explain(s, s->list[0], -EIO, &err) == 0 && !err, "only EINVAL is explained");
	ok(sources_explain(s, s->list[0], -EINVAL, &err) == -EINVAL &&
		   !strcmp(error_message(err), "d0 had a bad day"),
	   "a snapshot that QEMU gave up is explained by its kind");
	sources_free(s);
}

static void test_space(void)
{
	struct sources *s = make();
	struct source_space space;
	struct usage_value total;

	ok(!sources_get_space(s, &total) && !source_get_space(s, s->list[0], &space),
	   "without fleecing images no space is counted");
	sources_end(s);
	sources_end(s);
	sources_free(s);
	sources_free(NULL);
	ok(true, "a set may be ended twice");
}

int main(void)
{
	test_choose();
	test_steps();
	test_failure();
	test_explain();
	test_space();
	buf_clear(&calls);
	return done_testing();
}

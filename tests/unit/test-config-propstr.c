#include "base/mem.h"
#include "config/formats.h"
#include "test-config-util.h"

static void check_fleecing(const char *text, bool enabled, const char *storage)
{
	struct fleecing_config c = { 0 };
	struct error *err = NULL;
	char name[200];
	int r = fleecing_config_parse(text, &c, &err);

	snprintf(name, sizeof(name), "fleecing '%s' is understood", text ? text : "(none)");
	if (works(r, &err, name)) {
		ok(c.enabled == enabled, "  enabled is %d", enabled);
		same(c.storage, storage, "  storage");
	}
	fleecing_config_clear(&c);
}

static void bad_fleecing(const char *text, const char *part)
{
	struct fleecing_config c = { 0 };
	struct error *err = NULL;
	char name[200];
	int r = fleecing_config_parse(text, &c, &err);

	snprintf(name, sizeof(name), "fleecing '%s' is refused: %s", text, part);
	fails(r, &err, part, name);
}

/* As bytes, "10%", or "-" if it is not set. */
static char *amount_text(const struct fleecing_amount *a)
{
	if (!a->set)
		return xstrdup("-");
	return a->percent ? xasprintf("%u%%", a->percent) : xasprintf("%lu", (unsigned long)a->bytes);
}

static void check_amounts(const char *text, const char *want_limit, const char *want_reserve)
{
	struct fleecing_config c = { 0 };
	struct error *err = NULL;

	if (works(fleecing_config_parse(text, &c, &err), &err, text)) {
		_cleanup_free_ char *limit = amount_text(&c.limit), *reserve = amount_text(&c.reserve);

		same(limit, want_limit, "  limit");
		same(reserve, want_reserve, "  reserve");
	}
	fleecing_config_clear(&c);
}

static void test_amounts(void)
{
	check_amounts("1,storage=aa", "-", "-");
	check_amounts("1,limit=2G", "2147483648", "-");
	check_amounts("1,limit=16M,reserve=1.5T", "16777216", "1649267441664");
	check_amounts("1,limit=16777216", "16777216", "-");
	check_amounts("1,limit=1%,reserve=99%", "1%", "99%");
	check_amounts("1,limit=100%", "100%", "-");
	check_amounts("1,reserve=0", "-", "0");
	check_amounts("1,reserve=0%", "-", "0");
	check_amounts("1,reserve=1K", "-", "1024");
	bad_fleecing("1,limit=0",
		     "key 'limit': value '0' leaves no room for an image: leave out limit= for no limit");
	bad_fleecing("1,limit=0G", "value '0G' leaves no room");
	bad_fleecing("1,limit=0%", "value '0%' leaves no room");
	bad_fleecing("limit=2",
		     "key 'limit': value '2' is too small, the minimum is 16M (without K, M, G or T it is "
		     "bytes)");
	bad_fleecing("1,limit=16777215", "the minimum is 16M");
	bad_fleecing("1,limit=15M", "the minimum is 16M");
	bad_fleecing("1,limit=101%", "key 'limit': value '101%' is too large, the maximum is 100%");
	bad_fleecing("1,reserve=100%", "key 'reserve': value '100%' is too large, the maximum is 99%");
	bad_fleecing("1,limit=99999999999999999999%",
		     "is not a size or a percentage (such as 2G, 528M or 10%)");
	bad_fleecing("1,limit=", "key 'limit' has no value");
	bad_fleecing("1,limit=-1", "value '-1' is not a size or a percentage");
	bad_fleecing("1,limit=%", "value '%' is not a size or a percentage");
	bad_fleecing("1,limit=2GiB", "value '2GiB' is not a size or a percentage");
	bad_fleecing("1,limit=2g", "value '2g' is not a size or a percentage");
	bad_fleecing("1,limit=1.5%", "value '1.5%' is not a size or a percentage");
	bad_fleecing("1,limit=10 %", "value '10 %' is not a size or a percentage");
	bad_fleecing("1,reserve=all", "key 'reserve': value 'all' is not a size or a percentage");
	bad_fleecing("1,limit=2G,limit=3G", "key 'limit' is given twice");
}

static void test_fleecing(void)
{
	check_fleecing(NULL, false, NULL);
	check_fleecing("", false, NULL);
	check_fleecing("1", true, NULL);
	check_fleecing("enabled=1", true, NULL);
	check_fleecing("on,storage=local-zfs", true, "local-zfs");
	check_fleecing("enabled=1,storage=x1", true, "x1");
	check_fleecing("storage=x1,enabled=0", false, "x1");
	check_fleecing("storage=x1,yes", true, "x1");
	check_fleecing(",1,, ,", true, NULL);
	bad_fleecing("2", "key 'enabled': value '2' is not a boolean");
	bad_fleecing("enabled=maybe", "'maybe'");
	bad_fleecing("1,storage=-x", "key 'storage': value '-x' is not a storage id");
	bad_fleecing("1,storage=x", "'x' is not a storage id");
	bad_fleecing("1,storage=", "key 'storage' has no value");
	bad_fleecing("1,stroage=fast", "unknown key 'stroage' (known: enabled, storage, limit, reserve)");
	bad_fleecing("1,0", "key 'enabled' is given twice");
	bad_fleecing("1,enabled=1", "key 'enabled' is given twice");
	bad_fleecing("storage=aa,storage=bb", "key 'storage' is given twice");
	bad_fleecing("=1", "key missing in front of '=1'");
	bad_fleecing(" storage=aa", "unknown key ' storage'");
}

static void test_performance(void)
{
	struct performance_config c;
	struct error *err = NULL;

	works(performance_config_parse(NULL, &c, &err), &err, "performance may be missing");
	ok(c.max_workers == 16, "max-workers is 16 by default");
	works(performance_config_parse("max-workers=256", &c, &err), &err, "256 workers are allowed");
	ok(c.max_workers == 256 && c.pbs_entries_max == 1048576, "the other key keeps its default");
	fails(performance_config_parse("max-workers=0", &c, &err), &err, "the minimum is 1",
	      "0 workers are too few");
	fails(performance_config_parse("max-workers=257", &c, &err), &err, "the maximum is 256",
	      "257 workers are too many");
	fails(performance_config_parse("8", &c, &err), &err, "value '8' has no key",
	      "a value without key needs a default key");
	fails(performance_config_parse("max-workers=99999999999999999999", &c, &err), &err, "out of range",
	      "a huge number is out of range");
}

static void test_prune(void)
{
	struct prune_keep k;
	struct error *err = NULL;
	char *text;

	works(prune_keep_parse("keep-last=3,keep-daily=2", &k, &err), &err, "retention is understood");
	ok(!k.all && k.count[PRUNE_LAST] == 3 && k.count[PRUNE_DAILY] == 2, "both counts are there");
	text = prune_keep_describe(&k);
	same(text, "keep-daily=2, keep-last=3", "it is shown sorted by name, as PVE logs it");
	free(text);
	works(prune_keep_parse("keep-last=0", &k, &err), &err, "only zeroes are fine");
	ok(k.all, "and mean keep all");
	fails(prune_keep_parse("keep-all=1,keep-last=1", &k, &err), &err,
	      "keep-all cannot be set together with other options", "keep-all excludes others");
	works(prune_keep_parse("keep-all=1,keep-last=0", &k, &err), &err, "keep-all beside a zero is fine");
	works(prune_keep_parse("keep-all=0,keep-last=1", &k, &err), &err, "keep-all=0 is fine");
	ok(!k.all, "and keeps the count");
	fails(prune_keep_parse("keep-last=-1", &k, &err), &err, "too small", "counts are not negative");
}

static void test_tolerant(void)
{
	static const struct propstr_key keys[] = {
		{ .name = "file", .value = { .type = VALUE_STRING }, .is_default = true, .required = true },
		{ .name = "volume", .alias = "file" },
	};
	static const struct propstr_format f = { .name = "t", .keys = keys, .n_keys = 2, .tolerant = true };
	struct propstr p = { 0 };
	struct error *err = NULL;

	works(propstr_parse(&f, "a:b,x=y=z", &p, &err), &err, "a tolerant format takes unknown keys");
	same(propstr_get(&p, "x"), "y=z", "with all that follows the first =");
	propstr_clear(&p);
	works(propstr_parse(&f, "volume=q", &p, &err), &err, "an alias stands for its key");
	same(propstr_get(&p, "file"), "q", "under which it is found");
	propstr_clear(&p);
	fails(propstr_parse(&f, "a,volume=b", &p, &err), &err, "key 'file' is given twice",
	      "a key may come once under all its names");
	fails(propstr_parse(&f, "x=1", &p, &err), &err, "key 'file' is missing",
	      "a required key is missed by name");
}

int main(void)
{
	test_fleecing();
	test_amounts();
	test_performance();
	test_prune();
	test_tolerant();
	return done_testing();
}

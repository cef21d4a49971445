/*
 * The rules between the options of vzdump: which exclude each other, and which wins when both the command
 * line and vzdump.conf set one.
 */
#include <string.h>

#include "base/buf.h"
#include "base/strv.h"
#include "config/formats.h"
#include "config/notes-template.h"
#include "config/vzdump-options.h"

/* "max-workers=8,pbs-entries-max=5": a's keys, then those that only b has.  Both are valid. */
static char *merge_performance(const char *a, const char *b)
{
	_cleanup_propstr_ struct propstr pa = { 0 };
	_cleanup_propstr_ struct propstr pb = { 0 };
	_cleanup_buf_ struct buf out = BUF_INIT;

	propstr_parse(&performance_format, a, &pa, NULL);
	propstr_parse(&performance_format, b, &pb, NULL);
	buf_adds(&out, a);
	for (size_t i = 0; i < pb.n; i++)
		if (!propstr_has(&pa, pb.pairs[i].key))
			buf_addf(&out, "%s%s=%s", out.len ? "," : "", pb.pairs[i].key, pb.pairs[i].value);
	return buf_steal(&out);
}

/*
 * Options that are not simply taken over: those with a rule of their own, and those that select guests, since
 * PVE selects them before it reads the file.
 */
static bool has_own_rule(const char *name)
{
	static const char *const names[] = {
		"exclude-path", "prune-backups", "incremental", "performance", "vmid",  "all",
		"exclude",      "pool",          "node",        "stop",        "quiet", "libvirt",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool names_place(const char *name)
{
	return strcmp(name, "storage") == 0 || strcmp(name, "dumpdir") == 0;
}

static int merge_row(struct options *cli, const struct options *conf, const char *name, struct error **err)
{
	int r = options_set(cli, name, options_get(conf, name), err);

	if (r < 0)
		return error_wrap(err, r, "option '%s' of vzdump.conf", name);
	return r;
}

/* As in PVE an empty value means not given.  Dropped after the merge, so that "--script ''" overrides the file's. */
static void drop_empty(struct options *o)
{
	static const char *const names[] = { "dumpdir", "script", "tmpdir" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (options_given(o, names[i]) && !*options_get(o, names[i]))
			options_unset(o, names[i]);
}

int vzdump_options_merge(struct options *cli, const struct options *conf, struct error **err)
{
	bool has_place = options_given(cli, "storage") || options_given(cli, "dumpdir");
	char *const *patterns = options_array(conf, "exclude-path");
	int r = 0;

	for (size_t i = 0; i < conf->table->n_rows && r == 0; i++) {
		const char *name = conf->table->rows[i].name;

		if (!options_given(conf, name) || options_given(cli, name) || has_own_rule(name) ||
		    (has_place && names_place(name)))
			continue;
		r = merge_row(cli, conf, name, err);
	}
	for (size_t i = 0; r == 0 && patterns && patterns[i]; i++)
		r = options_set(cli, "exclude-path", patterns[i], err);
	if (r == 0 && options_given(conf, "performance")) {
		const char *own = options_given(cli, "performance") ? options_get(cli, "performance") : "";
		_cleanup_free_ char *merged = merge_performance(own, options_get(conf, "performance"));

		r = options_set(cli, "performance", merged, err);
	}
	drop_empty(cli);
	return r;
}

/* With enabled=0 it is off on purpose. */
static void warn_verify_boot(const struct options *o, const struct log *log)
{
	const char *text = options_get(o, "verify-boot");
	_cleanup_propstr_ struct propstr p = { 0 };

	if (text && propstr_parse(&verify_boot_format, text, &p, NULL) == 0 && p.n &&
	    !propstr_has(&p, "enabled"))
		log_warn(log, "verify-boot is off, though '%s' is given for it: enabled=1,%s turns it on",
			 text, text);
}

/* The same. */
static void warn_fleecing(const struct options *o, const struct log *log)
{
	const char *text = options_get(o, "fleecing"), *storage;
	_cleanup_propstr_ struct propstr p = { 0 };

	if (!text || propstr_parse(&fleecing_format, text, &p, NULL) < 0 || !p.n ||
	    propstr_has(&p, "enabled"))
		return;
	storage = propstr_get(&p, "storage");
	log_warn(log, "fleecing is off, though %s '%s' is given for it: enabled=1,%s turns it on",
		 storage ? "storage" : p.pairs[0].key, storage ? storage : p.pairs[0].value, text);
}

void vzdump_options_warn(const struct options *o, const struct log *log)
{
	warn_verify_boot(o, log);
	warn_fleecing(o, log);
}

static bool names_guests(const struct options *o)
{
	const char *ids = options_get(o, "vmid"), *names = options_get(o, "libvirt");
	_cleanup_strv_ char **list = ids ? strv_split_list(ids) : NULL;
	_cleanup_strv_ char **domains = names ? strv_split_list(names) : NULL;

	return strv_len(list) > 0 || strv_len(domains) > 0;
}

/* --libvirt '*' --exclude 201 */
static bool is_of_libvirt(const struct options *o, const char *rival)
{
	return !strcmp(rival, "exclude") && options_given(o, "libvirt");
}

static int check_notes(const struct options *o, struct error **err)
{
	const char *template = options_get(o, "notes-template");
	const int r = template ? notes_template_check(template, err) : 0;

	if (r < 0)
		return error_wrap(err, r, "vzdump: option --notes-template");
	return r;
}

int vzdump_options_verify(struct options *o, struct error **err)
{
	const char *pool = options_get(o, "pool");
	const bool has_pool = pool && *pool, guests = names_guests(o);
	static const char *const rivals[] = { "all", "exclude", "pool" };
	const char *exclude = options_get(o, "exclude");

	for (size_t i = 0; i < ARRAY_SIZE(rivals); i++) {
		const char *value = options_get(o, rivals[i]);

		if (guests && value && *value && strcmp(value, "0") != 0 && !is_of_libvirt(o, rivals[i]))
			return error_set(err, ERR_INVALID,
					 "vzdump: option --%s conflicts with guest ids, give only "
					 "one of them",
					 rivals[i]);
	}
	if (options_bool(o, "dry-run") && options_bool(o, "cleanup"))
		return error_set(
			err, ERR_INVALID,
			"vzdump: option --dry-run: --cleanup would change something, give only one of "
			"them (without --cleanup it says what is left to clean up)");
	if (options_bool(o, "forget") && !options_bool(o, "cleanup"))
		return error_set(err, ERR_INVALID, "vzdump: option --forget needs --cleanup too");
	if (check_notes(o, err) < 0)
		return ERR_INVALID;
	if (exclude && !has_pool && !guests)
		return options_set(o, "all", "1", err);
	if (!guests && !has_pool && !options_bool(o, "all") && !options_bool(o, "stop") &&
	    !options_bool(o, "cleanup"))
		return error_set(
			err, ERR_INVALID,
			"vzdump: no guest given, name guest ids or use --all or --pool (see --help)");
	return 0;
}

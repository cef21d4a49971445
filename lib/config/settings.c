#include "config/settings.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"
#include "config/vzdump-options.h"

/* Where archives go by default, as in PVE. */
#define DEFAULT_STORAGE "local"

/* ---- what the command line alone decides ---- */

/* NULL if it is not given, or empty. */
static char *copy_filled(const struct options *o, const char *name)
{
	const char *value = options_get(o, name);

	return value && *value ? xstrdup(value) : NULL;
}

/* The name was checked when the option was set. */
static enum settings_output parse_output(const char *name)
{
	if (!strcmp(name, "json"))
		return OUTPUT_JSON;
	return strcmp(name, "json-lines") == 0 ? OUTPUT_JSON_LINES : OUTPUT_TEXT;
}

void settings_init(struct settings *ret, const struct options *cli)
{
	struct settings_request *q = &ret->request;

	*ret = (struct settings){ 0 };
	q->vmids = vmid_list_parse(options_get(cli, "vmid"), &q->n_vmids);
	q->by_id = options_given(cli, "vmid") || options_given(cli, "libvirt");
	q->libvirt = options_given(cli, "libvirt") ? strv_split_names(options_get(cli, "libvirt")) : NULL;
	q->connect = copy_filled(cli, "connect");
	q->pool = copy_filled(cli, "pool");
	q->all = options_bool(cli, "all");
	q->excludes = options_given(cli, "exclude");
	q->excluded = vmid_list_parse(options_get(cli, "exclude"), &q->n_excluded);
	q->node = xstrdup_null(options_get(cli, "node"));
	q->stop = options_bool(cli, "stop");
	q->cleanup = options_bool(cli, "cleanup");
	q->forget = options_bool(cli, "forget");
	q->to_stdout = options_bool(cli, "stdout");
	q->quiet = options_bool(cli, "quiet");
	q->job_id = copy_filled(cli, "job-id");
	q->strict = options_bool(cli, "strict");
	q->dry_run = options_bool(cli, "dry-run");
	q->output = parse_output(options_get(cli, "output-format"));
}

static void clear_request(struct settings_request *q)
{
	free(q->vmids);
	strv_free(q->libvirt);
	strv_free(q->unresolved);
	free(q->connect);
	free(q->pool);
	free(q->excluded);
	free(q->node);
	free(q->job_id);
}

/* ---- the rest, of the merged options ---- */

/* --stdout overrules a storage of vzdump.conf, but contradicts one of the command line. */
static int check_place(const struct options *merged, bool cli_names_storage, struct error **err)
{
	const bool storage = options_given(merged, "storage"), to_stdout = options_bool(merged, "stdout");

	if (storage && to_stdout && cli_names_storage)
		return error_set(err, ERR_INVALID,
				 "cannot use options 'storage' and 'stdout' at the same time");
	if (storage && options_given(merged, "dumpdir") && !to_stdout)
		return error_set(err, ERR_INVALID,
				 "cannot use options 'storage' and 'dumpdir' at the same time");
	return 0;
}

static void fill_place(struct settings_place *p, const struct options *o)
{
	p->dumpdir = xstrdup_null(options_get(o, "dumpdir"));
	p->storage = xstrdup_null(options_get(o, "storage"));
	if (!p->storage && !p->dumpdir)
		p->storage = xstrdup(DEFAULT_STORAGE);
}

static enum settings_compression parse_compression(const char *name)
{
	if (!strcmp(name, "0"))
		return SETTINGS_COMPRESS_NONE;
	if (!strcmp(name, "gzip"))
		return SETTINGS_COMPRESS_GZIP;
	if (!strcmp(name, "zstd"))
		return SETTINGS_COMPRESS_ZSTD;
	return SETTINGS_COMPRESS_LZO; /* "1" and "lzo" */
}

static unsigned half_of_the_cores(void)
{
	const long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 1 ? (unsigned)((n + 1) / 2) : 1;
}

/* PVE's numbers: pigz takes 1 for half of the cores and 0 for none, zstd takes 0 for half of them. */
static unsigned compress_threads(const struct options *o, enum settings_compression c)
{
	const bool gzip = c == SETTINGS_COMPRESS_GZIP;
	const int64_t n = options_int(o, gzip ? "pigz" : "zstd");

	if (gzip)
		return n <= 0 ? 0 : n == 1 ? half_of_the_cores() : (unsigned)n;
	return n <= 0 ? half_of_the_cores() : (unsigned)n;
}

static void fill_archive(struct settings_archive *a, const struct options *o)
{
	a->compression = parse_compression(options_get(o, "compress"));
	a->threads = compress_threads(o, a->compression);
	a->level = (int)options_int(o, "zstd-level");
	a->ionice = (int)options_int(o, "ionice");
}

static const char *const mode_names[] = {
	[MODE_SNAPSHOT] = "snapshot",
	[MODE_SUSPEND] = "suspend",
	[MODE_STOP] = "stop",
};

const char *backup_mode_name(enum backup_mode mode)
{
	return mode_names[mode];
}

/* The name was checked when the option was set. */
static enum backup_mode parse_mode(const char *name)
{
	size_t mode = 0;

	while (mode + 1 < ARRAY_SIZE(mode_names) && strcmp(mode_names[mode], name) != 0)
		mode++;
	return (enum backup_mode)mode;
}

static void fill_notify(struct settings_notify *n, const struct options *o)
{
	const char *mode = options_get(o, "notification-mode"), *mailto = options_get(o, "mailto");

	n->mode = !strcmp(mode, "legacy-sendmail")       ? NOTIFY_LEGACY
		  : !strcmp(mode, "notification-system") ? NOTIFY_SYSTEM
							 : NOTIFY_AUTO;
	n->mailto = mailto ? strv_split_list(mailto) : NULL;
	n->failure_only = !strcmp(options_get(o, "mailnotification"), "failure");
}

static void fill_simple(struct settings *s, const struct options *o)
{
	s->mode = parse_mode(options_get(o, "mode"));
	s->hook.script = copy_filled(o, "script");
	s->hook.timeout_s = (unsigned)options_int(o, "hook-timeout");
	s->commands.start = xstrdup(options_get(o, "start-command"));
	s->commands.start_paused = xstrdup_null(options_get(o, "start-paused-command"));
	s->bwlimit_kib = (uint64_t)options_int(o, "bwlimit");
	s->lockwait_minutes = (uint64_t)options_int(o, "lockwait");
	s->stopwait_minutes = (uint64_t)options_int(o, "stopwait");
	s->notes_template = copy_filled(o, "notes-template");
	s->protect = options_bool(o, "protected");
	units_parse_disk_size(options_get(o, "fleecing-limit"), &s->fleecing_limit);
	s->tmpdir = xstrdup_null(options_get(o, "tmpdir"));
	s->metrics = copy_filled(o, "metrics");
	s->connect = copy_filled(o, "connect");
	fill_notify(&s->notify, o);
}

/* vzdump.conf's prune-backups is not among the merged options: the storage's comes between the two. */
static int fill_retention(struct settings_retention *retention, const struct options *merged,
			  const struct options *conf, struct error **err)
{
	int r = 0;

	retention->remove = options_bool(merged, "remove");
	retention->on_command_line = options_given(merged, "prune-backups");
	if (retention->on_command_line)
		r = prune_keep_parse(options_get(merged, "prune-backups"), &retention->command_line, err);
	if (r == 0)
		r = prune_keep_parse(options_get(conf, "prune-backups"), &retention->conf, err);
	return r;
}

/* Neither is vzdump.conf's incremental. */
static void fill_incremental(struct settings_incremental *i, const struct options *merged,
			     const struct options *conf)
{
	i->command_line = xstrdup_null(options_get(merged, "incremental"));
	i->conf = xstrdup_null(options_get(conf, "incremental"));
}

static int fill_formats(struct settings *s, const struct options *o, struct error **err)
{
	struct performance_config performance;
	int r = fleecing_config_parse(options_get(o, "fleecing"), &s->fleecing, err);

	if (r == 0)
		r = verify_boot_config_parse(options_get(o, "verify-boot"), &s->verify_boot, err);
	if (r == 0)
		r = performance_config_parse(options_get(o, "performance"), &performance, err);
	if (r == 0)
		s->max_workers = performance.max_workers;
	return r;
}

/* Afterwards, cli holds the merged options. */
static int merge_and_fill(struct settings *s, struct options *cli, const struct paths *p,
			  const struct log *log, struct error **err)
{
	_cleanup_options_ struct options conf = { 0 };
	int r = vzdump_conf_load(p, &conf, log, err);

	if (r == 0)
		r = vzdump_options_merge(cli, &conf, err);
	if (r < 0)
		return r;
	fill_place(&s->place, cli);
	fill_archive(&s->archive, cli);
	fill_simple(s, cli);
	fill_incremental(&s->incremental, cli, &conf);
	r = fill_formats(s, cli, err);
	return r == 0 ? fill_retention(&s->retention, cli, &conf, err) : r;
}

/* A guest is tried from a file whose disks can be read at any place. */
static void check_verify_boot(struct settings *s, const struct log *log)
{
	const enum settings_compression c = s->archive.compression;
	const char *why = s->request.to_stdout ? "with --stdout"
			  : c != SETTINGS_COMPRESS_ZSTD && c != SETTINGS_COMPRESS_NONE
				  ? "with --compress gzip or lzo"
				  : NULL;

	if (!s->verify_boot.enabled || !why)
		return;
	log_warn(log, "verify-boot has no effect %s: the archive cannot be read at any place", why);
	s->verify_boot.enabled = false;
}

/* In vzdump.conf it is a default for jobs that have fleecing on; with enabled=0 it is off on purpose. */
static void check_fleecing_limit(const struct options *o, bool cli_limits, const struct log *log)
{
	const char *text = options_get(o, "fleecing");
	_cleanup_propstr_ struct propstr p = { 0 };

	if (!cli_limits || (text && propstr_parse(&fleecing_format, text, &p, NULL) < 0) ||
	    propstr_has(&p, "enabled"))
		return;
	log_warn(
		log,
		"fleecing is off, though fleecing-limit '%s' is given for it: --fleecing enabled=1 turns it on",
		options_get(o, "fleecing-limit"));
}

int settings_load(struct settings *s, struct options *cli, const struct paths *p, const struct log *log,
		  struct error **err)
{
	const bool cli_names_storage = options_given(cli, "storage");
	const bool cli_limits = options_given(cli, "fleecing-limit");
	int r = merge_and_fill(s, cli, p, log, err);

	if (r < 0 || s->request.cleanup)
		return r;
	vzdump_options_warn(cli, log);
	check_fleecing_limit(cli, cli_limits && s->fleecing_limit, log);
	check_verify_boot(s, log);
	return check_place(cli, cli_names_storage, err);
}

int settings_load_conf(struct settings *ret, const struct paths *p, const struct log *log, struct error **err)
{
	_cleanup_options_ struct options none = { 0 };

	options_init(&none, &vzdump_options);
	settings_init(ret, &none);
	return merge_and_fill(ret, &none, p, log, err);
}

void settings_clear(struct settings *s)
{
	clear_request(&s->request);
	free(s->place.storage);
	free(s->place.dumpdir);
	fleecing_config_clear(&s->fleecing);
	verify_boot_config_clear(&s->verify_boot);
	free(s->incremental.command_line);
	free(s->incremental.conf);
	free(s->hook.script);
	free(s->commands.start);
	free(s->commands.start_paused);
	free(s->notes_template);
	free(s->tmpdir);
	free(s->metrics);
	free(s->connect);
	strv_free(s->notify.mailto);
	*s = (struct settings){ 0 };
}

int settings_keep(const struct settings_retention *retention, const char *of_storage, struct prune_keep *ret,
		  struct error **err)
{
	if (!retention->on_command_line && of_storage)
		return prune_keep_parse(of_storage, ret, err);
	*ret = retention->on_command_line ? retention->command_line : retention->conf;
	return 0;
}

/* What keeps an archive from sharing anything with another one; NULL: nothing. */
static const char *why_in_vain(const struct settings *s)
{
	if (s->request.to_stdout)
		return "with --stdout";
	return s->archive.compression == SETTINGS_COMPRESS_ZSTD ? NULL : "without --compress zstd";
}

/* With enabled=0 it is off on purpose. */
static bool is_off_by_mistake(const char *text)
{
	_cleanup_propstr_ struct propstr p = { 0 };

	return propstr_parse(&incremental_format, text, &p, NULL) == 0 && p.n && !propstr_has(&p, "enabled");
}

int settings_incremental(const struct settings *s, const char *of_storage, const struct log *log,
			 struct incremental_config *ret, struct error **err)
{
	const char *text = s->incremental.command_line ? s->incremental.command_line
			   : of_storage                ? of_storage
						       : s->incremental.conf;
	const char *vain = why_in_vain(s);
	int r = incremental_config_parse(text, ret, err);

	if (r < 0 || !text)
		return r;
	if (is_off_by_mistake(text))
		log_warn(log, "incremental is off, though '%s' is given for it: enabled=1,%s turns it on",
			 text, text);
	if (ret->enabled && vain)
		log_warn(log, "incremental has no effect %s: the backups are full ones", vain);
	ret->enabled = ret->enabled && !vain;
	return 0;
}

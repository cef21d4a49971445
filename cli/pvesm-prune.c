/* pvesm prune-backups: retention by hand, or a look at what it would do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "json-out.h"
#include "pvesm-commands.h"
#include "place/retention.h"

static const char *const args[] = { "storage", NULL };
static const char *const types[] = { "qemu", "lxc", NULL };

#define KEEP_ROW(period, what)                                                    \
	{                                                                         \
		.name = "keep-" period, .value = { .type = VALUE_INT, .min = 0 }, \
		.description = "Keep " what                                       \
	}

static const struct option rows[] = {
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_STORAGE_BACKUP,
	  .description = "The storage." },
	{ .name = "dry-run",
	  .value = { .type = VALUE_BOOL },
	  .fallback = "0",
	  .complete = COMPLETE_BOOL,
	  .description = "Only show what would be removed." },
	{ .name = "keep-all",
	  .value = { .type = VALUE_BOOL },
	  .complete = COMPLETE_BOOL,
	  .description = "Keep all backups. Goes with no other." },
	KEEP_ROW("daily", "the newest backup of each of the last <n> days that have one."),
	KEEP_ROW("hourly", "the newest backup of each of the last <n> hours that have one."),
	KEEP_ROW("last", "the last <n> backups."),
	KEEP_ROW("monthly", "the newest backup of each of the last <n> months that have one."),
	KEEP_ROW("weekly", "the newest backup of each of the last <n> ISO weeks that have one."),
	KEEP_ROW("yearly", "the newest backup of each of the last <n> years that have one."),
	PVESM_FORMAT_ROW,
	{ .name = "type",
	  .value = { .type = VALUE_ENUM, .values = types },
	  .complete = COMPLETE_ENUM,
	  .description = "Only backups of guests of this type." },
	{ .name = "vmid",
	  .value = { .type = VALUE_VMID },
	  .complete = COMPLETE_VMID,
	  .description = "Only backups of this guest." },
};

static const struct option_table table = {
	.command = "pvesm prune-backups",
	.summary = "remove old backups, of each guest by itself",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.args = args,
};

/* The options, else what the storage says. */
static int read_keep(struct options *o, const struct storage *s, struct prune_keep *ret, struct error **err)
{
	static const char *const names[] = { "keep-all",     "keep-daily",  "keep-hourly", "keep-last",
					     "keep-monthly", "keep-weekly", "keep-yearly" };
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (options_given(o, names[i]))
			buf_addf(&text, "%s%s=%s", text.len ? "," : "", names[i], options_get(o, names[i]));
	if (!text.len && !s->prune_backups)
		return error_set(err, ERR_INVALID,
				 "no prune-backups options configured for storage '%s': give --keep-last "
				 "or another",
				 s->id);
	return prune_keep_parse(text.len ? buf_str(&text) : s->prune_backups, ret, err);
}

/* By guest; of each the names that are not standard ones come last. */
static int compare(const void *a, const void *b)
{
	const struct backup *x = a, *y = b;
	int r = strcmp(x->name.type, y->name.type);

	if (x->name.vmid != y->name.vmid)
		return x->name.vmid < y->name.vmid ? -1 : 1;
	if (r == 0 && x->name.standard != y->name.standard)
		return x->name.standard ? -1 : 1;
	if (r == 0 && x->ctime != y->ctime)
		return x->ctime < y->ctime ? -1 : 1;
	return r;
}

static bool same_guest(const struct backup *a, const struct backup *b)
{
	return a->name.standard == b->name.standard && a->name.vmid == b->name.vmid &&
	       !strcmp(a->name.type, b->name.type);
}

static void mark_all(struct backups *b, const struct prune_keep *keep, const struct log *log)
{
	const time_t now = time(NULL);

	if (b->n)
		qsort(b->list, b->n, sizeof(*b->list), compare);
	for (size_t i = 0, end; i < b->n; i = end) {
		struct backups guest = { .list = &b->list[i] };

		for (end = i; end < b->n && same_guest(&b->list[i], &b->list[end]); end++)
			guest.n++;
		backups_mark(&guest, keep, now);
	}
	backups_warn_future(b, log);
}

/* ---- the preview ---- */

static const char *mark_name(const struct backup *b)
{
	static const char *const names[] = { [PRUNE_NONE] = "",           [PRUNE_KEEP] = "keep",
					     [PRUNE_REMOVE] = "remove",   [PRUNE_PROTECTED] = "protected",
					     [PRUNE_RENAMED] = "renamed", [PRUNE_FUTURE] = "keep" };
	return names[b->mark];
}

static const char *type_name(const struct backup *b)
{
	return *b->name.type ? b->name.type : "unknown";
}

static int by_guest_and_time(const void *a, const void *b)
{
	const struct backup *x = a, *y = b;

	if (x->name.vmid != y->name.vmid)
		return x->name.vmid < y->name.vmid ? -1 : 1;
	return x->ctime < y->ctime ? -1 : x->ctime > y->ctime;
}

static void print_text(const struct storage *s, const struct backups *b)
{
	int width = 0;

	if (!b->n) {
		puts("No backups found");
		return;
	}
	puts("NOTE: this is only a preview and might not be what a subsequent\n"
	     "prune call does if backups are removed/added in the meantime.\n");
	for (size_t i = 0; i < b->n; i++) {
		int len = (int)(strlen(s->id) + strlen(":backup/") + strlen(b->list[i].name.filename));

		width = len > width ? len : width;
	}
	width++;
	printf("%-*s %15s %10s\n", width, "Backup", "Backup-ID", "Prune-Mark");
	for (size_t i = 0; i < b->n; i++) {
		const struct backup *e = &b->list[i];
		_cleanup_free_ char *volid = text_clean(xasprintf("%s:backup/%s", s->id, e->name.filename));
		_cleanup_free_ char *id = e->name.vmid ? xasprintf("%s/%" PRIu32, type_name(e), e->name.vmid)
						       : xstrdup(type_name(e));

		printf("%-*s %15s %10s\n", width, volid, id, mark_name(e));
	}
}

static struct json_object *to_json(const struct storage *s, const struct backups *b)
{
	struct json_object *all = json_new_array();

	for (size_t i = 0; i < b->n; i++) {
		const struct backup *e = &b->list[i];
		_cleanup_free_ char *volid = xasprintf("%s:backup/%s", s->id, e->name.filename);
		struct json_object *o = json_new_obj();

		json_put_int(o, "ctime", e->ctime);
		json_put_text(o, "mark", mark_name(e));
		json_put_text(o, "type", type_name(e));
		if (e->name.vmid)
			json_put_u64(o, "vmid", e->name.vmid);
		json_put_text(o, "volid", volid);
		json_append(all, o);
	}
	return all;
}

/* Reports line by line what is removed; as JSON there is nothing to report. */
static int prune(struct options *o, struct pvesm *p, const struct place *place, const struct backups *b,
		 struct error **err)
{
	unsigned removed = 0;

	if (!pvesm_is_text(o))
		p->log.opaque = stderr;
	if (backups_prune(place, b, &p->log, &removed, NULL) < 0)
		return error_set(err, -EIO, "error pruning backups - check log");
	if (!pvesm_is_text(o))
		pvesm_print_json(o, NULL);
	return 0;
}

static int work(struct options *o, struct pvesm *p, const struct storage *s, struct error **err)
{
	_cleanup_backups_ struct backups b = { 0 };
	_cleanup_place_ struct place *place = NULL;
	struct prune_keep keep;
	const uint32_t vmid = options_given(o, "vmid") ? (uint32_t)options_int(o, "vmid") : 0;
	int r = read_keep(o, s, &keep, err);

	if (r == 0)
		r = storage_activate(s, &p->log, err);
	if (r == 0)
		r = place_of_storage(s, &place, err);
	if (r == 0)
		r = place_list(place, options_get(o, "type"), vmid, &b, err);
	if (r < 0)
		return r;
	mark_all(&b, &keep, &p->log);
	if (!options_bool(o, "dry-run"))
		return prune(o, p, place, &b, err);
	if (b.n)
		qsort(b.list, b.n, sizeof(*b.list), by_guest_and_time);
	if (pvesm_is_text(o))
		print_text(s, &b);
	else
		pvesm_print_json(o, to_json(s, &b));
	return 0;
}

static int run(struct options *o, struct error **err)
{
	_cleanup_pvesm_ struct pvesm p;
	const struct storage *s;
	int r = pvesm_open(&p, err);

	if (r == 0)
		r = storage_get(&p.storages, options_get(o, "storage"), STORAGE_BACKUP, &s, err);
	return r == 0 ? work(o, &p, s, err) : r;
}

const struct command pvesm_command_prune_backups = { .name = "prune-backups", .table = &table, .run = run };

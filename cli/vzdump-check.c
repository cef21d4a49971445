/* vzdump check: whether host and guests are fit for backups. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "check/check.h"
#include "config/schema.h"
#include "guest/guest-ops.h"
#include "journal-kinds.h"
#include "json-out.h"
#include "signals.h"
#include "vzdump-commands.h"

#define CHECK_VERSION 1
#define EXIT_WARNINGS 1
#define EXIT_FAULTS   255

static const char *const formats[] = { "text", "json", NULL };

static const struct option rows[] = {
	{ .name = "vmid",
	  .value = { .type = VALUE_VMID_LIST },
	  .complete = COMPLETE_VMID,
	  .description = "Look only at these guests." },
	{ .name = "output-format",
	  .value = { .type = VALUE_ENUM, .values = formats },
	  .fallback = "text",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print the findings." },
	{ .name = "storage",
	  .value = { .type = VALUE_STORAGE_ID },
	  .complete = COMPLETE_STORAGE_BACKUP,
	  .description = "Look at backups to this storage, not to those of jobs and vzdump.conf." },
};

static const struct option_table table = {
	.command = "vzdump check",
	.summary = "see whether host and guests are fit for backups",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.list_arg = "vmid",
};

static void print_text(const struct findings *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct finding *x = &f->list[i];

		printf("%-7s  %s: %s%s%s\n", finding_level_name(x->level), x->subject, x->text,
		       x->way_out ? ": " : "", x->way_out ? x->way_out : "");
	}
	printf("\n%zu fine, %zu to know, %zu warning%s, %zu fault%s\n", findings_count(f, FINDING_OK),
	       findings_count(f, FINDING_REMARK), findings_count(f, FINDING_WARNING),
	       findings_count(f, FINDING_WARNING) == 1 ? "" : "s", findings_count(f, FINDING_FAULT),
	       findings_count(f, FINDING_FAULT) == 1 ? "" : "s");
}

static struct json_object *finding_json(const struct finding *x)
{
	struct json_object *o = json_new_str("level", finding_level_name(x->level));

	json_put_str(o, "group", x->group);
	if (x->vmid)
		json_put_u64(o, "vmid", x->vmid);
	else
		json_put_null(o, "vmid");
	json_put_text(o, "subject", x->subject);
	json_put_text(o, "text", x->text);
	return json_put_text(o, "way-out", x->way_out);
}

static void print_json(const struct findings *f, const char *node, time_t now)
{
	struct json_object *o = json_new_obj(), *list = json_new_array(), *summary = json_new_obj();

	for (size_t i = 0; i < f->n; i++)
		json_append(list, finding_json(&f->list[i]));
	for (unsigned i = 0; i < FINDING_LEVELS; i++)
		json_put_u64(summary, finding_level_name((enum finding_level)i),
			     findings_count(f, (enum finding_level)i));
	json_put_u64(o, "version", CHECK_VERSION);
	json_put_text(o, "node", node);
	json_put_int(o, "time", now);
	json_put_obj(o, "findings", list);
	json_put_obj(o, "summary", summary);
	json_out_print(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
}

static int exit_status(const struct findings *f)
{
	if (findings_count(f, FINDING_FAULT))
		return EXIT_FAULTS;
	return findings_count(f, FINDING_WARNING) ? EXIT_WARNINGS : 0;
}

static int show(struct options *o, const struct host *host, struct error **err)
{
	struct check_request q = { .now = time(NULL), .storage = options_get(o, "storage") };
	_cleanup_free_ uint32_t *vmids = vmid_list_parse(options_get(o, "vmid"), &q.n_vmids);
	_cleanup_free_ char *node = paths_nodename(host->paths);
	_cleanup_findings_ struct findings f = { 0 };
	int r;

	q.vmids = vmids;
	r = check_make(host, &q, &f, err);
	if (r < 0)
		return r;
	if (!strcmp(options_get(o, "output-format"), "json"))
		print_json(&f, node, q.now);
	else
		print_text(&f);
	return exit_status(&f);
}

static int run(struct options *o, struct error **err)
{
	struct paths paths;
	struct cancel *stop;
	struct host host = { .paths = &paths, .guest_ops = &guest_ops_pve, .kinds = journal_kinds };
	int r;

	/* else the C library would look at /etc/localtime for the date of each archive */
	setenv("TZ", ":/etc/localtime", 0);
	paths_init(&paths, getenv("VZDUMP_ROOT"));
	r = signals_catch(&stop, err);
	host.cancel = stop;
	if (r == 0)
		r = show(o, &host, err);
	cancel_clear(stop);
	paths_clear(&paths);
	return r;
}

const struct command vzdump_command_check = { .name = "check", .table = &table, .run = run };

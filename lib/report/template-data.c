/* What the templates of notifications show of a run. */
#include <string.h>

#include "base/fqdn.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/section.h"
#include "report/report-notify.h"

#define MAIL_LINE_MAX 990 /* bytes; mail allows 998 */

/* ---- tables ---- */

struct column {
	const char *label, *id;
	const char *renderer; /* NULL: as it is */
};

static struct json_object *schema_of(const struct column *columns, size_t n)
{
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < n; i++) {
		struct json_object *c = json_new_str("label", columns[i].label);

		json_put_str(c, "id", columns[i].id);
		json_put_str(c, "renderer", columns[i].renderer);
		json_append(list, c);
	}
	return json_put_obj(json_new_obj(), "columns", list);
}

/* Takes rows over. */
static struct json_object *table_of(const struct column *columns, size_t n, struct json_object *rows)
{
	return json_put_obj(json_put_obj(json_new_obj(), "schema", schema_of(columns, n)), "data", rows);
}

static struct json_object *guest_row(const struct task_report *t)
{
	const bool saved = t->outcome == TASK_SAVED;
	struct json_object *o = json_new_obj();
	_cleanup_free_ char *name = t->name ? xstrdup(t->name) : xasprintf("VM %u", t->vmid);

	json_put_u64(o, "vmid", t->vmid);
	json_put_text(o, "name", name);
	json_put_str(o, "status", saved ? "ok" : t->outcome == TASK_TODO ? "todo" : "err");
	json_put_u64(o, "time", t->ns / 1000000000u);
	json_put_u64(o, "size", saved ? t->archive_size : 0);
	json_put_text(o, "filename", saved ? t->archive : NULL);
	return o;
}

static struct json_object *guest_table(const struct job_report *r)
{
	static const struct column columns[] = {
		{ "VMID", "vmid", NULL },          { "Name", "name", NULL },
		{ "Status", "status", NULL },      { "Time", "time", "duration" },
		{ "Size", "size", "human-bytes" }, { "Filename", "filename", NULL },
	};
	struct json_object *rows = json_new_array();

	for (size_t i = 0; r->begun && i < r->n; i++)
		json_append(rows, guest_row(&r->tasks[i]));
	return table_of(columns, ARRAY_SIZE(columns), rows);
}

/* NULL: it had no fleecing image. */
static struct json_object *fleecing_row(const struct task_report *t)
{
	_cleanup_free_ char *slowed = slowdown_report_text(&t->slowdown);
	struct disk_report sum;
	struct json_object *o;

	if (!task_report_fleecing(t, &sum))
		return NULL;
	o = json_put_u64(json_new_obj(), "vmid", t->vmid);
	json_put_u64(o, "peak", sum.peak);
	json_put_u64(o, "copied", sum.copied);
	json_put_u64(o, "discarded", sum.discarded);
	return json_put_text(o, "slowed", slowed ? slowed : "no");
}

/* NULL: no guest used fleecing.  Its last column is there only if a guest was slowed. */
static struct json_object *fleecing_table(const struct job_report *r)
{
	static const struct column columns[] = {
		{ "VMID", "vmid", NULL },
		{ "Peak", "peak", "human-bytes" },
		{ "Copied", "copied", "human-bytes" },
		{ "Discarded", "discarded", "human-bytes" },
		{ "Slowed for", "slowed", NULL },
	};
	struct json_object *rows = json_new_array();
	size_t n = ARRAY_SIZE(columns) - 1;

	for (size_t i = 0; i < r->n; i++) {
		struct json_object *row = fleecing_row(&r->tasks[i]);

		if (row)
			json_append(rows, row);
		if (row && r->tasks[i].slowdown.times)
			n = ARRAY_SIZE(columns);
	}
	if (json_array_len(rows))
		return table_of(columns, n, rows);
	json_object_put(rows);
	return NULL;
}

static struct json_object *incremental_row(const struct task_report *t)
{
	const struct incremental_report *i = &t->incremental;
	struct json_object *o = json_put_u64(json_new_obj(), "vmid", t->vmid);
	_cleanup_free_ char *base =
		i->base ? xstrdup(i->base) : xasprintf("full backup: %s", i->reason ? i->reason : "no base");

	json_put_u64(o, "changed", i->changed);
	json_put_u64(o, "new", task_report_new(t));
	json_put_u64(o, "shared", i->shared);
	if (i->chained)
		json_put_u64(o, "generation", i->generation);
	else
		json_put_str(o, "generation", "none");
	return json_put_text(o, "base", base);
}

/* NULL: no guest was tried from its archive. */
static struct json_object *boot_table(const struct job_report *r)
{
	static const struct column columns[] = {
		{ "VMID", "vmid", NULL },
		{ "Start", "state", NULL },
		{ "Because", "reason", NULL },
	};
	struct json_object *rows = json_new_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct boot_report *b = &r->tasks[i].boot;
		struct json_object *o;

		if (b->state == BOOT_NOT_ASKED)
			continue;
		o = json_put_u64(json_new_obj(), "vmid", r->tasks[i].vmid);
		json_put_str(o, "state", boot_state_name(b->state));
		json_append(rows, json_put_text(o, "reason", b->words));
	}
	if (json_array_len(rows))
		return table_of(columns, ARRAY_SIZE(columns), rows);
	json_object_put(rows);
	return NULL;
}

/* NULL: of no guest there is an archive that was to be an incremental backup. */
static struct json_object *incremental_table(const struct job_report *r)
{
	static const struct column columns[] = {
		{ "VMID", "vmid", NULL },
		{ "Changed", "changed", "human-bytes" },
		{ "New", "new", "human-bytes" },
		{ "Shared", "shared", "human-bytes" },
		{ "Generation", "generation", NULL },
		{ "Base", "base", NULL },
	};
	struct json_object *rows = json_new_array();

	for (size_t i = 0; i < r->n; i++)
		if (r->tasks[i].incremental.asked && r->tasks[i].archive)
			json_append(rows, incremental_row(&r->tasks[i]));
	if (json_array_len(rows))
		return table_of(columns, ARRAY_SIZE(columns), rows);
	json_object_put(rows);
	return NULL;
}

/* ---- warnings ---- */

static void add_warnings(struct json_object *list, const char *head, char *const *lines, size_t n)
{
	size_t i;

	for (i = 0; lines && lines[i]; i++) {
		_cleanup_free_ char *text = xasprintf("%s%s", head, lines[i]);

		json_append(list, json_new_text(text));
	}
	if (i < n) {
		_cleanup_free_ char *text = xasprintf("%s%zu more warnings, see the log", head, n - i);

		json_append_str(list, text);
	}
}

/* NULL: there are none. */
static struct json_object *warnings_of(const struct job_report *r)
{
	struct json_object *list = json_new_array();

	add_warnings(list, "", r->warnings, r->n_warnings);
	for (size_t i = 0; i < r->n; i++) {
		_cleanup_free_ char *head = xasprintf("%u: ", r->tasks[i].vmid);

		add_warnings(list, head, r->tasks[i].warnings, r->tasks[i].n_warnings);
	}
	if (json_array_len(list))
		return list;
	json_object_put(list);
	return NULL;
}

/* ---- logs ---- */

/* Appends the line in pieces that mail can carry, none of which breaks a character. */
static void add_line(struct buf *out, const char *head, const char *line, size_t len)
{
	do {
		size_t n = len < MAIL_LINE_MAX ? len : MAIL_LINE_MAX;

		while (n < len && n > MAIL_LINE_MAX - 4 && ((unsigned char)line[n] & 0xc0) == 0x80)
			n--;
		buf_adds(out, head);
		buf_add(out, line, n);
		buf_addc(out, '\n');
		line += n;
		len -= n;
	} while (len);
}

static void add_lines(struct buf *out, const char *head, const char *text)
{
	const char *line;
	size_t len;

	while (str_next_line(&text, &line, &len))
		add_line(out, head, line, len);
}

/* Why the guest failed, where its log does not say it. */
static void add_guest_error(struct buf *out, const char *head, const struct task_report *t)
{
	_cleanup_free_ char *text =
		t->error ? xasprintf("ERROR: Backup of VM %u failed - %s", t->vmid, t->error) : NULL;

	if (text)
		add_lines(out, head, text);
}

static void add_guest_log(struct buf *out, const struct task_report *t)
{
	_cleanup_free_ char *head = xasprintf("%u: ", t->vmid);

	add_lines(out, head, t->log.len ? buf_str(&t->log) : "no log available");
	if (!t->log.len)
		add_guest_error(out, head, t);
	buf_addc(out, '\n');
}

static char *too_long(const struct job_report *r)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	buf_addf(&out,
		 "The logs are longer than %zu KiB and are not shown here: see /var/log/vzdump on %s.\n",
		 REPORT_LOG_MAX / 1024, r->node);
	for (size_t i = 0; i < r->n; i++) {
		_cleanup_free_ char *head = xasprintf("%u: ", r->tasks[i].vmid);

		add_guest_error(&out, head, &r->tasks[i]);
	}
	return buf_steal(&out);
}

static char *logs_of(const struct job_report *r)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	if (r->log_too_long)
		return too_long(r);
	add_line(&out, "", r->command_line, strlen(r->command_line));
	buf_addc(&out, '\n');
	add_lines(&out, "", buf_str(&r->log_before));
	buf_addc(&out, '\n');
	for (size_t i = 0; r->begun && i < r->n; i++)
		add_guest_log(&out, &r->tasks[i]);
	add_lines(&out, "", buf_str(&r->log_after));
	return buf_steal(&out);
}

/* ---- the whole ---- */

/* "status-text" and "error": an error of one line stands in the former alone. */
static void put_status(struct json_object *o, const struct job_report *r)
{
	const bool many = r->error && strchr(r->error, '\n');
	_cleanup_free_ char *text = NULL;

	if (report_is_good(r))
		text = xstrdup("backup successful");
	else if (!r->error)
		text = xstrdup("backup failed");
	else
		text = xasprintf("backup failed: %s", many ? "multiple problems" : r->error);
	json_put_text(o, "status-text", text);
	json_put_text(o, "error", many ? r->error : NULL);
}

static void put_names(struct json_object *o, const struct job_report *r, const struct paths *p)
{
	_cleanup_free_ char *corosync = paths_get(p, "/etc/pve/corosync.conf");
	_cleanup_free_ char *cluster = config_file_value(corosync, "cluster_name");
	_cleanup_free_ char *fqdn = fqdn_of_node(p);

	json_put_text(o, "hostname", r->node);
	json_put_text(o, "fqdn", fqdn);
	if (cluster)
		json_put_text(o, "cluster-name", cluster);
}

/* NULL becomes null. */
static void put(struct json_object *o, const char *key, struct json_object *value)
{
	if (value)
		json_put_obj(o, key, value);
	else
		json_put_null(o, key);
}

struct json_object *report_template_data(const struct job_report *r, const struct paths *p)
{
	struct json_object *o = json_new_obj();
	_cleanup_free_ char *logs = logs_of(r);

	put_names(o, r, p);
	put_status(o, r);
	json_put_u64(o, "total-time", r->ns / 1000000000u);
	json_put_u64(o, "total-size", report_total_size(r));
	put(o, "guest-table", guest_table(r));
	put(o, "fleecing-table", fleecing_table(r));
	put(o, "incremental-table", incremental_table(r));
	put(o, "boot-table", boot_table(r));
	put(o, "warnings", warnings_of(r));
	json_put_text(o, "logs", logs);
	return o;
}

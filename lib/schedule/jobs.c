#include "schedule/jobs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/text.h"
#include "base/units.h"
#include "config/section.h"
#include "config/vzdump-options.h"

#define FILE_MAX_SIZE (4 * MIB)
#define ID_MAX        50
#define COMMENT_MAX   512

/* Keys of a job that are no options of vzdump.  type and id stand in the header; old files repeat them. */
static const char *const own_keys[] = {
	"comment", "enabled", "id", "repeat-missed", "schedule", "type", NULL
};

/* The section that is being read, and where warnings about it go. */
struct reader {
	const char *file;
	const struct log *log;
	const struct section *section;
};

static void warn_skipped(const struct reader *rd, const char *why)
{
	log_warn(rd->log, "file %s line %u (skip section '%s'): %s", rd->file, rd->section->line,
		 rd->section->id, why);
}

/* NULL: the job may not set it. */
static const struct option *option_of_job(const char *key)
{
	const struct option *row = option_find(&vzdump_options, key);

	return row && !(row->flags & (OPTION_CLI_ONLY | OPTION_CONF_ONLY)) ? row : NULL;
}

static bool is_own_key(const char *key)
{
	return strv_contains((char *const *)(const void *)own_keys, key);
}

static int hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* "%41" is "A"; a percent sign that no two digits follow stays. */
static char *decode_uri(const char *text)
{
	char *out = xmalloc(strlen(text) + 1), *to = out;

	while (*text) {
		const int high = *text == '%' ? hex_digit(text[1]) : -1;
		const int low = high >= 0 ? hex_digit(text[2]) : -1;

		if (low >= 0 && high + low > 0) {
			*to++ = (char)(high * 16 + low);
			text += 3;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
	return out;
}

/* These return 0, or ERR_INVALID with the reason. */

static int read_comment(const char *value, struct job_entry *e, struct error **err)
{
	_cleanup_free_ char *text = decode_uri(value ? value : "");

	if (strlen(text) > COMMENT_MAX)
		return error_set(err, ERR_INVALID, "value is longer than %d characters", COMMENT_MAX);
	e->comment = text_as_utf8(text);
	return 0;
}

static int read_bool(const char *value, bool *ret, struct error **err)
{
	if (units_parse_bool(value ? value : "1", ret))
		return 0;
	return error_set(err, ERR_INVALID, "value '%s' is not a boolean (use 1 or 0)", value);
}

static int read_schedule(const char *value, struct job_entry *e, struct error **err)
{
	int r = calendar_parse(value ? value : "", &e->event, err);

	if (r == 0)
		e->schedule = xstrdup(value);
	return r;
}

static int read_own_key(const struct section_property *p, struct job_entry *e, struct error **err)
{
	if (!strcmp(p->key, "comment"))
		return read_comment(p->value, e, err);
	if (!strcmp(p->key, "enabled"))
		return read_bool(p->value, &e->enabled, err);
	if (!strcmp(p->key, "repeat-missed"))
		return read_bool(p->value, &e->repeat_missed, err);
	if (!strcmp(p->key, "schedule"))
		return read_schedule(p->value, e, err);
	return 0;
}

static int unknown_key(const char *key, struct error **err)
{
	struct nearest n = nearest_begin(key);
	_cleanup_free_ char *hint = NULL;

	nearest_offer_all(&n, own_keys);
	for (size_t i = 0; i < vzdump_options.n_rows; i++)
		if (option_of_job(vzdump_options.rows[i].name))
			nearest_offer(&n, vzdump_options.rows[i].name);
	hint = nearest_hint(&n);
	return error_set(err, ERR_INVALID, "unexpected property%s", hint);
}

static int read_option(const struct section_property *p, struct job_entry *e, struct error **err)
{
	const struct option *row = option_of_job(p->key);

	if (!row)
		return unknown_key(p->key, err);
	if (!p->value && row->value.type != VALUE_BOOL)
		return error_set(err, ERR_INVALID, "the value is missing");
	return options_set(&e->options, p->key, p->value ? p->value : "1", err);
}

/* taken: the keys that have a value already, of which the first one stays. */
static int read_property(const struct section_property *p, struct job_entry *e, char *const *taken,
			 struct error **err)
{
	const struct option *row = option_of_job(p->key);

	if (strv_contains(taken, p->key) && !(row && row->flags & OPTION_ARRAY))
		return error_set(err, ERR_INVALID, "duplicate attribute");
	return is_own_key(p->key) ? read_own_key(p, e, err) : read_option(p, e, err);
}

static void read_properties(const struct reader *rd, struct job_entry *e)
{
	_cleanup_strv_ char **taken = NULL;

	for (size_t i = 0; i < rd->section->n; i++) {
		const struct section_property *p = &rd->section->properties[i];
		_cleanup_error_ struct error *why = NULL;

		if (read_property(p, e, taken, &why) < 0)
			log_warn(rd->log,
				 "file %s line %u (section '%s') - unable to parse value of '%s': %s",
				 rd->file, p->line, rd->section->id, p->key, error_message(why));
		else
			strv_add(&taken, p->key);
	}
}

/* The id becomes a part of file names.  Besides what PVE allows now, ids of old jobs have colons. */
static bool id_valid(const char *id)
{
	for (const char *c = id; *c; c++)
		if (!isgraph((unsigned char)*c) || *c == '/')
			return false;
	return *id && strlen(id) <= ID_MAX;
}

static void job_entry_clear(struct job_entry *e)
{
	free(e->id);
	free(e->schedule);
	free(e->comment);
	options_clear(&e->options);
}

static void read_job(const struct reader *rd, struct jobs *jobs)
{
	struct job_entry e = { .enabled = true };

	if (!id_valid(rd->section->id)) {
		warn_skipped(rd, "the id must have 1 to 50 letters, digits, '-', '_', and no '/'");
		return;
	}
	options_init(&e.options, &vzdump_options);
	read_properties(rd, &e);
	if (!e.schedule) {
		warn_skipped(rd, "missing value for required option 'schedule'");
		job_entry_clear(&e);
		return;
	}
	e.id = xstrdup(rd->section->id);
	jobs->entries = xreallocarray(jobs->entries, jobs->n + 1, sizeof(*jobs->entries));
	jobs->entries[jobs->n++] = e;
}

static void read_section(const struct reader *rd, struct jobs *jobs)
{
	_cleanup_free_ char *why = NULL;

	if (!strcmp(rd->section->type, "vzdump")) {
		read_job(rd, jobs);
	} else if (strcmp(rd->section->type, "realm-sync") != 0) {
		why = xasprintf("unsupported type '%s'", rd->section->type);
		warn_skipped(rd, why);
	}
}

static int compare_ids(const void *a, const void *b)
{
	const struct job_entry *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static void parse(const char *text, const char *file, const char *only, const struct log *log,
		  struct jobs *jobs)
{
	_cleanup_section_config_ struct section_config c = { 0 };

	section_config_parse(text, file, only ? NULL : log, &c);
	for (size_t i = 0; i < c.n; i++) {
		const struct section *s = &c.sections[i];

		read_section(&(struct reader){ .file = file,
					       .log = !only || !strcmp(only, s->id) ? log : NULL,
					       .section = s },
			     jobs);
	}
	if (jobs->n)
		qsort(jobs->entries, jobs->n, sizeof(*jobs->entries), compare_ids);
}

int jobs_load(const struct paths *p, const char *only, const struct log *log, struct jobs *ret,
	      struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/jobs.cfg");
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *e = NULL;
	int r = io_read_file(file, FILE_MAX_SIZE, &text, &e);

	*ret = (struct jobs){ 0 };
	if (r < 0 && r != -ENOENT) {
		error_keep_first(err, &e);
		return r;
	}
	ret->has_file = r >= 0;
	if (ret->has_file)
		parse(buf_str(&text), file, only, log, ret);
	return 0;
}

void jobs_clear(struct jobs *j)
{
	for (size_t i = 0; i < j->n; i++)
		job_entry_clear(&j->entries[i]);
	free(j->entries);
	*j = (struct jobs){ 0 };
}

const struct job_entry *jobs_find(const struct jobs *j, const char *id)
{
	for (size_t i = 0; i < j->n; i++)
		if (!strcmp(j->entries[i].id, id))
			return &j->entries[i];
	return NULL;
}

const char *job_entry_node(const struct job_entry *e)
{
	return options_get(&e->options, "node");
}

#include "schedule/job-state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/units.h"
#include "base/upid.h"
#include "schedule/job-files.h"

#define FILE_MAX_SIZE ((size_t)64 << 10)
#define JSON_MEMORY   ((size_t)16 << 20)

static const char *const phases[] = {
	[JOB_CREATED] = "created",
	[JOB_STARTING] = "starting",
	[JOB_STARTED] = "started",
	[JOB_STOPPED] = "stopped",
};

void job_state_clear(struct job_state *s)
{
	free(s->upid);
	free(s->msg);
	free(s->schedule);
	*s = (struct job_state){ 0 };
}

/* ---- reading ---- */

/* Perl writes numbers as strings at times.  False, and *ret stays, if it is none or a time before 1970. */
static bool get_number(struct json_object *o, const char *key, int64_t *ret)
{
	struct json_object *value = json_get_obj(o, key);
	uint64_t n;

	if (json_object_is_type(value, json_type_string)) {
		if (units_parse_u64(json_object_get_string(value), 0, INT64_MAX, key, &n, NULL) < 0)
			return false;
		*ret = (int64_t)n;
		return true;
	}
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return false;
	*ret = json_object_get_int64(value);
	return true;
}

static bool get_phase(struct json_object *o, enum job_phase *ret)
{
	const char *name = json_get_str(o, "state");

	for (size_t i = 0; name && i < ARRAY_SIZE(phases); i++)
		if (!strcmp(name, phases[i])) {
			*ret = (enum job_phase)i;
			return true;
		}
	return false;
}

static bool get_enabled(struct json_object *config)
{
	int64_t n;

	return get_number(config, "enabled", &n) ? n != 0 : json_get_bool(config, "enabled", false);
}

/* False if a key is missing that every state has. */
static bool read_keys(struct json_object *o, struct job_state *s)
{
	struct json_object *config = json_get_obj(o, "config");
	const char *schedule = json_get_str(config, "schedule");

	if (!get_phase(o, &s->phase) || !get_number(o, "time", &s->time))
		return false;
	get_number(o, "updated", &s->updated);
	s->upid = xstrdup_null(json_get_str(o, "upid"));
	s->msg = xstrdup_null(json_get_str(o, "msg"));
	s->enabled = get_enabled(config);
	s->schedule = xstrdup(schedule ? schedule : "");
	return true;
}

static bool parse(const struct buf *text, struct job_state *ret)
{
	_cleanup_json_ struct json_object *o = NULL;

	return json_parse(buf_str(text), text->len, JSON_MEMORY, &o, NULL) == 0 && read_keys(o, ret);
}

int job_state_load(const struct paths *p, const char *id, const struct log *log, struct job_state *ret,
		   struct error **err)
{
	_cleanup_free_ char *file = job_file(p, id, "json");
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *why = NULL;
	int r = io_read_file(file, FILE_MAX_SIZE, &text, &why);

	*ret = (struct job_state){ 0 };
	if (r == -ENOENT)
		return 0;
	if (r < 0 && r != ERR_INVALID) {
		error_keep_first(err, &why);
		return r;
	}
	if (r == 0 && parse(&text, ret))
		return 1;
	job_state_clear(ret);
	log_warn(log, "'%s' is damaged: job '%s' counts as new, and runs at its next time", file, id);
	return 0;
}

/* ---- writing ---- */

static struct json_object *to_json(const struct job_state *s)
{
	struct json_object *o = json_new_str("state", phases[s->phase]), *config = json_new_obj();

	json_put_u64(o, "time", (uint64_t)s->time);
	json_put_str(o, "upid", s->upid);
	json_put_str(o, "msg", s->msg);
	if (s->updated)
		json_put_u64(o, "updated", (uint64_t)s->updated);
	json_put_u64(config, "enabled", s->enabled);
	json_put_str(config, "schedule", s->schedule);
	return json_put_obj(o, "config", config);
}

int job_state_save(const struct paths *p, const char *id, const struct job_state *s, struct error **err)
{
	_cleanup_free_ char *file = job_file(p, id, "json");
	_cleanup_json_ struct json_object *o = to_json(s);
	const char *text = json_text(o);

	return io_write_file_atomic(file, text, strlen(text), 0644, NULL, err);
}

/* ---- what the state says ---- */

static int64_t start_of(const struct job_state *s)
{
	struct upid upid;

	return s->upid && upid_parse(s->upid, &upid) ? upid.start_time : s->time;
}

int64_t job_state_last(const struct job_state *s)
{
	return s->updated ? s->updated : start_of(s);
}

int64_t job_state_last_run(const struct job_state *s)
{
	return s->phase == JOB_CREATED ? 0 : start_of(s);
}

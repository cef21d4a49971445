#include "schedule/last-pass.h"

#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strv.h"

#define FILE_MAX_SIZE ((size_t)8 << 20)
#define JSON_MEMORY   ((size_t)32 << 20)
#define BOOT_ID       "/proc/sys/kernel/random/boot_id"

static char *path_of(const struct paths *p)
{
	return paths_get(p, "/run/vzdump-scheduler.json");
}

/* Where /run is not emptied at boot, this tells. */
static char *boot_id(void)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	return io_read_file(BOOT_ID, 4096, &text, NULL) < 0 || !text.len ? xstrdup("")
									 : xstrdup(str_strip(text.data));
}

void last_pass_clear(struct last_pass *l)
{
	free(l->warnings);
	*l = (struct last_pass){ 0 };
}

bool last_pass_load(const struct paths *p, struct last_pass *ret)
{
	_cleanup_free_ char *file = path_of(p), *boot = boot_id();
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;

	*ret = (struct last_pass){ 0 };
	if (io_read_file(file, FILE_MAX_SIZE, &text, NULL) < 0 ||
	    json_parse(buf_str(&text), text.len, JSON_MEMORY, &o, NULL) < 0 ||
	    !str_equal_null(json_get_str(o, "boot"), boot) || !json_get_u64(o, "uptime", &ret->uptime))
		return false;
	ret->warnings = xstrdup_null(json_get_str(o, "warnings"));
	return true;
}

int last_pass_save(const struct paths *p, const struct last_pass *l, struct error **err)
{
	_cleanup_free_ char *file = path_of(p), *boot = boot_id(), *dir = io_parent(file);
	_cleanup_json_ struct json_object *o = json_new_str("boot", boot);
	const char *text;
	int r = io_mkdir_p(dir, 0755, err);

	json_put_u64(o, "uptime", l->uptime);
	json_put_str(o, "warnings", l->warnings);
	text = json_text(o);
	return r < 0 ? r : io_write_file_atomic(file, text, strlen(text), 0600, NULL, err);
}

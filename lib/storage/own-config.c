#include "storage/own-config.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/nearest.h"

#define CONF_MAX (1024 * 1024)

static const char *const keys[] = { "incremental", NULL };

/* The file that is being read, and where warnings about it go. */
struct reader {
	const char *file;
	const struct storage_config *storages;
	const struct log *log;
};

static int check_section(const struct reader *rd, const struct section *s, struct error **err)
{
	if (strcmp(s->type, "storage") != 0)
		return error_set(err, ERR_INVALID,
				 "unsupported type '%s': sections here begin with 'storage: <id>'", s->type);
	return storage_find(rd->storages, s->id) ? 0 : storage_unknown(rd->storages, s->id, err);
}

static void warn_value(const struct reader *rd, const struct section *s, const struct section_property *p,
		       const char *what)
{
	log_warn(rd->log, "file %s line %u (section '%s') - unable to parse value of '%s': %s", rd->file,
		 p->line, s->id, p->key, what);
}

/* False if it cannot be used. */
static bool check_property(const struct reader *rd, const struct section *s, const struct section_property *p)
{
	_cleanup_error_ struct error *err = NULL;
	_cleanup_free_ char *hint = NULL, *text = NULL;
	struct nearest n = nearest_begin(p->key);
	struct incremental_config config;

	if (strcmp(p->key, keys[0]) != 0) {
		nearest_offer_all(&n, keys);
		hint = nearest_hint(&n);
		text = xasprintf("unexpected property%s", hint);
		warn_value(rd, s, p, text);
		return false;
	}
	if (section_property(s, p->key) != p) {
		warn_value(rd, s, p, "duplicate attribute");
		return false;
	}
	if (incremental_config_parse(p->value ? p->value : "1", &config, &err) == 0)
		return true;
	warn_value(rd, s, p, error_message(err));
	return false;
}

/* What the section says; NULL: nothing that can be used.  Caller frees. */
static char *read_section(const struct reader *rd, const struct section *s)
{
	_cleanup_error_ struct error *err = NULL;
	char *ret = NULL;

	if (check_section(rd, s, &err) < 0) {
		log_warn(rd->log, "file %s line %u (skip section '%s'): %s", rd->file, s->line, s->id,
			 error_message(err));
		return NULL;
	}
	for (size_t i = 0; i < s->n; i++)
		if (check_property(rd, s, &s->properties[i]))
			ret = xstrdup(section_get(s, s->properties[i].key));
	return ret;
}

char *storage_incremental(const struct paths *p, const struct storage_config *c, const char *id,
			  const struct log *log)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/vzdump-storage.cfg");
	const struct reader rd = { .file = file, .storages = c, .log = log };
	_cleanup_section_config_ struct section_config sections = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *err = NULL;
	char *ret = NULL;
	int r = io_read_file(file, CONF_MAX, &text, &err);

	if (r < 0) {
		if (r != -ENOENT)
			log_warn(log, "%s", error_message(err));
		return NULL;
	}
	section_config_parse(buf_str(&text), file, log, &sections);
	for (size_t i = 0; i < sections.n; i++) {
		_cleanup_free_ char *mine = read_section(&rd, &sections.sections[i]);

		if (strcmp(sections.sections[i].id, id) == 0) {
			free(ret);
			ret = TAKE_PTR(mine);
		}
	}
	return ret;
}

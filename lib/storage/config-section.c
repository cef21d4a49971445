/* One section of storage.cfg to struct storage.  Facts: PVE::Storage::Plugin::decode_value. */
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"
#include "storage/config-section.h"

/* The section that is being read, and where warnings about it go. */
struct reader {
	const char *file;
	const struct log *log;
	struct storage *s;
};

static const char *const common_keys = "nodes disable content";

static bool has_word(const char *words, const char *word)
{
	const size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static bool is_unknown_key(const struct reader *rd, const char *key)
{
	return rd->s->ops && !has_word(common_keys, key) && !has_word(rd->s->ops->keys, key);
}

static const char *value_of(const struct reader *rd, const char *key)
{
	return is_unknown_key(rd, key) ? NULL : section_get(&rd->s->section, key);
}

static void warn_line(const struct reader *rd, const struct section_property *p, const char *what,
		      const char *hint)
{
	log_warn(rd->log, "file %s line %u (section '%s') - unable to parse value of '%s': %s%s", rd->file,
		 p->line, rd->s->id, p->key, what, hint);
}

static void warn_value(const struct reader *rd, const char *key, const char *what)
{
	warn_line(rd, section_property(&rd->s->section, key), what, "");
}

static bool get_bool(const struct reader *rd, const char *key, bool fallback)
{
	const char *value = value_of(rd, key);
	bool on;

	if (!value)
		return fallback;
	if (units_parse_bool(value, &on))
		return on;
	warn_value(rd, key, "not a boolean (use 1 or 0)");
	return fallback;
}

static void warn_content(const struct reader *rd, const char *name)
{
	struct nearest n = nearest_begin(name);
	_cleanup_free_ char *hint = NULL, *text = NULL;

	nearest_offer_all(&n, storage_content_names);
	hint = nearest_hint(&n);
	text = xasprintf("storage does not support content type '%s'%s", name, hint);
	warn_value(rd, "content", text);
}

static unsigned read_content(const struct reader *rd)
{
	const struct storage_ops *ops = rd->s->ops;
	const char *value = value_of(rd, "content");
	_cleanup_strv_ char **names = value ? strv_split_list(value) : NULL;
	unsigned all = ops ? ops->content : ~0U;
	unsigned set = 0;

	if (!value)
		return ops ? ops->content_default : 0;
	for (size_t i = 0; names && names[i]; i++) {
		const unsigned bit = storage_content_parse(names[i]);

		if (bit & all)
			set |= bit;
		else if (strcmp(names[i], "none") != 0)
			warn_content(rd, names[i]);
	}
	return set;
}

static enum preallocation read_preallocation(const struct reader *rd)
{
	static const char *const names[] = { NULL, "off", "metadata", "falloc", "full" };
	const char *value = value_of(rd, "preallocation");

	for (size_t i = 1; value && i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], value) == 0)
			return (enum preallocation)i;
	if (value)
		warn_value(rd, "preallocation", "not one of off, metadata, falloc, full");
	return PREALLOC_DEFAULT;
}

static enum image_format read_format(const struct reader *rd)
{
	const struct storage_ops *ops = rd->s->ops;
	const char *value = value_of(rd, "format");
	int format = value ? image_format_parse(value) : -1;

	if (!ops)
		return IMAGE_RAW;
	if (format >= 0 && (ops->formats & (1U << format)))
		return (enum image_format)format;
	if (value)
		warn_value(rd, "format", "not a format of this storage type");
	return ops->format_default;
}

/* Without trailing slashes.  Types that mount have PVE's default. */
static char *read_path(const struct reader *rd)
{
	const char *value = value_of(rd, "path");
	size_t len;

	if (!value)
		return rd->s->ops && rd->s->ops->mount ? xasprintf("/mnt/pve/%s", rd->s->id) : NULL;
	if (value[0] != '/' || strpbrk(value, ";()")) {
		warn_value(rd, "path", "not an absolute path");
		return NULL;
	}
	len = strlen(value);
	while (len > 1 && value[len - 1] == '/')
		len--;
	return xstrndup(value, len);
}

static char *read_mountpoint(const struct reader *rd)
{
	const char *value = value_of(rd, "is_mountpoint");
	bool on;

	if (!value)
		return NULL;
	if (units_parse_bool(value, &on))
		return on ? xstrdup_null(rd->s->path) : NULL;
	return xstrdup(value);
}

static char *read_prune(const struct reader *rd)
{
	const char *value = value_of(rd, "prune-backups");
	struct prune_keep keep;
	_cleanup_error_ struct error *err = NULL;

	if (value && prune_keep_parse(value, &keep, &err) < 0) {
		warn_value(rd, "prune-backups", error_message(err));
		return NULL;
	}
	return xstrdup_null(value);
}

static int read_max_protected(const struct reader *rd)
{
	const char *value = value_of(rd, "max-protected-backups");
	uint64_t n;

	if (!value || strcmp(value, "-1") == 0)
		return -1;
	if (units_parse_u64(value, 0, INT32_MAX, "max-protected-backups", &n, NULL) < 0) {
		warn_value(rd, "max-protected-backups", "not a number, or less than -1");
		return -1;
	}
	return (int)n;
}

static char **read_list(const struct reader *rd, const char *key)
{
	const char *value = value_of(rd, key);

	return value ? strv_split_list(value) : NULL;
}

static void warn_unexpected(const struct reader *rd, const struct section_property *p)
{
	_cleanup_free_ char *words = xasprintf("%s %s", common_keys, rd->s->ops->keys);
	_cleanup_strv_ char **keys = strv_split_list(words);
	struct nearest n = nearest_begin(p->key);
	_cleanup_free_ char *hint = NULL;

	nearest_offer_all(&n, (const char *const *)(const void *)keys);
	hint = strcmp(p->key, "incremental")
		       ? nearest_hint(&n)
		       : xasprintf(" (it belongs into %s/vzdump-storage.cfg)", rd->s->config_dir);
	warn_line(rd, p, "unexpected property", hint);
}

/* The first of two equal keys counts.  Often the head of a section between them was malformed. */
static void warn_properties(const struct reader *rd)
{
	const struct section *section = &rd->s->section;

	for (size_t i = 0; i < section->n; i++) {
		const struct section_property *p = &section->properties[i];

		if (is_unknown_key(rd, p->key))
			warn_unexpected(rd, p);
		else if (section_property(section, p->key) != p)
			warn_line(rd, p, "duplicate attribute", "");
	}
}

void storage_read_section(struct storage *s, const char *file, const struct log *log)
{
	const struct reader reader = { .file = file, .log = log, .s = s };
	const struct reader *rd = &reader;
	bool mkdir;

	warn_properties(rd);
	s->content = read_content(rd);
	s->nodes = strcmp(s->id, "local") == 0 ? NULL : read_list(rd, "nodes");
	s->disabled = get_bool(rd, "disable", false);
	s->shared = get_bool(rd, "shared", false) || (s->ops && s->ops->shared);
	s->path = read_path(rd);
	s->content_dirs = read_list(rd, "content-dirs");
	s->format = read_format(rd);
	s->preallocation = read_preallocation(rd);
	s->prune_backups = read_prune(rd);
	s->max_protected_backups = read_max_protected(rd);
	s->bwlimit = xstrdup_null(value_of(rd, "bwlimit"));
	s->mountpoint = read_mountpoint(rd);
	mkdir = get_bool(rd, "mkdir", true);
	s->create_base = get_bool(rd, "create-base-path", mkdir);
	s->create_subdirs = get_bool(rd, "create-subdirs", true) && mkdir;
}

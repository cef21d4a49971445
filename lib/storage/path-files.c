/* The other files of a storage with a directory: backups, ISO images, templates, snippets, imports. */
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "storage/archive-name.h"
#include "storage/path.h"

static bool has_suffix_nocase(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcasecmp(name + n - m, suffix);
}

static char *template_format(const char *name)
{
	static const char *const packings[] = { "gz", "xz", "zst", "bz2" };

	for (size_t i = 0; i < ARRAY_SIZE(packings); i++) {
		_cleanup_free_ char *suffix = xasprintf(".tar.%s", packings[i]);

		if (str_suffix(name, suffix))
			return xasprintf("t%s", packings[i]);
	}
	return str_suffix(name, ".tar") ? xstrdup("tar") : NULL;
}

static char *import_format(const char *name)
{
	static const char *const formats[] = { "ova", "ovf", "qcow2", "raw", "vmdk" };
	const char *dot = strrchr(name, '.');

	/* PVE's SAFE_CHAR_WITH_WHITESPACE_CLASS_RE without the blanks, which its list leaves out */
	if (!dot || dot == name ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.+=_")])
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(dot + 1, formats[i]))
			return xstrdup(formats[i]);
	return NULL;
}

char *path_file_format(enum storage_content content, const char *name)
{
	switch (content) {
	case STORAGE_ISO:
		return has_suffix_nocase(name, ".iso") || has_suffix_nocase(name, ".img") ? xstrdup("iso")
											  : NULL;
	case STORAGE_VZTMPL:
		return template_format(name);
	case STORAGE_IMPORT:
		return import_format(name);
	case STORAGE_SNIPPETS:
		return xstrdup("snippet");
	default:
		return NULL;
	}
}

/* True if the name suits the content type and does not lead out of its directory. */
static bool name_fits(enum storage_content content, const char *name)
{
	_cleanup_free_ char *format = NULL;

	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	if (content == STORAGE_BACKUP)
		return archive_name_has_extension(name);
	format = path_file_format(content, name);
	return format != NULL;
}

bool path_parse_file(struct volume *v)
{
	static const enum storage_content contents[] = { STORAGE_BACKUP, STORAGE_ISO, STORAGE_VZTMPL,
							 STORAGE_SNIPPETS, STORAGE_IMPORT };

	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		_cleanup_free_ char *prefix = xasprintf("%s/", storage_content_name(contents[i]));
		_cleanup_free_ char *dir = NULL;
		const char *name, *dot;
		int format;

		if (!str_prefix(v->volname, prefix, &name) || !name_fits(contents[i], name))
			continue;
		dir = path_content_dir(v->storage, contents[i]);
		dot = strrchr(name, '.');
		format = contents[i] == STORAGE_IMPORT ? image_format_parse(dot + 1) : IMAGE_RAW;
		v->content = contents[i];
		v->format = format < 0 ? IMAGE_RAW : (enum image_format)format;
		v->path = xasprintf("%s/%s", dir, name);
		return true;
	}
	return false;
}

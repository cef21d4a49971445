/* Shared by several commands of pvesm. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "json-out.h"
#include "pvesm-commands.h"
#include "show.h"

const char *const pvesm_formats[] = { "text", "json", "json-pretty", NULL };

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	fprintf(level == LOG_LEVEL_INFO ? log->opaque : stderr, "%s\n", line);
}

int pvesm_open(struct pvesm *p, struct error **err)
{
	*p = (struct pvesm){ .log = { .line = on_line, .opaque = stdout } };
	paths_init(&p->paths, getenv("VZDUMP_ROOT"));
	return storage_config_load(&p->paths, &p->log, &p->storages, err);
}

void pvesm_close(struct pvesm *p)
{
	storage_config_clear(&p->storages);
	paths_clear(&p->paths);
}

bool pvesm_is_text(struct options *o)
{
	return !strcmp(options_get(o, "output-format"), "text");
}

void pvesm_print_json(struct options *o, struct json_object *value)
{
	const bool pretty = !strcmp(options_get(o, "output-format"), "json-pretty");
	const int flags = pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN;

	json_out_print(value, flags | JSON_C_TO_STRING_NOSLASHESCAPE);
}

void pvesm_print_text(struct options *o, const char *text)
{
	if (pvesm_is_text(o))
		show("%s\n", text);
	else
		pvesm_print_json(o, json_new_text(text));
}

int pvesm_parse_content(const char *text, unsigned *ret, struct error **err)
{
	_cleanup_strv_ char **names = text ? strv_split_list(text) : NULL;

	*ret = 0;
	for (size_t i = 0; names && names[i]; i++) {
		const unsigned c = storage_content_parse(names[i]);

		if (!c)
			return error_set(err, ERR_INVALID,
					 "content: invalid content type '%s' (there are images, rootdir, "
					 "vztmpl, iso, backup, snippets and import)",
					 names[i]);
		*ret |= c;
	}
	return 0;
}

int pvesm_volume_id(struct options *o, char **ret, struct error **err)
{
	const char *volume = options_get(o, "volume");
	const char *storage = options_get(o, "storage");
	const char *colon = strchr(volume, ':');

	if (!colon && !storage)
		return error_set(err, ERR_INVALID,
				 "volume: '%s' names no storage - incomplete volume ID: write "
				 "<storage>:%s or give --storage",
				 volume, volume);
	if (colon && storage &&
	    (strlen(storage) != (size_t)(colon - volume) || strncmp(volume, storage, strlen(storage)) != 0))
		return error_set(err, ERR_INVALID, "volume: storage ID mismatch (%.*s != %s)",
				 (int)(colon - volume), volume, storage);
	*ret = colon ? xstrdup(volume) : xasprintf("%s:%s", storage, volume);
	return 0;
}

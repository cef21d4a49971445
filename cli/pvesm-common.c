/* What several commands of pvesm do alike. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pvesm-commands.h"

const char *const pvesm_formats[] = { "text", "json", "json-pretty", NULL };

static void on_line(void *opaque, enum log_level level, const char *line)
{
	(void)opaque;
	if (level == LOG_LEVEL_INFO)
		puts(line);
	else
		fprintf(stderr, "%s\n", line);
}

int pvesm_open(struct pvesm *p, struct error **err)
{
	*p = (struct pvesm){ .log = { .line = on_line } };
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
	const int flags = pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
				 : JSON_C_TO_STRING_PLAIN;

	puts(json_object_to_json_string_ext(value, flags | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(value);
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

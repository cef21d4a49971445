/* The commands of pvesm: one table and one function each. */
#ifndef VZDUMP_CLI_PVESM_COMMANDS_H
#define VZDUMP_CLI_PVESM_COMMANDS_H

#include "base/log.h"
#include "base/paths.h"
#include "command.h"
#include "storage/storage.h"

extern const struct command pvesm_command_status, pvesm_command_list, pvesm_command_alloc, pvesm_command_free,
	pvesm_command_path, pvesm_command_extractconfig, pvesm_command_prune_backups;

struct pvesm {
	struct paths paths;
	struct storage_config storages;
	struct log log; /* warnings go to standard error, all else to the FILE opaque, standard output */
};

/* Closed by pvesm_close(), also after an error. */
int pvesm_open(struct pvesm *p, struct error **err);
void pvesm_close(struct pvesm *p);
#define _cleanup_pvesm_ _cleanup_(pvesm_close)

/* The row of --output-format that each table ends with. */
extern const char *const pvesm_formats[];
#define PVESM_FORMAT_ROW                                                                                 \
	{                                                                                                \
		.name = "output-format", .value = { .type = VALUE_ENUM, .values = pvesm_formats },       \
		.fallback = "text", .complete = COMPLETE_ENUM, .description = "How to print the result." \
	}

/* True if the result is printed as text. */
bool pvesm_is_text(struct options *o);
/* Prints it the way that was asked for, and puts it. */
void pvesm_print_json(struct options *o, struct json_object *value);

/* Prints a result that is one text: by show(), with a newline, or as a string of JSON. */
void pvesm_print_text(struct options *o, const char *text);

/* A list of content types as a set; 0 for NULL.  ERR_INVALID names a type that does not exist. */
int pvesm_parse_content(const char *text, unsigned *ret, struct error **err);

/* The id of <volume>, which is "<storage>:<volname>", or a volname with --storage.  Caller frees. */
int pvesm_volume_id(struct options *o, char **ret, struct error **err);

#endif

/*
 * Section files (storage.cfg, jobs.cfg):
 *
 *	dir: local			type, colon, id
 *		path /var/lib/vz	white space, key, white space, value
 *		disable			a key alone
 *					an empty line, without blanks, ends the section, and nothing else:
 *					a head that follows at once is ignored with a warning
 *
 * Lines with # first are comments anywhere.  Facts: PVE::SectionConfig::parse_config.
 * Nothing is dropped for being unknown: types and keys are the business of the caller.
 */
#ifndef VZDUMP_CONFIG_SECTION_H
#define VZDUMP_CONFIG_SECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/log.h"

struct section_property {
	char *key;
	char *value; /* NULL: the key had none */
	unsigned line;
};

struct section {
	char *type;
	char *id;
	struct section_property *properties; /* in file order, duplicates included */
	size_t n;
	unsigned line;
};

struct section_config {
	struct section *sections; /* in file order; of sections with one id the last counts */
	size_t n;
};

/* Never fails: lines it cannot read are warned about ("file x line 3 - ignore config line: ...").
 */
void section_config_parse(const char *text, const char *file, const struct log *log,
			  struct section_config *ret);
void section_clear(struct section *s);
void section_config_clear(struct section_config *c);
#define _cleanup_section_config_ _cleanup_(section_config_clear)

/*
 * The value of a key in a file of "key: value" lines without sections, however far they are indented
 * (datacenter.cfg, corosync.conf); NULL if it is not there or the file cannot be read.  Caller frees.
 */
char *config_file_value(const char *file, const char *key);

/* The first of that name, or NULL. */
const struct section_property *section_property(const struct section *s, const char *key);
/* Its value: NULL if the key is not there, "1" if it has no value (as PVE's booleans). */
const char *section_get(const struct section *s, const char *key);

#endif

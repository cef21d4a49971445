/*
 * Section files (storage.cfg, jobs.cfg):
 *
 *	dir: local			type, colon, id
 *		path /var/lib/vz	white space, key, white space, value
 *		disable			a key alone
 *					only an empty line, without blanks, ends the section: a header
 *					that follows directly is ignored with a warning
 *
 * Lines that begin with # are comments anywhere.  Unknown types and keys are kept: the caller decides about
 * them.  Facts: PVE::SectionConfig::parse_config.
 */
#ifndef VZDUMP_CONFIG_SECTION_H
#define VZDUMP_CONFIG_SECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
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
	struct section *sections; /* in file order; of several with the same id only the last */
	size_t n;
};

/* Never fails: warns about lines that it cannot parse ("file x line 3 - ignore config line: ..."). */
void section_config_parse(const char *text, const char *file, const struct log *log,
			  struct section_config *ret);
/*
 * The strict flavour (notifications.cfg).  There are no comments; a line of blanks ends a section, too; a key
 * needs a blank behind it, so its value is never NULL.  ERR_INVALID for the first line that fits nowhere
 * ("file x line 3: ..."), without its text, which may be secret.  Several sections with the same id are all
 * there.  Facts: proxmox-section-config.
 */
int section_config_parse_strict(const char *text, const char *file, struct section_config *ret,
				struct error **err);
void section_clear(struct section *s);
void section_config_clear(struct section_config *c);
#define _cleanup_section_config_ _cleanup_(section_config_clear)

/*
 * The value of a key in a file of "key: value" lines without sections, indented or not (datacenter.cfg,
 * corosync.conf); NULL if there is none or the file cannot be read.  Caller frees.
 */
char *config_file_value(const char *file, const char *key);

/* The first of that name, or NULL. */
const struct section_property *section_property(const struct section *s, const char *key);
/* Its value: NULL if the key is not there, "1" if it has no value (as PVE's booleans). */
const char *section_get(const struct section *s, const char *key);

#endif

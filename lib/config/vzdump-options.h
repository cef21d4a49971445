/*
 * The options of vzdump: PVE 9's, then ours; and /etc/vzdump.conf, which takes the same names.
 */
#ifndef VZDUMP_CONFIG_VZDUMP_OPTIONS_H
#define VZDUMP_CONFIG_VZDUMP_OPTIONS_H

#include "base/log.h"
#include "base/paths.h"
#include "config/options.h"

extern const struct option_table vzdump_options;

/*
 * Reads text ("key: value" lines) into o, an initialized set of vzdump_options.  As in PVE
 * (PVE::JSONSchema::parse_config): lines that are no pair and bad values are warned about and
 * dropped; the last of several lines counts, exclude-path adds up; storage beside dumpdir drops
 * dumpdir; an empty script, tmpdir, ... is none.  An OPTION_LATER is warned about and dropped.  Other
 * than in PVE unknown keys are warned about, with the nearest one there is.
 * file is for messages.
 */
void vzdump_conf_parse(const char *text, const char *file, struct options *o, const struct log *log);

/*
 * The same from <root>/etc/vzdump.conf.  A missing file is fine.  Initializes *ret; the caller
 * clears it.  An unreadable file is an error (PVE ignores it silently).
 */
int vzdump_conf_load(const struct paths *p, struct options *ret, const struct log *log, struct error **err);

/*
 * Fills what the command line left open from vzdump.conf (PVE::VZDump::new): performance key by
 * key; exclude-path adds up; storage and dumpdir only if the command line names neither.
 * prune-backups is not taken: the storage's own stands between command line and vzdump.conf, so
 * ask cli if options_given(), then the storage, then options_get(conf).  What chooses guests (all,
 * exclude, ...) is not taken either: only the command line does that.
 */
int vzdump_options_merge(struct options *cli, const struct options *conf, struct error **err);

/* Warns of what was asked for and comes to nothing, in the merged options: fleecing storage=x alone. */
void vzdump_options_warn(const struct options *o, const struct log *log);

/*
 * What the options demand of each other (verify_vzdump_parameters): vmid excludes all, exclude and
 * pool; a notes-template can be understood; exclude turns on all, or goes with pool; without any of them (and
 * without stop or cleanup) vmid is missing.
 * Call it on the command line before the merge.
 */
int vzdump_options_verify(struct options *o, struct error **err);

#endif

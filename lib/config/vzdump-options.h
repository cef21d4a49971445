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
 * (PVE::JSONSchema::parse_config): a line that is not such a pair or has a bad value is dropped with a
 * warning; the last of several lines counts, but exclude-path adds up; storage beside dumpdir drops
 * dumpdir; an empty script, tmpdir, ... counts as not given.  An OPTION_LATER is dropped with a warning.
 * Unlike in PVE, an unknown key causes a warning, with the nearest known one.
 * file is for messages.
 */
void vzdump_conf_parse(const char *text, const char *file, struct options *o, const struct log *log);

/*
 * The same from <root>/etc/vzdump.conf.  A missing file is fine.  Initializes *ret; the caller
 * clears it.  An unreadable file is an error (PVE ignores it silently).
 */
int vzdump_conf_load(const struct paths *p, struct options *ret, const struct log *log, struct error **err);

/*
 * Fills in from vzdump.conf the options that the command line leaves open (PVE::VZDump::new): performance
 * key by key; exclude-path adds up; storage and dumpdir only if the command line names neither.
 * prune-backups and incremental are not taken over, since the storage's own comes before vzdump.conf's: see
 * settings_keep() and settings_incremental().  Options that select guests (all, exclude, ...) are not taken
 * over either: only the command line selects guests.
 */
int vzdump_options_merge(struct options *cli, const struct options *conf, struct error **err);

/* Warns about an option that has no effect, in the merged options: fleecing with limit=2G alone. */
void vzdump_options_warn(const struct options *o, const struct log *log);

/*
 * Checks the options against each other (verify_vzdump_parameters): vmid excludes all, exclude and pool; a
 * notes-template must be valid; exclude turns on all, or goes with pool; without any of them (and without
 * stop or cleanup) vmid is missing. Call it on the command line before the merge.
 */
int vzdump_options_verify(struct options *o, struct error **err);

#endif

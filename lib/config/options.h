/*
 * One table of options per command.  It feeds the command line parser, --help, shell completion,
 * the configuration file of the same options, and the test that the man page agrees.
 *
 * The command line is read as PVE's tools do (PVE::JSONSchema::get_options over Getopt::Long):
 * "--opt v", "--opt=v", "-opt v", unique abbreviations, booleans "--opt", "--opt 1", "--opt=0",
 * options and arguments in any order, "--" ends the options.
 */
#ifndef VZDUMP_CONFIG_OPTIONS_H
#define VZDUMP_CONFIG_OPTIONS_H

#include "base/buf.h"
#include "config/schema.h"

enum option_flags {
	OPTION_REQUIRED = 1 << 0,   /* must be given (as option or argument) */
	OPTION_ARRAY = 1 << 1,      /* may be repeated, each value is kept */
	OPTION_CLI_ONLY = 1 << 2,   /* not in the configuration file */
	OPTION_CONF_ONLY = 1 << 3,  /* only in the configuration file */
	OPTION_LATER = 1 << 4,      /* not implemented yet: refused by name, except the
				     * default */
	OPTION_CONTAINERS = 1 << 5, /* concerns containers only: accepted, without effect on VMs */
};

/*
 * What a shell offers after the option.  COMPLETE_NONE leaves it to the value's type: booleans,
 * enums, storage ids, node names, guest ids and property strings need nothing else.
 */
enum option_complete {
	COMPLETE_NONE,
	COMPLETE_BOOL,
	COMPLETE_ENUM,
	COMPLETE_VMID,
	COMPLETE_JOB, /* of jobs.cfg */
	COMPLETE_NODE,
	COMPLETE_STORAGE,        /* every storage of this node */
	COMPLETE_STORAGE_BACKUP, /* storages with content "backup" */
	COMPLETE_STORAGE_IMAGES, /* storages with content "images" */
	COMPLETE_FLEECING,       /* as COMPLETE_PROPSTR; storages are those for images */
	COMPLETE_PROPSTR,        /* the format's keys */
	COMPLETE_CONTENT,        /* "images", "backup", ... */
	COMPLETE_FILE,
	COMPLETE_DIRECTORY,
	COMPLETE_ARCHIVE,       /* *.vma* files */
	COMPLETE_ARCHIVE_PLACE, /* <archive>:<disk>: */
	COMPLETE_BACKUP,        /* <storage>:backup/<archive>, or *.vma* files */
	COMPLETE_VOLUME,        /* <storage>:<image or backup> */
	/* Of the archive that the command's row "archive" names: */
	COMPLETE_ARCHIVE_DISKS,   /* its disks, with commas between them */
	COMPLETE_ARCHIVE_DISK_TO, /* <disk>=<path> */
	COMPLETE_ARCHIVE_CONFIG,  /* its configs */
	COMPLETE_NAME_IS_PATH,    /* <any name>=<path> */
};

struct option {
	const char *name;
	struct value_schema value; /* lists: the values of a repeated option are joined by comma */
	const char *fallback;      /* default as text; NULL: none */
	const char *requires;      /* another option that must be given too; NULL: none */
	unsigned flags;
	enum option_complete complete;
	const char *description; /* one paragraph, no newline */
};

struct option_table {
	const char *command; /* "vzdump", "vma extract" */
	const char *summary; /* one line for --help */
	const struct option *rows;
	size_t n_rows;
	const char *list_arg;    /* row of type VALUE_VMID_LIST that takes all arguments; or NULL.
				  * As in PVE it is not an option then ("--vmid" is unknown). */
	const char *const *args; /* rows filled by the arguments in this order; NULL-terminated;
				  * or NULL.  Rows without OPTION_REQUIRED may be left out; a last
				  * one with OPTION_ARRAY takes all that are left. */
};

struct options {
	const struct option_table *table;
	char ***values; /* per row: NULL, or a strv with one value (more for OPTION_ARRAY) */
	bool help;      /* --help or -h was given; then nothing was checked */
	bool version;   /* --version, the same */
};

/* An empty set. */
void options_init(struct options *o, const struct option_table *t);
void options_clear(struct options *o);
#define _cleanup_options_ _cleanup_(options_clear)

/*
 * Reads argv[1] .. argv[argc - 1] into *ret (initialized here; the caller clears it also after an
 * error).  ERR_INVALID with one line: "vzdump: option --zstd: value 'x' is not an integer".
 */
int options_parse(const struct option_table *t, int argc, char *const argv[], struct options *ret,
		  struct error **err);

/* Checks and sets a value as the parser does; ERR_INVALID and ERR_UNSUPPORTED leave o unchanged. */
int options_set(struct options *o, const char *name, const char *value, struct error **err);
/* Removes its value: the option counts as not given. */
void options_unset(struct options *o, const char *name);

/*
 * name must be a row of the table (asserted).  Given means set explicitly, not by default.
 * Values and arrays stay owned by o.
 */
bool options_given(const struct options *o, const char *name);
const char *options_get(const struct options *o, const char *name);    /* else default, else NULL */
bool options_bool(const struct options *o, const char *name);          /* else false */
int64_t options_int(const struct options *o, const char *name);        /* else 0 */
char *const *options_array(const struct options *o, const char *name); /* NULL: none */

/* Row by name; NULL if there is none. */
const struct option *option_find(const struct option_table *t, const char *name);
/*
 * The row of an option of the command line, by full name or unique abbreviation, in any case (Getopt::Long).
 * An abbreviation of a name that begins all others that it may be is that name.
 * NULL with *err set if there is none.
 */
const struct option *option_lookup(const struct option_table *t, const char *name, struct error **err);
/* True if the row is an option of the command line. */
bool option_on_command_line(const struct option_table *t, const struct option *row);
/* True if the word looks like an option: "-x", "--x"; not "-" or "--". */
bool option_is_word(const char *word);
/* Whether the word after a boolean option may be its value; next may be NULL. */
bool option_is_bool_value(const struct option_table *t, const char *next);
/* True if arguments fill the row (list_arg or args). */
bool option_is_argument(const struct option_table *t, const struct option *row);

/* Adds the line "USAGE: vzdump [<vmid> ...] [OPTIONS]" and all options with type, default, description. */
void options_help(const struct option_table *t, struct buf *out);

#endif

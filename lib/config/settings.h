/*
 * The settings of a backup job, as typed values: the command line and /etc/vzdump.conf are read here once,
 * and no later code looks up an option by its name.
 *
 * Precedence, highest first: the command line; the storage (its prune-backups and incremental only);
 * vzdump.conf; the defaults of the table vzdump_options.  Each part of a backup gets the sub-struct that it
 * needs.  Strings and arrays belong to struct settings.
 */
#ifndef VZDUMP_CONFIG_SETTINGS_H
#define VZDUMP_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/paths.h"
#include "config/formats.h"
#include "config/options.h"

/* What standard output gets. */
enum settings_output {
	OUTPUT_TEXT,
	OUTPUT_JSON,       /* the report */
	OUTPUT_JSON_LINES, /* an object per event, and the report */
};

/* What the command line alone decides: which guests, and what is done beside or instead of a backup. */
struct settings_request {
	uint32_t *vmids; /* in the order given; an id may come twice */
	size_t n_vmids;
	bool by_id;     /* guests are named one by one; the list may still be empty ("vzdump ,") */
	char **libvirt; /* guests of libvirt by name, uuid or "*", that are not among vmids yet; NULL: none */
	char **unresolved; /* why guests of libvirt could not be found, a line for each; NULL: all were */
	char *connect;     /* their URI; NULL: not given */
	char *pool;        /* NULL: none */
	bool all;          /* every guest but the excluded ones */
	bool excludes;     /* there is a list of guests to leave out; it may be empty */
	uint32_t *excluded;
	size_t n_excluded;
	char *node;     /* the job is only for the host of this name; NULL: for any */
	bool stop;      /* stop the job that runs now */
	bool cleanup;   /* no backup: undo what killed runs left behind */
	bool forget;    /* with cleanup: remove the bitmaps of incremental backups, too */
	bool to_stdout; /* the archive goes to standard output */
	bool quiet;
	char *job_id; /* of the job in jobs.cfg that the run belongs to; NULL: none */
	bool strict;  /* warnings change the exit status */
	bool dry_run; /* no backup: say what one would do */
	enum settings_output output;
};

/* What a guest does while its disks are read. */
enum backup_mode {
	MODE_SNAPSHOT, /* it runs */
	MODE_SUSPEND,  /* it is paused until the backup has begun */
	MODE_STOP,     /* it is shut down first */
};

/* Where the archive goes, unless request.to_stdout overrules it; a hook script sees it in either case. */
struct settings_place {
	char *storage; /* its id; NULL if dumpdir is given */
	char *dumpdir; /* as it was given; NULL: the storage's */
};

enum settings_compression {
	SETTINGS_COMPRESS_NONE,
	SETTINGS_COMPRESS_LZO,
	SETTINGS_COMPRESS_GZIP,
	SETTINGS_COMPRESS_ZSTD,
};

/* How the archive is written. */
struct settings_archive {
	enum settings_compression compression;
	unsigned threads; /* that compress; 0: the writer's own, one external gzip */
	int level;        /* of zstd, 1 .. 19 */
	int ionice;       /* 0 .. 7: best effort, 8: idle */
};

struct settings_hook {
	char *script;       /* NULL: none */
	unsigned timeout_s; /* 0: no limit */
};

/* Commands that the administrator set in vzdump.conf; "{vmid}" stands for the guest's id. */
struct settings_commands {
	char *start;
	char *start_paused; /* NULL: none */
};

enum notify_mode {
	NOTIFY_AUTO,   /* mail if there are addresses, else the system */
	NOTIFY_LEGACY, /* mail to these addresses */
	NOTIFY_SYSTEM, /* endpoints and matchers of notifications.cfg */
};

/* Who hears of the job. */
struct settings_notify {
	enum notify_mode mode;
	char **mailto;     /* addresses and names of users; NULL: none */
	bool failure_only; /* mail to them only if something failed */
};

/* Which backups of a guest are kept; see settings_keep(). */
struct settings_retention {
	bool on_command_line;
	struct prune_keep command_line; /* only if on_command_line */
	struct prune_keep conf;         /* of vzdump.conf, else the default: keep all */
	bool remove; /* remove backups that are not kept; else one backup too many is an error */
};

/* Property strings that were checked; see settings_incremental().  NULL: not given. */
struct settings_incremental {
	char *command_line;
	char *conf; /* of vzdump.conf */
};

struct settings {
	struct settings_request request;
	struct settings_place place;
	enum backup_mode mode;
	struct fleecing_config fleecing;
	/* What all fleecing images of the job may take at once, in bytes, beside fleecing.limit; 0: any. */
	uint64_t fleecing_limit;
	struct settings_incremental incremental;
	struct verify_boot_config verify_boot;
	struct settings_archive archive;
	struct settings_hook hook;
	struct settings_commands commands;
	struct settings_retention retention;
	unsigned max_workers;      /* requests in flight to the guest's disks, 1 .. 256 */
	uint64_t bwlimit_kib;      /* limit for reading, in KiB per second; 0: none */
	uint64_t lockwait_minutes; /* for the job's lock */
	uint64_t stopwait_minutes; /* for a guest that shuts down */
	char *notes_template;      /* NULL: no notes */
	bool protect;              /* the archive is protected from removal */
	char *tmpdir;              /* must exist if given; NULL: not given */
	struct settings_notify notify;
	char *metrics; /* file for figures of monitoring; NULL: none */
	char *connect; /* URI of libvirt; NULL: its own default */
};

/*
 * Reads what the command line alone decides: only ret->request is filled.  cli is a checked set of
 * vzdump_options.  The caller clears *ret.
 */
void settings_init(struct settings *ret, const struct options *cli);

/*
 * Fills the rest, after settings_init() with the same cli: reads vzdump.conf and merges the command line over
 * it.  log gets warnings about the file's lines and about options without effect.  ERR_INVALID if options of
 * the two, or --storage, --dumpdir and --stdout, contradict each other (the latter is ignored for --cleanup).
 * cli is changed: do not use it afterwards.
 */
int settings_load(struct settings *s, struct options *cli, const struct paths *p, const struct log *log,
		  struct error **err);

/*
 * vzdump.conf alone, for commands with options of their own: as settings_init() and settings_load() with an
 * empty command line.  The caller clears *ret, also after an error.
 */
int settings_load_conf(struct settings *ret, const struct paths *p, const struct log *log,
		       struct error **err);

/* "snapshot", "suspend", "stop": as the option, the log and hook scripts have it. */
const char *backup_mode_name(enum backup_mode mode);

void settings_clear(struct settings *s);
#define _cleanup_settings_ _cleanup_(settings_clear)

/*
 * The retention on a storage whose prune-backups is of_storage (NULL: it has none, or there is no storage).
 * ERR_INVALID if of_storage applies, but is not valid.
 */
int settings_keep(const struct settings_retention *retention, const char *of_storage, struct prune_keep *ret,
		  struct error **err);

/*
 * Incremental backups to a storage for which vzdump-storage.cfg has of_storage (NULL: nothing, or there is no
 * storage).  Not enabled where it can have no effect: with --stdout, and without --compress zstd; log gets a
 * warning then.  ERR_INVALID if of_storage applies, but is not valid.
 */
int settings_incremental(const struct settings *s, const char *of_storage, const struct log *log,
			 struct incremental_config *ret, struct error **err);

#endif

/*
 * The property strings of a backup job, as C structs: fleecing, incremental, performance, prune-backups,
 * verify-boot.
 */
#ifndef VZDUMP_CONFIG_FORMATS_H
#define VZDUMP_CONFIG_FORMATS_H

#include "config/propstr.h"

extern const struct propstr_format fleecing_format;
extern const struct propstr_format incremental_format;
extern const struct propstr_format performance_format;
extern const struct propstr_format prune_format;
extern const struct propstr_format verify_boot_format;

/* The smallest limit of fleecing images that can be given, in bytes. */
#define FLEECING_LIMIT_MIN (16 * INT64_C(1048576))

/* A size, or a part of something that is only known later. */
struct fleecing_amount {
	bool set;         /* else none was given, and the rest is 0 */
	uint64_t bytes;   /* 0 beside a percentage */
	unsigned percent; /* 0 beside a size */
};

/*
 * "[[enabled=]<1|0>][,storage=<storage>][,limit=<amount>][,reserve=<amount>]".  PVE demands a storage when
 * enabled; here an image without one goes to the storage of the disk it belongs to.  limit and reserve are
 * ours.
 */
struct fleecing_config {
	bool enabled;
	char *storage; /* NULL: each disk's own */
	/*
	 * What the images of a guest may take together: at least FLEECING_LIMIT_MIN bytes, or 1 to 100
	 * percent of the sum of the sizes of its disks that have an image.
	 */
	struct fleecing_amount limit;
	/* What stays free on each storage with images, in bytes, or 0 to 99 percent of all its space. */
	struct fleecing_amount reserve;
};
/* text may be NULL: not enabled.  ERR_INVALID if it does not fit.  Caller clears *ret after success. */
int fleecing_config_parse(const char *text, struct fleecing_config *ret, struct error **err);
void fleecing_config_clear(struct fleecing_config *c);

struct performance_config {
	unsigned max_workers;     /* 1 .. 256; requests in flight */
	uint64_t pbs_entries_max; /* only containers to PBS; kept, not used */
};
/* text may be NULL: the defaults. */
int performance_config_parse(const char *text, struct performance_config *ret, struct error **err);

enum incremental_copy {
	INCREMENTAL_COPY_AUTO,   /* a full backup if all that is taken over would go over the network twice */
	INCREMENTAL_COPY_ALWAYS, /* take over by copying if need be */
};

/*
 * "[[enabled=]<1|0>][,copy=<auto|always>][,max-days=<n>][,max-generations=<n>]": an extension of ours.
 */
struct incremental_config {
	bool enabled;
	enum incremental_copy copy;
	unsigned max_generations; /* of a chain, its first one included: 2 .. 1000, default 30 */
	unsigned max_days;        /* age of a chain: 1 .. 3650, default 35 */
};
/* text may be NULL: not enabled. */
int incremental_config_parse(const char *text, struct incremental_config *ret, struct error **err);

enum verify_boot_agent {
	VERIFY_BOOT_AGENT_AS_CONFIGURED,
	VERIFY_BOOT_AGENT_OFF,
	VERIFY_BOOT_AGENT_ON,
};

/*
 * "[[enabled=]<1|0>][,accel=<auto|kvm|tcg>][,agent=<1|0>][,expect=<text>][,memory=<MiB>][,timeout=<seconds>]"
 * : an extension of ours.
 */
struct verify_boot_config {
	bool enabled;
	char *accel;
	enum verify_boot_agent agent;
	char *expect;        /* NULL: nothing */
	uint64_t memory_mib; /* 0: as configured */
	unsigned timeout_s;
};
/* text may be NULL: not enabled.  ERR_INVALID if it does not fit.  Caller clears *ret after success. */
int verify_boot_config_parse(const char *text, struct verify_boot_config *ret, struct error **err);
void verify_boot_config_clear(struct verify_boot_config *c);

enum prune_period {
	PRUNE_LAST,
	PRUNE_HOURLY,
	PRUNE_DAILY,
	PRUNE_WEEKLY,
	PRUNE_MONTHLY,
	PRUNE_YEARLY,
	PRUNE_PERIODS
};
struct prune_keep {
	bool all;                  /* as in PVE, also if no count is positive */
	bool given[PRUNE_PERIODS]; /* the text has that key */
	uint64_t count[PRUNE_PERIODS];
};
/* text may be NULL: keep all.  keep-all=1 beside a positive count is an error. */
int prune_keep_parse(const char *text, struct prune_keep *ret, struct error **err);
/* "keep-daily=3, keep-last=2", sorted by name, as PVE logs it.  Caller frees. */
char *prune_keep_describe(const struct prune_keep *k);

#endif

#include "config/formats.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/expected.h"
#include "base/mem.h"
#include "base/units.h"

/* ---- fleecing ---- */

static const struct propstr_key fleecing_keys[] = {
	{
		.name = "enabled",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.is_default = true,
		.description = "Keep old data of blocks the guest overwrites in a fleecing image, "
			       "so that the "
			       "guest never waits for the backup target.",
	},
	{
		.name = "storage",
		.value = { .type = VALUE_STORAGE_ID },
		.description = "Where fleecing images go. Without it each image goes to the storage of "
			       "its disk. "
			       "Best is a fast local one that is thin and gives discarded space back.",
	},
	{
		.name = "limit",
		.value = { .type = VALUE_AMOUNT, .min = FLEECING_LIMIT_MIN, .max = 100 },
		.description =
			"What the fleecing images of a guest may take together, or how many percent of "
			"their disks. Near it the guest's first writes to data that is not saved yet "
			"are slowed to what the backup drains.",
	},
	{
		.name = "reserve",
		.value = { .type = VALUE_AMOUNT, .max = 99 },
		.description =
			"What stays free on a storage with fleecing images, or how many percent of it; 0 "
			"for nothing.",
	},
};

static struct fleecing_amount amount_of(const struct propstr *p, const char *key)
{
	const char *text = propstr_get(p, key);
	struct fleecing_amount a = { .set = text != NULL };

	if (text && !units_parse_percent(text, &a.percent))
		units_parse_disk_size(text, &a.bytes);
	return a;
}

static int check_fleecing(const struct propstr *p, struct error **err)
{
	const struct fleecing_amount limit = amount_of(p, "limit");

	if (!limit.set || limit.bytes || limit.percent)
		return 0;
	return error_set(
		err, ERR_INVALID,
		"key 'limit': value '%s' leaves no room for an image: leave out limit= for no limit, or "
		"write enabled=0 for no fleecing",
		propstr_get(p, "limit"));
}

const struct propstr_format fleecing_format = {
	.name = "backup-fleecing",
	.keys = fleecing_keys,
	.n_keys = ARRAY_SIZE(fleecing_keys),
	.check = check_fleecing,
};

int fleecing_config_parse(const char *text, struct fleecing_config *ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	int r = propstr_parse(&fleecing_format, text ? text : "", &p, err);

	if (r < 0)
		return r;
	*ret = (struct fleecing_config){
		.enabled = propstr_get_bool(&p, "enabled"),
		.storage = xstrdup_null(propstr_get(&p, "storage")),
		.limit = amount_of(&p, "limit"),
		.reserve = amount_of(&p, "reserve"),
	};
	return 0;
}

void fleecing_config_clear(struct fleecing_config *c)
{
	free(c->storage);
	*c = (struct fleecing_config){ 0 };
}

/* ---- incremental ---- */

static const char *const copy_values[] = { "auto", "always", NULL };

static const struct propstr_key incremental_keys[] = {
	{
		.name = "enabled",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.is_default = true,
		.description =
			"Read only what has changed since the guest's newest archive, and share the rest "
			"with it.",
	},
	{
		.name = "copy",
		.value = { .type = VALUE_ENUM, .values = copy_values },
		.fallback = "auto",
		.description = "Whether to copy the rest where files cannot share it: never over a network "
			       "(auto), or always.",
	},
	{
		.name = "max-days",
		.value = { .type = VALUE_INT, .min = 1, .max = 3650 },
		.fallback = "35",
		.description = "After so many days the next backup is a full one.",
	},
	{
		.name = "max-generations",
		.value = { .type = VALUE_INT, .min = 2, .max = 1000 },
		.fallback = "30",
		.description =
			"After so many archives, the full one included, the next backup is a full one.",
	},
};
const struct propstr_format incremental_format = {
	.name = "backup-incremental",
	.keys = incremental_keys,
	.n_keys = ARRAY_SIZE(incremental_keys),
};

int incremental_config_parse(const char *text, struct incremental_config *ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	int r = propstr_parse(&incremental_format, text ? text : "", &p, err);

	if (r < 0)
		return r;
	*ret = (struct incremental_config){
		.enabled = propstr_get_bool(&p, "enabled"),
		.copy = strcmp(propstr_get(&p, "copy"), "always") ? INCREMENTAL_COPY_AUTO
								  : INCREMENTAL_COPY_ALWAYS,
		.max_generations = (unsigned)propstr_get_int(&p, "max-generations"),
		.max_days = (unsigned)propstr_get_int(&p, "max-days"),
	};
	return 0;
}

/* ---- performance ---- */

static const struct propstr_key performance_keys[] = {
	{
		.name = "max-workers",
		.value = { .type = VALUE_INT, .min = 1, .max = 256 },
		.fallback = "16",
		.description = "How many requests to the guest's disks may be in flight at once (VMs).",
	},
	{
		.name = "pbs-entries-max",
		.value = { .type = VALUE_INT, .min = 1 },
		.fallback = "1048576",
		.description = "Directory entries held in memory by container backups to a Proxmox Backup "
			       "Server; without effect on VMs.",
	},
};
const struct propstr_format performance_format = {
	.name = "backup-performance",
	.keys = performance_keys,
	.n_keys = ARRAY_SIZE(performance_keys),
};

int performance_config_parse(const char *text, struct performance_config *ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	int r = propstr_parse(&performance_format, text ? text : "", &p, err);

	if (r < 0)
		return r;
	*ret = (struct performance_config){
		.max_workers = (unsigned)propstr_get_int(&p, "max-workers"),
		.pbs_entries_max = (uint64_t)propstr_get_int(&p, "pbs-entries-max"),
	};
	return 0;
}

/* ---- verify-boot ---- */

static const char *const accel_values[] = { "auto", "kvm", "tcg", NULL };

static const struct propstr_key verify_boot_keys[] = {
	{
		.name = "enabled",
		.value = { .type = VALUE_BOOL },
		.fallback = "0",
		.is_default = true,
		.description = "Try after its backup whether the guest starts from the archive.",
	},
	{
		.name = "accel",
		.value = { .type = VALUE_ENUM, .values = accel_values },
		.fallback = "auto",
		.description = "KVM, TCG, or KVM where it works (auto).",
	},
	{
		.name = "agent",
		.value = { .type = VALUE_BOOL },
		.description = "Whether an answer of the guest agent is waited for. Without it the guest's "
			       "configuration tells.",
	},
	{
		.name = "expect",
		.value = { .type = VALUE_STRING },
		.description = "A text on the serial console or text screen that proves the start; between "
			       "slashes a regular expression. It has no comma.",
	},
	{
		.name = "memory",
		.value = { .type = VALUE_INT, .min = 64, .max = 16777216 },
		.description = "Memory of the guest in MiB. Without it as configured, but no more than the "
			       "host has free.",
	},
	{
		.name = "timeout",
		.value = { .type = VALUE_INT, .min = 1, .max = 86400 },
		.fallback = "300",
		.description = "Seconds that each guest has.",
	},
};
const struct propstr_format verify_boot_format = {
	.name = "backup-verify-boot",
	.keys = verify_boot_keys,
	.n_keys = ARRAY_SIZE(verify_boot_keys),
};

static enum verify_boot_agent parse_agent(const struct propstr *p)
{
	if (!propstr_has(p, "agent"))
		return VERIFY_BOOT_AGENT_AS_CONFIGURED;
	return propstr_get_bool(p, "agent") ? VERIFY_BOOT_AGENT_ON : VERIFY_BOOT_AGENT_OFF;
}

int verify_boot_config_parse(const char *text, struct verify_boot_config *ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	struct expected expected;
	int r = propstr_parse(&verify_boot_format, text ? text : "", &p, err);

	/* before a guest is saved, which would then not be tried */
	if (r == 0)
		r = expected_init(&expected, propstr_get(&p, "expect"), err);
	if (r < 0)
		return error_wrap(err, r, "verify-boot");
	expected_clear(&expected);
	*ret = (struct verify_boot_config){
		.enabled = propstr_get_bool(&p, "enabled"),
		.accel = xstrdup(propstr_get(&p, "accel")),
		.agent = parse_agent(&p),
		.expect = xstrdup_null(propstr_get(&p, "expect")),
		.memory_mib = (uint64_t)propstr_get_int(&p, "memory"),
		.timeout_s = (unsigned)propstr_get_int(&p, "timeout"),
	};
	return 0;
}

void verify_boot_config_clear(struct verify_boot_config *c)
{
	free(c->accel);
	free(c->expect);
	*c = (struct verify_boot_config){ 0 };
}

/* ---- prune-backups ---- */

#define KEEP(period, text)                                                                  \
	{                                                                                   \
		.name = "keep-" period, .value = { .type = VALUE_INT }, .description = text \
	}
static const struct propstr_key prune_keys[] = {
	{
		.name = "keep-all",
		.value = { .type = VALUE_BOOL },
		.description = "Keep every backup; excludes the other keys.",
	},
	KEEP("last", "Keep this many of the newest backups."),
	KEEP("hourly", "Keep the newest backup of each of the last N hours that have one."),
	KEEP("daily", "Keep the newest backup of each of the last N days that have one."),
	KEEP("weekly", "Keep the newest backup of each of the last N ISO weeks that have one."),
	KEEP("monthly", "Keep the newest backup of each of the last N months that have one."),
	KEEP("yearly", "Keep the newest backup of each of the last N years that have one."),
};

/* Indexed by enum prune_period. */
static const char *const period_keys[PRUNE_PERIODS] = {
	"keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly",
};

static bool keeps_some(const struct propstr *p)
{
	for (size_t i = 0; i < PRUNE_PERIODS; i++)
		if (propstr_get_int(p, period_keys[i]) > 0)
			return true;
	return false;
}

static int check_prune(const struct propstr *p, struct error **err)
{
	if (keeps_some(p) && propstr_get_bool(p, "keep-all"))
		return error_set(err, ERR_INVALID, "keep-all cannot be set together with other options");
	return 0;
}

const struct propstr_format prune_format = {
	.name = "prune-backups",
	.keys = prune_keys,
	.n_keys = ARRAY_SIZE(prune_keys),
	.check = check_prune,
};

int prune_keep_parse(const char *text, struct prune_keep *ret, struct error **err)
{
	_cleanup_propstr_ struct propstr p = { 0 };
	struct prune_keep keep = { 0 };
	int r = propstr_parse(&prune_format, text ? text : "", &p, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < PRUNE_PERIODS; i++) {
		keep.given[i] = propstr_has(&p, period_keys[i]);
		keep.count[i] = (uint64_t)propstr_get_int(&p, period_keys[i]);
	}
	if (!keeps_some(&p))
		keep = (struct prune_keep){ .all = true };
	*ret = keep;
	return 0;
}

char *prune_keep_describe(const struct prune_keep *k)
{
	/* keep-daily, -hourly, -last, -monthly, -weekly, -yearly: by name */
	static const enum prune_period sorted[PRUNE_PERIODS] = {
		PRUNE_DAILY, PRUNE_HOURLY, PRUNE_LAST, PRUNE_MONTHLY, PRUNE_WEEKLY, PRUNE_YEARLY,
	};
	_cleanup_buf_ struct buf b = BUF_INIT;

	if (k->all)
		return xstrdup("keep-all=1");
	for (size_t i = 0; i < PRUNE_PERIODS; i++)
		if (k->given[sorted[i]])
			buf_addf(&b, "%s%s=%" PRIu64, b.len ? ", " : "", period_keys[sorted[i]],
				 k->count[sorted[i]]);
	return buf_steal(&b);
}

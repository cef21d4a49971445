#include "place/retention.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Backups of the same period have the same id. */
static int64_t period_id(enum prune_period period, time_t when)
{
	struct tm tm;
	char text[16];
	int64_t id;

	localtime_r(&when, &tm);
	switch (period) {
	case PRUNE_LAST:
		return when;
	case PRUNE_WEEKLY:
		/* the ISO week and the year that it belongs to */
		strftime(text, sizeof(text), "%G%V", &tm);
		return strtoll(text, NULL, 10);
	case PRUNE_YEARLY:
		return tm.tm_year;
	case PRUNE_HOURLY:
	case PRUNE_DAILY:
	case PRUNE_MONTHLY:
	case PRUNE_PERIODS:
		break;
	}
	id = (int64_t)tm.tm_year * 12 + tm.tm_mon;
	if (period == PRUNE_MONTHLY)
		return id;
	id = id * 32 + tm.tm_mday;
	return period == PRUNE_DAILY ? id : id * 24 + tm.tm_hour;
}

/* A backup that is counted. */
struct entry {
	struct backup *b;
	int64_t id;    /* of its period, of the kind that is being marked */
	bool kept_now; /* for that kind of period */
};

/* What has been kept so far of an entry's period. */
enum period_state {
	PERIOD_NEW,     /* nothing */
	PERIOD_COUNTED, /* a backup, for which the period was counted */
	PERIOD_COVERED, /* a backup, for another kind of period */
};

static enum period_state state_of_period(const struct entry *entries, size_t n, int64_t id)
{
	enum period_state state = PERIOD_NEW;

	for (size_t i = 0; i < n; i++) {
		if (entries[i].b->mark != PRUNE_KEEP || entries[i].id != id)
			continue;
		if (!entries[i].kept_now)
			return PERIOD_COVERED;
		state = PERIOD_COUNTED;
	}
	return state;
}

/* entries: newest first.  Keeps the newest of each of `count` periods that no earlier kind covers. */
static void mark_period(struct entry *entries, size_t n, enum prune_period period, uint64_t count)
{
	uint64_t counted = 0;

	if (!count)
		return;
	for (size_t i = 0; i < n; i++) {
		entries[i].id = period_id(period, entries[i].b->ctime);
		entries[i].kept_now = false;
	}
	for (size_t i = 0; i < n; i++) {
		enum period_state state;

		if (entries[i].b->mark != PRUNE_NONE)
			continue;
		state = state_of_period(entries, n, entries[i].id);
		if (state == PERIOD_COVERED)
			continue;
		if (state == PERIOD_COUNTED) {
			entries[i].b->mark = PRUNE_REMOVE;
			continue;
		}
		if (counted++ >= count)
			return;
		entries[i].b->mark = PRUNE_KEEP;
		entries[i].kept_now = true;
	}
}

/* Newest first; this job's own backup is the newest.  Those of one instant stay in the order of the list. */
static int compare_entries(const void *a, const void *b)
{
	const struct backup *x = ((const struct entry *)a)->b;
	const struct backup *y = ((const struct entry *)b)->b;

	if (x->is_new != y->is_new)
		return x->is_new ? -1 : 1;
	if (x->ctime != y->ctime)
		return x->ctime > y->ctime ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* The mark of a backup that is not counted; PRUNE_NONE for one that is. */
static enum prune_mark first_mark(const struct backup *b, time_t now)
{
	if (b->is_protected)
		return PRUNE_PROTECTED;
	if (!b->name.standard)
		return PRUNE_RENAMED;
	return b->ctime > now && !b->is_new ? PRUNE_FUTURE : PRUNE_NONE;
}

void backups_warn_future(const struct backups *b, const struct log *log)
{
	for (size_t i = 0; i < b->n; i++) {
		char date[32];
		struct tm tm;

		if (b->list[i].mark != PRUNE_FUTURE || !localtime_r(&b->list[i].ctime, &tm))
			continue;
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
		log_warn(
			log,
			"archive '%s' is dated in the future (%s): it is neither counted nor removed; rename it "
			"to its true date or remove it, and check this host's clock",
			b->list[i].path, date);
	}
}

void backups_mark(struct backups *b, const struct prune_keep *keep, time_t now)
{
	_cleanup_free_ struct entry *entries = xcalloc(b->n + 1, sizeof(*entries));
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++) {
		b->list[i].mark = first_mark(&b->list[i], now);
		if (b->list[i].mark == PRUNE_NONE)
			entries[n++].b = &b->list[i];
	}
	qsort(entries, n, sizeof(*entries), compare_entries);
	for (int period = 0; period < PRUNE_PERIODS && !keep->all; period++)
		mark_period(entries, n, (enum prune_period)period, keep->count[period]);
	for (size_t i = 0; i < n; i++)
		if (entries[i].b->mark == PRUNE_NONE)
			entries[i].b->mark = keep->all ? PRUNE_KEEP : PRUNE_REMOVE;
}

static int prune_backup(const struct place *p, const struct backup *b, const struct log *log,
			struct error **err)
{
	_cleanup_free_ char *volid = NULL;
	int r;

	if (!p->storage) {
		log_info(log, "delete old backup '%s'", b->path);
		return place_remove(p, b->name.filename, log, err);
	}
	volid = xasprintf("%s:backup/%s", p->storage, b->name.filename);
	log_info(log, "removing backup '%s'", volid);
	r = place_remove(p, b->name.filename, log, err);
	if (r < 0)
		return error_wrap(err, r, "error when removing backup '%s'", volid);
	return r;
}

int backups_prune(const struct place *p, const struct backups *b, const struct log *log,
		  unsigned *ret_removed, struct error **err)
{
	int r = 0;

	*ret_removed = 0;
	for (size_t i = 0; i < b->n; i++) {
		_cleanup_error_ struct error *mine = NULL;
		int removed;

		if (b->list[i].mark != PRUNE_REMOVE)
			continue;
		++*ret_removed;
		removed = prune_backup(p, &b->list[i], log, &mine);
		if (removed == 0)
			continue;
		log_error(log, "%s", error_message(mine));
		if (r == 0)
			r = error_set(err, removed, "%s", error_message(mine));
	}
	return r;
}

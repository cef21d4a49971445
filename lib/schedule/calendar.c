/* The next time of a calendar event: steps from field to field, not from second to second. */
#include "schedule/calendar.h"

#include "schedule/weekdays.h"

/* PVE gives up after as many: then there is no such time, as on 02-30. */
#define ROUNDS_MAX 1000

static bool item_has(const struct calendar_item *i, int value)
{
	if (value < i->first || (i->last >= 0 && value > i->last))
		return false;
	return i->step ? (value - i->first) % i->step == 0 : value == i->first;
}

static bool list_has(const struct calendar_list *l, int value)
{
	for (size_t i = 0; i < l->n; i++)
		if (item_has(&l->items[i], value))
			return true;
	return l->n == 0;
}

/* The item's first value above this one; -1 if there is none. */
static int item_next(const struct calendar_item *i, int value)
{
	int next;

	if (value < i->first)
		return i->first;
	if (!i->step)
		return -1;
	next = i->first + ((value - i->first) / i->step + 1) * i->step;
	return i->last >= 0 && next > i->last ? -1 : next;
}

/*
 * The smallest value above this one; -1 if there is none.  PVE's quirk: a step without end goes on above what
 * the field can hold, so that after 20:00 every 5 hours is 25 o'clock, and 00:00 of the next day is passed
 * over.
 */
static int list_next(const struct calendar_list *l, int value)
{
	int best = -1;

	for (size_t i = 0; i < l->n; i++) {
		int next = item_next(&l->items[i], value);

		if (next >= 0 && (best < 0 || next < best))
			best = next;
	}
	return best;
}

/* A point in time, and what clock and calendar show then. */
struct moment {
	bool utc;
	time_t time;
	struct tm tm;
};

static bool moment_at(struct moment *m, time_t t)
{
	m->time = t;
	return m->utc ? gmtime_r(&t, &m->tm) != NULL : localtime_r(&t, &m->tm) != NULL;
}

static bool same_reading(const struct tm *a, const struct tm *b)
{
	return a->tm_year == b->tm_year && a->tm_mon == b->tm_mon && a->tm_mday == b->tm_mday &&
	       a->tm_hour == b->tm_hour && a->tm_min == b->tm_min && a->tm_sec == b->tm_sec;
}

/*
 * Moves m to the time at which the clock shows want, whose fields may be out of range (day 31 of April is
 * 1 May).  A reading that comes twice is that of the offset from UTC which holds at m, so that time never
 * goes back; one that the clock leaves out is as late as if the clock had not been changed.  That is what
 * mktime() does with tm_isdst = -1, but it uses the offset of its last call, whoever made that.
 */
static bool moment_set(struct moment *m, struct tm want)
{
	long offset = m->utc ? 0 : m->tm.tm_gmtoff, other;
	time_t reading = timegm(&want);

	if (!moment_at(m, reading - offset))
		return false;
	if (m->utc || same_reading(&m->tm, &want))
		return true;
	other = m->tm.tm_gmtoff;
	if (!moment_at(m, reading - other))
		return false;
	if (same_reading(&m->tm, &want))
		return true;
	return moment_at(m, reading - (other < offset ? other : offset));
}

/* Each is the beginning of that year, month, ... */
static bool set_year(struct moment *m, int year)
{
	return moment_set(m, (struct tm){ .tm_year = year - 1900, .tm_mday = 1 });
}

static bool set_month(struct moment *m, int month)
{
	return moment_set(m, (struct tm){ .tm_year = m->tm.tm_year, .tm_mon = month - 1, .tm_mday = 1 });
}

static bool set_day(struct moment *m, int day)
{
	return moment_set(m, (struct tm){ .tm_year = m->tm.tm_year, .tm_mon = m->tm.tm_mon, .tm_mday = day });
}

static bool set_hour(struct moment *m, int hour)
{
	struct tm tm = m->tm;

	tm.tm_hour = hour;
	tm.tm_min = tm.tm_sec = 0;
	return moment_set(m, tm);
}

static bool set_minute(struct moment *m, int minute)
{
	struct tm tm = m->tm;

	tm.tm_min = minute;
	tm.tm_sec = 0;
	return moment_set(m, tm);
}

static bool set_second(struct moment *m, int second)
{
	struct tm tm = m->tm;

	tm.tm_sec = second;
	return moment_set(m, tm);
}

/* One field fits, or m was moved to where it may fit, and all has to be looked at again. */
enum step {
	STEP_FITS,
	STEP_MOVED,
	STEP_NEVER,
};

static enum step moved(bool possible)
{
	return possible ? STEP_MOVED : STEP_NEVER;
}

/* The next listed value, else the beginning of what is one field above. */
static enum step step_field(const struct calendar_list *l, struct moment *m, int value,
			    bool (*set)(struct moment *, int), bool (*set_above)(struct moment *, int),
			    int above)
{
	int next;

	if (list_has(l, value))
		return STEP_FITS;
	next = list_next(l, value);
	if (next >= 0)
		return moved(set(m, next));
	return set_above ? moved(set_above(m, above + 1)) : STEP_NEVER;
}

/* The next listed day of the week, else Monday, on which the date is looked at again. */
static enum step step_weekday(unsigned days, struct moment *m)
{
	int day = weekdays_of(&m->tm), next = day + 1;

	if (!days || days & 1u << day)
		return STEP_FITS;
	while (next < 7 && !(days & 1u << next))
		next++;
	return moved(set_day(m, m->tm.tm_mday + next - day));
}

/* One round: the first field that does not fit moves m. */
static enum step step(const struct calendar *c, struct moment *m)
{
	const struct calendar_list *f = c->fields;
	const struct tm *tm = &m->tm;
	const int year = tm->tm_year + 1900, month = tm->tm_mon + 1;
	enum step s = step_field(&f[CALENDAR_YEAR], m, year, set_year, NULL, 0);

	if (s == STEP_FITS)
		s = step_field(&f[CALENDAR_MONTH], m, month, set_month, set_year, year);
	if (s == STEP_FITS)
		s = step_field(&f[CALENDAR_DAY], m, tm->tm_mday, set_day, set_month, month);
	if (s == STEP_FITS)
		s = step_weekday(c->days, m);
	if (s == STEP_FITS)
		s = step_field(&f[CALENDAR_HOUR], m, tm->tm_hour, set_hour, set_day, tm->tm_mday);
	if (s == STEP_FITS)
		s = step_field(&f[CALENDAR_MINUTE], m, tm->tm_min, set_minute, set_hour, tm->tm_hour);
	if (s == STEP_FITS)
		s = step_field(&f[CALENDAR_SECOND], m, tm->tm_sec, set_second, set_minute, tm->tm_min);
	return s;
}

bool calendar_next(const struct calendar *c, time_t after, time_t *ret)
{
	struct moment m = { .utc = c->utc };

	if (!moment_at(&m, after + 1))
		return false;
	for (int round = 0; round <= ROUNDS_MAX; round++) {
		enum step s = step(c, &m);

		if (s == STEP_FITS) {
			*ret = m.time;
			return true;
		}
		if (s == STEP_NEVER)
			return false;
	}
	return false;
}

#include "notify/matcher.h"

#include "base/mem.h"
#include "base/strv.h"
#include "test-config-util.h"

/* A matcher as it would be written, one statement a line: "field exact:a=b", "severity error", "mode any". */
static int build(const char *text, struct matcher *m, struct error **err)
{
	const char *start, *value;
	size_t len;
	int r = 0;

	*m = (struct matcher){ 0 };
	while (r == 0 && str_next_line(&text, &start, &len)) {
		_cleanup_free_ char *line = xstrndup(start, len);

		if (str_prefix(line, "field ", &value))
			r = matcher_add_field(m, value, err);
		else if (str_prefix(line, "severity ", &value))
			r = matcher_add_severity(m, value, err);
		else if (str_prefix(line, "calendar ", &value))
			r = matcher_add_calendar(m, value, err);
		else if (!strcmp(line, "any"))
			m->mode = MATCH_ANY;
		else if (!strcmp(line, "invert"))
			m->invert = true;
		else
			abort();
	}
	return r;
}

/* Tuesday, 2026-11-24, 14:30:00 in Vienna. */
#define WHEN 1795527000

static const struct notify_field fields[] = {
	{ "type", "vzdump" },        { "hostname", "pve1" }, { "job-id", "backup-1" },
	{ "odd", "caf\xc3\xa9\nx" }, { "empty", "" },        { "line", "one\n" },
};

/* clang-format off */
/* A notification of that severity, at WHEN, with the fields above. */
static const struct {
	const char *matcher;
	enum notify_severity severity;
	bool matches;
} rows[] = {
	/* without statements */
	{ "",                                              NOTIFY_INFO,    true },
	{ "invert",                                        NOTIFY_INFO,    true },
	{ "any",                                           NOTIFY_INFO,    true },
	{ "any\ninvert",                                   NOTIFY_INFO,    true },
	/* severity */
	{ "severity info",                                 NOTIFY_INFO,    true },
	{ "severity info",                                 NOTIFY_ERROR,   false },
	{ "severity error",                                NOTIFY_ERROR,   true },
	{ "severity notice",                               NOTIFY_NOTICE,  true },
	{ "severity unknown",                              NOTIFY_UNKNOWN, true },
	{ "severity warning,error",                        NOTIFY_WARNING, true },
	{ "severity  warning , error ",                    NOTIFY_ERROR,   true },
	{ "severity warning,error",                        NOTIFY_NOTICE,  false },
	{ "severity info\nseverity error",                 NOTIFY_ERROR,   false },
	{ "severity info\nseverity info,error",            NOTIFY_INFO,    true },
	{ "any\nseverity info\nseverity error",            NOTIFY_ERROR,   true },
	{ "severity info\ninvert",                         NOTIFY_INFO,    false },
	{ "severity info\ninvert",                         NOTIFY_ERROR,   true },
	/* exact */
	{ "field exact:type=vzdump",                       NOTIFY_INFO,    true },
	{ "field exact:type=vzdum",                        NOTIFY_INFO,    false },
	{ "field exact:type=vzdump2",                      NOTIFY_INFO,    false },
	{ "field exact:type=VZDUMP",                       NOTIFY_INFO,    false },
	{ "field exact:type=fencing,vzdump",               NOTIFY_INFO,    true },
	{ "field exact:type= fencing , vzdump ",           NOTIFY_INFO,    true },
	{ "field exact:type=fencing vzdump",               NOTIFY_INFO,    false },
	{ "field exact:type=.*",                           NOTIFY_INFO,    false },
	{ "field exact:none=x",                            NOTIFY_INFO,    false },
	{ "field exact:none=",                             NOTIFY_INFO,    false },
	{ "field exact:none=x\ninvert",                    NOTIFY_INFO,    true },
	{ "field exact:empty=",                            NOTIFY_INFO,    true },
	{ "field exact:empty=x,",                          NOTIFY_INFO,    true },
	{ "field exact:empty=x",                           NOTIFY_INFO,    false },
	{ "field exact:type=",                             NOTIFY_INFO,    false },
	{ "field exact:type=a=b,vzdump",                   NOTIFY_INFO,    true },
	/* regular expressions */
	{ "field regex:hostname=pve1",                     NOTIFY_INFO,    true },
	{ "field regex:hostname=v",                        NOTIFY_INFO,    true },
	{ "field regex:hostname=^v",                       NOTIFY_INFO,    false },
	{ "field regex:hostname=^pve\\d+$",                NOTIFY_INFO,    true },
	{ "field regex:hostname=^pve$",                    NOTIFY_INFO,    false },
	{ "field regex:hostname=^(?:pve|pbs)[0-9]$",       NOTIFY_INFO,    true },
	{ "field regex:hostname=PVE",                      NOTIFY_INFO,    false },
	{ "field regex:hostname=(?i)PVE",                  NOTIFY_INFO,    true },
	{ "field regex:hostname=",                         NOTIFY_INFO,    true },
	{ "field regex:hostname=a=b|pve",                  NOTIFY_INFO,    true },
	{ "field regex:hostname=\\bpve1\\b",               NOTIFY_INFO,    true },
	{ "field regex:hostname=(?P<name>p)ve",            NOTIFY_INFO,    true },
	{ "field regex:hostname=^p{1,2}[[:alpha:]]+\\w$",  NOTIFY_INFO,    true },
	{ "field regex:odd=^caf\\w$",                      NOTIFY_INFO,    false },
	{ "field regex:line=one$",                         NOTIFY_INFO,    false }, /* $ is the very end */
	{ "field regex:odd=(?m)^caf\\w$",                  NOTIFY_INFO,    true },  /* \w knows Unicode */
	{ "field regex:odd=^caf..x",                       NOTIFY_INFO,    false }, /* . is no newline */
	{ "field regex:odd=(?s)^caf..x",                   NOTIFY_INFO,    true },
	{ "field regex:odd=^\\p{L}{4}\\n",                 NOTIFY_INFO,    true },
	{ "field regex:none=",                             NOTIFY_INFO,    false },
	{ "field regex:empty=^$",                          NOTIFY_INFO,    true },
	{ "field exact:type=vzdump\nfield regex:job-id=^backup-", NOTIFY_INFO, true },
	{ "field exact:type=vzdump\nfield regex:job-id=^daily-",  NOTIFY_INFO, false },
	{ "any\nfield exact:type=x\nfield regex:job-id=^backup-", NOTIFY_INFO, true },
	{ "any\nfield exact:type=x\nfield regex:job-id=^daily-",  NOTIFY_INFO, false },
	/* calendar: Tuesday, half past two in the afternoon */
	{ "calendar 14:30-14:31",                          NOTIFY_INFO,    true },
	{ "calendar 14:00-14:30",                          NOTIFY_INFO,    false },
	{ "calendar 8-17",                                 NOTIFY_INFO,    true },
	{ "calendar 13:30 - 14",                           NOTIFY_INFO,    false }, /* the time in UTC */
	{ "calendar mon..fri 8-17",                        NOTIFY_INFO,    true },
	{ "calendar tue 8-17",                             NOTIFY_INFO,    true },
	{ "calendar sat,sun 8-17",                         NOTIFY_INFO,    false },
	{ "calendar sat,sun 8-17\ninvert",                 NOTIFY_INFO,    true },
	{ "calendar 8-17\ncalendar sat 8-17",              NOTIFY_INFO,    false },
	{ "any\ncalendar 8-17\ncalendar sat 8-17",         NOTIFY_INFO,    true },
	/* between kinds */
	{ "severity error\nfield exact:type=vzdump",       NOTIFY_ERROR,   true },
	{ "severity error\nfield exact:type=vzdump",       NOTIFY_INFO,    false },
	{ "severity error\nfield exact:type=x",            NOTIFY_ERROR,   false },
	{ "severity error\nfield exact:type=vzdump\ncalendar 8-17",      NOTIFY_ERROR, true },
	{ "severity error\nfield exact:type=vzdump\ncalendar 17-18",     NOTIFY_ERROR, false },
	{ "any\nseverity error\nfield exact:type=x\ncalendar 17-18",     NOTIFY_INFO,  false },
	{ "any\nseverity error\nfield exact:type=x\ncalendar 8-17",      NOTIFY_INFO,  true },
	{ "any\nseverity error\nfield exact:type=x\ncalendar 17-18",     NOTIFY_ERROR, true },
	{ "any\nseverity error\nfield exact:type=vzdump\ncalendar 17-18", NOTIFY_INFO, true },
	{ "severity error\nfield exact:type=vzdump\ninvert",             NOTIFY_ERROR, false },
	{ "severity error\nfield exact:type=vzdump\ninvert",             NOTIFY_INFO,  true },
	{ "any\nseverity error\nfield exact:type=x\ninvert",             NOTIFY_INFO,  true },
	{ "any\nseverity error\nfield exact:type=x\ninvert",             NOTIFY_ERROR, false },
};

static const struct {
	const char *matcher, *error;
} bad[] = {
	{ "field type=vzdump",               "does not begin with \"exact:\" or \"regex:\"" },
	{ "field glob:type=vz*",             "does not begin with \"exact:\" or \"regex:\"" },
	{ "field exact:type",                "has no \"field=\" behind the colon" },
	{ "field exact:=x",                  "has no \"field=\" behind the colon" },
	{ "field regex:'3=b.*",              "has no \"field=\" behind the colon" },
	{ "field exact: type=x",             "has no \"field=\" behind the colon" },
	{ "field regex:type=[",              "is no regular expression (at character " },
	{ "field regex:type=a**?+(",         "is no regular expression (at character " },
	{ "field regex:type=\xff",           "is no regular expression (at character " },
	{ "field regex:type=\\C",            "is no regular expression (at character " },
	{ "severity critical",               "has something else than info, notice, warning, error, unknown" },
	{ "severity Error",                  "has something else than" },
	{ "severity error,",                 "has something else than" },
	{ "severity ",                       "has something else than" },
	{ "severity error warning",          "has something else than" },
	{ "calendar 17-8",                   "invalid daily duration '17-8'" },
	{ "calendar mon",                    "invalid daily duration 'mon'" },
};
/* clang-format on */

static struct notification notification(enum notify_severity severity)
{
	return (struct notification){
		.severity = severity,
		.time = WHEN,
		.fields = fields,
		.n_fields = ARRAY_SIZE(fields),
	};
}

static void matches_as_the_table_says(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct notification n = notification(rows[i].severity);
		_cleanup_free_ char *shown = xstrdup(rows[i].matcher);
		struct error *err = NULL;
		struct matcher m;
		int r = build(rows[i].matcher, &m, &err);

		if (r == 0)
			r = matcher_matches(&m, &n, &err);
		for (char *at = shown; *at; at++)
			*at = *at == '\n' ? ';' : *at;
		ok(r == rows[i].matches && !err, "'%s' %s a notification with severity %s", shown,
		   rows[i].matches ? "matches" : "does not match", notify_severity_name(rows[i].severity));
		matcher_clear(&m);
		error_free(err);
	}
}

static void refuses_bad_statements(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct error *err = NULL;
		struct matcher m;
		int r = build(bad[i].matcher, &m, &err);

		ok(!m.n_fields && !m.n_severities && !m.n_calendars, "nothing of '%s' is kept",
		   bad[i].matcher);
		fails(r, &err, bad[i].error, bad[i].error);
		matcher_clear(&m);
	}
}

/* Rust's expressions need time in proportion to the text; these do not. */
static void gives_up_on_endless_expressions(void)
{
	const struct notify_field long_field = { "x",
						 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab" };
	const struct notification n = { .fields = &long_field, .n_fields = 1 };
	struct error *err = NULL;
	struct matcher m;
	int r = build("field regex:x=^(a+)+$", &m, &err);

	works(r, &err, "an expression that needs exponential time");
	fails(matcher_matches(&m, &n, &err), &err, "for field 'x' takes too long", "is given up");
	matcher_clear(&m);
}

int main(void)
{
	setenv("TZ", "Europe/Vienna", 1);
	tzset();
	matches_as_the_table_says();
	refuses_bad_statements();
	gives_up_on_endless_expressions();
	return done_testing();
}

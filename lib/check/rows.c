#include "check/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static bool is_said(const struct findings *f, uint32_t vmid, const char *text)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].vmid == vmid && f->list[i].level != FINDING_OK &&
		    !strcmp(f->list[i].text, text))
			return true;
	return false;
}

void row_add(struct check *c, enum finding_level level, uint32_t vmid, char *subject, char *text,
	     char *way_out)
{
	struct findings *f = c->findings;

	text_clean(subject);
	text_clean(text);
	if (way_out)
		text_clean(way_out);
	if (level != FINDING_OK && is_said(f, vmid, text)) {
		free(subject);
		free(text);
		free(way_out);
		return;
	}
	f->list = xreallocarray(f->list, f->n + 1, sizeof(*f->list));
	f->list[f->n++] = (struct finding){ .level = level,
					    .group = c->group,
					    .vmid = vmid,
					    .subject = subject,
					    .text = text,
					    .way_out = way_out };
}

static void on_line(const struct log *log, enum log_level level, const char *line)
{
	struct row_log *l = log->opaque;

	if (level < LOG_LEVEL_WARN || (level == LOG_LEVEL_ERROR && l->skip_errors))
		return;
	l->n++;
	row_add(l->c, level == LOG_LEVEL_WARN ? l->warning : FINDING_FAULT, log->guest,
		log->guest ? xasprintf("VM %u", log->guest) : xstrdup(l->subject), xstrdup(line), NULL);
}

void row_log_init(struct row_log *l, struct check *c, const char *subject, enum finding_level warning)
{
	*l = (struct row_log){
		.log = { .line = on_line, .opaque = l }, .c = c, .subject = subject, .warning = warning
	};
}

struct checked_guest *check_find_guest(const struct check *c, uint32_t vmid)
{
	for (size_t i = 0; i < c->n_guests; i++)
		if (c->guests[i].entry->vmid == vmid)
			return &c->guests[i];
	return NULL;
}

#include "config/section.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/units.h"

#define BLANKS " \t\r\f\v"

void section_clear(struct section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->properties[i].key);
		free(s->properties[i].value);
	}
	free(s->properties);
	free(s->type);
	free(s->id);
	*s = (struct section){ 0 };
}

void section_config_clear(struct section_config *c)
{
	for (size_t i = 0; i < c->n; i++)
		section_clear(&c->sections[i]);
	free(c->sections);
	*c = (struct section_config){ 0 };
}

/* The text that is left, and what warnings name. */
struct reader {
	const char *next;
	unsigned line;
	const char *file;
	const struct log *log;
};

/* The next line that is not a comment; NULL at the end.  Caller frees. */
static char *next_line(struct reader *rd)
{
	const char *start;
	size_t len;

	while (str_next_line(&rd->next, &start, &len)) {
		rd->line++;
		if (start[strspn(start, BLANKS)] != '#')
			return xstrndup(start, len);
	}
	return NULL;
}

static char *trim_end(char *s)
{
	size_t len = strlen(s);

	while (len && strchr(BLANKS, s[len - 1]))
		s[--len] = '\0';
	return s;
}

/* "type: id", cut in place.  False if line is not a header. */
static bool split_header(char *line, char **type, char **id)
{
	char *word_end = line + strcspn(line, BLANKS);
	char *colon;

	if (word_end == line)
		return false;
	/* the last colon of the first word, as PVE's greedy match takes it */
	for (colon = word_end - 1; colon > line && *colon != ':'; colon--)
		;
	if (colon == line)
		return false;
	*id = trim_end(colon + 1 + strspn(colon + 1, BLANKS));
	*colon = '\0';
	*type = line;
	return **id && !(*id)[strcspn(*id, BLANKS)];
}

static bool add_property(struct section *s, const char *line, unsigned number)
{
	size_t indent = strspn(line, BLANKS);
	const char *key = line + indent;
	size_t key_len = strcspn(key, BLANKS);
	const char *value = key + key_len + strspn(key + key_len, BLANKS);
	char *kept;

	if (!indent || !key_len)
		return false;
	kept = *value ? trim_end(xstrdup(value)) : NULL;
	s->properties = xreallocarray(s->properties, s->n + 1, sizeof(*s->properties));
	s->properties[s->n++] = (struct section_property){
		.key = xstrndup(key, key_len),
		.value = kept,
		.line = number,
	};
	return true;
}

/* On the screen, a line of blanks looks like the empty one that ends a section.  For PVE it is not. */
static const char *why_ignored(const char *line)
{
	_cleanup_free_ char *copy = xstrdup(line);
	char *type, *id;

	if (!line[strspn(line, BLANKS)])
		return " (there are blanks in this line: only an empty one ends a section)";
	if (split_header(copy, &type, &id))
		return " (a new section needs an empty line before it: this one and the lines below are "
		       "taken for a part of the section above)";
	return line[strspn(line, BLANKS)] && !strspn(line, BLANKS)
		       ? " (a line of a section begins with a tab or a blank)"
		       : "";
}

static void read_properties(struct reader *rd, struct section *s)
{
	for (;;) {
		_cleanup_free_ char *line = next_line(rd);

		if (!line || !*line)
			return;
		if (!add_property(s, line, rd->line))
			log_warn(rd->log, "file %s line %u (section '%s') - ignore config line: %s%s",
				 rd->file, rd->line, s->id, line, why_ignored(line));
	}
}

static void drop_section(struct section_config *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->sections[i].id, id) == 0) {
			section_clear(&c->sections[i]);
			memmove(&c->sections[i], &c->sections[i + 1], (c->n - i - 1) * sizeof(*c->sections));
			c->n--;
			return;
		}
	}
}

/* Takes over what s owns. */
static void add_section(struct section_config *c, struct section *s)
{
	c->sections = xreallocarray(c->sections, c->n + 1, sizeof(*c->sections));
	c->sections[c->n++] = *s;
}

void section_config_parse(const char *text, const char *file, const struct log *log,
			  struct section_config *ret)
{
	struct reader rd = { .next = text, .file = file, .log = log };

	*ret = (struct section_config){ 0 };
	for (;;) {
		_cleanup_free_ char *line = next_line(&rd);
		_cleanup_free_ char *copy = NULL;
		struct section s = { .line = rd.line };
		char *type, *id;

		if (!line)
			return;
		if (!*line)
			continue;
		copy = xstrdup(line);
		if (!split_header(copy, &type, &id)) {
			log_warn(
				log,
				"file %s line %u - ignore config line: %s (a section begins with 'type: name')",
				file, rd.line, line);
			continue;
		}
		s.type = xstrdup(type);
		s.id = xstrdup(id);
		read_properties(&rd, &s);
		drop_section(ret, s.id);
		add_section(ret, &s);
	}
}

/* "type: id", where the id is the rest of the line. */
static int begin_strict(struct section_config *c, const char *line, unsigned number, struct error **err)
{
	const char *colon = strchr(line, ':');
	struct section s = { .line = number };

	if (!colon || !isalpha((unsigned char)*line))
		return error_set(err, ERR_INVALID,
				 "a section begins with \"type: name\", and comments are not allowed");
	s.type = trim_end(xstrndup(line, (size_t)(colon - line)));
	s.id = trim_end(xstrdup(colon + 1 + strspn(colon + 1, BLANKS)));
	add_section(c, &s);
	return 0;
}

static int add_strict(struct section *s, const char *line, unsigned number, struct error **err)
{
	struct section_property *p;

	if (!add_property(s, line, number))
		return error_set(err, ERR_INVALID,
				 "in a section each line is indented; an empty line ends the section");
	p = &s->properties[s->n - 1];
	if (!p->value && !strchr(BLANKS, line[strlen(line) - 1]))
		return error_set(err, ERR_INVALID, "the key has no value");
	if (!p->value)
		p->value = xstrdup("");
	return 0;
}

int section_config_parse_strict(const char *text, const char *file, struct section_config *ret,
				struct error **err)
{
	_cleanup_section_config_ struct section_config c = { 0 };
	bool inside = false;
	const char *start;
	size_t len;

	for (unsigned number = 1; str_next_line(&text, &start, &len); number++) {
		_cleanup_free_ char *line = xstrndup(start, len);
		const bool blank = !line[strspn(line, BLANKS)];
		int r = 0;

		if (!blank && inside)
			r = add_strict(&c.sections[c.n - 1], line, number, err);
		else if (!blank)
			r = begin_strict(&c, line, number, err);
		if (r < 0)
			return error_wrap(err, r, "file %s line %u", file, number);
		inside = !blank;
	}
	*ret = c;
	c = (struct section_config){ 0 };
	return 0;
}

char *config_file_value(const char *file, const char *key)
{
	_cleanup_free_ char *head = xasprintf("%s:", key);
	_cleanup_buf_ struct buf text = BUF_INIT;
	char *save = NULL;

	if (io_read_file(file, MIB, &text, NULL) < 0 || !text.len)
		return NULL;
	for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *value;

		if (str_prefix(line + strspn(line, " \t"), head, &value))
			return xstrdup(str_strip(text.data + (value - text.data)));
	}
	return NULL;
}

const struct section_property *section_property(const struct section *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->properties[i].key, key) == 0)
			return &s->properties[i];
	return NULL;
}

const char *section_get(const struct section *s, const char *key)
{
	const struct section_property *p = section_property(s, key);

	if (!p)
		return NULL;
	return p->value ? p->value : "1";
}

#include "config/section.h"
#include "test-config-util.h"

static const struct section *find_section(const struct section_config *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->sections[i].id, id) == 0)
			return &c->sections[i];
	return NULL;
}

static const char text[] = "junk\n"
			   "dir: local\n"
			   "\tpath /var/lib/vz\n"
			   "# in between\n"
			   "\tcontent images,backup  \n"
			   "\tdisable\n"
			   "\tcontent iso\n"
			   "not indented\n"
			   "\n"
			   "\n"
			   "pbs:other\n"
			   "  server a b\n"
			   "\n"
			   "  # comment\n"
			   "dir: other\n"
			   "  path /x";

static void fails_strictly(const char *bad, const char *why)
{
	struct section_config c = { 0 };
	struct error *err = NULL;
	int r = section_config_parse_strict(bad, "f", &c, &err);

	fails(r, &err, why, why);
}

static void strict_flavour(void)
{
	_cleanup_section_config_ struct section_config c = { 0 };
	struct error *err = NULL;
	int r = section_config_parse_strict("\n \nsmtp : a b:c \n\tkey  some text \n key2 # 1\n\tempty \n  \n"
					    "smtp: x\n\nsmtp: x\n\tk v",
					    "f", &c, &err);

	works(r, &err, "the strict flavour");
	ok(c.n == 3 && c.sections[0].n == 3, "a line of blanks ends a section, and all of one id are kept");
	same(c.sections[0].type, "smtp", "a type");
	same(c.sections[0].id, "a b:c", "an id is the rest of the line");
	same(section_get(&c.sections[0], "key"), "some text", "a value without the blanks around it");
	same(section_get(&c.sections[0], "key2"), "# 1", "# is nothing special in a value");
	same(section_get(&c.sections[0], "empty"), "", "a blank alone is an empty value");
	same(section_get(&c.sections[2], "k"), "v", "the last line needs no newline");
	ok(c.sections[2].line == 10 && c.sections[2].properties[0].line == 11, "lines have their numbers");
	fails_strictly("\n# comment\n",
		       "file f line 2: a section begins with \"type: name\", and comments are");
	fails_strictly("a: b\n# comment\n", "file f line 2: in a section each line is indented");
	fails_strictly("a: b\n\tx y\nc: d\n", "file f line 3: in a section each line is indented");
	fails_strictly("a: b\n\tdisable\n", "file f line 2: the key has no value");
	fails_strictly("ab\n", "file f line 1: a section begins");
	fails_strictly("1a: b\n", "file f line 1: a section begins");
	fails_strictly("\ta: b\n", "file f line 1: a section begins");
}

int main(void)
{
	_cleanup_section_config_ struct section_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	const struct section *s;

	section_config_parse(text, "f", &log, &c);
	same(buf_str(&lines),
	     "W file f line 1 - ignore config line: junk (a section begins with 'type: name')\n"
	     "W file f line 8 (section 'local') - ignore config line: not indented (a line of a section "
	     "begins with a tab or a blank)\n",
	     "lines that fit nowhere are warned about with their number");
	ok(c.n == 2, "of sections with one id the last counts");
	s = find_section(&c, "local");
	same(section_get(s, "path"), "/var/lib/vz", "a value");
	same(section_get(s, "content"), "images,backup", "the first of two, without blanks behind");
	same(section_get(s, "disable"), "1", "a key alone is true");
	ok(section_property(s, "disable")->value == NULL, "and has no value");
	same(section_get(s, "nodes"), NULL, "a missing key");
	s = find_section(&c, "other");
	same(s->type, "dir", "the last section of an id replaced the first");
	same(section_get(s, "path"), "/x", "the last line needs no newline");
	ok(!find_section(&c, "none"), "a missing section");
	section_config_clear(&c);

	buf_reset(&lines);
	section_config_parse(":\n: x\na:\na: b c\n \nx : y\n", "f", &log, &c);
	ok(c.n == 0, "broken headers are none");
	section_config_clear(&c);

	buf_reset(&lines);
	section_config_parse("dir: a\n\tpath /a\ndir: b\n\tpath /b\n \t\ndir: c\n", "f", &log, &c);
	ok(c.n == 1 && c.sections[0].n == 2, "only an empty line ends a section, as in PVE");
	same(buf_str(&lines),
	     "W file f line 3 (section 'a') - ignore config line: dir: b (a new section needs an empty line "
	     "before it: this one and the lines below are taken for a part of the section above)\n"
	     "W file f line 5 (section 'a') - ignore config line:  \t (there are blanks in this line: only an "
	     "empty one ends a section)\n"
	     "W file f line 6 (section 'a') - ignore config line: dir: c (a new section needs an empty line "
	     "before it: this one and the lines below are taken for a part of the section above)\n",
	     "and a head in it is warned about with what is missing");
	section_config_clear(&c);
	section_config_parse("", "f", &log, &c);
	ok(c.n == 0, "an empty file is fine");
	strict_flavour();
	return done_testing();
}

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

int main(void)
{
	_cleanup_section_config_ struct section_config c = { 0 };
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct log log = LOG_INTO(lines);
	const struct section *s;

	section_config_parse(text, "f", &log, &c);
	same(buf_str(&lines),
	     "W file f line 1 - ignore config line: junk\n"
	     "W file f line 8 (section 'local') - ignore config line: not indented\n",
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
	return done_testing();
}

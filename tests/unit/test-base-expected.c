#include "base/expected.h"

#include "tap.h"

int main(void)
{
	struct expected e;

	ok(expected_init(&e, "a.c", NULL) == 0 && !expected_matches(&e, "abc") &&
		   expected_matches(&e, "xa.cx"),
	   "a text is taken as it is");
	expected_clear(&e);
	ok(expected_init(&e, "/^web[0-9] login:/", NULL) == 0 && expected_matches(&e, "x\nweb1 login: ") &&
		   !expected_matches(&e, "x web1 login: "),
	   "an expression between slashes knows lines");
	expected_clear(&e);
	ok(expected_init(&e, "/usr", NULL) == 0 && expected_matches(&e, "in /usr/bin"),
	   "one slash makes no expression");
	expected_clear(&e);
	ok(expected_init(&e, NULL, NULL) == 0 && !expected_matches(&e, "anything"),
	   "nothing expected is never there");
	expected_clear(&e);
	ok(expected_init(&e, "", NULL) == ERR_INVALID, "an empty text would always be there");
	ok(expected_init(&e, "/(/", NULL) == ERR_INVALID, "what is no expression is refused");
	return done_testing();
}

/* lib/base/strv: lists of strings, quoting. */
#include "base/strv.h"
#include "tap.h"

static void test_strings(void)
{
	_cleanup_strv_ char **list = strv_split_list(" 100,101;102\t103,, ");
	_cleanup_strv_ char **names = strv_split_names("my guest; web,, ,db 1,"),
			    **one = strv_split_names("a b");
	_cleanup_strv_ char **args = strv_split_args("a 'b c' \"d\\\"e\" f\\ g ''");

	is_text(strv_join(list, "|"), "100|101|102|103", "a list split as PVE does");
	is_text(strv_join(names, "|"), "my guest|web|db 1", "names with blanks, between commas");
	is_text(strv_join(one, "|"), "a|b", "without a comma blanks separate");
	is_text(strv_join(args, "|"), "a|b c|d\"e|f g|", "a command line");
	ok(strv_split_args("'open") == NULL, "an open quote is refused");
	is_text(str_shellquote("a=b,c:/d"), "a=b,c:/d", "a harmless word");
	is_text(str_shellquote("it's"), "'it'\\''s'", "a word with a quote");
	is_text(str_shellquote(""), "''", "an empty word");
}

int main(void)
{
	test_strings();
	return done_testing();
}

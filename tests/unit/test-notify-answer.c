/* lib/notify/answer.h: what an error shows of a server's answer, and that secrets are not in it. */
#include "base/cleanup.h"
#include "base/mem.h"
#include "notify/answer.h"
#include "tap.h"

static bool is_hidden(const char *answer, const char *secret)
{
	_cleanup_free_ char *text = answer_excerpt(answer, strlen(answer), (const char *[]){ secret, NULL });

	return text && strstr(text, "not shown");
}

static char *show(const char *answer, size_t len)
{
	return answer_excerpt(answer, len, (const char *[]){ "hunter2", NULL });
}

static void test_shown(void)
{
	_cleanup_free_ char *longer = xcalloc(1, 1001), *cut_text = NULL;

	is_text(show("no\nsuch \x1b[1mpath", 16), "\"no such ?[1mpath\"", "an answer");
	is_text(show("  \n ab\0cd", 9), "\"ab\"", "an answer with a NUL");
	ok(!show("", 0) && !show(" \r\n", 3), "an empty one is none");
	memset(longer, 'x', 199);
	memcpy(longer + 199, "\xc3\xa9", 2);
	memset(longer + 201, 'x', 799);
	cut_text = show(longer, 1000);
	ok(strlen(cut_text) == 201 && cut_text[199] == 'x' && cut_text[200] == '"',
	   "a long one is cut, between two characters");
}

static void test_hidden(void)
{
	ok(is_hidden("your token is Tr0ub4dor", "Tr0ub4dor"), "a secret is not shown");
	ok(is_hidden("TR0UB4DOR?", "Tr0ub4dor"), "nor in capitals");
	ok(is_hidden("ends with r0ub4d", "Tr0ub4dor"), "nor six bytes of it");
	ok(!is_hidden("five are an accident: r0ub4", "Tr0ub4dor"), "five are shown");
	ok(is_hidden("pin 12 is wrong", "12") && !is_hidden("pin 1 is wrong", "12"),
	   "a short one is hidden as a whole");
	ok(is_hidden("GET /a%2Fb%26c%3Cd", "a/b&c<d"), "nor escaped for a URL");
	ok(is_hidden("got a/b&c<d", "a%2Fb%26c%3Cd"), "nor what was escaped");
	ok(is_hidden("{\"got\":\"a\\\"b\\\"c\\\"d\"}", "a\"b\"c\"d"), "nor escaped for JSON");
	ok(is_hidden("{\"got\":\"a\\/b\\/c\\/d\"}", "a/b/c/d"), "nor with slashes escaped");
	ok(is_hidden("got a&amp;b&lt;c&#39;d", "a&b<c'd"), "nor escaped for HTML");
	ok(is_hidden("Authorization: Basic Ym9iOlRyMHViNGRvcg==", "Tr0ub4dor"), "nor in base64 with a user");
	ok(is_hidden("got AGJvYmIAVHIwdWI0ZG9y", "Tr0ub4dor"), "nor as AUTH PLAIN has it");
	ok(is_hidden("got VHIwdWI0ZG9y", "Tr0ub4dor"), "nor in base64 alone");
	ok(is_hidden("no bob:Tr0ub4dor here", "Basic Ym9iOlRyMHViNGRvcg=="), "nor decoded");
	ok(!is_hidden("bob", "Ym9i"), "what is short is not decoded");
	ok(!is_hidden("anything", ""), "an empty secret is none");
}

int main(void)
{
	test_shown();
	test_hidden();
	return done_testing();
}

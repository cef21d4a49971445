/* The template of --notes-template. */
#include "config/notes-template.h"
#include "test-config-util.h"

static void expands(const char *template, const char *want)
{
	const struct notes_values values = {
		.cluster = "c", .guestname = "web", .node = "pve1", .vmid = "100"
	};
	_cleanup_free_ char *got = notes_template_expand(template, &values);
	struct error *err = NULL;
	char name[200];

	snprintf(name, sizeof(name), "'%s' is taken", template);
	works(notes_template_check(template, &err), &err, name);
	same(got, want, "and becomes its notes");
}

static void refused(const char *template, const char *part)
{
	struct error *err = NULL;
	char name[200];

	snprintf(name, sizeof(name), "'%s' is refused", template);
	fails(notes_template_check(template, &err), &err, part, name);
}

int main(void)
{
	struct error *err = NULL;

	expands("", "");
	expands("plain", "plain");
	expands("{{guestname}} {{vmid}} on {{node}} of {{cluster}}", "web 100 on pve1 of c");
	expands("a\\nb\\\\n", "a\nb\\n");
	expands("{{{vmid}}} {{ vmid }} {{}} {vmid} {{vmid", "{100} {{ vmid }} {{}} {vmid} {{vmid");
	expands("ends with \\", "ends with \\");
	expands("\\\\{{vmid}}", "\\100");
	fails(notes_template_check("two\nlines", &err), &err, "contains a line feed",
	      "a line feed is refused");
	refused("{{foo}}", "found unknown: variable 'foo' at char 2");
	refused("\\t {{vmid}} {{VMID}}", "escape sequence '\\t' at char 0, variable 'VMID' at char 14");
	refused("x \\\\\\x", "escape sequence '\\x' at char 4");
	refused("\\\xc3\xa9", "escape sequence '\\\xc3\xa9' at char 0");
	return done_testing();
}

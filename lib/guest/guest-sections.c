/* The sections of a guest's configuration after the main one. */
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "guest/guest-internal.h"
#include "guest/guest.h"

/* "name" of "[name]".  Caller frees. */
static char *header_name(const char *line, size_t len)
{
	_cleanup_free_ char *copy = xstrndup(line, len);
	char *text = str_strip(copy);

	return xstrndup(text + 1, strlen(text) - 2);
}

static void add_section(struct guest_sections *s, uint32_t vmid, char *name, const struct buf *body)
{
	s->sections = xreallocarray(s->sections, s->n + 1, sizeof(*s->sections));
	s->sections[s->n].name = name;
	guest_config_parse(vmid, buf_str(body), NULL, &s->sections[s->n++].config);
}

void guest_config_sections(const struct guest_config *c, struct guest_sections *ret)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	enum guest_line in = GUEST_LINE_EMPTY; /* kind of the section's header */
	char *name = NULL;
	const char *at = c->text, *line = NULL;
	size_t len = 0;
	bool more;

	*ret = (struct guest_sections){ 0 };
	do {
		enum guest_line kind = GUEST_LINE_SPECIAL;

		more = str_next_line(&at, &line, &len);
		if (more)
			kind = guest_line_kind(line, len);
		if (kind < GUEST_LINE_SNAPSHOT) {
			buf_add(&body, line, len);
			buf_addc(&body, '\n');
			continue;
		}
		if (in == GUEST_LINE_SNAPSHOT || in == GUEST_LINE_PENDING)
			add_section(ret, c->vmid, TAKE_PTR(name), &body);
		in = kind;
		buf_reset(&body);
		name = more && kind == GUEST_LINE_SNAPSHOT ? header_name(line, len) : NULL;
	} while (more);
}

void guest_sections_clear(struct guest_sections *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->sections[i].name);
		guest_config_clear(&s->sections[i].config);
	}
	free(s->sections);
	*s = (struct guest_sections){ 0 };
}

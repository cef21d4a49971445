/* The candidates of a completion. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "complete.h"

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* One line: the first sentence, no control characters. */
static char *brief_description(const char *text)
{
	const char *stop = strstr(text, ". ");
	char *copy = stop ? xstrndup(text, (size_t)(stop - text)) : xstrdup(text);
	size_t len = strlen(copy);

	if (len && copy[len - 1] == '.')
		copy[len - 1] = '\0';
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return copy;
}

void complete_add(struct completion *c, const char *head, const char *text, const char *description)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", head, text);

	if (!str_prefix(whole, c->word, NULL) || !is_printable(whole))
		return;
	c->list = xreallocarray(c->list, c->n + 1, sizeof(*c->list));
	c->list[c->n++] = (struct candidate){
		.text = TAKE_PTR(whole),
		.description = brief_description(description ? description : ""),
	};
}

void complete_begin(struct completion *c, const char *word)
{
	*c = (struct completion){ .word = word };
	paths_init(&c->paths, getenv("VZDUMP_ROOT"));
	storage_config_load(&c->paths, NULL, &c->storages, NULL);
}

void complete_end(struct completion *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->list[i].text);
		free(c->list[i].description);
	}
	free(c->list);
	free(c->archive);
	storage_config_clear(&c->storages);
	paths_clear(&c->paths);
}

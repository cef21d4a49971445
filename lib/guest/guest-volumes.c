/* Checks whether a guest's configuration names a volume. */
#include <string.h>

#include "base/strv.h"
#include "guest/guest.h"

/* True for characters that may be next to a volume's id in a value. */
static bool is_border(char c, const char *borders)
{
	return !c || strchr(borders, c) != NULL;
}

/* Whether a line that is not a comment has the id as a whole word. */
static bool line_names(const char *line, size_t len, const char *volid)
{
	const size_t n = strlen(volid);

	if (!len || *line == '#' || *line == '[')
		return false;
	for (const char *at = line; (size_t)(at - line) + n <= len; at++)
		if (!strncmp(at, volid, n) && at > line && is_border(at[-1], " \t=,:") &&
		    ((size_t)(at - line) + n == len || is_border(at[n], " \t\r,")))
			return true;
	return false;
}

bool guest_config_names_volume(const struct guest_config *c, const char *volid)
{
	const char *at = c->text, *line;
	size_t len;

	while (str_next_line(&at, &line, &len))
		if (line_names(line, len, volid))
			return true;
	return false;
}

#include "guest/ha.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/units.h"
#include "config/schema.h"
#include "config/section.h"

#define CONF_MAX (4 * MIB)

static bool is_guest(const struct section *s, uint32_t vmid)
{
	return (!strcmp(s->type, "vm") || !strcmp(s->type, "ct")) && vmid_parse(s->id) == vmid;
}

static bool is_started(const struct section *s)
{
	const char *state = section_get(s, "state");

	return !state || !strcmp(state, "started") || !strcmp(state, "enabled");
}

int ha_keeps_running(const struct paths *p, uint32_t vmid, struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/ha/resources.cfg");
	_cleanup_section_config_ struct section_config c = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *mine = NULL;
	int r = io_read_file(file, CONF_MAX, &text, &mine);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		error_keep_first(err, &mine);
		return r;
	}
	section_config_parse(buf_str(&text), file, NULL, &c);
	for (size_t i = 0; i < c.n; i++)
		if (is_guest(&c.sections[i], vmid) && is_started(&c.sections[i]))
			return 1;
	return 0;
}

/* The archive's copy of a guest's configuration, as PVE::VZDump::QemuServer::assemble makes it. */
#include <string.h>

#include "base/strv.h"
#include "base/mem.h"
#include "guest/guest-internal.h"
#include "guest/guest.h"

/* The volume of "unused7: local:100/vm-100-disk-1.raw" as a copy, or NULL. */
static char *unused_volume(const char *line, size_t len)
{
	_cleanup_free_ char *copy = xstrndup(line, len);
	const char *rest;
	size_t digits;

	if (!str_prefix(copy, "unused", &rest))
		return NULL;
	digits = strspn(rest, "0123456789");
	if (!digits || rest[digits] != ':')
		return NULL;
	rest += digits + 1;
	rest += strspn(rest, " \t");
	return *rest ? xstrndup(rest, strcspn(rest, " \t\r")) : NULL;
}

static bool is_left_out(const char *line)
{
	static const char *const prefixes[] = { "#vzdump#", "#qmdump#", "lock:", "parent:" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (str_prefix(line, prefixes[i], NULL))
			return true;
	return false;
}

static void add_main_line(struct buf *out, const char *line, size_t len, const struct log *log)
{
	_cleanup_free_ char *unused = unused_volume(line, len);

	if (unused) {
		log_info(log, "skip unused drive '%s' (not included into backup)", unused);
		return;
	}
	if (is_left_out(line))
		return;
	buf_add(out, line, len);
	buf_addc(out, '\n');
}

void guest_config_add_map(struct buf *out, const char *key, const char *device, const char *storage,
			  const char *format)
{
	buf_addf(out, "#qmdump#map:%s:%s:%s:%s:\n", key, device, storage ? storage : "",
		 format ? format : "");
}

void guest_config_assemble(const struct guest_config *c, const char *maps, const struct log *log,
			   struct buf *out)
{
	bool found[GUEST_LINE_SPECIAL + 1] = { false };
	bool in_main = true;
	const char *at = c->text;
	const char *line;
	size_t len;

	while (str_next_line(&at, &line, &len)) {
		enum guest_line kind = guest_line_kind(line, len);

		found[kind] = true;
		in_main = in_main && kind < GUEST_LINE_SNAPSHOT;
		if (in_main)
			add_main_line(out, line, len, log);
	}
	buf_adds(out, maps ? maps : "");

	if (found[GUEST_LINE_SPECIAL])
		log_info(log, "special config section found (not included into backup)");
	if (found[GUEST_LINE_SNAPSHOT])
		log_info(log, "snapshots found (not included into backup)");
	if (found[GUEST_LINE_PENDING])
		log_info(log, "pending configuration changes found (not included into backup)");
}

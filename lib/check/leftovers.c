/* What killed runs have left on the host: journals, and sockets of QEMUs that nobody looks for. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/strv.h"
#include "check/rows.h"
#include "config/schema.h"
#include "journal/journal.h"

/* ---- journals ---- */

/* "image fast:101/vm-101-fleece-0.raw, lock" */
static char *entries_text(const struct journal *j)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	for (size_t i = 0; i < j->n; i++) {
		const struct journal_entry *e = &j->entries[i];

		if (journal_entry_is(e, JOURNAL_PID))
			continue;
		buf_addf(&text, "%s%s%s%s", text.len ? ", " : "", e->kind->name, *e->value ? " " : "",
			 e->value);
	}
	return text.len ? buf_steal(&text) : xstrdup("nothing but its journal");
}

static void look_at_journal(struct check *c, uint32_t vmid)
{
	_cleanup_(journal_freep) struct journal *j = NULL;
	_cleanup_error_ struct error *err = NULL;
	const int r = journal_peek(c->host->paths, c->host->kinds, vmid, &j, &err);
	const uint32_t about = check_find_guest(c, vmid) ? vmid : 0;

	if (r == -EBUSY)
		row_add(c, FINDING_REMARK, about, xasprintf("VM %u", vmid),
			xstrdup("it is backed up or restored right now"), NULL);
	else if (r < 0)
		row_add(c, FINDING_WARNING, about, xasprintf("VM %u", vmid), xstrdup(error_message(err)),
			NULL);
	else if (j) {
		_cleanup_free_ char *entries = entries_text(j);

		row_add(c, FINDING_WARNING, about, xasprintf("VM %u", vmid),
			xasprintf("a backup or restore of it was killed, and has left: %s", entries),
			xasprintf("its next backup puts that right, or 'vzdump --cleanup %u' now", vmid));
	}
}

static void look_at_journals(struct check *c)
{
	_cleanup_free_ uint32_t *vmids = NULL;
	_cleanup_error_ struct error *err = NULL;
	size_t n = 0;

	if (journal_list(c->host->paths, &vmids, &n, &err) < 0)
		row_add(c, FINDING_WARNING, 0, xstrdup("host"), xstrdup(error_message(err)), NULL);
	for (size_t i = 0; i < n; i++)
		if (!c->q->n_vmids || check_find_guest(c, vmids[i]))
			look_at_journal(c, vmids[i]);
}

/* ---- sockets ---- */

/* "123.qmp", "123.qga" and the like; PVE has others there, as "123.vnc". */
static bool is_of_a_guest(const struct check *c, const char *name)
{
	_cleanup_free_ char *stem = xstrndup(name, strcspn(name, "."));
	const uint32_t vmid = vmid_parse(stem);

	return vmid && guest_list_find(&c->list, vmid);
}

/* A guest whose socket has another name counts as one that does not run. */
static void look_at_sockets(struct check *c)
{
	_cleanup_free_ char *path = paths_get(c->host->paths, "/run/qemu-server");
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		if (e->d_type != DT_SOCK || is_of_a_guest(c, e->d_name))
			continue;
		row_add(c, FINDING_WARNING, 0, xstrdup("host"),
			xasprintf(
				"the socket '%s/%s' belongs to no guest: by its name there is no configuration",
				path, e->d_name),
			xasprintf("the monitor of guest 123 is '%s/123.qmp', its agent '%s/123.qga', its "
				  "configuration /etc/pve/qemu-server/123.conf",
				  path, path));
	}
	if (d)
		closedir(d);
}

int check_leftovers(struct check *c, struct error **err)
{
	(void)err;
	look_at_journals(c);
	if (!c->q->n_vmids)
		look_at_sockets(c);
	return 0;
}

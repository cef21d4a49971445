/* The firewall rules of the guest that is replaced: saved, and put in place from the archive. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "restore/replaced.h"
#include "restore/undo.h"

#define FIREWALL_MAX ((size_t)4 << 20) /* pmxcfs allows 1 MiB */

static char *rules_path(const struct restore_context *c)
{
	return paths_get(c->host->paths, "/etc/pve/firewall/%u.fw", c->params->vmid);
}

/* A restore of single disks changes no rules. */
static bool has_rules(const struct restore_context *c, const struct plan *p)
{
	return !c->params->disks && p->firewall;
}

int firewall_check(const struct replaced *old, const struct plan *p, struct error **err)
{
	_cleanup_free_ char *path = rules_path(old->context);
	_cleanup_buf_ struct buf rules = BUF_INIT;
	_cleanup_error_ struct error *mine = NULL;
	int r = 0;

	if (!has_rules(old->context, p))
		return 0;
	r = io_read_file(path, FIREWALL_MAX, &rules, &mine);
	if (r == 0 || r == -ENOENT)
		return 0;
	error_prefix(&mine, "the existing firewall rules cannot be replaced");
	error_keep_first(err, &mine);
	return r;
}

/* Copies the existing rules, so that they can be put back; *ret is "" if there are none. */
static int save_rules(const struct restore_context *c, const char *path, char **ret, struct error **err)
{
	_cleanup_free_ char *copy = paths_get(c->host->paths, "/var/lib/vzdump/%u.fw", c->params->vmid);
	_cleanup_buf_ struct buf rules = BUF_INIT;
	int r;

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		*ret = xstrdup("");
		return journal_add(c->journal, JOURNAL_FIREWALL, "", err);
	}
	r = io_read_file(path, FIREWALL_MAX, &rules, err);
	if (r == 0)
		r = journal_add(c->journal, JOURNAL_FIREWALL, copy, err);
	if (r == 0)
		r = io_write_file_atomic(copy, buf_str(&rules), rules.len, 0600, NULL, err);
	*ret = TAKE_PTR(copy);
	return r;
}

int firewall_write(struct replaced *old, const struct plan *p, struct error **err)
{
	const struct restore_context *c = old->context;
	_cleanup_free_ char *dir = paths_get(c->host->paths, "/etc/pve/firewall");
	_cleanup_free_ char *path = rules_path(c);
	int r;

	if (!has_rules(c, p))
		return 0;
	r = save_rules(c, path, &old->firewall_copy, err);
	if (r == 0)
		r = io_mkdir_p(dir, 0755, err);
	return r < 0 ? r : io_write_file_atomic(path, p->firewall, strlen(p->firewall), 0640, NULL, err);
}

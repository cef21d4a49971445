#include "journal/recover.h"

#include "base/io.h"
#include "base/mem.h"
#include "base/trace.h"
#include "base/units.h"
#include "guest/guest.h"
#include "journal/recover-internal.h"

void recover_note(const struct log *log, const char *what, struct error **first, struct error **mine)
{
	if (!*mine)
		return;
	error_prefix(mine, "%s", what);
	log_warn(log, "%s", error_message(*mine));
	error_keep_first(first, mine);
}

/*
 * Removes temporary files of the processes in the journal, which have their pids in the names.  They are left
 * if a process is killed while it writes one of these files.
 */
static void remove_unfinished(const struct host *host, const struct journal *j)
{
	_cleanup_free_ char *conf = guest_config_path(host->paths, j->vmid);
	_cleanup_free_ char *target = realpath(conf, NULL);
	_cleanup_free_ char *firewall = paths_get(host->paths, "/etc/pve/firewall/%u.fw", j->vmid);
	_cleanup_free_ char *old_firewall = paths_get(host->paths, "/var/lib/vzdump/%u.fw", j->vmid);
	_cleanup_free_ char *old_conf = paths_get(host->paths, "/var/lib/vzdump/%u.conf", j->vmid);
	_cleanup_free_ char *script = paths_get(host->paths, "/var/lib/vzdump/%u.finish", j->vmid);
	const char *const files[] = { target ? target : conf, firewall, old_firewall, old_conf, script };
	uint64_t pid;

	for (size_t i = 0; i < j->n; i++) {
		if (!journal_entry_is(&j->entries[i], JOURNAL_PID) ||
		    units_parse_u64(j->entries[i].value, 1, INT32_MAX, "pid", &pid, NULL) < 0)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(files); k++)
			io_remove_unfinished(files[k], (int)pid);
	}
}

/* The kind with the next rank, NULL after the last. */
static const struct journal_kind *next_kind(const struct journal *j, unsigned rank)
{
	const struct journal_kind *next = NULL;

	for (size_t i = 0; j->kinds[i]; i++) {
		const struct journal_kind *k = j->kinds[i];

		if (k->undo && k->rank > rank && (!next || k->rank < next->rank))
			next = k;
	}
	return next;
}

/* Undoes all entries of a kind; those that cannot be undone stay. */
static void undo_kind(const struct host *host, struct journal *j, const struct journal_kind *kind,
		      const struct log *log, struct error **first)
{
	for (size_t i = 0; i < j->n;) {
		_cleanup_error_ struct error *mine = NULL;
		_cleanup_free_ char *value = NULL;

		if (j->entries[i].kind != kind) {
			i++;
			continue;
		}
		value = xstrdup(j->entries[i].value);
		trace(TRACE_JOURNAL, "%u: undo %s %s", j->vmid, kind->name, value);
		if ((kind->is_needed && kind->is_needed(j)) || kind->undo(host, j, value, log, &mine) < 0) {
			recover_note(log, "cleaning up", first, &mine);
			i++;
			continue;
		}
		journal_strike(j, kind->name, value);
	}
}

int recover_rest(const struct host *host, struct journal *j, const struct log *log, struct error **err)
{
	_cleanup_error_ struct error *first = NULL;
	int r;

	for (const struct journal_kind *kind = next_kind(j, 0); kind; kind = next_kind(j, kind->rank))
		undo_kind(host, j, kind, log, &first);
	remove_unfinished(host, j);
	r = first ? first->code : 0;
	error_keep_first(err, &first);
	return r;
}

/* Removes base bitmaps from guests, whether or not a backup runs for them. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bounded.h"
#include "base/mem.h"
#include "guest/guest-list.h"
#include "guest/guest-ops.h"
#include "qemu/base-bitmap.h"
#include "source/bitmaps.h"

/* As for all that is undone: everything else waits for it. */
#define ANSWER_MS 5000

/* Removes those that are chosen.  A guest that does not run has none: *ret_n is 0. */
static int remove_from(const struct host *host, uint32_t vmid, const struct base_bitmap_choice *c,
		       size_t *ret_n, struct error **err)
{
	const struct guest guest = guest_of(host, vmid);
	_cleanup_base_bitmaps_ struct base_bitmaps l = { 0 };
	_cleanup_qmp_ struct qmp *q = NULL;
	struct guest_status status;
	int r = guest_status(&guest, &status, err);

	*ret_n = 0;
	if (r < 0 || !status.running)
		return r;
	r = guest_monitor(&guest, NULL, &q, err);
	if (r == 0)
		r = base_bitmaps_load(q, &l, err);
	return r == 0 ? base_bitmaps_remove(q, &l, c, ret_n, err) : r;
}

/* ---- the journal's row ---- */

/* 1: the archive is complete.  An error if its file system does not say. */
static int is_published(const char *path, struct error **err)
{
	int r = bounded_reach(path, ANSWER_MS, NULL, err);

	return r < 0 ? r : access(path, F_OK) == 0;
}

static int undo_bitmap(const struct host *host, struct journal *j, const char *value, const struct log *log,
		       struct error **err)
{
	char chain[BASE_BITMAP_CHAIN_SIZE], gen[BASE_BITMAP_GEN_SIZE];
	const struct base_bitmap_choice c = { .chain = chain, .gen = gen };
	int at = 0, r;
	size_t n;

	if (sscanf(value, "%36[0-9a-f-]-%32[0-9a-f] %n", chain, gen, &at) != 2 || !at)
		return error_set(err, ERR_INVALID, "a journal cannot have '%s'", value);
	r = is_published(value + at, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = remove_from(host, j->vmid, &c, &n, err);
	if (r == 0 && n)
		log_debug(log, "%zu dirty bitmaps of a backup that has no archive were removed from QEMU", n);
	return r < 0 ? error_wrap(err, r, "dirty bitmaps in QEMU") : 0;
}

/* Before the file, whose final name it looks for. */
const struct journal_kind journal_kind_bitmap = { .name = JOURNAL_BITMAP, .rank = 75, .undo = undo_bitmap };

/* ---- vzdump --cleanup --forget ---- */

/* Whether a backup or restore of the guest runs now. */
static bool is_at_work(const struct host *host, uint32_t vmid)
{
	_cleanup_(journal_freep) struct journal *left = NULL;

	return journal_peek(host->paths, host->kinds, vmid, &left, NULL) == -EBUSY;
}

/* 1: it was left out. */
static int forget_one(const struct host *host, uint32_t vmid, size_t *total, struct error **err)
{
	const struct base_bitmap_choice all = { 0 };
	size_t n;
	int r;

	if (is_at_work(host, vmid)) {
		log_warn(host->log, "VM %u: its backup or restore runs now, so its dirty bitmaps stay", vmid);
		return 1;
	}
	r = remove_from(host, vmid, &all, &n, err);
	if (n)
		log_info(host->log, "VM %u: removed %zu dirty bitmap(s) from its QEMU", vmid, n);
	*total += n;
	return r < 0 ? error_wrap(err, r, "VM %u: removing dirty bitmaps from its QEMU", vmid) : 0;
}

static int forget_each(const struct host *host, const uint32_t *vmids, size_t n, struct error **err)
{
	size_t total = 0;
	bool all = true;
	int result = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_error_ struct error *mine = NULL;
		int r = forget_one(host, vmids[i], &total, &mine);

		all = all && r == 0;
		if (r >= 0)
			continue;
		if (result)
			log_warn(host->log, "%s", error_message(mine));
		result = result ? result : r;
		error_keep_first(err, &mine);
	}
	if (all && !total)
		log_info(host->log, "there are no dirty bitmaps of incremental backups");
	return result;
}

/* The VMs of this node.  Caller frees *ret. */
static int list_guests(const struct host *host, uint32_t **ret, size_t *ret_n, struct error **err)
{
	_cleanup_guest_list_ struct guest_list l = { 0 };
	int r = guest_list_load(host->paths, &l, err);

	*ret = xcalloc(l.n, sizeof(**ret));
	*ret_n = 0;
	for (size_t i = 0; i < l.n && r == 0; i++)
		if (l.entries[i].kind != GUEST_CONTAINER && !l.entries[i].node)
			(*ret)[(*ret_n)++] = l.entries[i].vmid;
	return r;
}

int bitmaps_forget(const struct host *host, const uint32_t *vmids, size_t n, bool all, struct error **err)
{
	_cleanup_free_ uint32_t *guests = NULL;
	size_t n_guests = 0;
	int r = all ? list_guests(host, &guests, &n_guests, err) : 0;

	if (r == 0)
		r = all ? forget_each(host, guests, n_guests, err) : forget_each(host, vmids, n, err);
	return r;
}

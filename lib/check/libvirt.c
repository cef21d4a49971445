/* Domains of libvirt that vzdump has never saved: they are no guests yet, so nothing else tells of them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strv.h"
#include "check/rows.h"
#include "guest/mirror.h"
#include "libvirt/connection.h"

/*
 * Asking where it does not run could start it, and for another user than root a libvirt of that user alone.
 * These paths are libvirt's own and have no VZDUMP_ROOT.
 */
static bool is_there(void)
{
	return geteuid() == 0 && (access("/run/libvirt/libvirt-sock", F_OK) == 0 ||
				  access("/run/libvirt/virtqemud-sock", F_OK) == 0);
}

/* The uuids of those that have been saved, or tried to be. */
static char **known_uuids(const struct check *c)
{
	_cleanup_free_ uint32_t *vmids = NULL;
	char **uuids = NULL;
	size_t n = 0;

	mirror_list(c->host->paths, &vmids, &n, NULL);
	for (size_t i = 0; i < n; i++) {
		_cleanup_mirror_ struct mirror m = { 0 };

		if (mirror_load(c->host->paths, vmids[i], &m, NULL) == 0)
			strv_add(&uuids, m.uuid);
	}
	return uuids;
}

static void say_unknown(struct check *c, const struct libvirt_finds *finds)
{
	_cleanup_strv_ char **known = known_uuids(c);
	size_t n = 0;

	for (size_t i = 0; i < finds->n; i++)
		n += *finds->list[i].uuid && !strv_contains(known, finds->list[i].uuid);
	if (n)
		row_add(c, FINDING_REMARK, 0, xstrdup("libvirt"),
			xasprintf("%zu of its %zu domain%s %s never saved by vzdump", n, finds->n,
				  finds->n == 1 ? "" : "s", n == 1 ? "was" : "were"),
			xstrdup("'virsh list --all' shows them, 'vzdump --libvirt NAME' saves one"));
	else
		row_add(c, FINDING_OK, 0, xstrdup("libvirt"),
			xasprintf("it answers; vzdump knows all of its domains (%zu)", finds->n), NULL);
}

int check_libvirt(struct check *c, struct error **err)
{
	char all[] = "*";
	char *const names[] = { all, NULL };
	_cleanup_libvirt_finds_ struct libvirt_finds finds = { 0 };
	_cleanup_error_ struct error *mine = NULL;
	int r;

	(void)err;
	if (c->q->n_vmids || !is_there())
		return 0;
	r = libvirt_find(NULL, names, c->host->cancel, &finds, &mine);
	if (r == 0)
		say_unknown(c, &finds);
	else
		row_add(c, FINDING_REMARK, 0, xstrdup("libvirt"),
			xasprintf("its domains are not known: %s", error_message(mine)), NULL);
	return 0;
}

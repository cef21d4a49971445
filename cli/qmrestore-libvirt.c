/* qmrestore --libvirt: the guest is defined in libvirt. */
#include "qmrestore-libvirt.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/strv.h"
#include "libvirt/connection.h"
#include "restore/libvirt-restore.h"
#include "show.h"

int qmrestore_check_kind(const struct options *o, struct error **err)
{
	static const char *const others[] = { "vmid", "disk", "force", "live-restore", "pool", "storage" };

	if (!options_given(o, "libvirt"))
		return options_given(o, "vmid")
			       ? 0
			       : error_set(
					 err, ERR_INVALID,
					 "qmrestore: argument <vmid> is missing (see --help); --libvirt <name> "
					 "restores to libvirt instead");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (options_given(o, others[i]))
			return error_set(err, ERR_INVALID,
					 "option --libvirt: the guest is libvirt's then, which has no '%s'; "
					 "leave one of the two out",
					 others[i]);
	if (!options_given(o, "directory"))
		return error_set(
			err, ERR_INVALID,
			"option --libvirt: name the folder for the disks with --directory, for instance "
			"/var/lib/libvirt/images");
	return 0;
}

/* As it is typed. */
static char *start_command(const struct libvirt_restore *to)
{
	_cleanup_free_ char *name = str_shellquote(to->name);
	_cleanup_free_ char *uri = to->uri ? str_shellquote(to->uri) : NULL;

	return uri ? xasprintf("virsh --connect %s start %s", uri, name) : xasprintf("virsh start %s", name);
}

int qmrestore_libvirt(const struct host *host, const struct options *o, const char *connect,
		      struct restore_params *p, struct error **err)
{
	const struct libvirt_restore to = { .name = options_get(o, "libvirt"),
					    .uri = options_given(o, "connect") ? options_get(o, "connect")
									       : connect,
					    .folder = options_get(o, "directory") };
	_cleanup_free_ char *command = start_command(&to);
	int r;

	p->unique = !options_given(o, "unique") || options_bool(o, "unique");
	r = libvirt_restore(host, p, &to, err);
	if (r < 0)
		return r;
	if (!options_bool(o, "start")) {
		show("guest '%s' is defined in libvirt; it starts with: %s\n", to.name, command);
		return 0;
	}
	puts("starting VM");
	r = libvirt_start(to.uri, to.name, false, host->cancel, err);
	return r < 0 ? error_wrap(err, r, "guest '%s' is restored, but does not start", to.name) : 0;
}

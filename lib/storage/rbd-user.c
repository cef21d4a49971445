/* Who has an image of an rbd storage open. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/open-files.h"
#include "base/strv.h"
#include "storage/in-use-process.h"
#include "storage/key.h"
#include "storage/rbd.h"

/* Address of the kernel's client, if the image is mapped here; "" if the kernel does not say. */
static char *own_address(const struct volume *v)
{
	_cleanup_free_ char *device = v->path ? realpath(v->path, NULL) : NULL, *path = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *number;

	if (!device || !str_prefix(device, "/dev/rbd", &number))
		return NULL;
	path = xasprintf("/sys/bus/rbd/devices/%.*s/client_addr", (int)strspn(number, "0123456789"), number);
	if (io_read_file(path, 256, &text, NULL) < 0 || !text.len)
		return xstrdup("");
	return xstrdup(str_strip(text.data));
}

/* True if command holds the text, and not merely as the beginning of a longer name. */
static bool has_whole(const char *command, const char *text)
{
	for (const char *at = command; (at = strstr(at, text)); at++)
		if (!at[strlen(text)] || strchr(" ,:\"", at[strlen(text)]))
			return true;
	return false;
}

/* Matches the image's name, a node in JSON, or a node's options. */
static bool names_image(const char *command, const void *opaque)
{
	const struct volume *v = opaque;
	const char *image = rbd_image(v->volname), *ns = storage_key(v->storage, "namespace");
	_cleanup_free_ char *name =
		xasprintf("rbd:%s%s%s/%s", rbd_pool(v->storage), ns ? "/" : "", ns ? ns : "", image);
	_cleanup_free_ char *json = xasprintf("\"image\":\"%s", image),
			    *option = xasprintf("image=%s", image);

	return has_whole(command, name) ||
	       (strstr(command, "rbd") && (has_whole(command, json) || has_whole(command, option)));
}

/*
 * Address of a watcher that is not ours; NULL if there is none.  The kernel's client on this host has the
 * address `own` (NULL: it does not watch, "": unknown); the addresses of our n_tools tools are unknown.
 */
static const char *find_watcher(struct json_object *watchers, const char *own, unsigned n_tools)
{
	const char *found = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < json_array_len(watchers); i++) {
		const char *address = json_get_str(json_array_at(watchers, i), "address");

		/* an unknown address fits the first watcher; the image is mapped only once */
		if (own && (!*own || (address && str_suffix(address, own)))) {
			own = NULL;
			continue;
		}
		found = address ? address : "an unknown address";
		n++;
	}
	return n > n_tools ? found : NULL;
}

/*
 * A client on any host that has an image open for writing watches it; librbd does not make readers watch, but
 * QEMU opens all its images for writing.  A mapped image is watched by the kernel, which is not the writer.
 */
int rbd_user(const struct volume *v, char **ret, struct error **err)
{
	const char *const args[] = { "status", rbd_image(v->volname), "--format", "json", NULL };
	_cleanup_free_ char *own = own_address(v), *qemu = NULL;
	_cleanup_json_ struct json_object *root = NULL;
	_cleanup_error_ struct error *mine = NULL;
	const char *address;
	int r = rbd_run_json(v->storage, args, &root, &mine);

	if (r == ERR_NOT_FOUND)
		return USER_NONE;
	error_keep_first(err, &mine);
	if (r < 0)
		return r;
	address = find_watcher(json_get_obj(root, "watchers"), own, open_files_children(names_image, v));
	if (!address)
		return USER_NONE;
	qemu = in_use_command(names_image, v);
	if (qemu)
		*ret = xasprintf("%s has '%s' open for writing", qemu, v->volid);
	else
		*ret = xasprintf("a client at %s has '%s' open, as 'rbd status' says", address, v->volid);
	return qemu ? USER_PROCESS : USER_NAMELESS;
}

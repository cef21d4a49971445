#include "qemu/storage-daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "base/unix-socket.h"
#include "qemu/nbd.h"

#define START_TIMEOUT_MS 30000

/* Without "\/" for "/", so that ps and pgrep find the users of an image. */
static void add_json(char ***argv, const char *option, struct json_object *o)
{
	strv_add(argv, option);
	strv_add(argv, json_text(o));
	json_object_put(o);
}

/* Takes ownership of file.  In QEMU 4.2 to 11.1 blkdebug passes data, sizes and block status through. */
static struct json_object *without_writers(struct json_object *file)
{
	static const char *const permissions[] = { "write", "resize" };
	struct json_object *node = json_new_str("driver", "blkdebug");
	struct json_object *list = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(permissions); i++)
		json_append_str(list, permissions[i]);
	json_put_obj(node, "unshare-child-perms", list);
	json_put_bool(node, "read-only", true);
	return json_put_obj(node, "image", file);
}

/* swtpm locks the whole file, so QEMU would not get its own locks.  Only these two drivers lock. */
static void without_locks(struct json_object *file)
{
	const char *driver = json_get_str(file, "driver");

	if (driver && (!strcmp(driver, "file") || !strcmp(driver, "host_device")))
		json_put_str(file, "locking", "off");
}

static void add_disk(char ***argv, const struct storage_daemon_disk *d, size_t i)
{
	struct json_object *node = json_new_str("driver", d->format), *file = json_copy(d->protocol);
	_cleanup_free_ char *name = xasprintf("disk%zu", i);

	json_put_bool(file, "read-only", !d->writable);
	if (d->shared)
		without_locks(file);
	else if (!d->writable)
		file = without_writers(file);
	json_put_str(node, "node-name", name);
	json_put_bool(node, "read-only", !d->writable);
	json_put_obj(node, "file", file);
	add_json(argv, "--blockdev", node);
	strv_add(argv, "--export");
	/* a comma in an option's value is doubled */
	strv_addf(argv, "type=nbd,id=%s,node-name=%s,name=%s,writable=%s", name, name, d->export,
		  d->writable ? "on" : "off");
}

static int spawn_daemon(struct storage_daemon *o, char **argv, int listen_fd, struct error **err)
{
	_cleanup_close_ int log_fd = -1;

	log_fd = open(o->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (log_fd < 0)
		return error_errno(err, errno, "cannot create '%s'", o->log_path);
	return process_spawn(
		(const char *const *)(const void *)argv,
		&(struct process_options){ .stderr_fd = log_fd, .keep_fds = &listen_fd, .n_keep_fds = 1 },
		&o->pid, err);
}

/*
 * We have made the listening socket, so a connection proves nothing.  The daemon opens its disks before it
 * serves, so a complete NBD handshake shows that it is ready.
 */
static int wait_for_daemon(struct storage_daemon *o, const char *export, struct error **err)
{
	uint64_t size;

	for (int waited = 0; waited < START_TIMEOUT_MS; waited += 20) {
		_cleanup_error_ struct error *mine = NULL;
		int status, r = ERR_GONE;

		if (process_wait(o->pid, 0, &status, NULL) == 0) {
			_cleanup_free_ char *words = io_last_line(o->log_path);

			o->pid = 0;
			return error_set(err, ERR_PEER, "qemu-storage-daemon cannot open the disk: %s",
					 words ? words : "no message");
		}
		if (access(o->socket, F_OK) == 0)
			r = storage_daemon_size(o, export, &size, &mine);
		if (r == 0)
			return 0;
		if (r == ERR_TIMEOUT)
			break;
		if (cancel_sleep(o->cancel, 20, err) < 0)
			return ERR_CANCELED;
	}
	return error_set(err, ERR_TIMEOUT, "qemu-storage-daemon does not answer after %d s",
			 START_TIMEOUT_MS / 1000);
}

int storage_daemon_start(struct storage_daemon *o, const char *dir, const struct storage_daemon_disk *disks,
			 size_t n, const struct cancel *cancel, struct error **err)
{
	_cleanup_strv_ char **argv = NULL;
	_cleanup_close_ int listen_fd = -1;
	int r;

	*o = (struct storage_daemon){ .socket = xasprintf("%s/offline.sock", dir),
				      .log_path = xasprintf("%s/offline.log", dir),
				      .cancel = cancel };
	listen_fd = unix_socket_listen(o->socket, 64, err);
	if (listen_fd < 0)
		return listen_fd;
	strv_add(&argv, "qemu-storage-daemon");
	strv_add(&argv, "--nbd-server");
	strv_addf(&argv, "addr.type=fd,addr.str=%d,max-connections=0", listen_fd);
	for (size_t i = 0; i < n; i++)
		add_disk(&argv, &disks[i], i);
	r = spawn_daemon(o, argv, listen_fd, err);
	close(TAKE_FD(listen_fd));
	if (r == 0)
		r = wait_for_daemon(o, disks[0].export, err);
	return r;
}

static int connect_export(const struct storage_daemon *o, const char *export, struct nbd_handle **ret,
			  struct error **err)
{
	*ret = nbd_create();
	if (!*ret || nbd_set_export_name(*ret, export) < 0)
		return error_set(err, ERR_PEER, "%s", nbd_get_error());
	return nbd_client_connect_unix(*ret, o->socket, START_TIMEOUT_MS, o->cancel, err);
}

/* Ends the connection, and adds the name of the export to an error. */
static int disconnect(struct nbd_handle *h, const char *export, int r, struct error **err)
{
	if (h)
		nbd_close(h);
	if (r < 0 && r != ERR_CANCELED)
		return error_wrap(err, r, "qemu-storage-daemon does not serve '%s'", export);
	return r;
}

int storage_daemon_size(const struct storage_daemon *o, const char *export, uint64_t *ret, struct error **err)
{
	struct nbd_handle *h;
	int64_t size = -1;
	int r = connect_export(o, export, &h, err);

	if (r == 0)
		size = nbd_get_size(h);
	if (r == 0 && size < 0)
		r = error_set(err, ERR_PEER, "%s", nbd_get_error());
	*ret = (uint64_t)size;
	return disconnect(h, export, r, err);
}

int storage_daemon_read(const struct storage_daemon *o, const char *export, void *data, size_t len,
			struct error **err)
{
	struct nbd_handle *h;
	int r = connect_export(o, export, &h, err);

	if (r == 0)
		r = nbd_client_finish(h, nbd_aio_pread(h, data, len, 0, NBD_NULL_COMPLETION, 0), o->cancel,
				      err);
	return disconnect(h, export, r, err);
}

void storage_daemon_stop(struct storage_daemon *o)
{
	if (o->pid > 0)
		process_stop(o->pid);
	/* a daemon that was killed has not removed it, and the next one could not listen there */
	if (o->socket)
		unlink(o->socket);
	free(o->socket);
	free(o->log_path);
	*o = (struct storage_daemon){ 0 };
}

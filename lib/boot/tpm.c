#include "boot/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/units.h"

#define DEVICE         "drive-tpmstate0"
#define SIZE_MAX_STATE (64 * MIB)
#define START_MS       10000
#define POLL_MS        20

static uint8_t find_device(const struct vma_header *h)
{
	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name && !strcmp(h->devices[i].name, DEVICE))
			return (uint8_t)i;
	return 0;
}

static int copy_state(struct vma_random *archive, uint8_t dev, const char *path, struct error **err)
{
	const uint64_t size = vma_random_header(archive)->devices[dev].size;
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (size > SIZE_MAX_STATE)
		return error_set(err, ERR_INVALID, "the archive's tpmstate0 is too large to be one");
	data = xmalloc(size);
	r = vma_random_read(archive, dev, 0, data, size, err);
	if (r < 0)
		return error_wrap(err, r, "tpmstate0");
	fd = io_create_fresh(path, 0600);
	r = fd < 0 ? fd : io_write_all(fd, data, size);
	return r < 0 ? error_errno(err, -r, "cannot write '%s'", path) : 0;
}

static int spawn(struct boot_tpm *t, const char *state, struct error **err)
{
	_cleanup_free_ char *uri = xasprintf("backend-uri=file://%s,mode=0600", state);
	_cleanup_free_ char *ctrl = xasprintf("type=unixio,path=%s,mode=0600", t->socket);
	const char *const argv[] = { "swtpm", "socket", "--tpm2", "--tpmstate", uri, "--ctrl", ctrl, NULL };

	return process_spawn(argv, &(struct process_options){ 0 }, &t->pid, err);
}

static int wait_for_socket(struct boot_tpm *t, const struct cancel *cancel, struct error **err)
{
	int status;

	for (int waited = 0; waited < START_MS; waited += POLL_MS) {
		if (access(t->socket, F_OK) == 0)
			return 0;
		if (process_wait(t->pid, 0, &status, NULL) == 0) {
			t->pid = 0;
			return error_set(err, ERR_PEER, "swtpm ended with exit status %d", status);
		}
		if (cancel_sleep(cancel, POLL_MS, err) < 0)
			return ERR_CANCELED;
	}
	return error_set(err, ERR_TIMEOUT, "swtpm does not answer after %d s", START_MS / 1000);
}

static int start(struct boot_tpm *t, const char *folder, const char *state, const struct cancel *cancel,
		 struct error **err)
{
	int r;

	t->socket = xasprintf("%s/tpm.sock", folder);
	r = spawn(t, state, err);
	return r == 0 ? wait_for_socket(t, cancel, err) : r;
}

int boot_tpm_start(struct boot_tpm *t, struct vma_random *archive, const char *folder, const struct log *log,
		   const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *state = xasprintf("%s/tpm.state", folder);
	const uint8_t dev = find_device(vma_random_header(archive));
	_cleanup_error_ struct error *why = NULL;
	int r;

	*t = (struct boot_tpm){ 0 };
	if (!dev)
		return 0;
	r = copy_state(archive, dev, state, err);
	if (r < 0)
		return r;
	r = start(t, folder, state, cancel, &why);
	if (r == 0 || r == ERR_CANCELED) {
		error_keep_first(err, &why);
		return r;
	}
	boot_tpm_stop(t);
	log_warn(log, "the guest is tried without its TPM: %s; install the package swtpm",
		 error_message(why));
	return 0;
}

void boot_tpm_stop(struct boot_tpm *t)
{
	if (t->pid > 0)
		process_stop(t->pid);
	free(t->socket);
	*t = (struct boot_tpm){ 0 };
}

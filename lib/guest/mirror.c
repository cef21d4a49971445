#include "guest/mirror.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "config/schema.h"
#include "guest/guest-internal.h"
#include "guest/guest.h"

#define MIRROR_MAX  (4u << 20)
#define GUEST_LINE  "#vzdump#libvirt:"
#define DOMAIN_LINE "#vzdump#domain:"

void mirror_clear(struct mirror *m)
{
	free(m->uuid);
	free(m->uri);
	free(m->domain);
	*m = (struct mirror){ 0 };
}

/* ---- reading ---- */

static void parse_line(const char *line, struct mirror *m)
{
	const char *rest, *blank;

	if (str_prefix(line, DOMAIN_LINE, &rest) && !m->domain)
		m->domain = xstrdup(rest);
	blank = str_prefix(line, GUEST_LINE, &rest) ? strchr(rest, ' ') : NULL;
	if (!blank || m->uuid)
		return;
	m->uuid = xstrndup(rest, (size_t)(blank - rest));
	m->uri = xstrdup(blank + 1);
}

/* *ret_lock (may be NULL): the value of "lock:", NULL if there is none; caller frees. */
static int load(const struct paths *p, uint32_t vmid, struct mirror *ret, char **ret_lock, struct error **err)
{
	_cleanup_free_ char *path = mirror_path(p, vmid);
	_cleanup_guest_config_ struct guest_config c = { 0 };
	_cleanup_mirror_ struct mirror m = { 0 };
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_error_ struct error *mine = NULL;
	const char *at, *line;
	size_t len;
	int r = io_read_file(path, MIRROR_MAX, &text, &mine);

	if (r == -ENOENT)
		return error_set(err, ERR_NOT_FOUND, "libvirt guest %" PRIu32 " is not known (no file '%s')",
				 vmid, path);
	error_keep_first(err, &mine);
	if (r < 0)
		return r;
	at = buf_str(&text);
	while (str_next_line(&at, &line, &len)) {
		_cleanup_free_ char *copy = xstrndup(line, len);

		parse_line(copy, &m);
	}
	if (!m.uuid || !m.domain)
		return error_set(err, ERR_INVALID, "'%s' names no guest of libvirt: remove the file", path);
	guest_config_parse(vmid, buf_str(&text), NULL, &c);
	if (ret_lock)
		*ret_lock = xstrdup_null(guest_config_lock(&c));
	*ret = m;
	m = (struct mirror){ 0 };
	return 0;
}

int mirror_load(const struct paths *p, uint32_t vmid, struct mirror *ret, struct error **err)
{
	return load(p, vmid, ret, NULL, err);
}

static int compare_ids(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int mirror_list(const struct paths *p, uint32_t **ret, size_t *ret_n, struct error **err)
{
	_cleanup_free_ char *folder = mirror_folder(p);
	DIR *dir = opendir(folder);
	struct dirent *e;

	*ret = NULL;
	*ret_n = 0;
	if (!dir)
		return errno == ENOENT || errno == EACCES
			       ? 0
			       : error_errno(err, errno, "cannot read directory '%s'", folder);
	while ((e = readdir(dir)) != NULL) {
		_cleanup_free_ char *stem = NULL;
		uint32_t vmid;

		if (!str_suffix(e->d_name, ".conf"))
			continue;
		stem = xstrndup(e->d_name, strlen(e->d_name) - strlen(".conf"));
		vmid = vmid_parse(stem);
		if (!vmid)
			continue;
		*ret = xreallocarray(*ret, *ret_n + 1, sizeof(**ret));
		(*ret)[(*ret_n)++] = vmid;
	}
	closedir(dir);
	if (*ret_n)
		qsort(*ret, *ret_n, sizeof(**ret), compare_ids);
	return 0;
}

/* ---- writing ---- */

int mirror_write(const struct paths *p, uint32_t vmid, const struct mirror *m, const char *config,
		 const struct cancel *cancel, struct error **err)
{
	_cleanup_free_ char *folder = mirror_folder(p), *path = mirror_path(p, vmid), *lock = NULL;
	_cleanup_mirror_ struct mirror old = { 0 };
	_cleanup_error_ struct error *not_synced = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	_cleanup_close_ int fd = guest_config_flock(p, vmid, cancel, err);
	int r;

	if (fd < 0)
		return fd;
	r = io_mkdir_p(folder, 0700, err);
	if (r < 0)
		return r;
	load(p, vmid, &old, &lock, NULL);
	buf_addf(&text, GUEST_LINE "%s %s\n" DOMAIN_LINE "%s\n", m->uuid, m->uri, m->domain);
	if (lock)
		buf_addf(&text, "lock: %s\n", lock);
	buf_adds(&text, config);
	return io_write_file_atomic(path, text.data, text.len, 0600, &not_synced, err);
}

int mirror_drop(const struct paths *p, uint32_t vmid, struct error **err)
{
	_cleanup_free_ char *path = mirror_path(p, vmid), *lock = NULL;
	_cleanup_free_ char *journal = paths_get(p, "/var/lib/vzdump/%" PRIu32 ".journal", vmid);
	_cleanup_mirror_ struct mirror m = { 0 };
	_cleanup_close_ int fd = guest_config_flock(p, vmid, NULL, err);

	if (fd < 0)
		return fd;
	if (access(journal, F_OK) == 0 || (load(p, vmid, &m, &lock, NULL) == 0 && lock))
		return 0;
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove '%s'", path);
	return 0;
}

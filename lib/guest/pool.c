#include "guest/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/strv.h"
#include "base/units.h"
#include "config/schema.h"

#define CONF_MAX     (4 * MIB)
#define LOCK_WAIT_MS 10000
#define LOCK_POLL_MS 100

/* A line's fields are separated by colons; "pool" is the first, the guests are the fourth. */
enum {
	FIELD_NAME = 1,
	FIELD_GUESTS = 3
};

static int read_conf(const struct paths *p, struct buf *ret, struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/user.cfg");
	_cleanup_error_ struct error *mine = NULL;
	int r = io_read_file(file, CONF_MAX, ret, &mine);

	if (r == -ENOENT)
		return 0;
	error_keep_first(err, &mine);
	return r;
}

/* Finds the beginning and length of field number n of a line; false if the line has fewer fields. */
static bool find_field(const char *line, size_t len, int n, const char **ret, size_t *ret_len)
{
	const char *end = line + len;

	for (; n > 0; n--) {
		line = memchr(line, ':', (size_t)(end - line));
		if (!line)
			return false;
		line++;
	}
	*ret = line;
	*ret_len = strcspn(line, ":\n");
	return true;
}

static bool is_pool(const char *line, size_t len)
{
	return len > strlen("pool:") && !strncmp(line, "pool:", strlen("pool:"));
}

static bool has_name(const char *line, size_t len, const char *name)
{
	const char *own;
	size_t own_len;

	return find_field(line, len, FIELD_NAME, &own, &own_len) && own_len == strlen(name) &&
	       !strncmp(own, name, own_len);
}

static int pool_not_found(const char *text, const char *name, struct error **err)
{
	struct nearest n = nearest_begin(name);
	_cleanup_strv_ char **names = NULL;
	const char *line, *own;
	size_t len, own_len;

	while (str_next_line(&text, &line, &len))
		if (is_pool(line, len) && find_field(line, len, FIELD_NAME, &own, &own_len)) {
			_cleanup_free_ char *copy = xstrndup(own, own_len);

			strv_add(&names, copy);
		}
	nearest_offer_all(&n, (const char *const *)(const void *)names);
	if (n.best)
		return error_set(err, ERR_NOT_FOUND, "pool '%s' does not exist (did you mean '%s'?)", name,
				 n.best);
	return error_set(err, ERR_NOT_FOUND,
			 "pool '%s' does not exist (no line 'pool:%s:' in /etc/pve/user.cfg)", name, name);
}

static void add_guests(const char *line, size_t len, uint32_t **list, size_t *n)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **ids = NULL;
	const char *field;
	size_t field_len;

	if (!find_field(line, len, FIELD_GUESTS, &field, &field_len))
		return;
	text = xstrndup(field, field_len);
	ids = strv_split_list(text);
	for (size_t i = 0; ids && ids[i]; i++) {
		const uint32_t vmid = vmid_parse(ids[i]);

		if (!vmid)
			continue;
		*list = xreallocarray(*list, *n + 1, sizeof(**list));
		(*list)[(*n)++] = vmid;
	}
}

int pool_guests(const struct paths *p, const char *name, uint32_t **ret, size_t *ret_n, struct error **err)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *at, *line;
	bool found = false;
	size_t len;
	int r = read_conf(p, &text, err);

	*ret = NULL;
	*ret_n = 0;
	if (r < 0)
		return r;
	at = buf_str(&text);
	while (str_next_line(&at, &line, &len)) {
		if (is_pool(line, len) && has_name(line, len, name)) {
			found = true;
			add_guests(line, len, ret, ret_n);
		}
	}
	return found ? 0 : pool_not_found(buf_str(&text), name, err);
}

/* ---- adding ---- */

static int take_lock(const char *dir, struct error **err)
{
	for (int waited = 0; mkdir(dir, 0700) < 0; waited += LOCK_POLL_MS) {
		if (errno != EEXIST)
			return error_errno(err, errno, "cannot lock user.cfg by '%s'", dir);
		if (waited >= LOCK_WAIT_MS)
			return error_set(
				err, ERR_TIMEOUT,
				"cannot lock user.cfg: somebody holds '%s' (remove it if nobody does)", dir);
		usleep(LOCK_POLL_MS * 1000);
	}
	return 0;
}

/* Writes the line with its guests but vmid, and adds vmid at the end if `add` is true. */
static void write_line(const char *line, size_t len, uint32_t vmid, bool add, struct buf *out)
{
	_cleanup_buf_ struct buf whole = BUF_INIT, list = BUF_INIT;
	_cleanup_free_ uint32_t *guests = NULL;
	const char *field;
	size_t field_len, n = 0;

	buf_addf(&whole, "%.*s", (int)len, line);
	/* PVE writes all fields, but accepts lines without the last */
	while (!find_field(buf_str(&whole), whole.len, FIELD_GUESTS, &field, &field_len))
		buf_addc(&whole, ':');
	add_guests(buf_str(&whole), whole.len, &guests, &n);
	for (size_t i = 0; i < n; i++)
		if (guests[i] != vmid)
			buf_addf(&list, "%s%" PRIu32, list.len ? "," : "", guests[i]);
	if (add)
		buf_addf(&list, "%s%" PRIu32, list.len ? "," : "", vmid);
	buf_addf(out, "%.*s%s%s\n", (int)(field - buf_str(&whole)), buf_str(&whole), buf_str(&list),
		 field + field_len);
}

static int rewrite_conf(const struct paths *p, const char *name, uint32_t vmid, struct error **not_synced,
			struct error **err)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/pve/user.cfg");
	_cleanup_buf_ struct buf text = BUF_INIT, out = BUF_INIT;
	const char *at, *line;
	bool found = false;
	size_t len;
	int r = read_conf(p, &text, err);

	if (r < 0)
		return r;
	at = buf_str(&text);
	while (str_next_line(&at, &line, &len)) {
		const bool own = is_pool(line, len) && has_name(line, len, name);

		if (is_pool(line, len))
			write_line(line, len, vmid, own, &out);
		else
			buf_addf(&out, "%.*s\n", (int)len, line);
		found = found || own;
	}
	return found ? io_write_file_atomic(file, buf_str(&out), out.len, 0640, not_synced, err)
		     : pool_not_found(buf_str(&text), name, err);
}

int pool_add_guest(const struct paths *p, const char *name, uint32_t vmid, struct error **not_synced,
		   struct error **err)
{
	_cleanup_free_ char *locks = paths_get(p, "/etc/pve/priv/lock");
	_cleanup_free_ char *dir = paths_get(p, "/etc/pve/priv/lock/file-user_cfg");
	int r = io_mkdir_p(locks, 0700, err);

	if (r == 0)
		r = take_lock(dir, err);
	if (r < 0)
		return r;
	r = rewrite_conf(p, name, vmid, not_synced, err);
	rmdir(dir);
	return r;
}

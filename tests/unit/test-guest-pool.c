/* Pools of user.cfg: which guests are in one, putting one in. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "guest/pool.h"
#include "tap.h"

static const char conf[] = "user:root@pam:1:0::::::\n"
			   "pool:web:the web's:100,101:local:\n"
			   "pool:web2::102:::\n"
			   "pool:bare\n"
			   "acl:1:/pool/web:root@pam:Administrator:\n";

static char *write_conf(const struct paths *p)
{
	_cleanup_free_ char *dir = paths_get(p, "/etc/pve");
	char *file = paths_get(p, "/etc/pve/user.cfg");

	io_mkdir_p(dir, 0755, NULL);
	io_write_file_atomic(file, conf, strlen(conf), 0640, NULL, NULL);
	return file;
}

static void is(const struct paths *p, const char *pool, const char *want)
{
	_cleanup_free_ uint32_t *guests = NULL;
	_cleanup_buf_ struct buf got = BUF_INIT;
	size_t n = 0;

	if (pool_guests(p, pool, &guests, &n, NULL) < 0)
		buf_adds(&got, "none");
	for (size_t i = 0; i < n; i++)
		buf_addf(&got, "%u,", guests[i]);
	ok(strcmp(buf_str(&got), want) == 0, "pool %s: %s", pool, buf_str(&got));
}

int main(void)
{
	char root[] = "/tmp/test-pool-XXXXXX";
	_cleanup_free_ char *file = NULL, *lock = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct error *err = NULL;
	struct paths p;
	int r;

	if (!mkdtemp(root))
		return 1;
	paths_init(&p, root);
	is(&p, "web", "none");
	file = write_conf(&p);
	is(&p, "web", "100,101,");
	is(&p, "web2", "102,");
	is(&p, "bare", "");
	is(&p, "we", "none");
	is(&p, "", "none");
	r = pool_add_guest(&p, "none", 100, NULL, &err);
	ok(r == ERR_NOT_FOUND && strstr(error_message(err), "pool 'none' does not exist"),
	   "a pool that is not there: %s", error_message(err));
	error_free(err);
	err = NULL;
	ok(pool_add_guest(&p, "bare", 101, NULL, &err) == 0 &&
		   pool_add_guest(&p, "web2", 103, NULL, &err) == 0 &&
		   pool_add_guest(&p, "web2", 103, NULL, &err) == 0,
	   "guests are put in");
	io_read_file(file, 4096, &text, NULL);
	ok(strcmp(buf_str(&text), "user:root@pam:1:0::::::\n"
				  "pool:web:the web's:100:local:\n"
				  "pool:web2::102,103:::\n"
				  "pool:bare::101\n"
				  "acl:1:/pool/web:root@pam:Administrator:\n") == 0,
	   "and out of others, all else stays:\n%s", buf_str(&text));
	lock = paths_get(&p, "/etc/pve/priv/lock/file-user_cfg");
	ok(access(lock, F_OK) < 0, "the lock is gone");
	paths_clear(&p);
	io_remove_tree(root, NULL);
	return done_testing();
}

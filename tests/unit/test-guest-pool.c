/* Pools of user.cfg: which guests are in one, putting one in. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "guest/pool.h"
#include "tap.h"
#include "test-root.h"

static const char conf[] = "user:root@pam:1:0::::::\n"
			   "pool:web:the web's:100,101:local:\n"
			   "pool:web2::102:::\n"
			   "pool:bare\n"
			   "acl:1:/pool/web:root@pam:Administrator:\n";

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
	_cleanup_free_ char *file = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct error *err = NULL;
	int r;

	root_make();
	file = paths_get(&paths, "/etc/pve/user.cfg");
	is(&paths, "web", "none");
	put("/etc/pve/user.cfg", conf);
	is(&paths, "web", "100,101,");
	is(&paths, "web2", "102,");
	is(&paths, "bare", "");
	is(&paths, "we", "none");
	is(&paths, "", "none");
	r = pool_add_guest(&paths, "none", 100, NULL, &err);
	ok(r == ERR_NOT_FOUND && strstr(error_message(err), "pool 'none' does not exist"),
	   "a pool that is not there: %s", error_message(err));
	error_free(err);
	err = NULL;
	ok(pool_add_guest(&paths, "bare", 101, NULL, &err) == 0 &&
		   pool_add_guest(&paths, "web2", 103, NULL, &err) == 0 &&
		   pool_add_guest(&paths, "web2", 103, NULL, &err) == 0,
	   "guests are put in");
	io_read_file(file, 4096, &text, NULL);
	ok(strcmp(buf_str(&text), "user:root@pam:1:0::::::\n"
				  "pool:web:the web's:100:local:\n"
				  "pool:web2::102,103:::\n"
				  "pool:bare::101\n"
				  "acl:1:/pool/web:root@pam:Administrator:\n") == 0,
	   "and out of others, all else stays:\n%s", buf_str(&text));
	ok(!is_there("/etc/pve/priv/lock/file-user_cfg"), "the lock is gone");
	root_remove();
	return done_testing();
}

#include "notify/users.h"

#include "test-config-util.h"
#include "test-root.h"

static void is_address(const char *user, const char *want)
{
	_cleanup_free_ char *got = user_address(&paths, user);
	_cleanup_free_ char *name = xasprintf("the address of %s is %s", user, want ? want : "not known");

	same(got, want, name);
}

static void finds_addresses(void)
{
	is_address("root@pam", "root");
	is_address("other@pam", NULL);
	put("/etc/pve/user.cfg", "user:root@pam:1:0:::root@example.com:::\n"
				 "user: test@pve :1:0:First:Last: test@example.com :a comment::\n"
				 "user:none@pve:1:0::::::\n"
				 "user:short@pve:1:0\n"
				 "\n"
				 "group:admins:a@pve,b@pve:::x@example.com::\n"
				 "token:root@pam!x:0:1:::x@example.com\n"
				 "user:test@pve:1:0:::second@example.com:::\n"
				 "  user:in@pve:1:0:::in@example.com");
	is_address("root@pam", "root@example.com");
	is_address("test@pve", "test@example.com");
	is_address("none@pve", NULL);
	is_address("short@pve", NULL);
	is_address("admins", NULL);
	is_address("in@pve", "in@example.com");
	is_address("nobody@pve", NULL);
	put("/etc/pve/user.cfg", "");
	is_address("root@pam", NULL);
}

static void reads_settings(void)
{
	is_text(mail_sender(&paths), "root", "the sender without a file");
	ok(!http_proxy(&paths), "and there is no proxy");
	put("/etc/pve/datacenter.cfg",
	    "keyboard: de\nemail_from: backup@example.com \nhttp_proxy: http://p:3128\n");
	is_text(mail_sender(&paths), "backup@example.com", "the sender");
	is_text(http_proxy(&paths), "http://p:3128", "the proxy");
	put("/etc/pve/datacenter.cfg", "email_from:\nhttp_proxy: \n");
	is_text(mail_sender(&paths), "root", "an empty sender is none");
	ok(!http_proxy(&paths), "an empty proxy is none");
}

int main(void)
{
	root_make();
	finds_addresses();
	reads_settings();
	root_remove();
	return done_testing();
}

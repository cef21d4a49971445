#include "qemu/nbd-uri.h"
#include "test-config-util.h"

int main(void)
{
	_cleanup_free_ char *usual = nbd_uri("/run/x/s.sock", "drive-scsi0");
	_cleanup_free_ char *odd = nbd_uri("/tmp/a b&c.sock", "d/e?f");

	same(usual, "nbd+unix:///drive-scsi0?socket=/run/x/s.sock", "an export at a socket");
	same(odd, "nbd+unix:///d%2Fe%3Ff?socket=/tmp/a%20b%26c.sock",
	     "what has a meaning in a URI is escaped");
	return done_testing();
}

/* Connecting to an NBD server that stands still, goes away, or is none. */
#include <pthread.h>

#include "test-qemu-peer.h"

#include "backup/nbd-connect.h"
#include "base/units.h"

static void serve_silence(int fd)
{
	char line[64];

	hear(fd, line, sizeof(line));
}

static void serve_bye(int fd)
{
	say(fd, "NBDMAGICIHAVEOPT");
}

static void serve_nonsense(int fd)
{
	say(fd, "{\"QMP\": {\"version\": {}}}\r\n");
	serve_silence(fd);
}

static int connect_to(void (*serve)(int), int timeout_ms, const struct cancel *cancel, struct error **err)
{
	struct nbd_handle *h = nbd_create();
	struct peer p;
	int r;

	peer_start(&p, serve);
	r = nbd_connect_within(h, p.path, timeout_ms, cancel, err);
	nbd_close(h);
	peer_stop(&p);
	return r;
}

static void *request(void *cancel)
{
	usleep(300000);
	cancel_request(cancel);
	return NULL;
}

static void test_cancel(void)
{
	struct error *err = NULL;
	struct cancel cancel;
	pthread_t thread;

	cancel_init(&cancel, NULL);
	pthread_create(&thread, NULL, request, &cancel);
	ok_error(connect_to(serve_silence, 600000, &cancel, &err) == ERR_CANCELED, err, "a request to stop is seen");
	pthread_join(thread, NULL);
	error_free(err);
	cancel_clear(&cancel);
}

int main(void)
{
	struct error *err = NULL;
	struct nbd_handle *h;

	ok_error(connect_to(serve_silence, 300, NULL, &err) == ERR_TIMEOUT, err, "a server that says nothing");
	error_free(TAKE_PTR(err));
	ok_error(connect_to(serve_bye, 60000, NULL, &err) == ERR_PEER, err, "one that goes away");
	error_free(TAKE_PTR(err));
	ok_error(connect_to(serve_nonsense, 60000, NULL, &err) == ERR_PEER, err, "one that is none");
	error_free(TAKE_PTR(err));
	h = nbd_create();
	ok_error(nbd_connect_within(h, "/nonexistent/nbd", 60000, NULL, &err) == ERR_PEER, err, "none");
	error_free(TAKE_PTR(err));
	nbd_close(h);
	test_cancel();
	return done_testing();
}

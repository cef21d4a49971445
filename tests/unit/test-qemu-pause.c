/* lib/qemu/pause: what is written out before a guest is paused, seen by inotify.  The QEMU is a fake one. */
#include <string.h>
#include <sys/inotify.h>

#include "qemu/pause.h"
#include "test-qemu-peer.h"

static char dir[] = "/tmp/vzdump-pause-XXXXXX";

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

/* Answers the commands from id 2 on, one after the other: `stop` and `cont` are the last. */
static void serve_pause(int fd)
{
	_cleanup_free_ char *nodes =
		xasprintf("{\"return\":["
			  "{\"node-name\":\"file0\",\"drv\":\"file\",\"ro\":false,\"file\":\"%s/disk\"},"
			  "{\"node-name\":\"f1\",\"drv\":\"file\",\"ro\":true,\"file\":\"%s/iso\"},"
			  "{\"node-name\":\"vzdump-scsi0-file\",\"drv\":\"file\",\"ro\":false,"
			  "\"file\":\"%s/fleece\"}],\"id\":3}\n",
			  dir, dir, dir);
	const char *const answers[] = { "{\"return\":{},\"id\":1}\n",
					"{\"return\":{\"running\":true},\"id\":2}\n",
					nodes,
					"{\"return\":{\"running\":true},\"id\":4}\n",
					"{\"return\":{},\"id\":5}\n",
					"{\"return\":{},\"id\":6}\n" };
	char line[4096];

	say(fd, "{\"QMP\":{\"version\":{\"qemu\":{\"major\":10}},\"capabilities\":[]}}\n");
	for (size_t i = 0; i < ARRAY_SIZE(answers) && hear(fd, line, sizeof(line)); i++)
		say(fd, answers[i]);
	hear(fd, line, sizeof(line));
}

/* The names of the files that were opened since `watch` began. */
static char *opened(int watch)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const ssize_t n = read(watch, events, sizeof(events));
	struct buf names = BUF_INIT;

	for (ssize_t at = 0; at < n;) {
		struct inotify_event e;

		memcpy(&e, events + at, sizeof(e));
		buf_addf(&names, "%s ", events + at + sizeof(e));
		at += (ssize_t)(sizeof(e) + e.len);
	}
	return buf_steal(&names);
}

int main(void)
{
	static const char *const files[] = { "disk", "iso", "fleece" };
	_cleanup_free_ char *names = NULL;
	struct graph_pause pause = { 0 };
	struct error *err = NULL;
	struct qmp *q = NULL;
	struct peer p;
	int watch, r;

	if (!mkdtemp(dir))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = path_of(files[i]);

		io_write_file_atomic(path, "x", 1, 0600, NULL, NULL);
	}
	peer_start(&p, serve_pause);
	r = qmp_open(p.path, 1000, NULL, &q, &err);
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	inotify_add_watch(watch, dir, IN_OPEN);
	if (r == 0)
		r = graph_pause_begin(q, &pause, &err);
	names = opened(watch);
	ok(r == 0 && pause.ours && graph_pause_end(q, &pause, &err) == 0, "a guest is paused and goes on");
	ok(strstr(names, "disk ") && !strstr(names, "iso "), "its writable disks are written out first: %s",
	   names);
	ok(!strstr(names, "fleece "), "but no fleecing image, which QEMU does not flush and which may hang");
	error_free(err);
	qmp_close(q);
	peer_stop(&p);
	close(watch);
	io_remove_tree(dir, NULL);
	return done_testing();
}

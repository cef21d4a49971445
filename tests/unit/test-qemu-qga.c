/* Guest agent client against a fake agent. */
#include "test-qemu-peer.h"

#include "qemu/qga.h"

/* AddressSanitizer keeps what was freed. */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MIB 1024
#else
#define MEMORY_MIB 40
#endif

/* The echo for guest-sync-delimited; the id is the number after "id":. */
static void echo_sync(int fd, const char *line)
{
	char answer[128];
	const char *id = strstr(line, "\"id\":");

	snprintf(answer, sizeof(answer), "\xff{\"return\": %ld}\n", id ? strtol(id + 5, NULL, 10) : 0);
	say(fd, answer);
}

/* Answers each command by a table; NULL: never. */
static void serve_with(int fd, const char *answer)
{
	char line[4096];

	while (hear(fd, line, sizeof(line))) {
		if (strstr(line, "guest-sync-delimited"))
			echo_sync(fd, line);
		else if (answer)
			say(fd, answer);
	}
}

static void serve_good(int fd)
{
	serve_with(fd, "{\"return\": 3}\n");
}

static void serve_frozen(int fd)
{
	serve_with(fd, "{\"return\": \"frozen\"}\n");
}

static void serve_error(int fd)
{
	serve_with(fd, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"fs is weird\"}}\n");
}

static void serve_stale(int fd)
{
	say(fd, "{\"return\": \"answer to somebody else\"}\n\xff{\"return\": 12345}\n{\"ret");
	serve_with(fd, "{\"return\": 3}\n");
}

static void serve_silence(int fd)
{
	char line[64];

	while (hear(fd, line, sizeof(line)))
		;
}

static void serve_bye(int fd)
{
	char line[4096];

	while (hear(fd, line, sizeof(line))) {
		if (!strstr(line, "guest-sync-delimited"))
			return;
		echo_sync(fd, line);
	}
}

/* Pings are answered, and the rest with that. */
static void serve_after_ping(int fd, const char *head, const char *part, size_t bytes, const char *tail)
{
	char line[4096];

	while (hear(fd, line, sizeof(line))) {
		if (strstr(line, "guest-sync-delimited"))
			echo_sync(fd, line);
		else if (strstr(line, "guest-ping"))
			say(fd, "{\"return\": {}}\n");
		else
			say_often(fd, head, part, bytes, tail);
	}
}

static void serve_bomb(int fd)
{
	serve_after_ping(fd, "{\"return\":[", "{},", 16 << 20, "{}]}\n");
}

static void serve_small_bomb(int fd)
{
	serve_after_ping(fd, "{\"return\":[", "{},", 60 << 10, "{}]}\n");
}

static void serve_flood(int fd)
{
	for (;;)
		serve_after_ping(fd, "", "\xff{\"return\":1}\n", 1 << 20, "");
}

static void serve_deep(int fd)
{
	serve_after_ping(fd, "{\"return\":", "[", 10000, "\n");
}

struct talk {
	struct peer peer;
	struct qga *agent;
	struct error *err;
};

static void begin(struct talk *t, void (*serve)(int))
{
	*t = (struct talk){ 0 };
	peer_start(&t->peer, serve);
	if (qga_open(t->peer.path, NULL, &t->agent, &t->err))
		diag("%s", error_message(t->err));
}

static void end(struct talk *t)
{
	qga_close(t->agent);
	peer_stop(&t->peer);
	error_free(t->err);
}

/* What the agent sends belongs to the guest, and its memory is not ours to spend. */
static void test_bombs(void)
{
	void (*const bombs[])(int) = { serve_bomb, serve_small_bomb, serve_flood, serve_deep };
	const char *const names[] = { "16 MiB of {},", "60 KiB of {},", "answers to nobody", "deep nesting" };

	for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++) {
		enum qga_fsfreeze_status status;
		struct talk t;

		begin(&t, bombs[i]);
		ok(qga_ping(t.agent, &t.err) == 0, "%s: ping", names[i]);
		ok(qga_status(t.agent, &status, &t.err) == ERR_CORRUPT, "%s: %s", names[i],
		   error_message(t.err));
		end(&t);
	}
	ok(peak_mib() < MEMORY_MIB, "all of it in %ld MiB", peak_mib());
}

int main(void)
{
	enum qga_fsfreeze_status status = QGA_FS_THAWED;
	struct talk t;
	int count = 0;

	begin(&t, serve_good);
	ok(qga_ping(t.agent, &t.err) == 0, "ping");
	ok(qga_freeze(t.agent, NULL, &count, &t.err) == 0 && count == 3, "freeze counts");
	count = 0;
	ok(qga_thaw(t.agent, QGA_THAW_TIMEOUT_MS, &count, &t.err) == 0 && count == 3, "thaw counts");
	ok(qga_status(t.agent, &status, &t.err) == ERR_CORRUPT, "an unknown status: %s",
	   error_message(t.err));
	end(&t);

	begin(&t, serve_frozen);
	ok(qga_status(t.agent, &status, &t.err) == 0 && status == QGA_FS_FROZEN, "status");
	end(&t);

	begin(&t, serve_stale);
	ok(qga_freeze(t.agent, NULL, &count, &t.err) == 0 && count == 3, "answers to others are dropped");
	end(&t);

	begin(&t, serve_error);
	ok(qga_freeze(t.agent, NULL, NULL, &t.err) == ERR_PEER && strstr(t.err->message, "weird"),
	   "the agent's no: %s", error_message(t.err));
	end(&t);

	begin(&t, serve_silence);
	ok(qga_ping(t.agent, &t.err) == ERR_TIMEOUT, "nobody there: %s", error_message(t.err));
	end(&t);

	begin(&t, serve_bye);
	ok(qga_shutdown(t.agent, &t.err) == 0, "a shutdown may go unanswered");
	ok(qga_ping(t.agent, &t.err) == ERR_GONE, "then the agent is gone");
	end(&t);
	test_bombs();
	return done_testing();
}

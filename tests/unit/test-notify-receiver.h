/* The servers of tests/lib/{smtp,http}_receiver.py on loopback, and what they have got. */
#ifndef VZDUMP_TESTS_NOTIFY_RECEIVER_H
#define VZDUMP_TESTS_NOTIFY_RECEIVER_H

#include <poll.h>
#include <signal.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strv.h"
#include "notify/message.h"
#include "tap.h"
#include "test-root.h"

#define PATIENT   120000 /* ms that only rescue */
#define IMPATIENT 300    /* ms for who never answers */

static pid_t receiver;
static char *ca_file, *other_ca_file;

/* With NULL for the system's certificates. */
static struct notify_limits limits_with(int timeout_ms, const char *ca)
{
	return (struct notify_limits){ .timeout_ms = timeout_ms, .ca_file = ca };
}

static char *slurp(const char *file)
{
	_cleanup_free_ char *path = paths_get(&paths, "%s", file);
	struct buf text = BUF_INIT;

	io_read_file(path, 64 << 20, &text, NULL);
	return buf_steal(&text);
}

static size_t lines_of(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

_Noreturn static void bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

/* Waits for what a receiver writes into its file: n lines.  Caller frees. */
static char *wait_for_lines(const char *file, size_t n)
{
	for (int i = 0; i < PATIENT / 20; i++) {
		char *text = slurp(file);

		if (lines_of(text) >= n)
			return text;
		free(text);
		poll(NULL, 0, 20);
	}
	printf("%s", slurp("/log"));
	bail_out(file);
}

/* A root with certificates, and the receiver of that script running.  What it complains of is in /log. */
static void receiver_start(const char *script)
{
	_cleanup_free_ char *program = xasprintf("tests/lib/%s", script), *log = NULL;
	struct process_options o = { 0 };
	struct error *err = NULL;

	signal(SIGPIPE, SIG_IGN);
	root_make();
	ca_file = paths_get(&paths, "/ca.pem");
	other_ca_file = paths_get(&paths, "/other-ca.pem");
	log = paths_get(&paths, "/log");
	o.stderr_fd = io_create_fresh(log, 0600);
	if (process_run_ok((const char *[]){ "tests/lib/make-certificates", paths.root, NULL }, NULL, NULL,
			   &err) < 0 ||
	    process_spawn((const char *[]){ "/usr/bin/python3", program, paths.root, paths.root, NULL }, &o,
			  &receiver, &err) < 0)
		bail_out(error_message(err));
	close(o.stderr_fd);
	free(wait_for_lines("/ports", 1));
}

static void receiver_stop(void)
{
	process_stop(receiver);
	root_remove();
	free(ca_file);
	free(other_ca_file);
}

static uint16_t port_of(const char *server)
{
	_cleanup_free_ char *ports = slurp("/ports");
	const char *at = ports, *line, *rest;
	size_t len;

	while (str_next_line(&at, &line, &len))
		if (str_prefix(line, server, &rest) && *rest == ' ')
			return (uint16_t)strtoul(rest, NULL, 10);
	bail_out(server);
}

/* Forgets what was received so far. */
static void receiver_forget(const char *file)
{
	_cleanup_free_ char *path = paths_get(&paths, "%s", file);

	unlink(path);
}

static size_t count_lines(const char *file)
{
	_cleanup_free_ char *text = slurp(file);

	return lines_of(text);
}

/* The last JSON line of the file; NULL if there is none. */
static struct json_object *last_record(const char *file)
{
	_cleanup_free_ char *text = slurp(file);
	const char *at = text, *line, *last = NULL;
	struct json_object *o = NULL;
	size_t len, last_len = 0;

	while (str_next_line(&at, &line, &len)) {
		last = line;
		last_len = len;
	}
	if (last)
		json_parse(last, last_len, JSON_TOOL_MEMORY, &o, NULL);
	return o;
}

/* True, and an error of that code whose text has the words and none of the secrets; frees err. */
static bool fails(int r, int code, struct error *err, const char *words, const char *const *secrets)
{
	const char *text = error_message(err);
	bool good = r == code && err && err->code == code && strstr(text, words) != NULL;

	for (; secrets && *secrets; secrets++)
		good &= !strstr(text, *secrets);
	if (!good)
		diag("r %d, code %d, '%s'", r, err ? err->code : 0, text);
	error_free(err);
	return good;
}

#endif

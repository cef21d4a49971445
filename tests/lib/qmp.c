/*
 * One QMP command for the tests, independent of lib/qemu:
 *
 *	qmp <socket> <command> [<JSON arguments> [<path>...]]
 *	qmp <socket> hmp <line of the human monitor>
 *
 * Prints the "return" member: strings as they are, all else as JSON; with paths such as
 * inserted.node-name, a line with what they lead to for each element of the array that it is.  Exit
 * status 1, and QEMU's words on standard error, when it says no.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static FILE *from, *to;

static void __attribute__((noreturn)) fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static void open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		fail(path, "too long for a socket");
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path, "nobody listens");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	from = fdopen(fd, "r");
	to = fdopen(dup(fd), "w");
	if (!from || !to)
		fail(path, "out of memory");
}

static struct json_object *read_line(const char *what)
{
	struct json_object *answer;
	char *line = NULL;
	size_t room = 0;

	if (getline(&line, &room, from) < 0)
		fail(what, "no answer within 60 s, or the connection was closed");
	answer = json_tokener_parse(line);
	free(line);
	if (!answer)
		fail(what, "the answer is not JSON");
	return answer;
}

/* What it returns; events are passed over. */
static struct json_object *execute(const char *command, struct json_object *arguments)
{
	struct json_object *request = json_object_new_object(), *answer, *value;

	json_object_object_add(request, "execute", json_object_new_string(command));
	json_object_object_add(request, "arguments", arguments);
	fprintf(to, "%s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
	fflush(to);
	json_object_put(request);
	for (;;) {
		answer = read_line(command);
		if (json_object_object_get_ex(answer, "return", &value)) {
			value = json_object_get(value);
			json_object_put(answer);
			return value;
		}
		if (json_object_object_get_ex(answer, "error", &value))
			fail(command, json_object_get_string(json_object_object_get(value, "desc")));
		json_object_put(answer);
	}
}

static const char *text_of(struct json_object *value)
{
	return json_object_is_type(value, json_type_string) ? json_object_get_string(value)
							    : json_object_to_json_string(value);
}

/* What path, keys with dots between them, leads to; of an array every element's. */
static void print_path(struct json_object *value, const char *path)
{
	const size_t len = strcspn(path, ".");
	char *key;

	if (!*path) {
		fputs(text_of(value), stdout);
	} else if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			print_path(json_object_array_get_idx(value, i), path);
			putchar(',');
		}
	} else {
		key = strndup(path, len);
		print_path(json_object_object_get(value, key), path + len + (path[len] == '.'));
		free(key);
	}
}

static void print_fields(struct json_object *list, char *const *fields)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		for (char *const *field = fields; *field; field++) {
			print_path(json_object_array_get_idx(list, i), *field);
			putchar(field[1] ? ' ' : '\n');
		}
	}
}

int main(int argc, char **argv)
{
	struct json_object *arguments, *value;

	if (argc < 3)
		fail("usage", "qmp <socket> <command> [<JSON arguments> [<path>...]]");
	open_socket(argv[1]);
	json_object_put(read_line(argv[1]));
	json_object_put(execute("qmp_capabilities", json_object_new_object()));
	if (!strcmp(argv[2], "hmp") && argc > 3) {
		arguments = json_object_new_object();
		json_object_object_add(arguments, "command-line", json_object_new_string(argv[3]));
		value = execute("human-monitor-command", arguments);
	} else {
		arguments = argc > 3 ? json_tokener_parse(argv[3]) : json_object_new_object();
		if (!arguments)
			fail(argv[3], "these arguments are not JSON");
		value = execute(argv[2], arguments);
	}
	if (argc > 4 && json_object_is_type(value, json_type_array))
		print_fields(value, argv + 4);
	else if (*text_of(value))
		puts(text_of(value));
	json_object_put(value);
	return 0;
}

#include "base/fqdn.h"

#include <netdb.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"

#define HOSTS_MAX          ((size_t)1024 * 1024)
#define RESOLVER_TIMEOUT_S 5

/* The first name of the line of a hosts file that has the node among its names; NULL: it has not. */
static char *name_in_line(const char *line, size_t len, const char *node)
{
	_cleanup_free_ char *text = xstrndup(line, len);
	_cleanup_strv_ char **words = NULL;

	text[strcspn(text, "#")] = '\0';
	words = strv_split_list(text);
	/* the first word is the address */
	return words && words[0] && strv_contains(words + 1, node) ? xstrdup(words[1]) : NULL;
}

static char *name_in_hosts(const struct paths *p, const char *node)
{
	_cleanup_free_ char *file = paths_get(p, "/etc/hosts");
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *at, *line;
	char *found = NULL;
	size_t len;

	if (io_read_file(file, HOSTS_MAX, &text, NULL) < 0)
		return NULL;
	at = buf_str(&text);
	while (!found && str_next_line(&at, &line, &len))
		found = name_in_line(line, len, node);
	return found;
}

/* What the resolver needs until it has answered, which may be after we have given up. */
struct question {
	struct gaicb request;
	struct addrinfo hints;
	char *node;
};

static char *ask_resolver(const char *node)
{
	struct question *q = xcalloc(1, sizeof(*q));
	struct gaicb *list[] = { &q->request };
	const struct timespec limit = { .tv_sec = RESOLVER_TIMEOUT_S };
	char *found = NULL;

	q->node = xstrdup(node);
	q->hints.ai_flags = AI_CANONNAME;
	q->request = (struct gaicb){ .ar_name = q->node, .ar_request = &q->hints };
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0) {
		gai_suspend((const struct gaicb *const *)list, 1, &limit);
		/* it is asked right now, and may write to *q at any time */
		if (gai_error(&q->request) == EAI_INPROGRESS && gai_cancel(&q->request) == EAI_NOTCANCELED)
			return NULL;
		if (gai_error(&q->request) == 0 && q->request.ar_result->ai_canonname)
			found = xstrdup(q->request.ar_result->ai_canonname);
	}
	if (q->request.ar_result)
		freeaddrinfo(q->request.ar_result);
	free(q->node);
	free(q);
	return found;
}

char *fqdn_of_node(const struct paths *p)
{
	char *node = paths_nodename(p), *name = *p->root ? name_in_hosts(p, node) : ask_resolver(node);

	if (!name)
		return node;
	free(node);
	return name;
}

#include "qemu/names.h"

#include <stdio.h>

#include "base/strv.h"

bool graph_is_ours(const char *name)
{
	return name && str_prefix(name, GRAPH_PREFIX, NULL);
}

static bool put_name(char ret[32], const char *key, const char *purpose)
{
	int n = snprintf(ret, 32, GRAPH_PREFIX "%s%s", key, purpose);

	return n > 0 && n < 32;
}

int graph_names_init(struct graph_names *n, const char *key, struct error **err)
{
	if (put_name(n->cbw, key, "-cbw") && put_name(n->target, key, "-target") &&
	    put_name(n->image, key, "-image") && put_name(n->trim, key, "-trim") &&
	    put_name(n->file, key, "-file") && put_name(n->snap, key, "-snap") &&
	    put_name(n->bitmap, key, "") && put_name(n->export, key, "") &&
	    put_name(n->guard, key, "-guard") && put_name(n->guard_top, key, "-guard-top") &&
	    put_name(n->guard_job, key, "-guard-job") && put_name(n->guard_sink, key, "-guard-sink") &&
	    put_name(n->sentinel, key, "-sentinel"))
		return 0;
	return error_set(err, ERR_INVALID, "disk name '%s' is too long for a QEMU node name", key);
}

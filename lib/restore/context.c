#include "restore/context.h"

#include "journal/run-dir.h"

int restore_context_dir(struct restore_context *c, struct error **err)
{
	return c->dir ? 0 : run_dir_make(c->host->paths, c->journal, &c->dir, err);
}

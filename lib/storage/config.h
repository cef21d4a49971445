/* Reading storage.cfg, for registry.c, which knows the types. */
#ifndef VZDUMP_STORAGE_CONFIG_H
#define VZDUMP_STORAGE_CONFIG_H

#include "storage/storage.h"

struct storage_config_source {
	const char *file;       /* for messages */
	const char *node;       /* this node's name */
	const char *local_path; /* path of "local" if no section has one */
};

/* As storage_config_parse(), for these types (NULL-terminated), which *ret borrows. */
void storage_config_read(const char *text, const struct storage_config_source *source,
			 const struct storage_ops *const *types, const struct log *log,
			 struct storage_config *ret);

#endif

/* The types of sections of notifications.cfg and priv/notifications.cfg and their keys. */
#ifndef VZDUMP_NOTIFY_CONFIG_KEYS_H
#define VZDUMP_NOTIFY_CONFIG_KEYS_H

#include "config/section.h"
#include "notify/config.h"

struct config_key;

enum config_object {
	CONFIG_ENDPOINT, /* struct notify_endpoint */
	CONFIG_MATCHER,  /* struct matcher */
	CONFIG_OLD,      /* of a version of PVE that had no matchers: checked and ignored */
};

struct config_type {
	const char *name;
	enum config_object object;
	enum endpoint_type endpoint; /* of CONFIG_ENDPOINT */
	const struct config_key *keys;
	size_t n_keys;
};

struct config_types {
	const struct config_type *list;
	size_t n;
	bool secret; /* no key, value or unknown type of the file may be in an error */
};

extern const struct config_types notify_public_types, notify_private_types;

/* NULL if there is none of that name. */
const struct config_type *config_type_find(const struct config_types *types, const char *name);

/* Sets the error for a section whose type is none of these: ERR_INVALID, which it returns. */
int config_type_unknown(const struct config_types *types, const struct section *s, const char *file,
			struct error **err);

/*
 * Checks all keys of s and stores their values in *object, which is the type's and has been zeroed; it may be
 * NULL for CONFIG_OLD.  ERR_INVALID, with the line in `file`; *object is filled in parts then.
 */
int config_type_fill(const struct config_types *types, const struct config_type *t, const struct section *s,
		     const char *file, void *object, struct error **err);

#endif

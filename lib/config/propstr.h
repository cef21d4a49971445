/*
 * Property strings: "1,storage=local-zfs", "local:100/vm-100-disk-0.qcow2,size=32G,iothread=1".
 *
 *	string := part *( "," part )		empty parts are skipped
 *	part   := key "=" value | value		a value alone belongs to the format's default key
 *
 * A key may come once (under any of its names).  Facts: PVE::JSONSchema::parse_property_string.
 */
#ifndef VZDUMP_CONFIG_PROPSTR_H
#define VZDUMP_CONFIG_PROPSTR_H

#include "config/schema.h"

struct propstr_key {
	const char *name;
	const char *alias; /* not NULL: only another name for that key; the rest is unused */
	struct value_schema value;
	const char *fallback; /* the value without the key; NULL: none */
	bool is_default;      /* a part without "key=" is its value */
	bool required;
	const char *description;
};

struct propstr;

struct propstr_format {
	const char *name; /* for completion and documentation: "backup-fleecing" */
	const struct propstr_key *keys;
	size_t n_keys;
	bool tolerant; /* unknown keys are kept as plain text instead of refused */
	/* Checks keys against each other; NULL: nothing to check.  ERR_INVALID says only what is wrong. */
	int (*check)(const struct propstr *p, struct error **err);
};

struct propstr_pair {
	char *key;   /* the key's own name, never an alias */
	char *value; /* in its kept form, see value_check_plain() */
};

struct propstr {
	const struct propstr_format *format;
	struct propstr_pair *pairs; /* in the order they were written */
	size_t n;
};

/* ERR_INVALID if text does not fit f.  The caller clears *ret after success. */
int propstr_parse(const struct propstr_format *f, const char *text, struct propstr *ret, struct error **err);
void propstr_clear(struct propstr *p);
#define _cleanup_propstr_ _cleanup_(propstr_clear)

/* True if the text named the key. */
bool propstr_has(const struct propstr *p, const char *key);
/* The value, else the key's fallback, else NULL.  Owned by p or static. */
const char *propstr_get(const struct propstr *p, const char *key);
/* The same as a boolean or number; false or 0 where propstr_get() gives NULL. */
bool propstr_get_bool(const struct propstr *p, const char *key);
int64_t propstr_get_int(const struct propstr *p, const char *key);

/* "[enabled=]<boolean> [,storage=<storage>]" for help.  Caller frees. */
char *propstr_describe(const struct propstr_format *f);

#endif

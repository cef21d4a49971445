/*
 * What a single value may be: type, range, choices.  Options, property strings and storage.cfg use
 * the same description, so a value means the same everywhere (facts: PVE::JSONSchema).
 */
#ifndef VZDUMP_CONFIG_SCHEMA_H
#define VZDUMP_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct propstr_format;

enum value_type {
	VALUE_STRING, /* any text, see max_length */
	VALUE_BOOL,   /* 1 on yes true, 0 off no false; kept as "1" or "0" */
	VALUE_INT,    /* decimal with optional sign, see min and max */
	VALUE_ENUM,   /* one of values */
	VALUE_STORAGE_ID,
	VALUE_NODE,      /* a host name without dots */
	VALUE_VMID,      /* 100 .. 999999999 */
	VALUE_VMID_LIST, /* split at comma, semicolon, blank */
	VALUE_MAIL_LIST, /* the same of mail addresses and names of users */
	VALUE_DISK_SIZE, /* 32G, 528K, bytes; see min */
	VALUE_AMOUNT,    /* the same, or a percentage, 10%; see min and max */
	VALUE_PROPSTR,   /* a property string of propstr */
};

#define VALUE_ANY INT64_MIN /* .min of a number without lower limit */

struct value_schema {
	enum value_type type;
	int64_t min; /* VALUE_INT: lower limit, VALUE_ANY for none; sizes: the smallest but 0, bytes */
	int64_t max; /* VALUE_INT: upper limit, 0 for none; VALUE_AMOUNT: the largest percentage */
	const char *const *values;            /* VALUE_ENUM: NULL-terminated */
	size_t max_length;                    /* VALUE_STRING: bytes, 0 for no limit */
	const struct propstr_format *propstr; /* VALUE_PROPSTR */
};

/*
 * value_check() and value_describe() of value.h for all types but VALUE_PROPSTR, whose keys are of these
 * types, too.
 */
int value_check_plain(const struct value_schema *s, const char *value, char **ret, struct error **err);
char *value_describe_plain(const struct value_schema *s);

/* [A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9], at least two characters (parse_id); the rule is for messages. */
#define STORAGE_ID_RULE \
	"two or more letters, digits, '-', '_' or '.', starting with a letter, ending with a letter or digit"
bool storage_id_valid(const char *id);
/* A host name label: letters, digits, inner dashes (pve-node). */
bool node_name_valid(const char *name);
/* [A-Za-z0-9_][A-Za-z0-9._-]*, as names of notification targets, matchers and their fields. */
bool safe_id_valid(const char *id);
/* 100 to 999999999 without sign or leading zero (pve-vmid).  0 if it is not one. */
uint32_t vmid_parse(const char *text);
/*
 * The ids of a list that was checked (VALUE_VMID_LIST), in its order; NULL is an empty one.  *ret_n is their
 * number.  Caller frees.
 */
uint32_t *vmid_list_parse(const char *list, size_t *ret_n);

#endif

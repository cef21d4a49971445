#include "storage/lvm-tools.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/strv.h"
#include "storage/block.h"
#include "storage/key.h"

#define BUSY_TRIES 5

const struct tool_meaning lvm_meanings[] = {
	{ "already exists in volume group", -EEXIST },
	{ "Failed to find logical volume", ERR_NOT_FOUND },
	{ "not found", ERR_NOT_FOUND }, /* Volume group "x" not found */
	{ "insufficient free space", -ENOSPC },
	{ "in use", -EBUSY }, /* "contains a filesystem in use", "... in use." */
	{ NULL, 0 },
};

static int check_word(const struct storage *s, const char *key, struct error **err)
{
	const char *value;
	int r = storage_key_required(s, key, &value, err);

	if (r == 0 && (!block_word_valid(value) || strchr(value, ':')))
		r = error_set(err, ERR_INVALID, "storage '%s': %s '%s' is not a valid LVM name", s->id, key,
			      value);
	return r;
}

int lvm_check(const struct storage *s, struct error **err)
{
	int r = check_word(s, "vgname", err);

	if (r == 0 && strcmp(s->type, "lvmthin") == 0)
		r = check_word(s, "thinpool", err);
	return r;
}

char *lvm_name(const struct storage *s, const char *name)
{
	return xasprintf("%s/%s", storage_key(s, "vgname"), name);
}

int lvm_lvs(const struct storage *s, const char *name, struct json_object **ret_root,
	    struct json_object **ret_lvs, struct error **err)
{
	_cleanup_free_ char *one = name ? lvm_name(s, name) : NULL;
	const char *const argv[] = { "lvs",
				     "--reportformat",
				     "json",
				     "--units",
				     "b",
				     "--nosuffix",
				     "--config",
				     "report/time_format=\"%s\"",
				     "-o",
				     "lv_name,lv_size,lv_attr,pool_lv,data_percent,lv_tags,lv_time",
				     one ? one : storage_key(s, "vgname"),
				     NULL };
	const struct tool t = { .storage = s, .argv = argv, .timeout_s = TOOL_ASK, .meanings = lvm_meanings };
	int r = tool_run_json(&t, ret_root, err);

	if (r < 0)
		return r;
	*ret_lvs = json_get_array(json_array_at(json_get_array(*ret_root, "report"), 0), "lv");
	if (!name || json_array_len(*ret_lvs))
		return 0;
	json_object_put(*ret_root);
	*ret_root = NULL;
	return error_set(err, ERR_NOT_FOUND, "storage '%s': no such logical volume '%s'", s->id, one);
}

int64_t lvm_time(struct json_object *lv)
{
	uint64_t seconds = 0;

	return tool_json_u64(lv, "lv_time", &seconds) && seconds <= INT64_MAX ? (int64_t)seconds : 0;
}

int lvm_names(const struct storage *s, const char *prefix, const char *suffix, char ***ret,
	      struct error **err)
{
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object *lvs;
	int r = lvm_lvs(s, NULL, &root, &lvs, err);

	for (size_t i = 0; r == 0 && i < json_array_len(lvs); i++) {
		const char *name = json_get_str(json_array_at(lvs, i), "lv_name");
		const char *rest;

		if (name && str_prefix(name, prefix, &rest) && block_word_valid(rest) &&
		    str_suffix(rest, suffix))
			strv_addf(ret, "%.*s", (int)(strlen(rest) - strlen(suffix)), rest);
	}
	return r;
}

int lvm_all_names(const struct storage *s, char ***ret, struct error **err)
{
	return lvm_names(s, "", "", ret, err);
}

uint64_t lvm_percent_of(const char *percent, uint64_t size)
{
	uint64_t hundredths = 0;
	unsigned decimals = 0;
	bool point = false;

	for (; percent && *percent && decimals < 2; percent++) {
		if (*percent == '.' && !point) {
			point = true;
			continue;
		}
		if (*percent < '0' || *percent > '9' || hundredths > 100000)
			return 0;
		hundredths = hundredths * 10 + (uint64_t)(*percent - '0');
		decimals += point;
	}
	for (; decimals < 2; decimals++)
		hundredths *= 10;
	return size / 10000 * hundredths + size % 10000 * hundredths / 10000;
}

static int ask_group(const struct storage *s, struct error **err)
{
	const char *const argv[] = { "vgs", "--noheadings", "-o", "vg_name", storage_key(s, "vgname"), NULL };

	return tool_run(
		&(struct tool){ .storage = s, .argv = argv, .timeout_s = TOOL_ASK, .meanings = lvm_meanings },
		NULL, err);
}

static int no_group(const struct storage *s, struct error **err)
{
	return error_set(err, ERR_NOT_FOUND, "storage '%s': no such volume group '%s'", s->id,
			 storage_key(s, "vgname"));
}

int lvm_find_group(const struct storage *s, struct error **err)
{
	_cleanup_error_ struct error *mine = NULL;
	int r = ask_group(s, &mine);

	if (r == ERR_NOT_FOUND)
		return no_group(s, err);
	error_keep_first(err, &mine);
	return r;
}

int lvm_activate_group(const struct storage *s, struct error **err)
{
	const char *const scan[] = { "vgscan", "--ignorelockingfailure", "--mknodes", NULL };
	_cleanup_error_ struct error *mine = NULL;
	int r = ask_group(s, &mine);

	if (r == ERR_NOT_FOUND &&
	    tool_run(&(struct tool){ .storage = s, .argv = scan, .timeout_s = TOOL_CHANGE }, NULL, NULL) ==
		    0) {
		error_free(TAKE_PTR(mine));
		r = ask_group(s, &mine);
	}
	if (r == ERR_NOT_FOUND)
		return no_group(s, err);
	error_keep_first(err, &mine);
	return r;
}

/* Runs `command args...`, which nothing cancels. */
static int run_lvm(const struct storage *s, const char *command, const char *const args[], struct error **err)
{
	_cleanup_strv_ char **argv = NULL;

	strv_add(&argv, command);
	for (; *args; args++)
		strv_add(&argv, *args);
	return tool_run(&(struct tool){ .storage = s,
					.argv = (const char *const *)(const void *)argv,
					.timeout_s = TOOL_CHANGE,
					.meanings = lvm_meanings,
					.busy_tries = BUSY_TRIES },
			NULL, err);
}

int lvm_create(const struct storage *s, const char *const args[], const struct cancel *cancel,
	       struct error **err)
{
	int r = cancel_check(cancel, err);

	return r < 0 ? r : run_lvm(s, "lvcreate", args, err);
}

int lvm_change(const struct storage *s, const char *const args[], struct error **err)
{
	return run_lvm(s, "lvchange", args, err);
}

int lvm_remove(const struct storage *s, const char *name, struct error **err)
{
	_cleanup_free_ char *lv = lvm_name(s, name);

	return run_lvm(s, "lvremove", (const char *const[]){ "-f", lv, NULL }, err);
}

/* vma list, vma config: what the header says. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file-sharing.h"
#include "base/text.h"
#include "json-out.h"
#include "show.h"
#include "vma-commands.h"
#include "vma/chain.h"
#include "vma/random.h"

static const char *const formats[] = { "text", "json", NULL };
static const char *const args[] = { "archive", NULL };

static const struct option list_rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive, packed or not; - for standard input." },
	{ .name = "output-format",
	  .value = { .type = VALUE_ENUM, .values = formats },
	  .fallback = "text",
	  .complete = COMPLETE_ENUM,
	  .description = "How to print it." },
};

static const struct option_table list_table = {
	.command = "vma list",
	.summary = "list the configs and disks of an archive",
	.rows = list_rows,
	.n_rows = ARRAY_SIZE(list_rows),
	.args = args,
};

static struct json_object *configs_json(const struct vma_header *h)
{
	struct json_object *list = json_new_array();

	for (unsigned i = 0; i < h->n_configs; i++) {
		struct json_object *o = json_new_obj();

		json_put_text(o, "name", h->configs[i].name);
		json_put_u64(o, "size", h->configs[i].len);
		json_append(list, o);
	}
	return list;
}

/* random is NULL if only reading the whole archive would show that. */
static void add_content(struct json_object *o, const struct vma_random *random, unsigned dev, uint64_t size)
{
	uint64_t used = random ? vma_random_stored(random, (uint8_t)dev) : 0;

	if (!random) {
		json_put_null(o, "used");
		json_put_null(o, "zero");
		return;
	}
	json_put_u64(o, "used", used);
	json_put_u64(o, "zero", size - used);
}

static struct json_object *devices_json(const struct vma_header *h, const struct vma_random *random)
{
	struct json_object *list = json_new_array();

	for (unsigned i = 1; i <= VMA_MAX_DEVICES; i++) {
		struct json_object *o;

		if (!h->devices[i].name)
			continue;
		o = json_new_obj();
		json_put_int(o, "id", (int)i);
		json_put_text(o, "name", h->devices[i].name);
		json_put_u64(o, "size", h->devices[i].size);
		add_content(o, random, i, h->devices[i].size);
		json_append(list, o);
	}
	return list;
}

/* How large the file is, for each byte that the disks use. */
static void add_ratio(struct json_object *o, const struct vma_header *h, const struct vma_random *random,
		      int fd)
{
	struct stat st;
	uint64_t used = 0;
	bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	for (unsigned i = 1; random && i <= VMA_MAX_DEVICES; i++)
		if (h->devices[i].name)
			used += vma_random_stored(random, (uint8_t)i);
	if (is_file)
		json_put_int(o, "file-size", st.st_size);
	else
		json_put_null(o, "file-size");
	if (is_file && used)
		json_put_double(o, "ratio", (double)st.st_size / (double)used);
	else
		json_put_null(o, "ratio");
}

#define UUID_HEX_SIZE (2 * VMA_UUID_SIZE + 1)

static void uuid_hex(char ret[UUID_HEX_SIZE], const struct vma_header *h)
{
	for (unsigned i = 0; i < VMA_UUID_SIZE; i++)
		snprintf(ret + 2 * i, 3, "%02x", h->uuid[i]);
}

/* ---- the chain that an archive belongs to, its uuid being the archive's ---- */

/* What the end of the file says; false: it belongs to none, as far as that can be told. */
static bool read_chain(int fd, struct vma_chain *ret)
{
	return lseek(fd, 0, SEEK_CUR) >= 0 && vma_chain_read(fd, NULL, ret, NULL) == 0;
}

static void print_chain(const struct vma_header *h, const struct vma_chain *c, int fd)
{
	struct file_sharing sharing;
	_cleanup_free_ char *base = text_cleaned(c->base_name);
	const time_t when = (time_t)c->started;
	char uuid[UUID_HEX_SIZE], text[64];

	uuid_hex(uuid, h);
	printf("CHAIN: uuid: %s generation: %" PRIu32 "\n", uuid, c->generation);
	if (c->generation)
		printf("BASE: %s\n", base);
	if (ctime_r(&when, text))
		printf("BEGAN: %s", text);
	if (file_sharing_get(fd, &sharing))
		printf("SPACE: own: %" PRIu64 " shared: %" PRIu64 "\n", sharing.own, sharing.shared);
}

static void add_sharing(struct json_object *o, int fd)
{
	struct file_sharing sharing;

	if (file_sharing_get(fd, &sharing)) {
		json_put_u64(o, "own-bytes", sharing.own);
		json_put_u64(o, "shared-bytes", sharing.shared);
	} else {
		json_put_null(o, "own-bytes");
		json_put_null(o, "shared-bytes");
	}
}

static struct json_object *chain_json(const struct vma_chain *c, int fd)
{
	struct json_object *o = json_new_obj();
	char gen[VMA_GEN_TEXT_SIZE];

	vma_gen_text(gen, c->gen);
	json_put_u64(o, "generation", c->generation);
	json_put_text(o, "gen", gen);
	json_put_text(o, "base", c->generation ? c->base_name : NULL);
	json_put_int(o, "began", c->started);
	json_put_u64(o, "new-bytes", c->new_bytes);
	add_sharing(o, fd);
	return o;
}

/* c is NULL if there is no chain. */
static void print_json(const struct vma_header *h, const struct vma_random *random, const struct vma_chain *c,
		       int fd)
{
	struct json_object *o = json_new_obj();
	char uuid[UUID_HEX_SIZE];

	uuid_hex(uuid, h);
	json_put_text(o, "uuid", uuid);
	json_put_int(o, "ctime", h->ctime);
	json_put_bool(o, "seekable", random != NULL);
	add_ratio(o, h, random, fd);
	if (c)
		json_put_obj(o, "chain", chain_json(c, fd));
	else
		json_put_null(o, "chain");
	json_put_obj(o, "configs", configs_json(h));
	json_put_obj(o, "devices", devices_json(h, random));
	json_out_print(o, JSON_C_TO_STRING_PRETTY);
}

static int list_run(struct options *o, struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_(vma_random_freep) struct vma_random *random = NULL;
	_cleanup_error_ struct error *random_err = NULL;
	_cleanup_vma_chain_ struct vma_chain chain = { 0 };
	_cleanup_close_ int fd = -1;
	const char *archive = options_get(o, "archive");
	bool is_chained;
	int r = vma_open(archive, &fd, &reader, err);

	if (r < 0)
		return r;
	is_chained = read_chain(fd, &chain);
	if (!strcmp(options_get(o, "output-format"), "json")) {
		/*
		 * if it cannot be read at random places, it has no index; but a lack of memory proves
		 * nothing
		 */
		r = vma_random_open(archive, 1, &random, &random_err);
		if (r == -ENOMEM) {
			error_keep_first(err, &random_err);
			return r;
		}
		print_json(vma_reader_header(reader), random, is_chained ? &chain : NULL, fd);
	} else {
		vma_print_content(vma_reader_header(reader));
		if (is_chained)
			print_chain(vma_reader_header(reader), &chain, fd);
	}
	return 0;
}

const struct command vma_command_list = {
	.name = "list",
	.table = &list_table,
	.run = list_run,
};

static const struct option config_rows[] = {
	{ .name = "archive",
	  .flags = OPTION_REQUIRED,
	  .complete = COMPLETE_ARCHIVE,
	  .description = "The archive, packed or not; - for standard input." },
	{ .name = "config",
	  .fallback = "qemu-server.conf",
	  .complete = COMPLETE_ARCHIVE_CONFIG,
	  .description = "The name of the config." },
};

static const struct option_table config_table = {
	.command = "vma config",
	.summary = "print a config of an archive",
	.rows = config_rows,
	.n_rows = ARRAY_SIZE(config_rows),
	.args = args,
};

static int config_run(struct options *o, struct error **err)
{
	_cleanup_(vma_reader_freep) struct vma_reader *reader = NULL;
	_cleanup_close_ int fd = -1;
	const char *name = options_get(o, "config");
	const struct vma_header *h;
	int r = vma_open(options_get(o, "archive"), &fd, &reader, err);

	if (r < 0)
		return r;
	h = vma_reader_header(reader);
	for (unsigned i = 0; i < h->n_configs; i++) {
		if (strcmp(h->configs[i].name, name) != 0)
			continue;
		show_bytes(h->configs[i].data, h->configs[i].len);
		return 0;
	}
	return error_set(err, ERR_NOT_FOUND,
			 "unable to find configuration data '%s' (vma list shows what there is)", name);
}

const struct command vma_command_config = {
	.name = "config",
	.table = &config_table,
	.run = config_run,
};

#include "inside/table.h"

#include <blkid.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define SECTOR 512u /* libblkid's unit, whatever the disk's is */

static inline void free_probe(blkid_probe *p)
{
	blkid_free_probe(*p);
}
#define _cleanup_probe_ _cleanup_(free_probe)

static char *value_of(blkid_probe probe, const char *name)
{
	const char *value;

	return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? xstrdup(value) : NULL;
}

/* What stays unknown is NULL: several file systems in one place are no file system that anybody knows. */
static void look_into(int fd, struct inside_part *p)
{
	_cleanup_probe_ blkid_probe probe = xcheck(blkid_new_probe());

	if (blkid_probe_set_device(probe, fd, (blkid_loff_t)p->offset, (blkid_loff_t)p->size) < 0)
		return;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	if (blkid_do_safeprobe(probe) != 0)
		return;
	p->fs = value_of(probe, "TYPE");
	p->label = value_of(probe, "LABEL");
	p->uuid = value_of(probe, "UUID");
}

static char *type_of(blkid_partition p)
{
	const char *text = blkid_partition_get_type_string(p);

	return text ? xstrdup(text) : xasprintf("0x%02x", (unsigned)blkid_partition_get_type(p));
}

static void add_parts(struct inside_table *t, blkid_partlist list, uint64_t size)
{
	const int n = blkid_partlist_numof_partitions(list);

	t->parts = xcalloc((size_t)n + 1, sizeof(*t->parts));
	for (int i = 0; i < n; i++) {
		blkid_partition p = blkid_partlist_get_partition(list, i);
		const uint64_t start = (uint64_t)blkid_partition_get_start(p);
		uint64_t sectors = (uint64_t)blkid_partition_get_size(p);

		/*
		 * an extended partition only holds others; what begins behind the end of the disk holds
		 * nothing
		 */
		if (blkid_partition_is_extended(p) || start >= size / SECTOR)
			continue;
		if (sectors > size / SECTOR - start)
			sectors = size / SECTOR - start;
		t->parts[t->n++] = (struct inside_part){
			.number = (unsigned)blkid_partition_get_partno(p),
			.offset = start * SECTOR,
			.size = sectors * SECTOR,
			.type = type_of(p),
			.name = xstrdup_null(blkid_partition_get_name(p)),
		};
	}
}

int inside_table_read(int fd, uint64_t size, struct inside_table *ret, struct error **err)
{
	_cleanup_probe_ blkid_probe probe = xcheck(blkid_new_probe());
	blkid_partlist list;

	*ret = (struct inside_table){ 0 };
	if (blkid_probe_set_device(probe, fd, 0, (blkid_loff_t)size) < 0)
		return error_errno(err, errno ? errno : EIO, "cannot read it");
	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	list = blkid_probe_get_partitions(probe);
	if (list && blkid_partlist_get_table(list)) {
		ret->kind = xstrdup(blkid_parttable_get_type(blkid_partlist_get_table(list)));
		add_parts(ret, list, size);
	} else {
		ret->parts = xcalloc(1, sizeof(*ret->parts));
		ret->parts[ret->n++] = (struct inside_part){ .size = size };
	}
	for (size_t i = 0; i < ret->n; i++)
		look_into(fd, &ret->parts[i]);
	return 0;
}

const struct inside_part *inside_table_find(const struct inside_table *t, unsigned number)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->parts[i].number == number)
			return &t->parts[i];
	return NULL;
}

void inside_table_clear(struct inside_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->parts[i].type);
		free(t->parts[i].name);
		free(t->parts[i].fs);
		free(t->parts[i].label);
		free(t->parts[i].uuid);
	}
	free(t->parts);
	free(t->kind);
	*t = (struct inside_table){ 0 };
}

#include "vma-place.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/units.h"

#define PARTITION_MAX 65535

/* The name of the archive may have colons too: it is what exists. */
static size_t archive_len(const char *text)
{
	for (size_t len = strlen(text); len;) {
		_cleanup_free_ char *path = xstrndup(text, len);
		const char *colon;

		if (access(path, F_OK) == 0)
			return len;
		colon = strrchr(path, ':');
		len = colon ? (size_t)(colon - path) : 0;
	}
	return 0;
}

/* The part up to the next colon; moves *at behind it, to NULL at the end. */
static char *take_part(const char **at)
{
	const char *begin = *at, *colon = strchr(begin, ':');

	*at = colon ? colon + 1 : NULL;
	return colon ? xstrndup(begin, (size_t)(colon - begin)) : xstrdup(begin);
}

static int parse_partition(const char *word, int *ret, struct error **err)
{
	uint64_t n;
	int r = units_parse_u64(word, 0, PARTITION_MAX, "partition", &n, err);

	if (r == 0)
		*ret = (int)n;
	return r;
}

/* rest is what follows the disk, or NULL. */
static int parse_in_disk(const char *rest, struct vma_place *p, struct error **err)
{
	_cleanup_free_ char *word = NULL;
	int r;

	if (!rest || !*rest)
		return 0;
	if (*rest == '/') {
		p->path = xstrdup(rest);
		return 0;
	}
	word = take_part(&rest);
	r = parse_partition(word, &p->partition, err);
	if (r == 0 && rest && *rest)
		p->path = xstrdup(rest);
	return r;
}

static void parse_in_lvm(const char *rest, struct vma_place *p)
{
	p->lvm = true;
	if (rest && *rest)
		p->volume = take_part(&rest);
	if (p->volume && rest && *rest)
		p->path = xstrdup(rest);
}

int vma_place_parse(const char *text, struct vma_place *ret, struct error **err)
{
	const size_t len = archive_len(text);
	const char *rest = text[len] ? text + len + 1 : NULL;
	int r = 0;

	*ret = (struct vma_place){ .partition = -1 };
	if (!len)
		return error_set(err, ERR_NOT_FOUND, "there is no archive '%.*s'", (int)strcspn(text, ":"),
				 text);
	ret->archive = xstrndup(text, len);
	if (!rest || !*rest)
		return 0;
	ret->disk = take_part(&rest);
	if (!strcmp(ret->disk, "LVM"))
		parse_in_lvm(rest, ret);
	else
		r = parse_in_disk(rest, ret, err);
	if (r < 0)
		vma_place_clear(ret);
	return r;
}

void vma_place_clear(struct vma_place *p)
{
	free(p->archive);
	free(p->disk);
	free(p->volume);
	free(p->path);
	*p = (struct vma_place){ .partition = -1 };
}

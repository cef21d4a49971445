/* lib/journal/image: an image that is made is in the journal before it exists, and nobody else's ever is. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/strv.h"
#include "journal/image.h"
#include "tap.h"
#include "test-root.h"

/* ---- a storage that has only names ---- */

static struct {
	const char *there;       /* the name of the image that it has; NULL: none */
	int list_fails;          /* what listing returns */
	int alloc_fails;         /* what making one returns */
	const struct journal *j; /* looked at when an image is made */
	bool known;              /* the journal had it by then */
	struct buf made;
} fake;

static int fake_list(const struct storage *s, uint32_t vmid, struct storage_image **ret, size_t *ret_n,
		     struct error **err)
{
	(void)s;
	if (fake.list_fails)
		return error_set(err, fake.list_fails, "the storage does not answer");
	if (!fake.there)
		return 0;
	*ret = xcalloc(1, sizeof(**ret));
	**ret = (struct storage_image){ .volname = xstrdup(fake.there), .vmid = vmid };
	*ret_n = 1;
	return 0;
}

static int fake_parse(struct volume *v, struct error **err)
{
	(void)err;
	v->content = STORAGE_IMAGES;
	v->vmid = 123;
	return 0;
}

static char *fake_volname(const struct storage *s, uint32_t vmid, const char *name, enum image_format format)
{
	(void)s;
	return xasprintf("%u/%s.%s", vmid, name, image_format_name(format));
}

static int fake_alloc(const struct volume *v, uint64_t size, const struct cancel *cancel, struct error **err)
{
	(void)size, (void)cancel;
	for (size_t i = 0; i < fake.j->n; i++)
		if (journal_entry_is(&fake.j->entries[i], JOURNAL_IMAGE) &&
		    !strcmp(fake.j->entries[i].value, v->volid))
			fake.known = true;
	buf_adds(&fake.made, v->volname);
	return fake.alloc_fails ? error_set(err, fake.alloc_fails, "it cannot be made") : 0;
}

static const struct storage_ops fake_ops = {
	.type = "fake",
	.formats = 1 << IMAGE_RAW,
	.list = fake_list,
	.parse = fake_parse,
	.volname = fake_volname,
	.alloc = fake_alloc,
};
static char storage_id[] = "fast";
static const struct storage storage = { .id = storage_id, .ops = &fake_ops };

static int undo_nothing(const struct host *host, struct journal *j, const char *value, const struct log *log,
			struct error **err)
{
	(void)host, (void)j, (void)value, (void)log, (void)err;
	return 0;
}

static const struct journal_kind image_kind = { .name = JOURNAL_IMAGE, .rank = 1, .undo = undo_nothing };
static const struct journal_kind *const kinds[] = { &journal_kind_pid, &image_kind, NULL };

/* ---- */

static void begin(struct journal *j, const char *there, int list_fails, int alloc_fails)
{
	journal_strike_all(j, JOURNAL_IMAGE);
	buf_clear(&fake.made);
	fake.there = there;
	fake.list_fails = list_fails;
	fake.alloc_fails = alloc_fails;
	fake.j = j;
	fake.known = false;
}

static int make(struct journal *j, const char *name, char **ret_volid, struct error **err)
{
	const struct volume_alloc a = { .vmid = 123, .name = name, .format = IMAGE_RAW, .size = 512 };
	_cleanup_volume_ struct volume v = { 0 };
	int r = journal_alloc_image(j, &storage, &a, &v, err);

	*ret_volid = xstrdup_null(v.volid);
	return r;
}

static void test_success(struct journal *j)
{
	_cleanup_free_ char *volid = NULL, *next = NULL;

	begin(j, NULL, 0, 0);
	ok(make(j, "vm-123-fleece-0", &volid, NULL) == 0 &&
		   str_equal_null(volid, "fast:123/vm-123-fleece-0.raw") && fake.known &&
		   journal_has(j, JOURNAL_IMAGE),
	   "an image is in the journal when it is made, and stays there");
	begin(j, "123/vm-123-disk-0.raw", 0, 0);
	ok(make(j, NULL, &next, NULL) == 0 && str_equal_null(next, "fast:123/vm-123-disk-1.raw") &&
		   fake.known,
	   "without a name it gets the next free one");
}

static void test_taken(struct journal *j)
{
	_cleanup_free_ char *volid = NULL, *quicker = NULL;
	_cleanup_error_ struct error *err = NULL;

	begin(j, "123/vm-123-fleece-0.raw", 0, 0);
	ok(make(j, "vm-123-fleece-0", &volid, &err) == -EEXIST && !fake.made.len &&
		   !journal_has(j, JOURNAL_IMAGE),
	   "a name that is taken is an error, and was never in the journal: %s", error_message(err));
	begin(j, NULL, 0, -EEXIST);
	ok(make(j, "vm-123-fleece-0", &quicker, NULL) == -EEXIST && fake.known &&
		   !journal_has(j, JOURNAL_IMAGE),
	   "one that somebody has just taken is struck out again");
}

static void test_failures(struct journal *j)
{
	_cleanup_free_ char *volid = NULL, *blind = NULL;

	begin(j, NULL, 0, -ENOSPC);
	ok(make(j, "vm-123-fleece-0", &volid, NULL) == -ENOSPC && journal_has(j, JOURNAL_IMAGE),
	   "after any other error it may be there, and the journal keeps it");
	begin(j, NULL, ERR_TIMEOUT, 0);
	ok(make(j, "vm-123-fleece-0", &blind, NULL) == ERR_TIMEOUT && !fake.made.len &&
		   !journal_has(j, JOURNAL_IMAGE),
	   "nothing is made where nobody can tell whether the name is taken");
}

int main(void)
{
	_cleanup_(journal_freep) struct journal *j = NULL;

	root_make();
	if (journal_create(&paths, kinds, 123, &j, NULL) < 0)
		return 1;
	test_success(j);
	test_taken(j);
	test_failures(j);
	root_remove();
	buf_clear(&fake.made);
	return done_testing();
}

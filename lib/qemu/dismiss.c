#include "qemu/dismiss.h"

#include "base/strv.h"
#include "base/units.h"
#include "qemu/names.h"

enum {
	GONE_POLL_MS = 5,
	GONE_TIMEOUT_MS = 30 * 1000,
};

int dismiss_list(struct qmp *q, const struct dismissal *d, char ***ret, struct error **err)
{
	_cleanup_json_ struct json_object *all = NULL;
	int r = qmp_execute(q, d->query, NULL, &all, err);

	for (size_t i = 0; i < json_array_len(all); i++) {
		const char *id = json_get_str(json_array_at(all, i), "id");

		if (graph_is_ours(id))
			strv_add(ret, id);
	}
	return r;
}

/* One of ids that is still there, or NULL.  Borrowed from ids. */
static int find_left(struct qmp *q, const struct dismissal *d, char *const *ids, const char **ret,
		     struct error **err)
{
	_cleanup_strv_ char **left = NULL;
	int r = dismiss_list(q, d, &left, err);

	*ret = NULL;
	for (; *ids; ids++)
		if (strv_contains(left, *ids))
			*ret = *ids;
	return r;
}

static int wait_gone(struct qmp *q, const struct dismissal *d, char *const *ids, struct error **err)
{
	const uint64_t deadline = units_now_ns() + GONE_TIMEOUT_MS * UINT64_C(1000000);
	const char *left;
	int r;

	for (;;) {
		r = find_left(q, d, ids, &left, err);
		if (r < 0 || !left)
			return r;
		if (units_now_ns() > deadline)
			return error_set(err, ERR_TIMEOUT, "QEMU does not let go of %s '%s'", d->noun, left);
		r = cancel_sleep(NULL, GONE_POLL_MS, err);
		if (r < 0)
			return r;
	}
}

static int end_one(struct qmp *q, const struct dismissal *d, const char *id, struct error **err)
{
	struct json_object *args = json_new_str(d->key, id);

	if (d->mode)
		json_put_str(args, "mode", d->mode);
	return qmp_execute(q, d->command, args, NULL, err);
}

/* Tries all.  Keeps the first refusal and adds what it is about to refused; another error ends it. */
static int end_each(struct qmp *q, const struct dismissal *d, char *const *ids, char ***refused,
		    struct error **refusal)
{
	for (; *ids; ids++) {
		_cleanup_error_ struct error *mine = NULL;
		int r = end_one(q, d, *ids, &mine);

		if (r == 0)
			continue;
		if (r == ERR_PEER)
			strv_add(refused, *ids);
		else
			error_free(TAKE_PTR(*refusal));
		error_keep_first(refusal, &mine);
		if (r != ERR_PEER)
			return r;
	}
	return *refused ? ERR_PEER : 0;
}

int dismiss_all(struct qmp *q, const struct dismissal *d, char *const *ids, struct error **err)
{
	_cleanup_error_ struct error *refusal = NULL;
	_cleanup_strv_ char **refused = NULL;
	const char *left;
	int r;

	if (!ids || !*ids)
		return 0;
	r = end_each(q, d, ids, &refused, &refusal);
	/* it may be refused because it has gone by itself */
	if (r == ERR_PEER && find_left(q, d, refused, &left, NULL) == 0 && !left)
		r = 0;
	if (r == 0)
		return wait_gone(q, d, ids, err);
	error_keep_first(err, &refusal);
	return r;
}

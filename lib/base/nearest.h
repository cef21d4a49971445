/*
 * Which of the existing names was probably meant: for messages about a name that does not exist
 * ("did you mean 'fleecing'?").  Names are offered one by one, so that no list has to be built.
 *
 *	struct nearest n = nearest_begin("bakcup");
 *
 *	for (size_t i = 0; i < c->n; i++)
 *		nearest_offer(&n, c->storages[i].id);
 *	hint = nearest_hint(&n);
 */
#ifndef VZDUMP_BASE_NEAREST_H
#define VZDUMP_BASE_NEAREST_H

#include "base/cleanup.h"

struct nearest {
	const char *word;  /* as it was written */
	const char *best;  /* NULL: nothing is near */
	unsigned distance; /* of best */
};

/* word and the names are borrowed until the hint is made. */
struct nearest nearest_begin(const char *word);

/*
 * Keeps the name if it is nearer than those before.  The distance is the number of letters to add, remove,
 * replace or swap with a neighbour; case does not count, and a different digit counts twice.  A name is near
 * if the distance is at most a third of the longer of the two, or if the word has three letters or more and
 * is the beginning or the end of the name.  name may be NULL.
 */
void nearest_offer(struct nearest *n, const char *name);
/* All of a NULL-terminated list. */
void nearest_offer_all(struct nearest *n, const char *const *names);

/* " (did you mean 'fleecing'?)", or "" if nothing is near.  Caller frees. */
char *nearest_hint(const struct nearest *n);

#endif

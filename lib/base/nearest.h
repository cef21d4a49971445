/*
 * Which of the existing names was probably meant: for messages about a name that does not exist
 * ("did you mean 'fleecing'?").  Names are offered one by one, so that nobody has to build a list.
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

/* word is borrowed, as are the names, until the hint is made. */
struct nearest nearest_begin(const char *word);

/*
 * Takes the name if it is nearer than those before.  Distance: letters that are too many, missing, other
 * ones or swapped with their neighbour; case does not count, and another digit counts twice.  A name is
 * near if a third of the longer of the two at most is wrong, or if the word, three letters or more, is its
 * beginning or end.  name may be NULL.
 */
void nearest_offer(struct nearest *n, const char *name);
/* All of a NULL-terminated list. */
void nearest_offer_all(struct nearest *n, const char *const *names);

/* " (did you mean 'fleecing'?)", or "" if nothing is near.  Caller frees. */
char *nearest_hint(const struct nearest *n);

#endif

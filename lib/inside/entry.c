#include "inside/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void inside_entries_add(struct inside_entries *l, const struct inside_entry *e)
{
	/* doubles at powers of two */
	if ((l->n & (l->n - 1)) == 0)
		l->items = xreallocarray(l->items, l->n ? 2 * l->n : 1, sizeof(*l->items));
	l->items[l->n++] = *e;
}

static int by_name(const void *a, const void *b)
{
	const struct inside_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void inside_entries_sort(struct inside_entries *l)
{
	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), by_name);
}

void inside_entries_clear(struct inside_entries *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].name);
		free(l->items[i].link);
	}
	free(l->items);
	*l = (struct inside_entries){ 0 };
}

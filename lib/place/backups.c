#include "place/backups.h"

#include <stdlib.h>

void backups_clear(struct backups *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->list[i].path);
		archive_name_clear(&b->list[i].name);
	}
	free(b->list);
	*b = (struct backups){ 0 };
}

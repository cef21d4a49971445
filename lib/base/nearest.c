#include "base/nearest.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

/* Longer words are sentences or paths, not mistyped names. */
#define LENGTH_MAX 64

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned n = a < b ? a : b;

	return n < c ? n : c;
}

/* A different digit costs more, as it is rarely a mistake: scsi1 and scsi0 are both meant. */
static unsigned replacing(char a, char b)
{
	if (lower(a) == lower(b))
		return 0;
	return is_digit(a) && is_digit(b) ? 2 : 1;
}

/* Fills row[2] of the table of distances: for the first i letters of a; row[0], row[1]: i - 2, i - 1. */
static void fill_row(unsigned row[3][LENGTH_MAX + 1], const char *a, size_t i, const char *b, size_t n)
{
	row[2][0] = (unsigned)i;
	for (size_t k = 1; k <= n; k++) {
		unsigned other = replacing(a[i - 1], b[k - 1]);

		row[2][k] = least(row[1][k] + 1, row[2][k - 1] + 1, row[1][k - 1] + other);
		if (i > 1 && k > 1 && lower(a[i - 1]) == lower(b[k - 2]) &&
		    lower(a[i - 2]) == lower(b[k - 1]) && row[0][k - 2] + 1 < row[2][k])
			row[2][k] = row[0][k - 2] + 1;
	}
}

/* Edits with swaps of neighbours (Damerau and Levenshtein, each letter edited once at most). */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned row[3][LENGTH_MAX + 1] = { 0 };

	for (size_t k = 0; k <= b_len; k++)
		row[2][k] = (unsigned)k;
	for (size_t i = 1; i <= a_len; i++) {
		memcpy(row[0], row[1], sizeof(row[0]));
		memcpy(row[1], row[2], sizeof(row[1]));
		fill_row(row, a, i, b, b_len);
	}
	return row[2][b_len];
}

/* "scsi0" of "drive-scsi0", "fleec" of "fleecing". */
static bool is_part(const char *word, size_t len, const char *name, size_t name_len)
{
	return len >= 3 && len < name_len &&
	       (distance(word, len, name, len) == 0 || distance(word, len, name + name_len - len, len) == 0);
}

struct nearest nearest_begin(const char *word)
{
	return (struct nearest){ .word = word, .distance = UINT_MAX };
}

void nearest_offer(struct nearest *n, const char *name)
{
	const size_t len = strlen(n->word), other = name ? strlen(name) : 0;
	const size_t longer = len > other ? len : other;
	unsigned d;

	if (!len || !other || longer > LENGTH_MAX)
		return;
	d = distance(n->word, len, name, other);
	if (d > longer / 3 && !is_part(n->word, len, name, other))
		return;
	if (d < n->distance) {
		n->best = name;
		n->distance = d;
	}
}

void nearest_offer_all(struct nearest *n, const char *const *names)
{
	for (; names && *names; names++)
		nearest_offer(n, *names);
}

char *nearest_hint(const struct nearest *n)
{
	return n->best ? xasprintf(" (did you mean '%s'?)", n->best) : xstrdup("");
}

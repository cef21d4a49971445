#include "copy/proof.h"

#include <stddef.h>

/* Clusters that a question spans at most: its answer may have as many pieces. */
#define QUESTION_CLUSTERS 1024u

void proofs_add(struct proofs *p, struct proof_read *r, struct run run)
{
	*r = (struct proof_read){ .run = run, .state = PROOF_WAITS };
	if (p->last)
		p->last->next = r;
	else
		p->first = r;
	p->last = r;
}

/* Makes the span hold the run as well; false if it would be too long. */
static bool stretch(struct run *span, struct run run)
{
	const uint32_t a = span->first + span->n, b = run.first + run.n;
	const uint32_t first = run.first < span->first ? run.first : span->first, end = a > b ? a : b;

	if (end - first > QUESTION_CLUSTERS)
		return false;
	*span = (struct run){ first, end - first };
	return true;
}

bool proofs_next_question(struct proofs *p, const struct cover *c, struct question *ret)
{
	struct run span;

	if (p->open || !p->first)
		return false;
	span = p->first->run;
	for (struct proof_read *r = p->first; r; r = r->next) {
		if (stretch(&span, r->run))
			r->state = PROOF_ASKED;
	}
	p->open = true;
	*ret = cover_question(c, span);
	p->answered = ret->offset;
	return true;
}

static bool overlaps(struct run run, uint64_t offset, uint64_t end)
{
	return cluster_offset(run.first) < end && offset < cluster_offset(run.first + run.n);
}

void proofs_piece(struct proofs *p, const struct piece *piece)
{
	const uint64_t end = piece->offset + piece->length;

	if (piece->offset > p->answered)
		return; /* nothing is known of what lies between */
	for (struct proof_read *r = p->first; r && piece->state == PIECE_DIRTY; r = r->next) {
		if (r->state == PROOF_ASKED && overlaps(r->run, piece->offset, end))
			r->state = PROOF_DIRTY;
	}
	if (end > p->answered)
		p->answered = end;
}

void proofs_end(struct proofs *p, int error)
{
	p->open = false;
	for (struct proof_read *r = p->first; r; r = r->next) {
		const uint64_t end = cluster_offset(r->run.first + r->run.n);

		if (r->state == PROOF_ASKED && !error && end <= p->answered)
			r->state = PROOF_RIGHT;
		else if (r->state == PROOF_ASKED || r->state == PROOF_DIRTY)
			r->state = PROOF_WRONG;
	}
}

static struct proof_read *take_after(struct proofs *p, struct proof_read *before)
{
	struct proof_read **at = before ? &before->next : &p->first, *r = *at;

	*at = r->next;
	if (p->last == r)
		p->last = before;
	r->next = NULL;
	return r;
}

struct proof_read *proofs_take(struct proofs *p)
{
	struct proof_read *before = NULL;

	for (struct proof_read *r = p->first; r; before = r, r = r->next) {
		if (r->state == PROOF_RIGHT || r->state == PROOF_WRONG)
			return take_after(p, before);
	}
	return NULL;
}

struct proof_read *proofs_drop(struct proofs *p)
{
	return p->first ? take_after(p, NULL) : NULL;
}

#include "backup/observer.h"

#define EACH(o, x) for (const struct observer *x = (o) ? (o)->list : NULL; x && x < (o)->list + (o)->n; x++)

void observers_progress(const struct observers *o, const struct progress *p)
{
	EACH(o, x)
	if (x->progress)
		x->progress(x->opaque, p);
}

void observers_event(const struct observers *o, const struct event *e)
{
	EACH(o, x)
	if (x->event)
		x->event(x->opaque, e);
}

int observers_phase(const struct observers *o, const struct phase *p, struct error **err)
{
	_cleanup_error_ struct error *first = NULL;
	int r = 0;

	EACH(o, x)
	{
		_cleanup_error_ struct error *mine = NULL;
		const int result = x->phase ? x->phase(x->opaque, p, &mine) : 0;

		if (result < 0 && r == 0)
			r = result;
		error_keep_first(&first, &mine);
		if (r < 0 && p->rule == PHASE_MAY_FAIL)
			break;
	}
	error_keep_first(err, &first);
	return r;
}

bool observers_want_state(const struct observers *o)
{
	EACH(o, x)
	if (x->wants_state && x->wants_state(x->opaque))
		return true;
	return false;
}

void observers_state(const struct observers *o, const char *text)
{
	EACH(o, x)
	if (x->state)
		x->state(x->opaque, text);
}

bool observers_show_progress(const struct observers *o)
{
	EACH(o, x)
	if (x->shows_progress)
		return true;
	return false;
}

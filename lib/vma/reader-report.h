/* How damages are reported to the receiver of an archive. */
#ifndef VZDUMP_VMA_READER_REPORT_H
#define VZDUMP_VMA_READER_REPORT_H

#include "vma/reader.h"

struct reader_report {
	const struct vma_receiver *receiver; /* NULL while the header is read */
	void *opaque;
	unsigned *damages; /* counted here */
};

/* Whether damages are reported to the receiver, and reading continues. */
static inline bool report_tolerates(const struct reader_report *rep)
{
	return rep->receiver && rep->receiver->damage;
}

/* Reports a damage, which clears *err, or returns its code.  One call at a time. */
static inline int report_damage(const struct reader_report *rep, struct error **err)
{
	const int code = *err ? (*err)->code : ERR_CORRUPT;

	if (code != ERR_CORRUPT || !report_tolerates(rep))
		return code;
	++*rep->damages;
	rep->receiver->damage(rep->opaque, error_message(*err));
	error_free(*err);
	*err = NULL;
	return 0;
}

#endif

#include "journal-kinds.h"

#include <stddef.h>

#include "backup/undo.h"
#include "journal/recover.h"
#include "restore/undo.h"
#include "source/bitmaps.h"

const struct journal_kind *const journal_kinds[] = {
	&journal_kind_pid,

	/* recover_guest() */
	&journal_kind_qemu,
	&journal_kind_graph,
	&journal_kind_server,
	&journal_kind_stopped,
	&journal_kind_frozen,

	/* recover_rest(), in the order of their ranks */
	&journal_kind_started,
	&journal_kind_config,
	&journal_kind_image,
	&journal_kind_replaced,
	&journal_kind_firewall,
	&journal_kind_guest,
	&journal_kind_commit,
	&journal_kind_bitmap,
	&journal_kind_file,
	&journal_kind_dir,
	&journal_kind_lock,
	&journal_kind_down,
	NULL,
};

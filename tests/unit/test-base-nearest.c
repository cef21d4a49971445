/* lib/base/nearest.h: which name was meant. */
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/strv.h"
#include "tap.h"

static const char *const keys[] = { "fleecing", "storage", "script",      "bwlimit", "prune-backups",
				    "mode",     "lvmthin", "drive-scsi0", "zstd",    NULL };

static void is_near(const char *word, const char *want)
{
	struct nearest n = nearest_begin(word);
	char *hint;

	nearest_offer_all(&n, keys);
	hint = nearest_hint(&n);
	if (!ok(str_equal_null(n.best, want), "'%s' means %s", word, want ? want : "nothing that is there"))
		diag("got%s", hint);
	free(hint);
}

int main(void)
{
	struct nearest n;
	char *hint;
	char longest[1000];

	is_near("fleecng", "fleecing");
	is_near("flecing", "fleecing");
	is_near("fleeecing", "fleecing");
	is_near("fleexing", "fleecing");
	is_near("lfeecing", "fleecing");
	is_near("FLEECING", "fleecing");
	is_near("stroage", "storage");
	is_near("prune_backup", "prune-backups");
	is_near("prune", "prune-backups");
	is_near("scsi0", "drive-scsi0");
	is_near("mdoe", "mode");
	is_near("edom", NULL);
	is_near("scsi1", NULL);
	is_near("drive-scs0", "drive-scsi0");
	is_near("se", NULL);
	is_near("", NULL);
	is_near("maxfiles", NULL);

	n = nearest_begin("bakcup");
	nearest_offer(&n, "backups");
	nearest_offer(&n, NULL);
	nearest_offer(&n, "backup");
	nearest_offer(&n, "backuq");
	hint = nearest_hint(&n);
	ok(!strcmp(hint, " (did you mean 'backup'?)"), "the nearest of several is named");
	free(hint);

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	n = nearest_begin(longest);
	nearest_offer(&n, longest + 1);
	hint = nearest_hint(&n);
	ok(!*hint, "a text of a thousand letters is no name that somebody mistyped");
	free(hint);
	return done_testing();
}

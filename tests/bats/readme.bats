#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# The commands of README.md, run as they stand there (tests/lib/walk).

walk() {
	"$BATS_TEST_DIRNAME/../lib/walk" "$@" 3>&-
}

@test "README's way on a plain host leads to guests that run, are saved, restored and saved by night" {
	walk "## On a plain QEMU host" '
		for vmid in 123 124; do
			"$BUILD/tests/qmp" /run/qemu-server/$vmid.qmp query-status "{}" | grep -q "\"running\":true"
		done
		# of two in one day the newer is kept
		[ "$(ls /srv/backup/dump/vzdump-qemu-12[34]-*.vma.zst | wc -l)" = 2 ]
		[ ! -e /var/lib/vzdump/123.journal ]
		'
}

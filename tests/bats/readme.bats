#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# The commands of README.md, run as they stand there (tests/lib/walk).

setup() {
	[[ $(id -u) = 0 ]] || skip "needs root"
	unshare --mount --pid --fork true || skip "needs namespaces"
}

walk() {
	"$BATS_TEST_DIRNAME/../lib/walk" "$@" 3>&-
}

@test "README's way on a plain host leads to guests that run, are saved, restored and saved by night" {
	walk "## On a plain QEMU host" '
		for vmid in 123 124; do
			qmp /run/qemu-server/$vmid.qmp query-status "{}" | grep -q "\"running\": *true"
		done
		ls /srv/backup/dump/vzdump-qemu-123-*.vma.zst /srv/backup/dump/vzdump-qemu-124-*.vma.zst
		[ ! -e /var/lib/vzdump/123.journal ]
		'
}

# What a user without any rights does beside the chapter's backup.  The guests run: their QEMU is the user's.
@test "README's way without root leads to backups and restores of a user's own guests" {
	walk -u nobody "### Without root" '
		[ $(id -u) != 0 ]
		archive=$(ls $VZDUMP_ROOT/vm/dump/vzdump-qemu-123-*.vma.zst)
		echo "start-command: vzdump-qemu-args {vmid} --exec --daemonize" > $VZDUMP_ROOT/etc/vzdump.conf
		qmrestore $archive 124 --unique --start
		vzdump 124 --storage vm --mode suspend --incremental 1 --compress zstd
		qmrestore $archive 125 --live-restore 1
		for vmid in 123 124 125; do
			qmp $VZDUMP_ROOT/run/qemu-server/$vmid.qmp query-status "{}" |
				grep -q "\"running\": *true"
		done
		printf "vzdump: n\n\tschedule daily\n\tall 1\n\tstorage vm\n" > $VZDUMP_ROOT/etc/pve/jobs.cfg
		vzdump-scheduler --once
		vzdump --job n
		vzdump --cleanup | grep "nothing to clean up"
		vzdump check
	'
}

@test "without root, a home whose path is too long for a socket is told of, and a link to it will do" {
	walk -u nobody "### Without root" '
		long=$HOME/$(printf "x%.0s" {1..120})
		mv $VZDUMP_ROOT $long
		sed -i "s,path .*,path $long/vm," $long/etc/pve/storage.cfg
		sed "s/^scsi0:.*/scsi0: vm:124\/vm-124-disk-0.raw/" $long/etc/pve/qemu-server/123.conf > $long/etc/pve/qemu-server/124.conf
		export VZDUMP_ROOT=$long
		pvesm alloc vm 124 vm-124-disk-0.raw 8M
		! vzdump-qemu-args 124 --exec --daemonize 2> message
		grep "124.qmp. is longer than 107 bytes: use a shorter one, such as a VZDUMP_ROOT that is a symbolic link$" message
		ln -s $long $HOME/short
		export VZDUMP_ROOT=$HOME/short
		vzdump-qemu-args 124 --exec --daemonize
		vzdump 124 --storage vm --fleecing 1
	'
}

#!/usr/bin/env bats
# vzdump --cleanup after a backup that was killed while its guest was shut down.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	echo "start-command: touch $VZ_TMP/started-{vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
	disk_add 123 scsi0 throttle 1M
	conf_add 123 "lock: backup"
	mkdir -p "$VZDUMP_ROOT/var/lib/vzdump"
	printf '+pid 999999\n+lock \n+down \n' > "$VZDUMP_ROOT/var/lib/vzdump/123.journal"
}

teardown() {
	vz_teardown
}

@test "A guest that was shut down for its backup is started again by --cleanup" {
	vzdump --cleanup
	[[ $status = 0 && -e $VZ_TMP/started-123 ]]
	nothing_left 123
}

@test "A guest that has moved to another node since is not started here, and --cleanup says where it is" {
	local there=$VZDUMP_ROOT/etc/pve/nodes/other/qemu-server
	mkdir -p "$there"
	mv "$(conf_file 123)" "$there"
	vzdump --cleanup
	[[ $status = 0 && ! -e $VZ_TMP/started-123 ]]
	has_line "^INFO: VM 123 is not started again: it belongs to node 'other' now \('$there/123.conf'\)$"
	[[ ! -e $VZDUMP_ROOT/var/lib/vzdump/123.journal ]]
}

@test "A guest that was removed since is not started" {
	rm "$(conf_file 123)"
	vzdump --cleanup
	[[ $status = 0 && ! -e $VZ_TMP/started-123 ]]
	has_line "^INFO: VM 123 is not started again: it has no configuration any more$"
	[[ ! -e $VZDUMP_ROOT/var/lib/vzdump/123.journal ]]
}

@test "Whether a guest is here cannot be told without /etc/pve: it is not started, and the journal stays" {
	mv "$VZDUMP_ROOT/etc/pve/qemu-server" "$VZ_TMP/away"
	vzdump --cleanup
	[[ $status != 0 && ! -e $VZ_TMP/started-123 ]]
	has_line "cannot find out whether VM 123 belongs to this node"
	mv "$VZ_TMP/away" "$VZDUMP_ROOT/etc/pve/qemu-server"
	vzdump --cleanup
	[[ $status = 0 && -e $VZ_TMP/started-123 ]]
}

@test "A guest goes on although QEMU holds a node of its backup, and that it was paused is not in the journal any more" {
	qemu_start 123 running
	qmp 123 blockdev-add '{"driver":"null-co","node-name":"vzdump-scsi0-image"}'
	qmp 123 blockdev-add '{"driver":"raw","node-name":"stranger","file":"vzdump-scsi0-image"}'
	qmp 123 stop
	printf '+pid 999999\n+graph \n+stopped \n' > "$VZDUMP_ROOT/var/lib/vzdump/123.journal"
	vzdump --cleanup
	[[ $status != 0 && $(qmp 123 query-status) = *'"running": true'* ]]
	grep -x -- '-stopped ' "$VZDUMP_ROOT/var/lib/vzdump/123.journal"
	# a pause of somebody else's is not ended then
	qmp 123 stop
	qmp 123 blockdev-del '{"node-name":"stranger"}'
	vzdump --cleanup
	[[ $status = 0 && $(qmp 123 query-status) = *'"running": false'* ]]
	[[ ! -e $VZDUMP_ROOT/var/lib/vzdump/123.journal ]]
}

@test "An image whose storage is not in storage.cfg any more: the way out is said, and then a restore goes on" {
	local journal=$VZDUMP_ROOT/var/lib/vzdump/123.journal
	vzdump_ok 123
	local restore=("$BUILD/bin/qmrestore" "$ARCHIVE" 123 --force --storage local)
	printf '+pid 999999\n+image gone:123/vm-123-fleece-0.raw\n' > "$journal"
	run "${restore[@]}"
	[[ $status = 255 ]]
	has_line "^WARN: cleaning up: .*storage 'gone' does not exist \(storage.cfg has [a-z, ]*\): add it to storage.cfg again, or, if the image is gone for good, remove the line '\+image gone:123/vm-123-fleece-0.raw' from '$journal'$"
	has_line "^VM 123: something of an interrupted backup or restore is left, .*: 'vzdump --cleanup 123' tries again$"
	[[ $(grep -c "'gone'" <<< "$output") = 1 ]]
	sed -i /^+image/d "$journal"
	run "${restore[@]}"
	[[ $status = 0 && ! -e $journal ]]
}

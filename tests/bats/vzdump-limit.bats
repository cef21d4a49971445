#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Fleecing images under a limit, while the guest writes faster than the target takes the archive.  How fast this
# machine is does not matter: what the images took, what the archive has, and what QEMU has afterwards.

load ../lib/qemu
load ../lib/vzdump
load ../lib/limit

setup() {
	vz_setup
}

teardown() {
	vz_teardown
}

LIMIT=limit=16M,reserve=0

@test "a guest that rewrites its disks at full speed is slowed, its images keep to the limit, the archive is right" {
	limit_guest throttle 48 scsi0 scsi1
	limited "$LIMIT" disks=scsi0:seq,scsi1:random mib=48 rate=8000000
	limit_right
	has_line '^INFO: fleecing images take [0-9.]+ [KM]iB of at most 16\.0 MiB \(limit\): writes of the guest to data that is not saved yet are slowed'
	has_line '^INFO: fleecing images had reached their limit \(limit\): writes of the guest .* were slowed for .* in all, to [0-9.]+ [KM]iB/s on average'
	limit_gone
}

@test "a guest whose writes fit into the limit is not slowed" {
	limit_guest blockdev 24 scsi0
	# 200 clusters are 12.5 MiB, however little of them is drained
	limited "$LIMIT" disks=scsi0:random mib=24 block=4 second=200 count=200 rate=8000000
	limit_right
	has_no_line slowed
	limit_gone
}

@test "while the guest waits, a target that goes leaves nothing" {
	limit_guest throttle 64 scsi0
	limited "$LIMIT" disks=scsi0:random mib=64 rate=12000000 end=20000000
	[ "$(figure status)" = 255 ]
	has_line 'cannot write the archive: the program that reads it ended'
	limit_gone
}

@test "after a kill -9 while the guest waits, --cleanup removes the limit, and no write hangs" {
	limit_guest throttle 64 scsi0
	limited "$LIMIT" disks=scsi0:random mib=64 rate=12000000 kill=20000000
	[ "$(figure status)" = -9 ]
	qmp 123 qom-list '{"path":"/objects"}' name | grep -q vzdump-
	run "$VZDUMP" --cleanup
	[ "$status" = 0 ]
	limit_gone
	guest_io 123 scsi0 "write -P 0x55 0 64M"
}

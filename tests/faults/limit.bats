#!/usr/bin/env bats
# Fleecing images under a limit, with guests that write as fast as they are let.  What is compared does not depend on
# how fast this machine is: what the images took, what was let through against what the target took by then.

load faults
load ../lib/limit

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
}

teardown() {
	faults_teardown
}

# again: the next guest of a test
again() {
	qemu_kill 123
	rm -rf "$(conf_file 123)" "$VZ_TMP"/123.* "$VZ_TMP"/*.instant "$STORE"/local/images/123
}

# full_speed <MB/s> <MiB> <disk>...: disks of so many MiB, all over of which such a guest writes
full_speed() {
	local rate=$1 mib=$2 disks
	shift 2
	disks=$(IFS=,; echo "$*")
	limit_guest throttle "$mib" "${@%%:*}"
	limited limit=16M,reserve=0 disks="$disks" mib="$mib" rate="${rate}000000" || return 1
	limit_right || return 1
	(($(figure written) >= $(figure drained) * 8 / 10)) || fail "let through only $(figure written)" || return 1
	limit_gone || return 1
	again
}

@test "one disk, written in order and at random, targets of 5, 20 and 100 MB/s" {
	full_speed 5 72 scsi0:random
	full_speed 20 96 scsi0:seq
	full_speed 20 96 scsi0:random
	full_speed 100 192 scsi0:seq
}

@test "four disks, two in order and two at random, targets of 5, 20 and 100 MB/s" {
	local disks=(scsi0:seq scsi1:random scsi2:seq scsi3:random)
	full_speed 5 18 "${disks[@]}"
	full_speed 20 24 "${disks[@]}"
	full_speed 100 48 "${disks[@]}"
}

@test "200 writes a second of 4 KiB are not slowed" {
	limit_guest throttle 96 scsi0
	# 900 clusters are 56 MiB, however little of them is drained
	limited limit=64M,reserve=0 disks=scsi0:random mib=96 block=4 second=200 count=900 rate=20000000
	limit_right
	has_no_line slowed
	limit_gone
}

@test "a target that stands still for 4 s, and a vzdump that does for 3 s" {
	limit_guest throttle 96 scsi0
	limited limit=16M,reserve=0 disks=scsi0:seq mib=96 rate=20000000 stall=45000000:4
	limit_right
	limit_gone
	again
	limit_guest throttle 96 scsi0
	limited limit=16M,reserve=0 disks=scsi0:random mib=96 rate=20000000 stop=45000000:3
	limit_right
	limit_gone
}

@test "a storage that fills from elsewhere is the cause in words, and the guest writes on" {
	small_fs "$STORE/fast" 40M
	mkdir -p "$STORE/fast/images"
	limit_guest throttle 96 scsi0
	(
		until grep -q slowed "$VZ_TMP/archive.zst.log" 2> /dev/null; do sleep 0.1; done
		head -c 40M /dev/zero > "$STORE/fast/other" || true
	) 2> /dev/null 3>&- &
	PIDS+=("$!")
	limited limit=16M,reserve=0 disks=scsi0:random mib=96 rate=8000000
	[[ $(figure status) = 255 ]]
	has_line "fleecing storage 'fast' is full"
	# the rewriter ends with the backup
	(($(figure written) > 0))
	limit_gone
	guest_io 123 scsi0 "write -P 0x55 0 96M"
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Incremental backups in random rounds, see tests/lib/rounds.bash: more ways in which a disk can hang
# in QEMU than tests/bats/vzdump-incremental-rounds.bats has.  SEEDS="<n>..." are other seeds, as many as given.

load ../lib/qemu
load ../lib/vzdump
load ../lib/incremental
load ../lib/rounds

setup_file() {
	rounds_setup_file
}

setup() {
	rounds_setup
}

teardown() {
	vz_teardown
}

# more_rounds <seed>...
more_rounds() {
	# shellcheck disable=SC2086
	rounds ${SEEDS:-$*}
}

@test "a throttled disk that a guest writes to all the time, and an EFI disk, in random rounds" {
	rounds_guest "scsi0 throttle 24613K" "efidisk0 pflash 528K"
	more_rounds 11
}

@test "two throttled disks and one without, in random rounds" {
	rounds_guest "scsi0 throttle 9M" "scsi1 throttle 12299264" "virtio0 blockdev 3M"
	more_rounds 21
}

@test "virtio-blk, with an iothread too, and IDE, in random rounds" {
	rounds_guest "virtio0 blockdev 12588544" "virtio1 iothread 9221K" "ide0 drive-ide 7001K"
	more_rounds 31
}

@test "virtio-scsi, by -blockdev and by -drive, in random rounds" {
	rounds_guest "scsi0 scsi 16388K" "scsi1 drive-scsi 8200K"
	more_rounds 41
}

@test "virtio-scsi with an iothread, throttled too, in random rounds" {
	disk_add 124 scsi0 scsi 1M
	qemu_start 124
	[[ $(qmp 124 query-version) =~ \"major\":\ ([0-9]+) ]]
	qemu_kill 124
	((BASH_REMATCH[1] >= 9)) || skip "this QEMU would abort, so vzdump refuses such disks"
	rounds_guest "scsi0 throttle-iothread 16388K" "scsi1 scsi-iothread 8200K"
	more_rounds 51
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Incremental backups in random rounds of fixed seeds: whatever happens in between, each archive is what the disks
# were at its instant.  More seeds: tests/faults/incremental-rounds.bats.

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

@test "a throttled disk that a guest writes to all the time, and an EFI disk" {
	rounds_guest "scsi0 throttle 32804K" "efidisk0 pflash 528K"
	rounds 1
}

@test "disks of virtio-blk, with an iothread too, and IDE, of odd sizes" {
	rounds_guest "virtio0 blockdev 20977152" "virtio1 iothread 6180K" "ide0 drive-ide 5001K"
	rounds 2
}

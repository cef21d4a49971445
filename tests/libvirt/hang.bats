#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# A libvirtd that is gone or hangs, which takes as long as vzdump is willing to wait.

load ../lib/libvirt

setup_file() {
	libvirt_setup_file
}

teardown_file() {
	libvirt_teardown_file
}

setup() {
	libvirt_setup
}

teardown() {
	libvirt_teardown
}

# ends_with_leftovers: the backup is good, and says what it could not take back
ends_with_leftovers() {
	backup_end
	[[ $status = 0 ]] || fail "ended with $status: $output" || return 1
	has_line "^WARN: removing the backup's block nodes from QEMU: its QEMU \(pid [0-9]+\) runs, but nothing answers at libvirt" || return 1
	has_line "^WARN: something was left behind: 'vzdump --cleanup [0-9]+' tries again$" || return 1
	archive_read || return 1
	same_as_instant web virtio0=vda scsi0=sda
}

@test "a libvirtd that is gone when the backup ends: the archive is good, and what is left goes by --cleanup once it is back" {
	guest_start 48M
	backup_begin --libvirt web "${FLEECING[@]}"
	libvirt_down KILL
	ends_with_leftovers
	run "$VZDUMP" --cleanup
	[[ $status = 255 ]]
	has_line 'something of an interrupted backup or restore is left'
	libvirt_up
	run "$VZDUMP" --cleanup
	[[ $status = 0 ]]
	all_well
}

@test "a libvirtd that hangs when the backup ends: vzdump ends, the guest writes on, and --cleanup puts all right" {
	guest_start 48M
	backup_begin --libvirt web
	kill -STOP "$(libvirt_pid)"
	ends_with_leftovers
	kill -CONT "$(libvirt_pid)"
	domain_write web vda 40M 64k
	run "$VZDUMP" --cleanup
	[[ $status = 0 ]]
	all_well
}

@test "a libvirtd that hangs before the backup is given up" {
	guest_start 1M
	kill -STOP "$(libvirt_pid)"
	vzdump --libvirt web
	[[ $status = 255 ]]
	has_line "libvirt domain 'web': libvirt does not answer within [0-9]+ s: see whether 'virsh list' does"
	kill -CONT "$(libvirt_pid)"
	nothing_of_ours
	domain_unchanged web vda
}

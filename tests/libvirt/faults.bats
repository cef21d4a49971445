#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What dies or hangs while a libvirt guest is saved: vzdump, libvirtd, QEMU.

load ../lib/libvirt

setup_file() {
	libvirt_setup_file
	KILL_LIB=$BATS_FILE_TMPDIR/kill-at.so
	export KILL_LIB
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$KILL_LIB" "$VZ_TOP/tests/faults/kill-at.c" -ldl
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

# killed_at KIND N ARGUMENT...: true when it was killed, false when it ran to its end
killed_at() {
	local kind=$1 n=$2 status=0
	shift 2
	{
		LD_PRELOAD=$KILL_LIB KILL_AT=$kind:after:$n \
			"$VZDUMP" --libvirt web --storage backup --compress zstd "$@" > "$LOG" 2>&1 3>&- || status=$?
	} 2> /dev/null # "Killed"
	[[ $status != 137 ]] || return 0
	[[ $status = 0 ]] || fail "ended with $status" || exit 1
	return 1
}

# kill_at_each KIND STEP LEAST ARGUMENT...: at each STEPth step, of which there are LEAST
kill_at_each() {
	local kind=$1 step=$2 least=$3 n
	shift 3
	for ((n = 1;; n += step)); do
		killed_at "$kind" "$n" "$@" || break
		if ((n % 2)); then
			run "$VZDUMP" --cleanup
			[[ $status = 0 ]] || fail "step $n: --cleanup: $output" || return 1
		else
			vzdump_ok --libvirt web || return 1
		fi
		no_nodes web || fail "step $n: nodes are left" || return 1
		nothing_of_ours || fail "step $n" || return 1
		domain_write web vda 0 64k || return 1
		[[ $(domain_state web) = running ]] || fail "step $n: $(domain_state web)" || return 1
	done
	((n > least)) || fail "only $n steps"
	rm -f "$STORE"/backup/dump/*
}

@test "kill -9 of vzdump at each step of its journal is put right by --cleanup or the next backup" {
	guest_start 1M
	kill_at_each journal 1 7 "${FLEECING[@]}"
	kill_at_each journal 1 6
	all_well
	domain_unchanged web
}

@test "kill -9 of vzdump after messages to QEMU is put right by --cleanup or the next backup" {
	guest_start 1M
	kill_at_each message 7 40 "${FLEECING[@]}"
	all_well
	domain_unchanged web
}

@test "kill -9 in mid-copy, and libvirtd restarted before --cleanup: it is put right, and libvirt can commit" {
	guest_start 48M
	backup_begin --libvirt web "${FLEECING[@]}"
	kill -KILL "$BACKUP"
	backup_drop
	wait "$BACKUP" || true
	libvirt_down TERM
	libvirt_up
	run ! no_nodes web
	run "$VZDUMP" --cleanup
	[[ $status = 0 ]]
	all_well
	virsh snapshot-create-as web overlay --disk-only --diskspec "vda,file=$IMAGES/o.vda" --diskspec "sda,file=$IMAGES/o.sda"
	virsh blockcommit web vda --active --pivot --wait
}

@test "a libvirtd that is restarted during a backup does not end it" {
	guest_start 48M
	backup_begin --libvirt web "${FLEECING[@]}"
	libvirt_down TERM
	domain_pid web
	libvirt_up
	domain_write web vda 0 64k
	backup_end
	[[ $status = 0 ]] || fail "ended with $status: $output"
	archive_read
	same_as_instant web virtio0=vda scsi0=sda
	all_well
}

@test "a libvirtd that is killed during a backup and comes back does not end it" {
	guest_start 48M
	backup_begin --libvirt web
	libvirt_down KILL
	libvirt_up
	domain_write web vda 0 64k
	backup_end
	[[ $status = 0 ]] || fail "ended with $status: $output"
	archive_read
	same_as_instant web virtio0=vda scsi0=sda
	all_well
}

@test "a QEMU that is killed during a backup ends it with an error, and the guest starts again" {
	guest_start 48M
	backup_begin --libvirt web "${FLEECING[@]}"
	kill -KILL "$(domain_pid web)"
	backup_end
	[[ $status = 255 ]]
	nothing_of_ours
	until [[ $(domain_state web) = "shut off" ]]; do sleep 0.1; done
	virsh start web
	all_well
}

@test "vzdump that is asked to stop during a backup takes all back" {
	guest_start 48M
	backup_begin --libvirt web "${FLEECING[@]}"
	kill -TERM "$BACKUP"
	wait "$BACKUP" || status=$?
	[[ $status != 0 ]]
	backup_drop
	domain_unchanged web vda sda
	all_well
}

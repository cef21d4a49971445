#!/usr/bin/env bats
# Whatever others try on a disk while a backup runs, and QEMU refuses: resize, snapshot, stream, mirror.

load others

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
}

teardown() {
	faults_teardown
}

# Each way a disk can hang in QEMU, as one guest.
STYLES=(scsi0=throttle scsi1=scsi scsi2=drive-scsi virtio0=blockdev virtio1=iothread ide0=drive-ide efidisk0=pflash)

# These two are not backed up live where QEMU would abort (graph_iothread_crashes).
from_9_on() {
	[[ $(qemu-system-x86_64 --version) =~ version\ ([0-9]+) && ${BASH_REMATCH[1]} -ge 9 ]] || return 0
	STYLES+=(scsi3=scsi-iothread scsi4=throttle-iothread)
}

# guest_of_all: with data on its disks, and a copy of each as it is and as it is expected to become
guest_of_all() {
	local disk key
	from_9_on
	for disk in "${STYLES[@]}"; do
		key=${disk%%=*}
		disk_add 123 "$key" "${disk#*=}" 1M
		disk_fill "$(disk_path 123 "$key")" 1M "$key"
		cp "$(disk_path 123 "$key")" "$VZ_TMP/$key.instant"
		cp "$(disk_path 123 "$key")" "$VZ_TMP/$key.expected"
	done
	conf_add 123 "bios: ovmf"
	qemu_start 123 running
	before 123
}

others() {
	python3 "$FAULTS/others.py" "$VZ_TMP/123.mon" "$VZ_TMP" "$@"
}

# table <sinks> <argument>...: QEMU warns of the block size of each sink, and must not of the guard's
table() {
	local sinks=$1
	shift
	guest_of_all
	backup_start 123 --bwlimit 300 "$@"
	[[ $sinks != all ]] || sinks=${#STYLES[@]}
	[[ $(grep -c warning "$VZ_TMP/123.log") = "$sinks" ]] || fail "$(cat "$VZ_TMP/123.log")" || return 1
	run others "${STYLES[@]}"
	[[ $status = 0 && ${lines[-1]} =~ ^([0-9]+)\ operations$ && ${BASH_REMATCH[1]} -gt 180 ]] || fail "$output" || return 1
	kill -0 "$PID" || fail "the backup was over before the last operation" || return 1
	backup_right "${STYLES[@]}" || return 1
	starts_again || return 1
	before 123
	all_well 123
}

@test "whatever others try on whatever disk during a backup with fleecing is refused or harmless" {
	table 1 "${FLEECING[@]}"
}

@test "whatever others try on whatever disk during a backup without fleecing is refused or harmless" {
	table all
}

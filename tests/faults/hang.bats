#!/usr/bin/env bats
# Targets that take nothing, and file systems that do not answer.

load faults

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
}

teardown() {
	thaw
	faults_teardown
	[[ ! -s $BATS_TEST_TMPDIR/loop ]] || losetup -d "$(< "$BATS_TEST_TMPDIR/loop")"
}

guest() {
	disk_add 123 scsi0 throttle "$1"
	disk_fill "$(disk_path 123 scsi0)" "$1"
	qemu_start 123 running
	before 123
}

# to_stuck_reader <argument>...: a backup into a pipe whose reader stands still, up to where it copies
to_stuck_reader() {
	mkfifo "$VZ_TMP/fifo"
	# shellcheck disable=SC2217 # it holds the pipe open and takes nothing
	sleep 600 < "$VZ_TMP/fifo" 3>&- &
	PIDS+=("$!")
	: > "$LOG" # an earlier one's
	"$VZDUMP" 123 --stdout "$@" > "$VZ_TMP/fifo" 2> "$LOG" 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait 'started backup task'
}

# nobody_reads <argument>...: what follows from a signal then
nobody_reads() {
	to_stuck_reader "$@"
	# the pipeline is full
	local ms
	ms=$(guest_write 123 scsi0 1M 64k)
	[[ $ms -lt 60000 ]]
	sleep 0.5
	kill -TERM "$PID"
	ends_with 255 20
	log_has 'INFO: aborting backup job'
	log_has 'ERROR: Backup of VM 123 failed - interrupted by signal'
	rm "$VZ_TMP/fifo"
	undone 123 || fail "$*"
}

@test "--stdout into a reader that stands still: a signal ends it, without and with fleecing, packed or not" {
	guest 64M
	nobody_reads --compress zstd
	nobody_reads --compress zstd "${FLEECING[@]}"
	nobody_reads "${FLEECING[@]}"
	nobody_reads --compress gzip --pigz 2 "${FLEECING[@]}"
	nobody_reads --compress lzo "${FLEECING[@]}"
	all_well 123
}

@test "--stdout into a reader that stands still, all is read and only the end is to be written: a signal ends it" {
	guest 4M
	to_stuck_reader --compress zstd "${FLEECING[@]}"
	log_wait '100% \(4.0 MiB of 4.0 MiB\)'
	kill -INT "$PID"
	ends_with 255 20
	log_has 'ERROR: Backup of VM 123 failed - .*interrupted by signal'
	all_well 123
}

@test "a sink waits for a reader that stands still: the guest's QEMU is killed, vzdump ends too" {
	guest 64M
	to_stuck_reader
	# more than the pipeline holds: the filter gives up the backup, not the guest's write
	local ms
	ms=$(guest_write 123 scsi0 8M 32M)
	[[ $ms -lt 120000 ]]
	kill -KILL "$(qemu_pid 123)"
	ends_with 255 20
	log_has 'ERROR: Backup of VM 123 failed - '
	log_has_not 'interrupted by signal'
	nothing_left 123
}

# ---- a file system that does not answer ----

# hanging_fs: a file system in $VZ_TMP/target, until freeze
hanging_fs() {
	[[ $EUID = 0 ]] || skip "mounting needs root"
	local image=$BATS_TEST_TMPDIR/target.img
	mkdir "$VZ_TMP/target"
	truncate -s 256M "$image"
	mkfs.ext4 -q "$image"
	losetup -f --show "$image" > "$BATS_TEST_TMPDIR/loop" || skip "no loop device"
	mount "$(< "$BATS_TEST_TMPDIR/loop")" "$VZ_TMP/target"
}

freeze() {
	fsfreeze --freeze "$VZ_TMP/target"
	touch "$BATS_TEST_TMPDIR/frozen"
}

# Nothing that writes there can be killed before.
thaw() {
	[[ -e $BATS_TEST_TMPDIR/frozen ]] || return 0
	fsfreeze --unfreeze "$VZ_TMP/target"
	rm "$BATS_TEST_TMPDIR/frozen"
}

# hangs <argument>...: a signal, when the target does not answer any more
hangs() {
	backup_start 123 --dumpdir "$VZ_TMP/target" --bwlimit 8000 "$@"
	freeze
	sleep 1.5
	kill -TERM "$PID"
	# the guest first, then what can be done without the target
	log_wait 'Backup of VM 123 failed - interrupted by signal' 30
	log_has 'WARN: .*cannot remove .*no answer from the file system'
	[[ $(qmp 123 query-named-block-nodes) != *'"node-name": "vzdump-'* ]]
	log_wait 'Backup job failed - interrupted by signal' 30
	thaw
	ends_with 255
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	undone 123 || fail "$*"
	[[ -z $(find "$VZ_TMP/target" -name '*.vma*' -o -name '*.dat') ]]
	rm -f "$VZ_TMP"/target/*.log
}

@test "the target's file system hangs in mid-copy: a signal frees the guest at once, the rest is cleaned up later" {
	hanging_fs
	guest 32M
	hangs --compress zstd
	hangs --compress zstd "${FLEECING[@]}"
	all_well 123
}

@test "the file system of a restored disk hangs: after a signal qmrestore ends, and the cleanup works later" {
	hanging_fs
	storage_add target images
	rmdir "$STORE/target"
	ln -s "$VZ_TMP/target" "$STORE/target"
	disk_add 123 scsi0 scsi 32M
	disk_fill "$(disk_path 123 scsi0)" 32M
	before 123
	vzdump_ok 123
	"${VZDUMP%/*}/qmrestore" "$ARCHIVE" 125 --storage target --bwlimit 4000 > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait 'progress 1?[0-9]%'
	freeze
	sleep 1
	kill -TERM "$PID"
	log_wait "a target's file system does not answer" 120
	thaw
	ends_with 255
	run "$VZDUMP" --cleanup 125
	[[ $status = 0 ]]
	[[ ! -e $(conf_file 125) && -z $(find "$VZ_TMP/target" -name '*125*' -type f) ]]
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

# ---- a server of files that is away, simulated ----

# holds_back <system call> <path> [argument]...: a backup in the background, whose call about such a path does
# not return
holds_back() {
	local lib=$BATS_TEST_TMPDIR/hang-at.so
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$lib" "$FAULTS/hang-at.c" -ldl
	: > "$LOG" # an earlier one's
	LD_PRELOAD=$lib HANG_AT=$1:$2 HANG_SEEN=$VZ_TMP/seen \
		ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
		"$VZDUMP" 123 --storage backup "${@:3}" > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
}

# held_back <argument>...: the same, up to there
held_back() {
	holds_back "$@"
	until [[ -e $VZ_TMP/seen ]]; do
		kill -0 "$PID"
		sleep 0.05
	done
}

@test "the target does not answer the last fsync: a signal ends the backup, and nothing stays" {
	disk_add 123 scsi0 scsi 1M
	before 123
	held_back fsync .dat
	kill -TERM "$PID"
	ends_with 255
	log_has 'ERROR: Backup of VM 123 failed - writing archive .*: interrupted by signal'
	no_archive
	all_well 123
}

@test "the target does not answer at all: a signal ends vzdump before it has done anything" {
	disk_add 123 scsi0 scsi 1M
	before 123
	held_back statvfs store/backup
	kill -TERM "$PID"
	ends_with 255
	log_has 'interrupted by signal'
	log_has_not 'Starting Backup'
	all_well 123
}

@test "the target does not answer any more when the job begins its first guest: a signal ends vzdump" {
	disk_add 123 scsi0 scsi 1M
	before 123
	export HANG_FROM=$VZ_TMP/from
	printf '#!/bin/sh\n[ "$1" != job-start ] || : > %q\n' "$HANG_FROM" > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
	held_back any store/backup --script "$VZ_TMP/hook"
	kill -TERM "$PID"
	ends_with 255
	unset HANG_FROM
	log_has 'ERROR: Backup of VM 123 failed - interrupted by signal'
	all_well 123
}

@test "the fleecing storage does not answer any more in mid-copy: said, as is when it does, and a signal ends the backup" {
	guest 32M
	export HANG_FROM=$VZ_TMP/from
	holds_back statvfs store/fast --bwlimit 400 --compress zstd "${FLEECING[@]}"
	log_wait 'started backup task'
	touch "$HANG_FROM"
	log_wait "WARN: fleecing storage 'fast' does not answer: .*no answer from the file system" 60
	rm "$HANG_FROM"
	log_wait "INFO: fleecing storage 'fast' answers again" 60
	touch "$HANG_FROM"
	local i
	for ((i = 0; i < 600 && $(grep -c 'does not answer' "$LOG") < 2; i++)); do sleep 0.1; done
	kill -TERM "$PID"
	ends_with 255
	unset HANG_FROM
	log_has 'ERROR: Backup of VM 123 failed - interrupted by signal'
	[[ $(grep -c 'does not answer' "$LOG") = 2 ]]
	log_has "WARN: cleaning up: image 'fast:123/vm-123-fleece-0.raw': .*no answer from the file system"
	no_archive
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	all_well 123
}

@test "a storage that does not answer is left out of vzdump status, and the others are shown" {
	local lib=$BATS_TEST_TMPDIR/hang-at.so
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$lib" "$FAULTS/hang-at.c" -ldl
	conf_add 101 'memory: 16'
	storage_add second backup
	mkdir "$STORE/second/dump"
	touch "$STORE"/{backup,second}/dump/vzdump-qemu-101-2020_01_01-00_00_00.vma
	run --separate-stderr env LD_PRELOAD="$lib" HANG_AT="any:store/second" HANG_SEEN="$VZ_TMP/seen" \
		ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$VZDUMP" status --output-format json
	[[ $status = 0 && -e $VZ_TMP/seen ]]
	[[ $stderr = "WARN: storage 'second' is left out, its backups are not known: "*"no answer from the file system"* ]]
	[[ $(jq -r '.guests[0].backups, (.places[] | select(.error) | .storage)' <<< "$output") = $'1\nsecond' ]]
}

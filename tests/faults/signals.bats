#!/usr/bin/env bats
# Signals, and several vzdumps at once.

load faults

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
}

teardown() {
	faults_teardown
}

guest() {
	disk_add 123 scsi0 throttle 8M
	disk_fill "$(disk_path 123 scsi0)" 8M
	qemu_start 123 running
	before 123
}

# interrupted_by <signal> <argument>...: in mid-copy; the job's second guest is not begun
interrupted_by() {
	disk_add 124 scsi0 throttle 1M
	guest
	backup_start 123 124 --bwlimit 2000 "${@:2}"
	guest_write 123 scsi0 7M 512k
	kill "-$1" "$PID"
	ends_with 255 5
	log_has 'ERROR: Backup of VM 123 failed - interrupted by signal'
	log_has 'ERROR: Backup job failed - interrupted by signal'
	log_has_not 'Starting Backup of VM 124'
	no_archive
	all_well 123
}

@test "SIGINT in mid-copy, fleecing: cleans up, exit 255, no further guest" {
	interrupted_by INT "${FLEECING[@]}"
}

@test "SIGTERM in mid-copy, no fleecing: cleans up, exit 255, no further guest" {
	interrupted_by TERM
}

@test "SIGHUP in mid-copy, fleecing: cleans up, exit 255, no further guest" {
	interrupted_by HUP "${FLEECING[@]}"
}

@test "SIGTERM in mid-copy of a guest that does not run: cleans up, exit 255" {
	disk_add 123 scsi0 throttle 8M
	disk_fill "$(disk_path 123 scsi0)" 8M
	before 123
	backup_start 123 --bwlimit 2000
	kill -TERM "$PID"
	ends_with 255 5
	log_has 'ERROR: Backup of VM 123 failed - interrupted by signal'
	no_archive
	# nothing holds the disk any more
	qemu-io -f raw -c "write 0 4k" "$(disk_path 123 scsi0)"
	all_well 123
}

@test "SIGTERM while the agent is asked to freeze: thawed, exit 255" {
	agent_start 123 slow
	guest
	"$VZDUMP" 123 --storage backup --compress zstd "${FLEECING[@]}" > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait "'fs-freeze' command"
	kill -TERM "$PID"
	ends_with 255 10
	log_has 'interrupted by signal'
	no_archive
	all_well 123
}

@test "SIGTERM while a storage is asked something that hangs: the tool is ended, exit 255" {
	local tool
	printf 'lvm: slow\n\tvgname vg\n\tcontent images\n\n' >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	echo "scsi0: slow:vm-123-disk-0,size=1M" > "$(conf_file 123)"
	mkdir "$VZ_TMP/bin"
	for tool in vgs lvs; do
		printf '#!/bin/sh\necho $$ > "%s/asked"\nexec sleep 600\n' "$VZ_TMP" > "$VZ_TMP/bin/$tool"
		chmod +x "$VZ_TMP/bin/$tool"
	done
	PATH=$VZ_TMP/bin:$PATH "$VZDUMP" 123 --storage backup > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	until [[ -s $VZ_TMP/asked ]]; do
		kill -0 "$PID"
		sleep 0.02
	done
	kill -TERM "$PID"
	ends_with 255
	log_has 'ERROR: Backup of VM 123 failed - .*interrupted by signal'
	log_has_not 'gave no result'
	run kill -0 "$(< "$VZ_TMP/asked")"
	[[ $status != 0 ]]
	nothing_left 123
}

@test "SIGTERM while nobody takes the log: it ends, and the log file has the rest" {
	disk_add 123 scsi0 scsi 1M
	before 123
	mkfifo "$VZ_TMP/fifo"
	# shellcheck disable=SC2217 # it holds the pipe open and takes nothing
	sleep 600 < "$VZ_TMP/fifo" 3>&- &
	PIDS+=("$!")
	printf '#!/bin/bash\n[[ $1 != backup-start ]] || printf "%%0100d\\n" {1..5000}\n' > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
	"$VZDUMP" 123 --storage backup --script "$VZ_TMP/hook" > "$VZ_TMP/fifo" 2> "$VZ_TMP/err" 3>&- &
	PID=$!
	PIDS+=("$PID")
	LOG=$VZDUMP_ROOT/var/log/vzdump/qemu-123.log
	log_wait '0500$'
	sleep 0.3
	kill -TERM "$PID"
	ends_with 255
	[[ $(< "$VZ_TMP/err") = "interrupted by signal" ]]
	log_has 'ERROR: Backup of VM 123 failed - interrupted by signal'
	no_archive
	all_well 123
}

@test "a second vzdump waits for the first and says so" {
	guest
	backup_start 123 --bwlimit 3000 "${FLEECING[@]}"
	"$VZDUMP" 123 --storage backup --compress zstd > "$VZ_TMP/second" 2>&1 3>&- &
	local second=$!
	PIDS+=("$second")
	for _ in $(seq 100); do
		! grep -q 'INFO: trying to get global lock - waiting...' "$VZ_TMP/second" || break
		sleep 0.05
	done
	kill -0 "$PID"
	ends_with 0
	wait "$second"
	cat "$VZ_TMP/second"
	[[ $(grep -nE 'trying to get global lock - waiting\.\.\.|got global lock|starting new backup job|Finished' \
		"$VZ_TMP/second" | sed 's/.*INFO: //; s/:.*//; s/ of VM.*//') = \
		$'trying to get global lock - waiting...\ngot global lock\nstarting new backup job\nFinished Backup' ]]
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

@test "with --lockwait 0 a second vzdump fails at once and does not disturb the first" {
	guest
	backup_start 123 --bwlimit 3000 "${FLEECING[@]}"
	run "$VZDUMP" 123 --storage backup --lockwait 0
	[[ $status = 255 && $output = *"can't acquire lock '"*"/run/vzdump.lock' (wait = 0)"* ]]
	kill -0 "$PID"
	ends_with 0
	all_well 123
}

@test "a signal ends a vzdump that waits for the lock" {
	guest
	backup_start 123 --bwlimit 2000 "${FLEECING[@]}"
	"$VZDUMP" 123 --storage backup > "$VZ_TMP/second" 2>&1 3>&- &
	local second=$! status=0
	PIDS+=("$second")
	sleep 0.5
	kill -TERM "$second"
	wait "$second" || status=$?
	[[ $status = 255 ]]
	grep -q 'interrupted by signal' "$VZ_TMP/second"
	kill -0 "$PID"
	ends_with 0
	all_well 123
}

@test "--stop ends the running vzdump" {
	guest
	backup_start 123 --bwlimit 1000 "${FLEECING[@]}"
	run "$VZDUMP" --stop
	[[ $status = 0 ]]
	ends_with 255 1
	log_has 'interrupted by signal'
	no_archive
	all_well 123
}

@test "--stop leaves a process alone whose pid is in a stale pid file" {
	guest
	sleep 60 3>&- &
	PIDS+=("$!")
	mkdir -p "$VZDUMP_ROOT/run"
	echo "$!" > "$VZDUMP_ROOT/run/vzdump.pid"
	run "$VZDUMP" --stop
	[[ $status = 0 ]]
	kill -0 "$!"
	rm "$VZDUMP_ROOT/run/vzdump.pid"
	all_well 123
}

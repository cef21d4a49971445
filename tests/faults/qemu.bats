#!/usr/bin/env bats
# QEMU dies, is reset, is used by others, or vzdump stands still: the guest never pays for it.

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

# guest [size]
guest() {
	disk_add 123 scsi0 throttle "${1:-8M}"
	disk_fill "$(disk_path 123 scsi0)" "${1:-8M}"
	qemu_start 123 running
	before 123
}

# qemu_dies <argument>...: in mid-copy; the guest that is started again is as before
qemu_dies() {
	guest
	backup_start 123 --bwlimit 2000 "$@"
	guest_write 123 scsi0 7M 256k
	qemu_kill 123
	ends_with 255
	log_has "ERROR: Backup of VM 123 failed - .*QEMU .*(stopped or crashed|gone|died)"
	no_archive
	rm "$VZ_TMP/123.state-before"
	undone 123
	qemu_start 123 running
	before 123
	all_well 123
}

@test "QEMU killed in mid-copy, fleecing: the backup fails and says so, nothing is left" {
	qemu_dies "${FLEECING[@]}"
}

@test "QEMU killed in mid-copy, no fleecing: the backup fails and says so, nothing is left" {
	qemu_dies
}

@test "vzdump and QEMU both killed: --cleanup removes what is left on the storages" {
	guest
	backup_start 123 --bwlimit 2000 "${FLEECING[@]}"
	kill -KILL "$PID"
	qemu_kill 123
	ends_with 137
	run "$VZDUMP" --cleanup
	[[ $status = 0 && $output = *"cleaned up after 1 interrupted backup(s)"* ]]
	rm "$VZ_TMP/123.state-before"
	undone 123
	qemu_start 123 running
	before 123
	all_well 123
}

@test "vzdump stands still, no fleecing: guest writes wait some seconds once and succeed; it fails then" {
	guest 32M
	backup_start 123 --bwlimit 2000
	kill -STOP "$PID"
	local first second
	first=$(guest_write 123 scsi0 16M 8M)
	[[ $first -lt 8000 ]] || fail "the guest write took $first ms"
	second=$(guest_write 123 scsi0 24M 4M)
	[[ $second -lt 2000 ]] || fail "the next guest write took $second ms"
	kill -CONT "$PID"
	ends_with 255
	log_has "ERROR: Backup of VM 123 failed - drive-scsi0: QEMU gave up the snapshot .* in time: "
	no_archive
	all_well 123
}

@test "vzdump stands still, fleecing: guest writes do not wait, and the backup is good in the end" {
	guest 32M
	backup_start 123 --bwlimit 20000 "${FLEECING[@]}"
	kill -STOP "$PID"
	local ms
	ms=$(guest_write 123 scsi0 16M 8M)
	[[ $ms -lt 2000 ]] || fail "the guest write took $ms ms"
	kill -CONT "$PID"
	ends_with 0
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	archive_read
	# the rewritten part is the old one in the archive
	disk_fill "$VZ_TMP/instant" 32M
	same_disk drive-scsi0 "$VZ_TMP/instant"
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

@test "vzdump stands still and is killed then, fleecing: the guest can be reset, all is put right" {
	guest 32M
	backup_start 123 --bwlimit 20000 "${FLEECING[@]}"
	kill -STOP "$PID"
	kill -KILL "$PID"
	ends_with 137
	qmp 123 system_reset
	put_right journal 123 1
}

@test "the guest is reset in mid-copy: the backup is good" {
	guest 32M
	backup_start 123 --bwlimit 6000 "${FLEECING[@]}"
	local i
	for i in 1 2 3; do
		qmp 123 system_reset
		guest_write 123 scsi0 $((20 + i))M 1M
		sleep 0.2
	done
	kill -0 "$PID"
	ends_with 0
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	archive_read
	disk_fill "$VZ_TMP/instant" 32M
	same_disk drive-scsi0 "$VZ_TMP/instant"
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

@test "the guest is paused by its administrator in mid-copy: it stays paused" {
	guest
	backup_start 123 --bwlimit 4000 "${FLEECING[@]}"
	qmp 123 stop
	ends_with 0
	[[ $(qmp 123 query-status) = *'"paused"'* ]]
	qmp 123 cont
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

# ---- strangers ----

start_server() {
	qmp 123 nbd-server-start \
		"{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$VZ_TMP/stranger.sock\"}}}"
}

@test "a stranger's NBD server: said, and neither stopped nor used" {
	guest
	start_server
	vzdump 123 "${FLEECING[@]}"
	echo "$output" > "$LOG"
	[[ $status = 255 ]]
	log_has "ERROR: Backup of VM 123 failed - .*NBD server is in use"
	no_archive
	undone 123 stranger
	qmp 123 nbd-server-stop # it ran
	all_well 123
}

@test "a stranger's NBD export: said with its name, and it goes on serving" {
	guest
	start_server
	qmp 123 block-export-add '{"type":"nbd","id":"theirs","node-name":"drive-scsi0"}'
	before 123
	vzdump 123
	echo "$output" > "$LOG"
	[[ $status = 255 ]]
	log_has "ERROR: Backup of VM 123 failed - .*'theirs'"
	nbdinfo --size "nbd+unix:///drive-scsi0?socket=$VZ_TMP/stranger.sock"
	undone 123 stranger
	qmp 123 nbd-server-stop
	before 123
	all_well 123
}

@test "a stranger's NBD server after a kill -9 of ours: not stopped by the cleanup" {
	guest
	backup_start 123 --bwlimit 2000 "${FLEECING[@]}"
	kill -KILL "$PID"
	ends_with 137
	qmp 123 nbd-server-stop
	start_server
	qmp 123 block-export-add '{"type":"nbd","id":"theirs","node-name":"drive-scsi0"}'
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	nbdinfo --size "nbd+unix:///drive-scsi0?socket=$VZ_TMP/stranger.sock"
	qmp 123 nbd-server-stop
	all_well 123
}

@test "a stranger's block job: said with its name, and it goes on" {
	guest
	truncate -s 8M "$VZ_TMP/mirror.raw"
	qmp 123 drive-mirror "{\"job-id\":\"theirs\",\"device\":\"drive-scsi0\",\"sync\":\"full\",\"speed\":65536,
		\"target\":\"$VZ_TMP/mirror.raw\",\"format\":\"raw\",\"mode\":\"existing\"}"
	vzdump 123 "${FLEECING[@]}"
	echo "$output" > "$LOG"
	[[ $status = 255 ]]
	log_has "ERROR: Backup of VM 123 failed - .*'theirs'"
	[[ $(qmp 123 query-block-jobs) = *'"theirs"'* ]]
	nothing_left 123
	qmp 123 block-job-cancel '{"device":"theirs","force":true}'
	while [[ $(qmp 123 query-block-jobs) != '[ ]' ]]; do sleep 0.05; done
	all_well 123
}

# ---- the monitor ----

# hold_monitor <seconds>: another client of the monitor that vzdump uses (HOLDER)
hold_monitor() {
	command python3 "$FAULTS/state.py" "$VZDUMP_ROOT/run/qemu-server/123.qmp" hold "$1" > "$VZ_TMP/held" 3>&- &
	HOLDER=$!
	PIDS+=("$HOLDER")
	while [[ ! -s $VZ_TMP/held ]]; do
		kill -0 "$HOLDER"
		sleep 0.05
	done
}

@test "another client has the monitor when the backup ends: it waits, then takes everything out" {
	guest
	backup_start 123 --bwlimit 3000 "${FLEECING[@]}"
	hold_monitor 5
	log_has_not ' 100% '
	ends_with 0
	log_has_not WARN
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

@test "another client keeps the monitor: said; the archive is good; --cleanup removes the rest later" {
	guest
	backup_start 123 --bwlimit 3000 "${FLEECING[@]}"
	hold_monitor 300
	log_has_not ' 100% '
	ends_with 0 60
	log_has "WARN: .*another client holds the QMP socket"
	log_has "WARN: something was left behind: 'vzdump --cleanup 123' tries again"
	python3 "$VZ_LIB/vma_reader.py" verify "$(newest_archive "$STORE/backup/dump")"
	# the image is in QEMU: not removed below it
	[[ -e $STORE/fast/images/123/vm-123-fleece-0.raw ]]
	kill "$HOLDER"
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

@test "a pid that lives but no monitor: an error that says what to do, and nothing is touched" {
	disk_add 123 scsi0 throttle 1M
	before 123
	sleep 60 3>&- &
	PIDS+=("$!")
	echo "$!" > "$VZDUMP_ROOT/run/qemu-server/123.pid"
	vzdump 123
	echo "$output" > "$LOG"
	[[ $status = 255 ]]
	log_has "ERROR: Backup of VM 123 failed - VM 123 runs \(pid $!\) but nothing answers at its QMP socket '.*/run/qemu-server/123.qmp'"
	no_archive
	undone 123
	kill -0 "$!"
	rm "$VZDUMP_ROOT/run/qemu-server/123.pid"
	all_well 123
}

@test "a stale pid file and socket: the guest is saved as one that does not run" {
	guest 1M
	cp "$VZDUMP_ROOT/run/qemu-server/123.pid" "$VZ_TMP/pid"
	kill -KILL "$(qemu_pid 123)"
	wait "$(qemu_pid 123)" || true
	cp "$VZ_TMP/pid" "$VZDUMP_ROOT/run/qemu-server/123.pid"
	[[ -S $VZDUMP_ROOT/run/qemu-server/123.qmp ]]
	rm "$VZ_TMP/123.qemu-pid" "$VZ_TMP/123.state-before"
	vzdump_ok 123 "${FLEECING[@]}"
	[[ $output = *"INFO: status = stopped"* ]]
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

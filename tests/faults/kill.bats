#!/usr/bin/env bats
# kill -9: whenever it comes, the next run or --cleanup puts everything right.

load faults

setup_file() {
	faults_setup_file
	build_kill_at
}

setup() {
	faults_setup
}

teardown() {
	faults_teardown
}

# guest <number of disks> [style]: a guest whose vCPUs run, with data on its disks
guest() {
	local i
	for ((i = 0; i < $1; i++)); do
		disk_add 123 "scsi$i" "${2:-throttle}" 2M
		disk_fill "$(disk_path 123 "scsi$i")" 2M "$i"
	done
	qemu_start 123 running
	before 123
}

@test "what these tests look for is there after a kill -9 in mid-copy, and gone after --cleanup" {
	guest 1
	backup_start 123 --bwlimit 200 "${FLEECING[@]}"
	kill -KILL "$PID"
	ends_with 137
	run undone 123
	[[ $status = 1 ]]
	local what
	for what in vm-123-fleece-0.raw .vma.dat 123.journal run/vzdump-123 run/vzdump.pid 'lock: backup' \
		vzdump-scsi0-cbw vzdump-scsi0-snap vzdump-scsi0-target 'exports: \[\]' 'NBD server'; do
		grep -q -- "$what" <<< "$output" || fail "not noticed: $what in $output"
	done
	run "$VZDUMP" --cleanup
	[[ $status = 0 ]]
	all_well 123
}

@test "kill -9 at each step of the journal, fleecing, one disk, is put right" {
	guest 1
	kill_at_each journal "before after" 7 123 "${FLEECING[@]}"
}

@test "kill -9 at each step of the journal, fleecing, two disks, is put right" {
	guest 2
	kill_at_each journal before 8 123 "${FLEECING[@]}"
}

@test "kill -9 at each step of the journal, no fleecing, one disk, is put right" {
	guest 1
	kill_at_each journal "before after" 6 123
}

@test "kill -9 at each step of the journal, no fleecing, two disks, is put right" {
	guest 2
	kill_at_each journal after 6 123
}

@test "kill -9 at each step of the journal, guest that does not run, is put right" {
	disk_add 123 scsi0 throttle 2M
	disk_fill "$(disk_path 123 scsi0)" 2M
	before 123
	kill_at_each journal "before after" 3 123
}

@test "kill -9 at each change of a file's name, fleecing, is put right" {
	guest 1
	kill_at_each file after 6 123 "${FLEECING[@]}" --notes-template a-note
}

@test "an I/O error of each sync, rename and removal is put right, and what is saved is said to be saved" {
	disk_add 123 scsi0 throttle 2M
	disk_fill "$(disk_path 123 scsi0)" 2M
	before 123
	local n
	for ((n = 1;; n++)); do
		run_killed file fails "$n" 123 --notes-template a-note --protected 1 --quiet 0
		grep -q "^failed file $n:" "$LOG" || break
		ARCHIVE=$(newest_archive "$STORE/backup/dump")
		case $status in
		0) python3 "$VZ_LIB/vma_reader.py" verify "$ARCHIVE" > "$VZ_TMP/verified" 2>&1 || fail "step $n: no archive" || return 1 ;;
		# as PVE
		255) [[ -z $ARCHIVE ]] || log_has 'unable to set protected flag' || fail "step $n: an archive of a backup that failed" || return 1 ;;
		*) fail "step $n: ended with $status" || return 1 ;;
		esac
		rm -f "$STORE"/backup/dump/*
		put_right file 123 "$n" || return 1
	done
	((n > 10)) || fail "only $((n - 1)) steps"
}

@test "kill -9 at each message to QEMU and the agent, fleecing, is put right" {
	agent_start 123
	guest 1
	kill_at_each message after 40 123 "${FLEECING[@]}"
}

@test "kill -9 at each message to QEMU, no fleecing, IDE disk that needs stopped vCPUs, is put right" {
	disk_add 123 ide0 drive-ide 2M
	disk_fill "$(disk_path 123 ide0)" 2M
	qemu_start 123 running
	before 123
	kill_at_each message after 40 123
}

@test "kill -9 at each step of the journal, mode suspend, is put right" {
	guest 1
	kill_at_each journal after 7 123 "${FLEECING[@]}" --mode suspend
}

@test "kill -9 at each step of the journal, mode stop, is put right and the guest runs again" {
	disk_add 123 scsi0 throttle 2M
	disk_fill "$(disk_path 123 scsi0)" 2M
	agent_start 123
	qemu_start 123 running
	start_command
	before 123
	kill_at_each journal after 4 123 --mode stop
}

@test "kill -9 at each step of the journal, mode stop with a paused start, is put right and the guest runs again" {
	disk_add 123 scsi0 throttle 2M
	disk_fill "$(disk_path 123 scsi0)" 2M
	agent_start 123
	qemu_start 123 running
	start_command
	start_paused_command
	before 123
	kill_at_each journal after 4 123 --mode stop "${FLEECING[@]}"
}

@test "kill -9 while the command starts a paused guest leaves none paused" {
	disk_add 123 scsi0 throttle 2M
	agent_start 123
	qemu_start 123 running
	start_command
	start_paused_command "touch $VZ_TMP/started; sleep 60"
	before 123
	"$VZDUMP" 123 --mode stop --storage backup > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	until [[ -e $VZ_TMP/started ]]; do
		kill -0 "$PID" || fail "it has ended: $(< "$LOG")" || return 1
		sleep 0.05
	done
	kill -KILL "$PID"
	ends_with 137
	[[ $(state_of 123) = prelaunch || $(state_of 123) = paused ]]
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	[[ $(state_of 123) = running ]]
	undone 123
}

@test "kill -9 in mid-copy is put right, however a disk hangs in QEMU" {
	disk_add 123 scsi0 throttle 4M
	disk_add 123 virtio0 iothread 4M
	disk_add 123 virtio1 blockdev 4M
	disk_add 123 ide0 drive-ide 4M
	local key n=0
	for key in scsi0 virtio0 virtio1 ide0; do
		disk_fill "$(disk_path 123 "$key")" 4M "$key"
	done
	qemu_start 123 running
	before 123
	for fleecing in "" "${FLEECING[*]}"; do
		# shellcheck disable=SC2086
		backup_start 123 --bwlimit 3000 $fleecing
		sleep 0.3
		for key in scsi0 virtio0 virtio1 ide0; do
			guest_write 123 "$key" 3M 512k
		done
		kill -KILL "$PID"
		ends_with 137
		[[ $(guest_write 123 scsi0 2M 512k) -lt 3000 ]]
		put_right journal 123 "$((++n))" "${FLEECING[@]}"
	done
}

@test "kill -9 of the cleanup itself, again and again, is put right by the next one" {
	disk_add 123 ide0 drive-ide 2M
	disk_fill "$(disk_path 123 ide0)" 2M
	qemu_start 123 running
	before 123
	backup_start 123 --bwlimit 200 "${FLEECING[@]}"
	kill -KILL "$PID"
	ends_with 137
	local n
	for ((n = 2;; n++)); do
		killed_at message after "$n" 123 --cleanup || break
	done
	((n > 10))
	undone 123
	good_backup 123
}

#!/usr/bin/env bats
# kill -9 of vzdump or QEMU amid an incremental backup: the next one is right, and no bitmap stays that belongs to no
# archive.

load chains

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

# next_is_right <n> <argument>...: what an administrator does after a crash: calls --cleanup, or nothing at all.  The
# guest writes before and after it.
next_is_right() {
	guest_changes "$1" || return 1
	if (($1 % 2)); then
		run "$VZDUMP" --cleanup 123
		[[ $status = 0 ]] || fail "--cleanup: $output" || return 1
		undone 123 || fail "--cleanup: $output" || return 1
		bitmaps_published 123 || fail "--cleanup: $output" || return 1
		guest_changes "$(($1 + 16))" || return 1
	fi
	archive_next 123 "${@:2}" || fail "step $1: $(tail -n 1 "$LOG")"
}

# killed_at_steps <kind> <moment> <first> <distance> <least> <argument>...: at every distance-th step
killed_at_steps() {
	local kind=$1 moment=$2 first=$3 distance=$4 least=$5 n
	shift 5
	archive_next 123 "$@"
	for ((n = first;; n += distance)); do
		guest_changes "$((n + 7))"
		killed_at "$kind" "$moment" "$n" 123 --incremental 1 "$@" || break
		gens_note
		next_is_right "$n" "$@" || return 1
		# the bitmaps of its base were never touched
		has_line '^INFO: (incremental to|full backup, a new chain begins: the chain has 30 generations)' || return 1
	done
	((n > least)) || fail "only $((n - 1)) steps"
	echo "# $kind $moment: $((n - 1)) steps"
}

@test "kill -9 at each step of the journal of an incremental backup, fleecing" {
	guest_of_two
	killed_at_steps journal after 1 1 10 "${FLEECING[@]}"
}

@test "kill -9 at each step of the journal of an incremental backup, no fleecing" {
	guest_of_two
	killed_at_steps journal before 1 1 8
}

@test "kill -9 at each change of a file's name in an incremental backup, fleecing" {
	guest_of_two
	killed_at_steps file after 1 1 6 "${FLEECING[@]}"
}

@test "kill -9 at messages to QEMU of an incremental backup, fleecing" {
	guest_of_two
	killed_at_steps message after 3 11 40 "${FLEECING[@]}"
}

@test "kill -9 at messages to QEMU of an incremental backup, no fleecing" {
	guest_of_two
	killed_at_steps message after 5 11 40
}

# qemu_killed_at_steps <first> <distance> <argument>...: QEMU is killed after every distance-th message to it
qemu_killed_at_steps() {
	local n
	archive_next 123 "${@:3}"
	for ((n = $1;; n += $2)); do
		guest_changes "$((n + 7))"
		run_killed message peer "$n" 123 --incremental 1 "${@:3}"
		grep -q '^killed peer' "$LOG" || break
		[[ $status = 255 || $status = 0 ]] || fail "ended with $status" || return 1
		gens_note
		restarted
		next_is_right "$n" "${@:3}" || return 1
		has_line '^INFO: full backup: the guest was restarted since \(no dirty bitmap\), comparing with' || return 1
	done
	((n > 40)) || fail "only $((n - 1)) steps"
	[[ $status = 0 ]] || fail "ended with $status"
}

@test "kill -9 of QEMU at messages to it of an incremental backup, fleecing" {
	guest_of_two
	qemu_killed_at_steps 4 17 "${FLEECING[@]}"
}

@test "kill -9 of QEMU at messages to it of an incremental backup, no fleecing" {
	guest_of_two
	qemu_killed_at_steps 7 17
}

@test "kill -9 of an incremental backup in mid-copy while the guest writes" {
	guest_of_two
	local n key
	archive_next 123
	for n in 1 2 3 4; do
		# everything is read: no bitmap is left
		restarted
		[[ $n -gt 2 ]] || FLEECING=()
		backup_start 123 --incremental 1 --bwlimit 4000 ${FLEECING[0]+"${FLEECING[@]}"}
		sleep 0.3
		for key in scsi0 virtio1; do
			guest_io 123 "$key" "write -P $n $((n + 2))M 512k"
		done
		kill -KILL "$PID"
		ends_with 137
		next_is_right "$n"
		FLEECING=(--fleecing "enabled=1,storage=fast")
	done
}

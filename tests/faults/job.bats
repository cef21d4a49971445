#!/usr/bin/env bats
# What belongs to others, and hook scripts that fail.

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

guest() {
	disk_add 123 scsi0 throttle 2M
	disk_fill "$(disk_path 123 scsi0)" 2M
	qemu_start 123 running
	before 123
}

# locked <lock>: refused, whether vzdump lives on or is killed at once after each step of its journal
locked() {
	guest
	conf_add 123 "lock: $1"
	cp -p "$(conf_file 123)" "$VZ_TMP/locked"
	local n
	for n in 1 2 3 99; do
		run_killed journal after "$n" 123 "${FLEECING[@]}"
		[[ $status = 137 || $status = 255 ]]
		run "$VZDUMP" --cleanup 123
		cmp "$VZ_TMP/locked" "$(conf_file 123)"
	done
	log_has "ERROR: Backup of VM 123 failed - VM is locked \($1\)"
	cp -p "$VZ_TMP/123.conf-before" "$(conf_file 123)"
	all_well 123
}

@test "a guest with lock: migrate is refused and its configuration not touched" {
	locked migrate
}

@test "a guest with somebody else's lock: backup is refused and its configuration not touched" {
	locked backup
}

@test "a lock that somebody put in after a kill -9 stays, and the cleanup goes on" {
	guest
	backup_start 123 --bwlimit 1000 "${FLEECING[@]}"
	kill -KILL "$PID"
	ends_with 137
	sed -i 's/^lock: .*/lock: migrate/' "$(conf_file 123)"
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	grep -q '^lock: migrate' "$(conf_file 123)"
	sed -i '/^lock:/d' "$(conf_file 123)"
	all_well 123
}

@test "an image of somebody else with the name of the fleecing image: said, and never removed" {
	guest
	mkdir -p "$STORE/fast/images/123"
	echo theirs > "$STORE/fast/images/123/vm-123-fleece-0.raw"
	local n
	for n in 3 4 5 6 99; do
		run_killed journal after "$n" 123 "${FLEECING[@]}"
		[[ $status = 137 || $status = 255 ]]
		run "$VZDUMP" --cleanup 123
		[[ $(< "$STORE/fast/images/123/vm-123-fleece-0.raw") = theirs ]]
	done
	log_has "ERROR: Backup of VM 123 failed - .*fast:123/vm-123-fleece-0.raw.*exists already"
	rm "$STORE/fast/images/123/vm-123-fleece-0.raw"
	all_well 123
}

@test "a fleecing storage without room for the image's reservation: said, nothing is left" {
	small_fs "$STORE/fast" 1M
	sed -i '/^dir: fast/a\	preallocation full' "$VZDUMP_ROOT/etc/pve/storage.cfg"
	guest
	vzdump 123 "${FLEECING[@]}"
	echo "$output" > "$LOG"
	[[ $status = 255 ]]
	log_has "ERROR: Backup of VM 123 failed - allocating fleecing image for scsi0: storage 'fast' has only .* free, but reserves the full size of the image"
	sed -i '/preallocation full/d' "$VZDUMP_ROOT/etc/pve/storage.cfg"
	undone 123
	good_backup 123
}

# ---- hook scripts ----

# hook_script: fails in the phases that are named in $VZ_TMP/fail
hook_script() {
	cat > "$VZ_TMP/hook" <<- 'END'
		#!/bin/bash
		here=$(dirname "$0")
		echo "$1" >> "$here/phases"
		! grep -qx "$1" "$here/fail"
	END
	chmod +x "$VZ_TMP/hook"
}

# hook_fails <status> <phase>...: the last phase that ran is job-end or job-abort
hook_fails() {
	local expected=$1
	shift
	printf '%s\n' "$@" > "$VZ_TMP/fail"
	: > "$VZ_TMP/phases"
	vzdump 123 --script "$VZ_TMP/hook" "${FLEECING[@]}"
	echo "$output" > "$LOG"
	[[ $status = "$expected" ]] || fail "$* failed: exit $status" || return 1
	log_has "command '$VZ_TMP/hook $1( snapshot 123)?' failed: exit code 1" || return 1
	grep -qx "$1" "$VZ_TMP/phases" || return 1
	rm -f "$STORE"/backup/dump/*
	undone 123 || fail "$* failed" || return 1
}

@test "a hook script that fails in any phase leaves nothing behind" {
	guest
	hook_script
	local phase
	for phase in job-init job-start backup-start pre-stop pre-restart post-restart backup-end job-end; do
		hook_fails 255 "$phase"
		[[ $phase = job-init || $phase = backup-* || $phase = p* ]] ||
			grep -qx job-abort "$VZ_TMP/phases"
		[[ $phase != backup-* && $phase != p* ]] || {
			grep -qx backup-abort "$VZ_TMP/phases"
			[[ $(tail -n 1 "$VZ_TMP/phases") = job-end ]]
			log_has "ERROR: Backup of VM 123 failed - command '$VZ_TMP/hook $phase"
		}
	done
	hook_fails 0 log-end
	hook_fails 255 backup-start backup-abort
	hook_fails 255 job-start job-abort
	all_well 123
}

@test "a hook script that fails with a stopped or suspended guest: the guest runs again" {
	disk_add 123 scsi0 throttle 2M
	disk_fill "$(disk_path 123 scsi0)" 2M
	agent_start 123
	qemu_start 123 running
	start_command
	hook_script
	before 123
	local mode phase
	for mode in suspend stop; do
		for phase in pre-stop pre-restart post-restart backup-end; do
			printf '%s\n' "$phase" > "$VZ_TMP/fail"
			: > "$VZ_TMP/phases"
			vzdump 123 --mode "$mode" --script "$VZ_TMP/hook"
			echo "$output" > "$LOG"
			log_has "command '$VZ_TMP/hook $phase $mode 123' failed: exit code 1" || fail "$mode, $phase"
			# as in PVE; but unlike there the guest goes on
			[[ $phase != pre-restart ]] || ! grep -qx post-restart "$VZ_TMP/phases"
			[[ $phase = pre-* ]] || grep -qx post-restart "$VZ_TMP/phases"
			rm -f "$STORE"/backup/dump/*
			undone 123 || fail "$mode, $phase"
		done
	done
	all_well 123
}

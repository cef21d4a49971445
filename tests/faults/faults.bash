# shellcheck shell=bash
# What the fault tests share.  A fault test:
#
#	disk_add 123 scsi0 throttle 8M && disk_fill "$(disk_path 123 scsi0)" 8M
#	qemu_start 123 running
#	before 123		# what must be so again
#	...the fault...
#	all_well 123		# and so it is, and the next backup works

load ../lib/qemu
load ../lib/vzdump

FAULTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FLEECING=(--fleecing "enabled=1,storage=fast")

# Once for a file of tests.
faults_setup_file() {
	# One python for all; where python3 is a script that looks for it, each call takes a second.
	mkdir "$BATS_FILE_TMPDIR/bin"
	ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$BATS_FILE_TMPDIR/bin/python3"
	export PATH=$BATS_FILE_TMPDIR/bin:$PATH
}

faults_setup() {
	vz_setup
	LOG=$VZ_TMP/log
	PIDS=()
	# so that these disks have all guards that there are, see qemu/guard.h
	DISCARD=ignore
}

faults_teardown() {
	local pid mount
	for pid in "${PIDS[@]}"; do
		# the id of one that has ended may be another's by now
		[[ $(ps -o ppid= -p "$pid") -eq $BASHPID ]] || continue
		kill -CONT "$pid" 2> /dev/null || true
		kill -KILL "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	while read -r mount; do
		umount -l "$mount"
	done < <(awk -v under="$VZ_TMP/" 'index($2, under) == 1 { print $2 }' /proc/mounts)
	vz_teardown
}

# Says why and fails, with the log.
fail() {
	echo "$*"
	[[ ! -s $LOG ]] || sed 's/^/  | /' "$LOG"
	return 1
}

# small_fs <folder> <size>: a file system of its own
small_fs() {
	[[ $EUID = 0 ]] || skip "mounting needs root"
	mkdir -p "$1"
	mount -t tmpfs -o "size=$2" tmpfs "$1"
}

state() {
	python3 "$FAULTS/state.py" "$VZ_TMP/$1.mon" "${@:2}"
}

# guest_write <vmid> <key> <offset> <length>: prints milliseconds
guest_write() {
	state "$1" write "$2" "$3" "$4"
}

# before <vmid>: keeps what the fault must not change
before() {
	cp -p "$(conf_file "$1")" "$VZ_TMP/$1.conf-before"
	rm -f "$VZ_TMP/$1.state-before"
	[[ ! -e $VZ_TMP/$1.qemu-pid ]] || state "$1" save "$VZ_TMP/$1.state-before"
}

# undone <vmid> [stranger]: nothing shows that there was a backup
undone() {
	state "$1" undone "$VZ_TMP" "$@"
}

# good_backup <vmid> [argument]...: a backup works and its archive is sound
good_backup() {
	vzdump_ok "$@" || return 1
	python3 "$VZ_LIB/vma_reader.py" verify "$ARCHIVE" > "$VZ_TMP/verified" 2>&1 || {
		cat "$VZ_TMP/verified"
		return 1
	}
	rm -f "$STORE"/backup/dump/*
}

# all_well <vmid>: as it was before, and the next backup works and leaves nothing either
all_well() {
	undone "$1" || fail "after the fault something is not as it was" || return 1
	good_backup "$1" "${FLEECING[@]}" || fail "the backup after the fault failed" || return 1
	undone "$1" || fail "after the backup after the fault something is not as it was"
}

# backup_start <argument>...: a backup in the background, up to where it copies (PID, LOG)
backup_start() {
	local target=(--storage backup)
	[[ " $* " != *" --dumpdir "* ]] || target=()
	: > "$LOG" # of an earlier one
	"$VZDUMP" "$@" "${target[@]}" --compress zstd > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait 'started backup task'
}

# log_wait <regular expression> [seconds]
log_wait() {
	local i
	for ((i = 0; i < ${2:-20} * 20; i++)); do
		! grep -qE -- "$1" "$LOG" || return 0
		sleep 0.05
	done
	fail "not in the log within ${2:-20} s: $1"
}

# ends_with <status> [seconds]: so ends the backup in the background
ends_with() {
	local i status=0
	for ((i = 0; i < ${2:-20} * 20; i++)); do
		kill -0 "$PID" 2> /dev/null || break
		sleep 0.05
	done
	! kill -0 "$PID" 2> /dev/null || fail "still runs after ${2:-20} s" || return 1
	wait "$PID" 2> /dev/null || status=$?
	[[ $status = "$1" ]] || fail "ended with $status instead of $1"
}

log_has() {
	grep -qE -- "$1" "$LOG" || fail "no line matches: $1"
}

log_has_not() {
	! grep -qE -- "$1" "$LOG" || fail "a line matches: $1"
}

no_archive() {
	[[ -z $(newest_archive "${1:-$STORE/backup/dump}") ]] || fail "there is an archive"
}

# agent_start <vmid> [kind]: a simulated guest agent, whose state is in $VZ_TMP/agent-state; see agent.py
agent_start() {
	conf_add "$1" "agent: 1"
	command python3 "$FAULTS/agent.py" "$VZDUMP_ROOT/run/qemu-server/$1.qga" "$VZ_TMP/agent-state" \
		"$VZ_TMP/$1.mon" "${2:-}" 3>&- &
	PIDS+=("$!")
	local i
	for ((i = 0; i < 100; i++)); do
		[[ ! -S $VZDUMP_ROOT/run/qemu-server/$1.qga ]] || return 0
		sleep 0.05
	done
	return 1
}

# start_command: how vzdump starts a guest here
start_command() {
	cat > "$VZ_TMP/start" <<- END
		#!/bin/bash
		BATS_TEST_FILENAME=
		. "$VZ_LIB/qemu.bash"
		VZ_TMP=$VZ_TMP STORE=$STORE
		qemu_start "\$1" running
	END
	chmod +x "$VZ_TMP/start"
	mkdir -p "$VZDUMP_ROOT/etc"
	echo "start-command: $VZ_TMP/start {vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
}

# start_paused_command [more]: the same for start-paused-command, which then does more
start_paused_command() {
	sed "s/ running\$/ stopped/" "$VZ_TMP/start" > "$VZ_TMP/start-paused"
	echo "${1:-}" >> "$VZ_TMP/start-paused"
	chmod +x "$VZ_TMP/start-paused"
	echo "start-paused-command: $VZ_TMP/start-paused {vmid}" >> "$VZDUMP_ROOT/etc/vzdump.conf"
}

# state_of <vmid>: "running", "paused", "prelaunch", ...
state_of() {
	qmp "$1" query-status | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'
}

# ---- kill -9 at each step ----

build_kill_at() {
	KILL_LIB=$BATS_FILE_TMPDIR/kill-at.so
	export KILL_LIB
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$KILL_LIB" "$FAULTS/kill-at.c" -ldl
}

# run_killed <kind> <before|after> <n> <argument>...: sets status
run_killed() {
	status=0
	{
		LD_PRELOAD=$KILL_LIB KILL_AT=$1:$2:$3 ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
			"$VZDUMP" "${@:4}" --storage backup --compress zstd > "$LOG" 2>&1 3>&- || status=$?
	} 2> /dev/null # "Killed"
}

# killed_at <kind> <before|after> <n> <argument>...: true when it was killed, false when it ran to its
# end and was good; fails the test otherwise
killed_at() {
	run_killed "$@"
	[[ $status = 137 ]] && return 0
	[[ $status = 0 ]] && return 1
	fail "ended with $status"
	exit 1
}

# put_right <kind> <vmid> <n> <argument>...: what an administrator does after a crash: call --cleanup, or
# nothing at all and the next backup comes.  Of the many messages only some are followed by a backup.
put_right() {
	local kind=$1 vmid=$2 n=$3
	shift 3
	local every=2
	[[ $kind != message ]] || every=5
	if ((n % every)); then
		run "$VZDUMP" --cleanup "$vmid"
		[[ $status = 0 ]] || fail "--cleanup: $output" || return 1
		undone "$vmid" || fail "--cleanup: $output" || return 1
		[[ $kind != message ]] || return 0
	fi
	good_backup "$vmid" "$@" || fail "the next backup failed" || return 1
	undone "$vmid" || fail "the next backup: $output"
}

# kill_at_each <kind> <moments> <least number of steps> <vmid> <argument>...
kill_at_each() {
	local kind=$1 moments=$2 least=$3 vmid=$4 when n
	shift 3
	for when in $moments; do
		for ((n = 1;; n++)); do
			killed_at "$kind" "$when" "$n" "$@" || break
			put_right "$kind" "$vmid" "$n" "${@:2}" || return 1
		done
		rm -f "$STORE"/backup/dump/*
		undone "$vmid" || fail "a whole run" || return 1
		((n > least)) || fail "only $((n - 1)) steps" || return 1
		echo "# $when: $((n - 1)) steps"
	done
}

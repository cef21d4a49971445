#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# A monitor that goes away while QEMU lives, a guest agent that refuses, hangs or floods: the guest goes on, nothing
# is left, and the next backup works.  Proxy and agents are simulated (proxy.py, agent.py): real ones do none of
# this on demand.

load faults

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
	RUN=$VZDUMP_ROOT/run/qemu-server
}

teardown() {
	faults_teardown
}

guest() {
	disk_add 123 scsi0 throttle 1M
	disk_add 123 scsi1 drive-scsi 1M
	disk_fill "$(disk_path 123 scsi0)" 1M
	qemu_start 123 running
	before 123
}

# ---- the monitor ----

# proxy_start [how number]: between vzdump and QEMU (PROXY)
proxy_start() {
	[[ -e $VZ_TMP/real.qmp ]] || mv "$RUN/123.qmp" "$VZ_TMP/real.qmp"
	rm -f "$RUN/123.qmp"
	command python3 "$FAULTS/proxy.py" "$RUN/123.qmp" "$VZ_TMP/real.qmp" "$VZ_TMP/commands" "$@" 3>&- &
	PROXY=$!
	PIDS+=("$PROXY")
	until [[ -S $RUN/123.qmp ]]; do
		kill -0 "$PROXY"
		sleep 0.02
	done
}

proxy_stop() {
	kill -KILL "$PROXY"
	wait "$PROXY" 2> /dev/null || true
}

# number_of <command> <n>: which of all commands the n-th such one is, in the whole run
number_of() {
	grep -nxF "$1" "$VZ_TMP/all-commands" | sed -n "$2s/:.*//p"
}

# whole_run <argument>...: of which the proxy has the commands
whole_run() {
	proxy_start
	good_backup 123 "$@"
	proxy_stop
	cp "$VZ_TMP/commands" "$VZ_TMP/all-commands"
}

# cut_at <before|after> <n> <argument>...: the connection ends there once
cut_at() {
	local how=$1 n=$2
	proxy_start "$how" "$n"
	vzdump 123 "${@:3}"
	proxy_stop
	echo "$output" > "$LOG"
	undone 123 || fail "something is left" || return 1
	if [[ $status = 0 ]]; then
		python3 "$VZ_LIB/vma_reader.py" verify "$ARCHIVE" > "$VZ_TMP/verified" 2>&1 || fail "a bad archive"
	else
		log_has "ERROR: Backup of VM 123 failed - QEMU \(pid $(qemu_pid 123)\) runs on, but a connection to it has ended: " &&
			no_archive
	fi || return 1
	rm -f "$STORE"/backup/dump/*
}

# cut_at_each <step> <argument>...: at every command of a backup, or every third, before and after in turn
cut_at_each() {
	local how n total step=$1
	shift
	guest
	whole_run "$@"
	total=$(wc -l < "$VZ_TMP/all-commands")
	((total > 40))
	for ((n = 1; n <= total; n += step)); do
		how=before
		((n % 2)) || how=after
		cut_at "$how" "$n" "$@" || fail "command $n of $total, cut $how it" || return 1
	done
	whole_run "$@"
	undone 123
}

@test "The monitor's connection ends once at each command, fleecing: the guest runs, nothing is left" {
	cut_at_each 1 "${FLEECING[@]}"
}

@test "The monitor's connection ends once at every third command, no fleecing: the guest runs, nothing is left" {
	cut_at_each 3
}

@test "The monitor's connection ends once as vzdump connects: another is made, and the backup is good" {
	guest
	whole_run "${FLEECING[@]}"
	local connection
	for connection in 1 2 3 4; do
		cut_at before "$(number_of qmp_capabilities "$connection")" "${FLEECING[@]}"
		[[ $status = 0 ]] || fail "connection $connection"
		has_no_line WARN
	done
}

@test "The monitor's connection ends while the vCPUs are stopped: they go on at once" {
	guest
	whole_run
	local stop
	stop=$(number_of stop 1)
	cut_at after "$stop"
	cut_at before $((stop + 1))
	cut_at before "$(number_of cont 1)"
}

@test "The monitor is away while the vCPUs are stopped: SIGTERM ends the run, which says so; --cleanup lets them go on" {
	guest
	whole_run
	proxy_start from $(($(number_of stop 1) + 1))
	: > "$LOG" # an earlier one's
	"$VZDUMP" 123 --storage backup --compress zstd > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait "WARN: VM 123: .*: trying again"
	kill -TERM "$PID"
	ends_with 255
	log_has "WARN: VM 123 may be paused: 'vzdump --cleanup 123' lets it go on as soon as its monitor answers"
	log_has "WARN: something was left behind: 'vzdump --cleanup 123' tries again"
	[[ $(qmp 123 query-status) = *'"paused"'* ]]
	proxy_stop
	proxy_start
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	undone 123
	good_backup 123
	undone 123
}

@test "A QEMU whose sockets are gone is not taken for one that ended: the journal stays until it answers" {
	guest
	backup_start 123 --bwlimit 100 "${FLEECING[@]}"
	kill -KILL "$PID"
	ends_with 137
	mv "$RUN/123.qmp" "$VZ_TMP/real.qmp"
	rm "$RUN/123.pid"
	: > "$LOG" # an earlier one's
	"$VZDUMP" --cleanup 123 > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait "WARN: VM 123: its QEMU \(pid $(qemu_pid 123)\) runs, but nothing answers at its QMP socket .*: trying again"
	kill -TERM "$PID"
	ends_with 255
	[[ -s $VZDUMP_ROOT/var/lib/vzdump/123.journal ]]
	[[ -e $STORE/fast/images/123/vm-123-fleece-0.raw ]]
	mv "$VZ_TMP/real.qmp" "$RUN/123.qmp"
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	all_well 123
}

@test "An NBD server with exports of ours alone is stopped by --cleanup, although the journal does not name it" {
	guest
	backup_start 123 --bwlimit 100 "${FLEECING[@]}"
	kill -KILL "$PID"
	ends_with 137
	sed -i '/server/d' "$VZDUMP_ROOT/var/lib/vzdump/123.journal"
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	undone 123
}

@test "An NBD server that a stranger started is not stopped when our answer was lost" {
	guest
	whole_run
	qmp 123 nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$VZ_TMP/stranger.sock\"}}}"
	proxy_start after "$(number_of nbd-server-start 1)"
	vzdump 123
	proxy_stop
	[[ $status = 255 ]]
	undone 123 stranger
	qmp 123 nbd-server-stop # it ran
}

# ---- the agent ----

@test "An agent that refuses to freeze (simulated): each backup works, and none is in the way of the next" {
	guest
	agent_start 123 refuses
	before 123
	local i
	for i in 1 2; do
		vzdump_ok 123 "${FLEECING[@]}"
		has_line "ERROR: unable to freeze guest fs: The command guest-fsfreeze-freeze has been disabled"
		has_no_line "left behind"
		undone 123
	done
	# nor was it frozen for any time
	run --separate-stderr "$VZDUMP" 123 --storage backup --output-format json
	[[ $status = 0 && $(jq '.guests[0]["frozen-seconds"]' <<< "$output") = 0 ]]
}

@test "An agent that hangs in a freeze (simulated): others can use the monitor, and SIGTERM is heard at once" {
	guest
	agent_start 123 hangs
	: > "$LOG" # an earlier one's
	"$VZDUMP" 123 --storage backup --compress zstd > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait "issuing guest-agent 'fs-freeze' command"
	until grep -qx guest-fsfreeze-freeze "$VZ_TMP/agent-state.log"; do sleep 0.05; done
	state 123 save "$VZ_TMP/while"
	python3 "$FAULTS/state.py" "$RUN/123.qmp" save "$VZ_TMP/while"
	kill -TERM "$PID"
	# thawing waits 2 s for an answer, while cleaning up twice
	ends_with 255 10
	log_has "ERROR: Backup of VM 123 failed - interrupted by signal"
	[[ $(qmp 123 query-status) = *'"running"'* ]]
	nothing_in_qemu
	# the agent is started anew, as with a reboot of the guest
	kill -KILL "${PIDS[0]}"
	rm "$RUN/123.qga"
	agent_start 123
	good_backup 123
}

@test "An agent that does not thaw (simulated): SIGTERM ends the wait, the next backup works, it is thawed then" {
	guest
	agent_start 123 stays
	: > "$LOG" # an earlier one's
	"$VZDUMP" 123 --storage backup --compress zstd > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	until grep -qsx guest-fsfreeze-thaw "$VZ_TMP/agent-state.log"; do sleep 0.05; done
	python3 "$FAULTS/state.py" "$RUN/123.qmp" save "$VZ_TMP/while"
	kill -TERM "$PID"
	ends_with 255 15
	nothing_in_qemu
	vzdump_ok 123
	has_line "WARN: .*thawing the guest's file systems: unable to thaw guest filesystem: got timeout"
	kill -KILL "${PIDS[0]}"
	rm "$RUN/123.qga"
	sed -i '/^agent/d' "$(conf_file 123)"
	agent_start 123
	echo frozen > "$VZ_TMP/agent-state"
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 && $(< "$VZ_TMP/agent-state") = thawed ]]
	nothing_left 123
}

@test "An agent that answers with 16 MiB of objects (simulated): refused before they cost memory" {
	guest
	agent_start 123 bomb
	before 123
	[[ ${SANITIZE:-} = *address* ]] || ulimit -v 2000000
	vzdump_ok 123
	has_line "WARN: unable to check guest fs freeze status - .* is longer than 65536 bytes"
	undone 123
}

nothing_in_qemu() {
	[[ $(qmp 123 query-named-block-nodes '{"flat":true}' node-name) != *vzdump-* ]]
	[[ $(qmp 123 query-block-exports) != *vzdump-* ]]
}

# shellcheck shell=bash
# vzdump-scheduler beside a vzdump that does what the test says, on the tree of qemu.bash.

# An event that came, and never comes again: due if make_due was called, at no other time.
PAST=2020-1-1

# scheduler_setup: SCHEDULER is a copy, since it calls the vzdump beside it; STATES is where it keeps states
scheduler_setup() {
	STATES=$VZDUMP_ROOT/var/lib/vzdump/jobs
	SCHEDULER=$VZ_TMP/bin/vzdump-scheduler
	SERVICE='' LISTENER=''
	mkdir "$VZ_TMP/bin"
	cp "${BUILD:-$VZ_TOP/build}/bin/vzdump-scheduler" "$SCHEDULER"
	vzdump_does ''
}

# Nothing that a test has started stays.
scheduler_teardown() {
	touch "$VZ_TMP/go"
	[[ ! $SERVICE ]] || kill "$SERVICE" 2> /dev/null || true
	[[ ! $LISTENER ]] || kill "$LISTENER" 2> /dev/null || true
	[[ ! -e $VZDUMP_ROOT/etc/pve/jobs.cfg || -d $VZDUMP_ROOT/etc/pve/jobs.cfg ]] || wait_for_end_of_all || true
}

scheduler() {
	"$SCHEDULER" "$@"
}

# pass: as cron does it each minute
pass() {
	"$SCHEDULER" --once 3>&-
}

# job <id> <schedule> [line]...: in jobs.cfg
job() {
	local id=$1 schedule=$2
	shift 2
	{
		printf 'vzdump: %s\n\tschedule %s\n' "$id" "$schedule"
		[[ $# == 0 ]] || printf '\t%s\n' "$@"
		echo
	} >> "$VZDUMP_ROOT/etc/pve/jobs.cfg"
}

# vzdump_does <commands>: a vzdump that notes its arguments in $VZ_TMP/calls, then does that
vzdump_does() {
	local script=$VZ_TMP/bin/vzdump
	{
		echo '#!/bin/bash'
		printf 'env > %q\necho "$*" >> %q\n' "$VZ_TMP/environment" "$VZ_TMP/calls"
		echo "$1"
	} > "$script.new"
	chmod 755 "$script.new"
	mv "$script.new" "$script"
}

# vzdump_waits: one that runs until vzdump_may_end
vzdump_waits() {
	vzdump_does "until [[ -e $VZ_TMP/go ]]; do sleep 0.05; done"
}

vzdump_may_end() {
	touch "$VZ_TMP/go"
}

# calls: how often vzdump was called
calls() {
	if [[ -e $VZ_TMP/calls ]]; then
		wc -l < "$VZ_TMP/calls"
	else
		echo 0
	fi
}

# make_due <id>...: as if the last run had been long ago
make_due() {
	local id
	for id; do
		jq -c '.updated = 1' "$STATES/vzdump-$id.json" > "$VZ_TMP/state"
		cp "$VZ_TMP/state" "$STATES/vzdump-$id.json"
	done
}

# state <id> <key>
state() {
	jq -r ".$2" "$STATES/vzdump-$1.json"
}

# listed <id> <key>: what --list says
listed() {
	scheduler --list --output-format json 2> /dev/null | jq -r --arg id "$1" --arg key "$2" '.[] | select(.id == $id)[$key]'
}

# wait_for <command>...: until it succeeds, some minutes at most
wait_for() {
	local _
	for _ in {1..3000}; do
		! "$@" || return 0
		sleep 0.05
	done
	echo "waited in vain for: $*"
	return 1
}

wait_for_file() {
	wait_for test -s "$1"
}

# wait_for_line <file> <beginning>
wait_for_line() {
	wait_for grep -qs "^$2" "$1"
}

# wait_for_lines <file> <beginning> <n>: at least so many
wait_for_lines() {
	wait_for has_lines "$@"
}

has_lines() {
	[[ $(grep -cs "^$2" "$1") -ge $3 ]]
}

# It is null where the lock of the run cannot be read.
ended() {
	[[ $(listed "$1" running) =~ ^(false|null)$ ]]
}

# wait_for_end <id>...: until no run of the job is on
wait_for_end() {
	local id
	for id; do
		wait_for ended "$id"
	done
}

wait_for_end_of_all() {
	local id
	for id in $(scheduler --list --output-format json 2> /dev/null | jq -r '.[].id'); do
		wait_for_end "$id"
	done
}

# service_start [NAME=value]...: with a socket as systemd's; what it is told is in $VZ_TMP/notified, line by line
service_start() {
	local socket=$VZ_TMP/notify
	if [[ ! $LISTENER ]]; then
		command python3 - "$socket" "$VZ_TMP/notified" 3>&- <<- 'END' &
			import socket, sys
			s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
			s.bind(sys.argv[1])
			with open(sys.argv[2], "a", buffering=1) as out:
			    while True:
			        print(s.recv(4096).decode(), file=out)
		END
		LISTENER=$!
		wait_for test -S "$socket"
	else
		: > "$VZ_TMP/notified"
	fi
	env NOTIFY_SOCKET="$socket" "$@" "$SCHEDULER" 2> "$VZ_TMP/service.log" 3>&- &
	SERVICE=$!
}

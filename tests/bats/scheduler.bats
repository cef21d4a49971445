#!/usr/bin/env bats
# vzdump-scheduler over the real command.  Where it says "a vzdump", a script stands in for the program: it
# notes how it was called, and does what the test says.

load ../lib/qemu
load ../lib/vzdump
load ../lib/scheduler

setup() {
	vz_setup
	scheduler_setup
	export TZ=Europe/Vienna
}

teardown() {
	[[ ! -e $VZ_TMP/left ]] || kill "$(< "$VZ_TMP/left")" 2> /dev/null || true
	scheduler_teardown
	vz_teardown
}

# ---- --next ----

@test "--next prints epoch seconds first, then the local time" {
	run scheduler --next 'sat *-1..7 15:00' --after 1795728600
	[ "$status" = 0 ]
	[ "$output" = "1796479200 Sat 2026-12-05 15:00:00 CET" ]
}

@test "--next prints never for an event that does not come" {
	run scheduler --next 02-30
	[ "$status" = 0 ]
	[ "$output" = never ]
}

@test "--next of an event that is refused ends with 255 and says why" {
	run scheduler --next mon-fri
	[ "$status" = 255 ]
	[ "$output" = "invalid calendar event 'mon-fri' - a range of days is written with two dots, as in mon..fri" ]
}

@test "--next knows local time and UTC in the nights in which clocks are changed" {
	[ "$(scheduler --next 2:30 --after 1774744200 | cut -d' ' -f1)" = 1774830600 ]
	[ "$(scheduler --next '2:30 UTC' --after 1774744200 | cut -d' ' -f1)" = 1774751400 ]
	[ "$(scheduler --next hourly --after 1792886400 | cut -d' ' -f1)" = 1792893600 ]
}

@test "--after without --next is refused" {
	run scheduler --after 1
	[ "$status" = 255 ]
	[[ $output == *"option --after needs --next too"* ]]
}

# ---- --list ----

@test "--list shows jobs, what became of their last run, and when they come" {
	job nightly "$PAST" 'comment Every night%2C all' 'all 1'
	job off 'mon..fri 22:30' 'enabled 0' 'vmid 100'
	job other 'daily' 'node elsewhere'
	vzdump_does 'echo "ERROR: VM 100 is on fire" >&2; exit 255'
	pass
	make_due nightly
	pass
	wait_for_end nightly
	run scheduler --list
	[ "$status" = 0 ]
	[[ ${lines[0]} =~ ^ID\ +Enabled\ +Schedule\ +Last\ run\ +Next\ run\ +Result$ ]]
	[[ ${lines[1]} =~ ^nightly\ +yes\ +$PAST\ +[0-9-]{10}\ [0-9:]{8}\ +never\ +VM\ 100\ is\ on\ fire$ ]]
	[[ ${lines[2]} =~ ^off\ +no\ +mon..fri\ 22:30\ +-\ +-\ +-$ ]]
	[[ ${lines[3]} =~ ^other\ +yes\ +daily\ +-\ +-\ +only\ on\ node\ \'elsewhere\'$ ]]
}

@test "--list prints JSON with the same" {
	job nightly "$PAST" 'comment Every night%2C all' 'all 1'
	job off 'mon..fri 22:30' 'enabled 0' 'vmid 100'
	pass
	make_due nightly
	pass
	wait_for_end nightly
	run scheduler --list --output-format json
	[ "$status" = 0 ]
	[ "$(jq -c '.[0] | [.id, .enabled, .schedule, .comment, .node, .running, .result, ."next-run"]' <<< "$output")" = \
		"[\"nightly\",true,\"$PAST\",\"Every night, all\",null,false,\"OK\",null]" ]
	[ "$(jq '.[0]."last-run" > 1700000000' <<< "$output")" = true ]
	[ "$(jq -c '.[1] | [.id, .enabled, ."last-run", ."next-run"]' <<< "$output")" = '["off",false,null,null]' ]
	[ "$(jq -r '.[0].log' <<< "$output")" = "$VZDUMP_ROOT/var/log/vzdump/job-nightly.log" ]
	run scheduler --list --output-format json-pretty
	[ "$(jq length <<< "$output")" = 2 ]
}

@test "--list changes nothing, and works while a pass is made" {
	job nightly "$PAST"
	scheduler --list
	[ ! -e "$STATES" ]
	mkdir -p "$STATES"
	flock "$STATES/lock" "$SCHEDULER" --list
}

@test "--list tells an ordinary user that it cannot see what runs" {
	[[ $EUID = 0 ]] || skip "only root has something to hide"
	job nightly "$PAST" 'all 1'
	vzdump_waits
	pass
	make_due nightly
	pass
	wait_for_file "$VZ_TMP/calls"
	chmod 755 "$VZ_TMP" "$VZDUMP_ROOT"
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$SCHEDULER" --list
	[ "$status" = 0 ]
	[ "${#lines[@]}" = 3 ]
	[ "${lines[0]}" = "WARN: whether jobs are running cannot be told, ask as root: cannot read lock '$STATES/vzdump-nightly.lck': Permission denied" ]
	[[ ${lines[2]} =~ ^nightly\ +yes\ +$PAST\ +[0-9-]{10}\ [0-9:]{8}\ +never\ +-$ ]]
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$SCHEDULER" --list --output-format json
	[ "$(jq -c '.[0] | [.id, .running, .result]' <<< "${lines[1]}")" = '["nightly",null,null]' ]
	vzdump_may_end
	wait_for_end nightly
}

@test "--next, --list and --once are not for one call" {
	run scheduler --list --once
	[ "$status" = 255 ]
	[ "$output" = "vzdump-scheduler: give only one of --next, --list and --once" ]
	run scheduler --next daily --list
	[ "$status" = 255 ]
}

# ---- --once ----

@test "--once starts what is due, by vzdump --job --quiet 1, and ends while it runs" {
	job nightly "$PAST"
	job later '2199-1-1'
	vzdump_waits
	pass
	[ ! -e "$VZ_TMP/calls" ]
	make_due nightly
	pass
	wait_for_file "$VZ_TMP/calls"
	[ "$(< "$VZ_TMP/calls")" = "--job nightly --quiet 1" ]
	[ "$(listed nightly running)" = true ]
	[ "$(state nightly state)" = started ]
	[[ $(state nightly upid) =~ ^UPID:[^:]+:[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:vzdump::root@pam:$ ]]
	vzdump_may_end
	wait_for_end nightly
	pass
	[ "$(state nightly state)" = stopped ]
	[ "$(state nightly msg)" = OK ]
	[ "$(calls)" = 1 ]
}

@test "a job that runs is not started again, also not when its supervisor was killed" {
	job nightly "$PAST" 'repeat-missed 1'
	vzdump_waits
	pass
	make_due nightly
	pass
	wait_for_file "$VZ_TMP/calls"
	make_due nightly
	pass
	[ "$(calls)" = 1 ]
	kill -9 "$(jq .pid "$STATES/vzdump-nightly.run")"
	make_due nightly
	pass
	[ "$(calls)" = 1 ]
	[ "$(listed nightly running)" = true ]
	vzdump_may_end
	wait_for_end nightly
	run pass
	[[ $output == *"job 'nightly' has failed: the run was killed, or the host went down"* ]]
	wait_for_end nightly
	[ "$(calls)" = 2 ]
}

@test "two schedulers at once start a job once" {
	job nightly "$PAST"
	pass
	make_due nightly
	local _ pids=()
	for _ in 1 2 3 4; do
		pass &
		pids+=($!)
	done
	wait "${pids[@]}"
	wait_for_end nightly
	pass
	[ "$(calls)" = 1 ]
}

@test "jobs due together are all started" {
	job a "$PAST"
	job b "$PAST"
	job c "$PAST"
	pass
	make_due a b c
	pass
	wait_for_end a b c
	[ "$(sort "$VZ_TMP/calls" | cut -d' ' -f2 | tr -d '\n')" = abc ]
}

@test "what a job prints is kept, and the next pass tells that it failed" {
	job nightly "$PAST"
	vzdump_does 'echo "WARN: almost"; echo "ERROR: VM 100: no space" >&2; echo "job errors" >&2; exit 255'
	pass
	make_due nightly
	run pass
	[ "$status" = 0 ]
	[ -z "$output" ]
	wait_for_end nightly
	run pass
	[ "$status" = 0 ]
	[ "$output" = "ERROR: job 'nightly' has failed: VM 100: no space (see '$VZDUMP_ROOT/var/log/vzdump/job-nightly.log')" ]
	[ "$(state nightly msg)" = "VM 100: no space" ]
	run sed 's/^[0-9-]* [0-9:]* //' "$VZDUMP_ROOT/var/log/vzdump/job-nightly.log"
	[ "${lines[0]}" = "$VZ_TMP/bin/vzdump --job nightly --quiet 1" ]
	[ "${lines[1]}" = "WARN: almost" ]
	[ "${lines[2]}" = "ERROR: VM 100: no space" ]
	[ "${lines[3]}" = "job errors" ]
	[ "${lines[4]}" = "ended: VM 100: no space" ]
	run pass
	[ -z "$output" ]
}

@test "a job that succeeded with warnings is told as such" {
	job nightly "$PAST"
	vzdump_does 'echo "WARN: almost"; echo "Task finished with 1 warning(s)!" >&2'
	pass
	make_due nightly
	pass
	wait_for_end nightly
	run pass
	[[ $output == "WARN: job 'nightly' has ended with warnings"* ]]
	[ "$(state nightly msg)" = "WARNINGS: 1" ]
}

@test "how a job ended is told, whatever it did" {
	job a "$PAST"
	pass
	vzdump_does 'kill -9 $$'
	make_due a
	pass
	wait_for_end a
	run pass
	[[ $output == *"has failed: vzdump was ended by signal 9 (see"* ]]
	vzdump_does 'exit 3'
	make_due a
	pass
	wait_for_end a
	run pass
	[[ $output == *"has failed: vzdump ended with exit status 3 (see"* ]]
	vzdump_does 'printf "\033]0;title\007\xff\n"; exit 1'
	make_due a
	pass
	wait_for_end a
	run pass
	[[ $output == *"has failed: ?]0;title??"* ]]
	# nothing that can be executed; nor is there one in PATH
	printf '#!/nowhere\n' > "$VZ_TMP/bin/vzdump"
	make_due a
	pass
	wait_for_end a
	run pass
	[[ $output == *"has failed: "*"vzdump"* ]]
}

@test "a log that has grown long becomes the old one" {
	local log=$VZDUMP_ROOT/var/log/vzdump/job-nightly.log
	job nightly "$PAST"
	mkdir -p "${log%/*}"
	head -c 1100000 /dev/zero | tr '\0' x > "$log"
	pass
	make_due nightly
	pass
	wait_for_end nightly
	[ "$(stat -c %s "$log.1")" = 1100000 ]
	[ "$(wc -l < "$log")" = 2 ]
}

@test "a pass holds nothing of its caller open" {
	job nightly "$PAST"
	vzdump_waits
	pass
	make_due nightly
	# cat ends when nobody has the pipe any more
	(exec 7>&1; scheduler --once 2>&1) | timeout 60 cat
	wait_for_file "$VZ_TMP/calls"
	[ "$(listed nightly running)" = true ]
	vzdump_may_end
	wait_for_end nightly
}

# with_uptime <seconds> <command>...: as if the host had been up for so much longer, most of it suspended
with_uptime() {
	local more=$1
	shift
	unshare --time --boottime "$more" "$@"
}

@test "what passed while the host was suspended is missed" {
	with_uptime 1 true 2> /dev/null || skip "clocks cannot be set for a process here"
	job nightly "$PAST"
	job again "$PAST" 'repeat-missed 1'
	pass
	make_due nightly again
	with_uptime 86400 "$SCHEDULER" --once
	wait_for_end again
	[ "$(< "$VZ_TMP/calls")" = "--job again --quiet 1" ]
	[ "$(state nightly state)" = created ]
}

@test "without a place for its state no job runs, and an error says so" {
	job nightly "$PAST"
	mkdir -p "${STATES%/*}"
	touch "$STATES"
	run pass
	[ "$status" = 255 ]
	[[ $output == *"$STATES"* ]]
	[ ! -e "$VZ_TMP/calls" ]
}

@test "a file of jobs that cannot be read is an error that leaves states alone" {
	job nightly "$PAST"
	pass
	mv "$VZDUMP_ROOT/etc/pve/jobs.cfg" "$VZ_TMP/"
	mkdir "$VZDUMP_ROOT/etc/pve/jobs.cfg"
	run pass
	[ "$status" = 255 ]
	[[ $output == *"jobs.cfg"* ]]
	[ -e "$STATES/vzdump-nightly.json" ]
}

@test "a state that is cut short is told, and its job is not run" {
	job nightly "$PAST"
	pass
	make_due nightly
	truncate -s 30 "$STATES/vzdump-nightly.json"
	run pass
	[ "$status" = 0 ]
	[[ $output == *"vzdump-nightly.json' is damaged: job 'nightly' counts as new, and runs at its next time"* ]]
	[ ! -e "$VZ_TMP/calls" ]
	[ "$(state nightly state)" = created ]
}

# ---- kills ----

# killed_at <before|after> <n>: a pass, or the supervisor that it starts, is killed at that step; whatever is left,
# the job runs.  1 if there are no so many steps, 2 if it does not run, or twice.
killed_at() {
	local log=$VZDUMP_ROOT/var/log/vzdump/job-nightly.log most=1
	rm -rf "$STATES" "$VZ_TMP/calls" "$log"
	pass
	make_due nightly
	{
		LD_PRELOAD=$KILL_LIB KILL_AT=file:$1:$2 ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
			"$SCHEDULER" --once 2> "$VZ_TMP/killed" 3>&- || true
	} 2> /dev/null # "Killed"
	wait_for_end nightly
	if grep -qs ^killed "$log"; then
		# nobody knows whether vzdump was started
		most=2
	elif ! grep -q ^killed "$VZ_TMP/killed"; then
		return 1
	fi
	pass 2> /dev/null
	wait_for_end nightly
	pass 2> /dev/null
	wait_for_end nightly
	[[ $(calls) -ge 1 && $(calls) -le $most && ! -e $VZ_TMP/overlap && ! $(find "$STATES" -name '*.tmp.*') ]] || {
		echo "$1 step $2: $(cat "$VZ_TMP/killed"): $(calls) runs"
		tail -n 20 "$STATES"/*.json "$log"
		return 2
	}
}

@test "whatever step of a pass or of a supervisor is the last, the job runs" {
	local when n r
	KILL_LIB=$VZ_TMP/kill-at.so
	"${CC:-cc}" -D_GNU_SOURCE -O1 -shared -fPIC -o "$KILL_LIB" "$BATS_TEST_DIRNAME/../faults/kill-at.c" -ldl
	vzdump_does "mkdir $VZ_TMP/runs || touch $VZ_TMP/overlap; sleep 0.01; rmdir $VZ_TMP/runs"
	job nightly "$PAST"
	for when in before after; do
		for n in {1..100}; do
			r=0
			killed_at "$when" "$n" || r=$?
			[ "$r" != 2 ]
			[ "$r" = 0 ] || break
		done
		# the pass' own record, the state twice, the run's record three times: each has three steps
		[ "$n" -gt 15 ]
		[ "$n" -lt 100 ]
	done
}

# ---- beside Proxmox VE ----

@test "beside Proxmox VE's scheduler it refuses, unless it is forced" {
	job nightly "$PAST"
	mkdir -p "$VZDUMP_ROOT/usr/bin"
	touch "$VZDUMP_ROOT/usr/bin/pvescheduler"
	run pass
	[ "$status" = 255 ]
	[ "${#lines[@]}" = 1 ]
	[[ $output == *"Proxmox VE's own scheduler ($VZDUMP_ROOT/usr/bin/pvescheduler) is on this host"*"--force"* ]]
	run scheduler
	[ "$status" = 255 ]
	[ ! -e "$STATES" ]
	scheduler --list
	scheduler --once --force
	[ -e "$STATES/vzdump-nightly.json" ]
}

# ---- as a service ----

@test "as a service it tells systemd how it is, and looks again on SIGHUP" {
	job nightly "$PAST"
	vzdump_waits
	pass
	make_due nightly
	service_start WATCHDOG_USEC=200000
	wait_for_line "$VZ_TMP/notified" READY=1
	wait_for_file "$VZ_TMP/calls"
	grep -q "INFO: job 'nightly' is started" "$VZ_TMP/service.log"
	# signs of life before the next minute
	wait_for_lines "$VZ_TMP/notified" WATCHDOG=1 3
	job another "$PAST" 'repeat-missed 1'
	kill -HUP "$SERVICE"
	wait_for_line "$VZ_TMP/notified" RELOADING=1
	wait_for_line "$VZ_TMP/notified" MONOTONIC_USEC=
	wait_for_lines "$VZ_TMP/notified" READY=1 2
	[ -e "$STATES/vzdump-another.json" ]
	kill "$SERVICE"
	wait "$SERVICE"
	SERVICE=
	wait_for_line "$VZ_TMP/notified" STOPPING=1
	# the job has outlived it, and knows nothing of systemd's socket
	[ "$(listed nightly running)" = true ]
	[ "$(grep -c NOTIFY_SOCKET "$VZ_TMP/environment")" = 0 ]
	vzdump_may_end
	wait_for_end nightly
}

@test "a service that is killed starts nothing twice, and its successor goes on" {
	job nightly "$PAST"
	vzdump_waits
	pass
	make_due nightly
	service_start
	wait_for_file "$VZ_TMP/calls"
	# so that it does not come when the next one is listened to
	wait_for_line "$VZ_TMP/notified" READY=1
	kill -9 "$SERVICE"
	wait "$SERVICE" || true
	service_start
	wait_for_line "$VZ_TMP/notified" READY=1
	[ "$(calls)" = 1 ]
	[ "$(state nightly state)" = started ]
	vzdump_may_end
	wait_for_end nightly
	kill -HUP "$SERVICE"
	wait_for_lines "$VZ_TMP/notified" READY=1 2
	[ "$(state nightly msg)" = OK ]
	[ "$(calls)" = 1 ]
}

@test "without systemd the service works all the same" {
	job nightly "$PAST"
	"$SCHEDULER" 2> "$VZ_TMP/service.log" 3>&- &
	SERVICE=$!
	wait_for_file "$STATES/vzdump-nightly.json"
	kill -INT "$SERVICE"
	wait "$SERVICE"
	SERVICE=
}

# ---- with the real vzdump ----

# guest_off <vmid>: one that does not run, with a small disk
guest_off() {
	conf_add "$1" "name: vm-$1"
	disk_add "$1" scsi0 throttle 1M
}

@test "the real vzdump saves a job's guests, and its end is known" {
	SCHEDULER=$BUILD/bin/vzdump-scheduler
	guest_off 101
	guest_off 102
	job nightly "$PAST" 'vmid 101,102' 'storage backup' 'compress zstd' 'notes-template {{guestname}} of the night'
	pass
	make_due nightly
	run pass
	[ -z "$output" ]
	wait_for_end nightly
	pass
	[ "$(state nightly msg)" = OK ]
	[ "$(find "$STORE/backup/dump" -name 'vzdump-qemu-10[12]-*.vma.zst' | wc -l)" = 2 ]
	[ "$(cat "$STORE"/backup/dump/vzdump-qemu-101-*.notes)" = "vm-101 of the night" ]
	# quiet is quiet
	[ "$(wc -l < "$VZDUMP_ROOT/var/log/vzdump/job-nightly.log")" = 2 ]
}

@test "real jobs that are due together run one behind the other" {
	local lock
	SCHEDULER=$BUILD/bin/vzdump-scheduler
	guest_off 101
	guest_off 102
	job a "$PAST" 'vmid 101' 'storage backup'
	job b "$PAST" 'vmid 102' 'storage backup'
	pass
	make_due a b
	exec {lock}> "$VZDUMP_ROOT/run/vzdump.lock"
	flock "$lock"
	pass
	wait_for_file "$STATES/vzdump-a.run"
	wait_for_file "$STATES/vzdump-b.run"
	[ "$(listed a running)$(listed b running)" = truetrue ]
	[ -z "$(newest_archive "$STORE/backup/dump")" ]
	exec {lock}>&-
	wait_for_end a b
	pass
	[ "$(state a msg)$(state b msg)" = OKOK ]
	[ "$(find "$STORE/backup/dump" -name 'vzdump-qemu-10[12]-*.vma' | wc -l)" = 2 ]
}

@test "a program that a hook of a real job leaves behind does not keep the job from ending" {
	SCHEDULER=$BUILD/bin/vzdump-scheduler
	guest_off 101
	printf '#!/bin/bash\n[[ $1 != job-start ]] || { sleep 300 & echo $! > %q; }\n' "$VZ_TMP/left" > "$VZ_TMP/hook"
	chmod 755 "$VZ_TMP/hook"
	job nightly "$PAST" 'vmid 101' 'storage backup' "script $VZ_TMP/hook"
	pass
	make_due nightly
	pass
	wait_for_end nightly
	kill "$(< "$VZ_TMP/left")"
	pass
	[ "$(state nightly msg)" = OK ]
}

@test "a real job that fails is told with its reason" {
	SCHEDULER=$BUILD/bin/vzdump-scheduler
	guest_off 101
	job nightly "$PAST" 'vmid 101,999' 'storage backup'
	pass
	make_due nightly
	pass
	wait_for_end nightly
	run pass
	[[ $output == "ERROR: job 'nightly' has failed: "*"999"*"(see '$VZDUMP_ROOT/var/log/vzdump/job-nightly.log')" ]]
	[ -n "$(newest_archive "$STORE/backup/dump")" ]
}

@test "a line of an old vzdump.cron works as it is" {
	local line='0 2 * * 6           root vzdump 101 --quiet 1 --mailnotification failure --mailto root --mode snapshot --compress zstd --storage backup --prune-backups keep-last=1 --node '
	guest_off 101
	line+=$(uname -n | cut -d. -f1)
	read -r -a words <<< "$line"
	[ "${words[6]}" = vzdump ]
	run "$BUILD/bin/vzdump" "${words[@]:7}"
	[ "$status" = 0 ]
	[ -z "$output" ]
	[ -n "$(newest_archive "$STORE/backup/dump")" ]
}

# ---- installation ----

@test "make install puts units, manuals and examples in place, and uninstall takes them away" {
	local at=$VZ_TMP/inst
	make -s -C "$VZ_TOP" BUILD="$BUILD" DESTDIR="$at" PREFIX=/opt/vz PLUGINDIR=/opt/vz/plugins install > /dev/null
	grep -qx 'ExecStart=/opt/vz/bin/vzdump-scheduler' "$at/opt/vz/lib/systemd/system/vzdump-scheduler.service"
	grep -qx 'ExecStart=/opt/vz/bin/vzdump-scheduler --once' "$at/opt/vz/lib/systemd/system/vzdump-scheduler-once.service"
	[ -e "$at/opt/vz/lib/systemd/system/vzdump-scheduler-once.timer" ]
	[ -e "$at/opt/vz/lib/tmpfiles.d/vzdump.conf" ]
	[ -e "$at/opt/vz/share/man/man8/vzdump-scheduler.8" ]
	[ -e "$at/opt/vz/share/man/man5/jobs.cfg.5" ]
	grep -q '^\* \* \* \* \* root /opt/vz/bin/vzdump-scheduler --once$' "$at/opt/vz/share/doc/vzdump/examples/vzdump-scheduler.cron"
	[ "$(grep -r @BINDIR@ "$at" | wc -l)" = 0 ]
	make -s -C "$VZ_TOP" BUILD="$BUILD" DESTDIR="$at" PREFIX=/opt/vz PLUGINDIR=/opt/vz/plugins uninstall > /dev/null
	[ -z "$(find "$at" -type f)" ]
}

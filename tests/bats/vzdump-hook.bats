#!/usr/bin/env bats
# The hook script, what it is told, how it ends; the system log.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	LOG=$VZ_TMP/log
	HOOK=$VZ_TMP/hook
	disk_add 123 scsi0 scsi 1M
}

teardown() {
	local pid
	for pid in $(cat "$VZ_TMP/pids" 2> /dev/null); do
		# the id of one that has ended may be another's by now
		! grep -qsF -e "$VZ_TMP" -e sleep "/proc/$pid/cmdline" || kill -KILL "$pid" || true
	done
	vz_teardown
}

# hook: the script, from standard input; $here is the test's folder, $phase and $* are as called
hook() {
	{
		printf '#!/bin/bash\nhere=%q phase=$1\necho "$1" >> "$here/phases"\n' "$VZ_TMP"
		cat
	} > "$HOOK"
	chmod +x "$HOOK"
	: > "$VZ_TMP/phases"
}

# hangs_in <phase>: a hook that does so, with a child that does too; their pids are in $VZ_TMP/pids
hangs_in() {
	hook <<- END
		[[ \$phase = $1 ]] || exit 0
		sleep 600 &
		echo "\$\$ \$!" > "\$here/pids"
		${2:-}
		touch "\$here/hangs"
		wait
	END
	rm -f "$VZ_TMP"/{pids,hangs}
}

# backup_in_background <argument>...: with the hook, up to where that hangs (PID)
backup_in_background() {
	"$VZDUMP" "$@" --storage backup --compress zstd --script "$HOOK" > "$LOG" 2>&1 3>&- &
	PID=$!
	until [[ -e $VZ_TMP/hangs ]]; do
		kill -0 "$PID" || return 1
		sleep 0.02
	done
}

# ends_with <status>: the backup in the background, and long before the hook would
ends_with() {
	local status=0 i
	for ((i = 0; i < 1200; i++)); do
		kill -0 "$PID" 2> /dev/null || break
		sleep 0.05
	done
	! kill -0 "$PID" 2> /dev/null || { echo "still runs"; return 1; }
	wait "$PID" || status=$?
	output=$(< "$LOG")
	[[ $status = "$1" ]] || { echo "ended with $status"; cat "$LOG"; return 1; }
}

# hook_is_gone: the script and its child, which a killed one may be to its parent a moment later
hook_is_gone() {
	local pid i
	for pid in $(< "$VZ_TMP/pids"); do
		for ((i = 0; i < 200; i++)); do
			[[ $(ps -o stat= -p "$pid") =~ ^[^Z] ]] || break
			sleep 0.05
		done
		[[ ! $(ps -o stat= -p "$pid") =~ ^[^Z] ]] || { echo "$pid still runs"; return 1; }
	done
}

phases() {
	tr '\n' ' ' < "$VZ_TMP/phases"
}

@test "SIGTERM ends a hook script with all it has started, in each phase, and then the job" {
	local phase
	for phase in job-init job-start backup-start backup-end job-end; do
		hangs_in "$phase"
		backup_in_background 123
		kill -TERM "$PID"
		ends_with 255
		hook_is_gone
		has_line 'interrupted by signal'
		[[ $phase != backup-* ]] || has_line 'ERROR: Backup of VM 123 failed - interrupted by signal'
		[[ $phase = job-init ]] || has_line 'ERROR: Backup job failed - interrupted by signal'
		nothing_left 123
	done
}

@test "a hook script that ignores SIGTERM is killed, and so is its child" {
	hangs_in backup-start "trap '' TERM"
	backup_in_background 123
	kill -INT "$PID"
	ends_with 255
	hook_is_gone
	nothing_left 123
}

@test "what a hook script says when it is ended is still in the log" {
	hangs_in backup-start "trap 'echo tidied up; exit 1' TERM"
	backup_in_background 123
	kill -TERM "$PID"
	ends_with 255
	has_line '^INFO: tidied up$'
	hook_is_gone
}

@test "what a hook script leaves in the background is not waited for, whatever it writes, and not ended" {
	hook <<- 'END'
		[[ $phase = job-start ]] || exit 0
		sleep 600 > /dev/null 2>&1 &
		echo $! > "$here/pids"
		touch "$here/hangs"
		yes 'a line' &
		sleep 0.2
		echo the last line >&2
	END
	backup_in_background 123
	ends_with 0
	has_line '^INFO: the last line$'
	kill -0 "$(< "$VZ_TMP/pids")"
	nothing_left 123
}

@test "a vzdump that was started with SIGCHLD ignored hears how its hook script ended all the same" {
	hook <<< '[[ $phase != backup-end ]] || exit 7'
	run timeout -k 1 60 python3 - "$VZDUMP" 123 --storage backup --script "$HOOK" <<- 'END'
		import os, signal, sys
		signal.signal(signal.SIGCHLD, signal.SIG_IGN)
		os.execv(sys.argv[1], sys.argv[1:])
	END
	[[ $status = 255 ]]
	has_line "^ERROR: Backup of VM 123 failed - command '.*hook backup-end .* failed: exit code 7"
	has_line '^INFO: Backup job finished with errors$'
}

@test "a hook script that has closed its output is ended by a signal too" {
	hangs_in backup-start 'exec > /dev/null 2>&1'
	backup_in_background 123
	kill -TERM "$PID"
	ends_with 255
	hook_is_gone
}

@test "a hook script that has closed its output is waited for as long as it takes, and no longer" {
	hook <<< '[[ $phase != job-start ]] || { touch "$here/hangs"; exec > /dev/null 2>&1; sleep 4; }'
	backup_in_background 123
	ends_with 0
	[[ $(phases) = 'job-init job-start backup-start '* ]]
}

@test "after a signal backup-abort, log-end and job-abort still come, and a further signal ends them" {
	hangs_in backup-start
	backup_in_background 123
	kill -TERM "$PID"
	ends_with 255
	[[ $(phases) = "job-init job-start backup-start backup-abort log-end job-abort " ]]

	hook <<- 'END'
		[[ $phase = backup-start || $phase = backup-abort ]] || exit 0
		sleep 600 &
		echo "$$ $!" >> "$here/pids"
		touch "$here/$phase"
		wait
	END
	rm -f "$VZ_TMP/pids" "$VZ_TMP/hangs"
	ln -s backup-start "$VZ_TMP/hangs"
	backup_in_background 123
	kill -TERM "$PID"
	until [[ -e $VZ_TMP/backup-abort ]]; do
		kill -0 "$PID"
		sleep 0.02
	done
	kill -TERM "$PID"
	ends_with 255
	has_line 'WARN: interrupted by signal'
	hook_is_gone
	[[ $(phases) = "job-init job-start backup-start backup-abort log-end job-abort " ]]
	nothing_left 123
}

@test "hook-timeout ends a script that takes longer, from vzdump.conf too; without it there is no limit" {
	hangs_in backup-start
	run "$VZDUMP" 123 --storage backup --script "$HOOK" --hook-timeout 1
	[[ $status = 255 ]]
	has_line "ERROR: Backup of VM 123 failed - command '$HOOK backup-start stop 123' failed: got timeout"
	hook_is_gone
	hangs_in log-end
	echo "hook-timeout: 1" > "$VZDUMP_ROOT/etc/vzdump.conf"
	run "$VZDUMP" 123 --storage backup --script "$HOOK"
	[[ $status = 0 ]]
	has_line "WARN: command '$HOOK log-end stop 123' failed: got timeout"
	hook_is_gone
	run "$VZDUMP" 123 --storage backup --hook-timeout -1
	[[ $status = 255 && $output = *hook-timeout* ]]
}

@test "a hook script that fails is told of in PVE's words" {
	hook <<< '[[ $phase != backup-start ]] || exit 7'
	vzdump 123 --script "$HOOK"
	[[ $status = 255 ]]
	has_line "^ERROR: Backup of VM 123 failed - command '$HOOK backup-start stop 123' failed: exit code 7$"
	hook <<< '[[ $phase != backup-end ]] || kill -USR1 $$'
	vzdump 123 --script "$HOOK"
	[[ $status = 255 ]]
	has_line "^ERROR: Backup of VM 123 failed - command '$HOOK backup-end stop 123' failed: got signal 10$"
	hook <<< '[[ $phase != job-end ]] || exit 1'
	vzdump 123 --script "$HOOK"
	[[ $status = 255 ]]
	has_line "^ERROR: Backup job failed - command '$HOOK job-end' failed: exit code 1$"
	vzdump 123 --script /nonexistent
	[[ $status = 255 ]]
	has_line "^Error: The hook script '/nonexistent' does not exist\.$"
}

# told <phase> <variable>: what a hook that says its environment was told, "-" for not there
told() {
	sed -n "s/^$1 $2=//p" "$VZ_TMP/told" | grep . || echo -
}

@test "a hook script is told PVE's variables in each phase, and nothing else" {
	hook <<- 'END'
		env | grep -vE '^(_|PWD|SHLVL)=' | sed "s/^/$phase /" >> "$here/told"
		[[ $phase != log-end ]] || cp "$LOGFILE" "$here/logfile"
	END
	conf_add 123 "name: web"
	vzdump_ok 123 --script "$HOOK"
	local dump=$STORE/backup/dump phase
	local stem=${ARCHIVE%.vma.zst}
	[[ $(phases) = "job-init job-start backup-start backup-end log-end job-end " ]]
	for phase in job-init job-start backup-start backup-end log-end job-end; do
		[[ $(told $phase STOREID) = backup && $(told $phase LC_ALL) = C ]]
	done
	[[ $(told job-init DUMPDIR) = - && $(told job-start DUMPDIR) = "$dump" ]]
	for phase in backup-start backup-end log-end; do
		[[ $(told $phase VMTYPE) = qemu && $(told $phase HOSTNAME) = web ]]
		[[ $(told $phase TARGET) = "$ARCHIVE" && $(told $phase LOGFILE) = "$stem.log" ]]
		[[ $(told $phase DUMPDIR) = "$dump" ]]
	done
	grep -q 'INFO: Finished Backup of VM 123' "$VZ_TMP/logfile"
	[[ $(told job-end VMTYPE) = - && $(told job-end TARGET) = - ]]
	run grep -vE ' (LC_ALL|PATH|STOREID|DUMPDIR|VMTYPE|HOSTNAME|TARGET|LOGFILE)=' "$VZ_TMP/told"
	[[ $status = 1 ]]
}

@test "a hook script is told of the default storage, and of --dumpdir from the start" {
	hook <<< 'env | sed "s/^/$phase /" >> "$here/told"'
	: > "$VZDUMP_ROOT/etc/pve/storage.cfg"
	storage_add local images,backup
	mkdir -p "$VZ_TMP/d"
	run "$VZDUMP" 123 --script "$HOOK"
	[[ $status = 0 && $(told job-init STOREID) = local && $(told backup-end STOREID) = local ]]
	[[ $(told backup-end HOSTNAME) = - ]]
	rm "$VZ_TMP/told"
	run "$VZDUMP" 123 --script "$HOOK" --dumpdir "$VZ_TMP/d/"
	[[ $status = 0 && $(told job-init STOREID) = - && $(told job-init DUMPDIR) = "$VZ_TMP/d" ]]
	rm "$VZ_TMP/told"
	"$VZDUMP" 123 --script "$HOOK" --stdout > /dev/null 2>&1
	[[ $(told backup-end TARGET) = - ]]
	grep -qx 'backup-end TARGET=-' "$VZ_TMP/told"
}

@test "a guest that does not exist has no log and no variables" {
	hook <<< 'env | sed "s/^/$phase /" >> "$here/told"'
	vzdump 999 --script "$HOOK"
	[[ $status = 255 ]]
	has_line "ERROR: Backup of VM 999 failed - unable to find VM '999'"
	[[ $(phases) = "job-init job-start backup-abort log-end job-end " ]]
	local phase name
	for phase in backup-abort log-end; do
		for name in VMTYPE HOSTNAME TARGET LOGFILE; do
			[[ $(told $phase $name) = - ]]
		done
	done
	[[ -z $(find "$STORE/backup/dump" "$VZDUMP_ROOT/var/log" -type f) ]]
}

@test "an empty script is none" {
	vzdump_ok 123 --script ""
}

@test "the log of a guest that is off has PVE's lines in their order" {
	vzdump_ok 123
	[[ $(grep -oE 'creating vzdump archive|starting kvm to execute backup task|started backup task|stopping kvm after backup task|transferred' \
		<<< "$output") = $'creating vzdump archive\nstarting kvm to execute backup task\nstarted backup task\nstopping kvm after backup task'* ]]
	has_no_line 'resuming VM again'
	has_no_line 'aborting backup job'
}

@test "the system log hears what PVE sends there" {
	mkdir -p "$VZDUMP_ROOT/dev"
	command python3 - "$VZDUMP_ROOT/dev/log" > "$VZ_TMP/syslog" 3>&- <<- 'END' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		s.settimeout(60)
		while True:
		    print(s.recv(65536).decode(), flush=True)
	END
	local listener=$! i
	echo "$listener" > "$VZ_TMP/pids"
	until [[ -S $VZDUMP_ROOT/dev/log ]]; do
		kill -0 "$listener"
		sleep 0.02
	done
	vzdump 123 999 --quiet
	[[ $status = 255 ]]
	until grep -q 'Backup job finished' "$VZ_TMP/syslog"; do
		kill -0 "$listener"
		sleep 0.02
	done
	local head='^<30>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} vzdump\[[0-9]+\]: '
	[[ $(wc -l < "$VZ_TMP/syslog") = 5 ]]
	grep -qE "${head}INFO: starting new backup job: vzdump 123 999 " "$VZ_TMP/syslog"
	grep -qE "${head}INFO: Starting Backup of VM 123 \(qemu\)$" "$VZ_TMP/syslog"
	grep -qE "${head}INFO: Finished Backup of VM 123 \([0-9:]{8}\)$" "$VZ_TMP/syslog"
	grep -qE "${head/30/27}ERROR: Backup of VM 999 failed - unable to find VM '999'" "$VZ_TMP/syslog"
	grep -qE "${head}INFO: Backup job finished with errors$" "$VZ_TMP/syslog"
}

@test "post-restart is reached when the guest goes on, although a file of an earlier backup cannot be removed" {
	qemu_start 123 running
	hook <<< 'exit 0'
	mkdir -p "$VZDUMP_ROOT/var/lib/vzdump" "$VZ_TMP/folder"
	printf '+pid 999999\n+file %s\n' "$VZ_TMP/folder" > "$VZDUMP_ROOT/var/lib/vzdump/123.journal"
	vzdump_ok 123 --mode suspend --script "$HOOK"
	has_line "^WARN: something was left behind: 'vzdump --cleanup 123' tries again$"
	[[ $(tr '\n' ' ' < "$VZ_TMP/phases") = *"pre-restart post-restart log-end "* ]]
}

# as soon as it is not locked, somebody may start it, whose disk would vanish then
@test "A volume that was activated for the backup is deactivated while the guest is still locked" {
	mkdir "$VZ_TMP/tools"
	cat > "$VZ_TMP/tools/vgs" <<- 'END'
		#!/bin/sh
		echo '{"report":[{"vg":[{"vg_name":"fast"}]}]}'
	END
	cat > "$VZ_TMP/tools/lvchange" <<- END
		#!/bin/sh
		echo "\$1 \$(grep ^lock '$(conf_file 123)')" >> '$VZ_TMP/calls'
		[ "\$1" = -aln ]
	END
	chmod +x "$VZ_TMP"/tools/*
	printf 'lvm: fast\n\tvgname fast\n\tcontent images\n\n' >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	conf_add 123 "scsi1: fast:vm-123-disk-1,size=1M"
	PATH=$VZ_TMP/tools:$PATH vzdump 123
	echo "$output"
	cat "$VZ_TMP/calls"
	[[ $status = 255 && $(tail -n 1 "$VZ_TMP/calls") = "-aln lock: backup" ]]
}

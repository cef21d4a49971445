#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What programs read of a run: --output-format, --strict, the fields in the journal.

load ../lib/qemu
load ../lib/vzdump
load ../lib/incremental

setup() {
	vz_setup
	conf_add 101 "name: web"
}

teardown() {
	[[ ! -e $VZ_TMP/pids ]] || kill "$(< "$VZ_TMP/pids")" 2> /dev/null || true
	backup_drop
	chain_place_end
	vz_teardown
}

# fits_schema <file>: the report is as doc/vzdump-report.schema.json says
fits_schema() {
	/usr/bin/python3 -c 'import json, sys, jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))' \
		"$VZ_TOP/doc/vzdump-report.schema.json" "$1"
}

# reported <argument>...: runs vzdump; its report is in $VZ_TMP/report, what it logs in $stderr
reported() {
	run --separate-stderr "$VZDUMP" --output-format json "$@"
	printf '%s\n' "$output" > "$VZ_TMP/report"
	fits_schema "$VZ_TMP/report" || { cat "$VZ_TMP/report"; return 1; }
}

# got <filter>: what jq makes of the report
got() {
	jq -r "$1" "$VZ_TMP/report"
}

# is <filter> <value>
is() {
	[[ $(got "$1") = "$2" ]] || { echo "$1 is $(got "$1"), not $2"; return 1; }
}

@test "the report of a guest with fleecing says what the archive, its file and the log say" {
	local size data log
	disk_add 123 scsi0 throttle 16M
	disk_add 123 scsi1 scsi 8M
	disk_fill "$(disk_path 123 scsi0)" 16M
	conf_add 123 "name: db"
	qemu_start 123 running
	reported 123 --storage backup --compress zstd --fleecing enabled=1,storage=fast,limit=64M
	[[ $status = 0 ]]
	is .state ok
	is '.guests[0] | "\(.vmid) \(.name) \(.state) \(.mode) \(.error)"' "123 db ok snapshot null"
	is '.guests[0].slowdown | "\(.limit) \(.reason) \(.times) \(.seconds == 0)"' "$((64 << 20)) limit 0 true"
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	is '.guests[0].archive' "$ARCHIVE"
	is '.guests[0].volid' "backup:backup/${ARCHIVE##*/}"
	is '.guests[0]["archive-size"]' "$(stat -c %s "$ARCHIVE")"
	is '.totals["archive-size"]' "$(stat -c %s "$ARCHIVE")"
	# what is not zero is in the archive; a reader that is not ours counts it
	data=$(archive_read | sed -nE 's/.*, ([0-9]+) data bytes.*/\1/p')
	size=$((24 << 20))
	is '.guests[0] | "\(.size) \(.zero)"' "$size $((size - data))"
	(($(got '.guests[0].read') >= data))
	is '[.guests[0].disks[] | "\(.name) \(.way) \(.size)"] | join(", ")' \
		"drive-scsi0 fleecing $((16 << 20)), drive-scsi1 fleecing $((8 << 20))"
	[[ $stderr = *"fleecing drive-scsi0: peak "* && $(got '.guests[0].disks[0].fleecing.peak') =~ ^[0-9]+$ ]]
	# two disks need a pause; the log rounds it to a tenth of a millisecond
	log=$(sed -nE 's/^INFO: vCPUs stopped for ([0-9.]+) ms .*/\1/p' <<< "$stderr")
	[[ $(got ".guests[0][\"stopped-seconds\"] * 1000 - $log | fabs < 0.06") = true ]]
}

@test "the report of an incremental backup says what the log says, and the figures say it, too" {
	local first incremental=(--storage backup --compress zstd --incremental 1 --metrics "$VZ_TMP/figures")
	chain_place xfs 400M
	disk_add 123 scsi0 throttle 16M
	disk_fill "$(disk_path 123 scsi0)" 16M
	qemu_start 123
	reported 123 "${incremental[@]}"
	is '.guests[0].incremental | "\(.base) \(.generation) \(.shared) \(.reason)"' \
		"null 0 0 there is no other backup of this guest"
	is '.guests[0] | .incremental.new == .["archive-size"]' true
	first=$(got '.guests[0].archive')
	guest_io 123 scsi0 "write -P 0x11 1M 64k"
	reported 123 "${incremental[@]}"
	[[ $status = 0 ]]
	is '.guests[0].incremental | "\(.base) \(.generation) \(.reason) \(.copied) \(.["bad-frames"])"' \
		"${first##*/} 1 null 0 0"
	# what was written, and the last cluster, which is marked and has not changed
	is '.guests[0].incremental | "\(.["looked-at"]) \(.changed)"' "$((2 << 16)) $((1 << 16))"
	is '.guests[0] | .incremental.shared > 0 and .incremental.shared + .incremental.new == .["archive-size"]' true
	is '.totals.shared == .guests[0].incremental.shared' true
	grep -qx "vzdump_guest_last_run_generation{vmid=\"123\"} 1" "$VZ_TMP/figures"
	grep -qx "vzdump_guest_last_run_new_bytes{vmid=\"123\"} $(got '.guests[0].incremental.new')" "$VZ_TMP/figures"
	reported 123 --storage backup --compress gzip --incremental 1
	is '.guests[0].incremental' null
	is '.guests[0].warnings[0] // .warnings[0]' "incremental has no effect without --compress zstd: the backups are full ones"
}

@test "without fleecing disks come by a sink, and of a guest that is off they are read offline" {
	disk_add 123 scsi0 throttle 4M
	qemu_start 123
	disk_add 124 scsi0 scsi 4M
	reported 123 124 --storage backup
	[[ $status = 0 ]]
	is '[.guests[] | "\(.mode) \(.disks[0].way) \(.fleecing)"] | join(", ")' "snapshot sink null, stop offline null"
}

@test "how long the guest stood still: not at all for one disk, some time if it is suspended" {
	disk_add 123 scsi0 throttle 4M
	qemu_start 123 running
	reported 123 --storage backup
	is '.guests[0]["stopped-seconds"]' 0
	is '.guests[0]["frozen-seconds"]' 0
	reported 123 --storage backup --mode suspend
	[[ $status = 0 && $(got '.guests[0] | .mode == "suspend" and .["stopped-seconds"] > 0 and .["stopped-seconds"] < .seconds') = true ]]
}

@test "a guest that fails, one that nobody has and a container are told apart from those that are saved" {
	conf_add 102 "name: locked" "lock: migrate"
	mkdir -p "$VZDUMP_ROOT/etc/pve/lxc"
	echo "hostname: ct" > "$VZDUMP_ROOT/etc/pve/lxc/105.conf"
	reported 101 102 105 999 --storage backup
	[[ $status = 255 && ${stderr_lines[-1]} = "job errors" ]]
	is '.state' failed
	is '.error' null
	is '[.guests[].state] | join(" ")' "ok failed unsupported failed"
	is '[.guests[].name] | join(" ")' "web locked CT 105 "
	is '.guests[1].archive' null
	is '.totals | "\(.guests) \(.ok)"' "4 1"
	[[ $(got '.guests[1].error') = *"VM is locked (migrate)"* ]]
	[[ $(got '.guests[3].error') = "unable to find VM '999'"* ]]
}

@test "the archive of a guest whose hook fails after the backup is in the report, though the guest failed" {
	printf '#!/bin/sh\n[ "$1" != backup-end ]\n' > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
	reported 101 --storage backup --script "$VZ_TMP/hook"
	[[ $status = 255 ]]
	is '.guests[0].state' failed
	[[ -e $(got '.guests[0].archive') ]]
}

@test "a run that cannot begin reports each of its problems, and guests that were not reached" {
	printf '#!/bin/sh\nexit 3\n' > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
	reported 101 --storage nope --tmpdir /nowhere --script "$VZ_TMP/hook"
	[[ $status = 255 ]]
	is '.guests[0].state' todo
	[[ $(got .error | wc -l) = 3 && $(got .error) = *"job-init' failed: exit code 3"*"'nope'"*"/nowhere"* ]]
}

@test "a signal while a guest is saved: canceled, and the next one was not reached" {
	conf_add 102 "name: b"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ "$1" != backup-start ] || kill -TERM $PPID\n' > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
	reported 101 102 --storage backup --script "$VZ_TMP/hook"
	[[ $status = 255 ]]
	is '.state' canceled
	is '[.guests[].state] | join(" ")' "canceled todo"
}

@test "warnings are in the report with their guest, and --strict makes them an exit status" {
	printf 'notes-template: {{foo}}\n' > "$VZDUMP_ROOT/etc/vzdump.conf"
	reported 101 --storage backup
	[[ $status = 0 && ${stderr_lines[-1]} = "Task finished with 1 warning(s)!" ]]
	is '.guests[0].warnings | length' 1
	is '.totals.warnings' 1
	reported 101 --storage backup --strict
	[[ $status = 1 ]]
	is .state ok
	rm "$VZDUMP_ROOT/etc/vzdump.conf"
	reported 101 --storage backup --strict
	[[ $status = 0 ]]
	reported 999 --storage backup --strict
	[[ $status = 255 ]]
}

@test "nothing to do is a report too, and wrong options are none" {
	reported --node elsewhere 101
	[[ $status = 0 && -z $stderr ]]
	is '.state' ok
	is '.guests | length' 0
	run --separate-stderr "$VZDUMP" --output-format json 101 --all
	[[ $status = 255 && -z $output ]]
	run --separate-stderr "$VZDUMP" --output-format json 101 --stdout
	[[ $status = 255 && -z $output && $stderr = "vzdump: option --output-format: "* ]]
}

@test "json-lines: an object per line, from the first phase to the report" {
	disk_add 123 scsi0 throttle 4M
	qemu_start 123
	run --separate-stderr "$VZDUMP" 123 --storage backup --output-format json-lines --fleecing 1
	[[ $status = 0 ]]
	printf '%s\n' "$output" > "$VZ_TMP/lines"
	[[ $(jq -r 'select(.type == "phase") | .phase' "$VZ_TMP/lines" | xargs) = \
		"job-init job-start backup-start pre-stop pre-restart post-restart backup-end log-end job-end" ]]
	[[ $(jq -r 'select(.type == "progress") | "\(.vmid) \(.percent) \(.disks[0].name)"' "$VZ_TMP/lines" | tail -n 1) = \
		"123 100 drive-scsi0" ]]
	# what stays free on the storage is a limit, too
	[[ $(jq -r 'select(.type == "progress") | .slowed' "$VZ_TMP/lines" | sort -u) = false ]]
	[[ $(jq -r 'select(.archive) | .message' "$VZ_TMP/lines") = "Finished Backup of VM 123 "* ]]
	[[ $(jq -r .type "$VZ_TMP/lines" | tail -n 1) = report ]]
	tail -n 1 "$VZ_TMP/lines" | jq .report > "$VZ_TMP/report"
	fits_schema "$VZ_TMP/report"
}

@test "a report that cannot be written is an error, also as the last of the lines" {
	local format
	for format in json json-lines; do
		run bash -c '"$1" 101 --storage backup --output-format "$2" > /dev/full' _ "$VZDUMP" "$format"
		[[ $status = 255 && ${lines[-1]} = "cannot write the report to standard output" ]]
		run bash -c '"$1" 101 --storage backup --output-format "$2" >&-' _ "$VZDUMP" "$format"
		[[ $status = 255 ]]
	done
	run bash -c '"$1" 101 --storage backup --dry-run --output-format json-lines > /dev/full' _ "$VZDUMP"
	[[ $status = 255 && ${lines[-1]} = "cannot write the plan to standard output" ]]
}

@test "a report that nobody reads does not keep vzdump from ending after a signal" {
	local id pid
	for id in {200..320}; do
		conf_add "$id" "lock: migrate"
	done
	mkfifo "$VZ_TMP/fifo"
	touch "$VZ_TMP/log"
	exec 8<> "$VZ_TMP/fifo"
	"$VZDUMP" --all --storage backup --output-format json > "$VZ_TMP/fifo" 2> "$VZ_TMP/log" 3>&- 8>&- &
	pid=$!
	echo "$pid" > "$VZ_TMP/pids"
	until grep -q "finished with errors" "$VZ_TMP/log"; do
		kill -0 "$pid"
		sleep 0.02
	done
	kill -TERM "$pid"
	timeout 300 tail --pid "$pid" -s 0.1 -f /dev/null
	status=0
	wait "$pid" || status=$?
	[[ $status = 255 ]]
}

@test "names that are not UTF-8 make no invalid JSON" {
	printf 'name: caf\351\n' > "$VZDUMP_ROOT/etc/pve/qemu-server/103.conf"
	reported 103 --storage backup
	is '.guests[0].name' café
}

@test "journald gets the guest, the job and the archive as fields" {
	mkdir -p "$VZDUMP_ROOT/run/systemd/journal" "$VZDUMP_ROOT/dev"
	command python3 - "$VZDUMP_ROOT/run/systemd/journal/socket" > "$VZ_TMP/journal" 3>&- <<- 'END' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		s.settimeout(300)
		while True:
		    print(s.recv(65536).decode(), flush=True)
	END
	echo $! > "$VZ_TMP/pids"
	until [[ -S $VZDUMP_ROOT/run/systemd/journal/socket ]]; do
		kill -0 "$(< "$VZ_TMP/pids")"
		sleep 0.02
	done
	vzdump 101 --quiet --job-id nightly
	[[ $status = 0 ]]
	until grep -q 'Backup job finished' "$VZ_TMP/journal"; do
		kill -0 "$(< "$VZ_TMP/pids")"
		sleep 0.02
	done
	# records end with an empty line
	[[ $(grep -c '^$' "$VZ_TMP/journal") = 4 && $(grep -cx 'JOB=nightly' "$VZ_TMP/journal") = 4 ]]
	[[ $(grep -cx 'SYSLOG_IDENTIFIER=vzdump' "$VZ_TMP/journal") = 4 && $(grep -cx 'VMID=101' "$VZ_TMP/journal") = 2 ]]
	grep -qx 'MESSAGE=INFO: Starting Backup of VM 101 (qemu)' "$VZ_TMP/journal"
	[[ $(grep '^ARCHIVE=' "$VZ_TMP/journal") = "ARCHIVE=$ARCHIVE" ]]
}

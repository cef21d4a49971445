#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# vzdump status: what it shows of guests, and what it costs.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	export TZ=UTC
	conf_add 101 "name: web"
	conf_add 102 "name: db"
}

teardown() {
	vz_teardown
}

# status ARGS...: as JSON in $output
status() {
	run --separate-stderr "$VZDUMP" status "$@" --output-format json
	[[ $status = 0 ]] || { echo "$stderr"; return 1; }
}

# got FILTER: what jq makes of it
got() {
	jq -r "$1" <<< "$output"
}

@test "a backup, its check and its failure come back in the status" {
	vzdump_ok 101
	"$BUILD/bin/vma" verify "$ARCHIVE"
	printf 'lock: migrate\n' >> "$(conf_file 101)"
	vzdump 101
	status
	[[ $(got '.guests[0]["last-backup"].volid') = "backup:backup/${ARCHIVE##*/}" ]]
	[[ $(got '.guests[0]["last-backup"].size') = "$(stat -c %s "$ARCHIVE")" ]]
	[[ $(got '.guests[0]["last-backup"].verified > 0') = true ]]
	[[ $(got '.guests[0]["last-run"].state') = failed && $(got '.guests[0].name') = web ]]
	[[ $(got '.guests[0]["last-run"].error') = *"locked (migrate)"* ]]
	[[ $(got '.guests[0].problems | join(" ")') = "no-job failed" ]]
	[[ $(got '.guests[1].problems | join(" ")') = "no-backup no-job" ]]
	[[ $(got '.summary | join(" ")') = "2 1 2 1" ]]
}

@test "a backup that went to standard output is the last good one, though nobody sees its archive" {
	"$VZDUMP" 101 --stdout > "$VZ_TMP/archive" 2> "$VZ_TMP/log"
	status 101
	[[ $(got '.guests[0]["last-backup"] | "\(.path) \(.size) \(.seen)"') = "- $(stat -c %s "$VZ_TMP/archive") false" ]]
	[[ $(got '.guests[0].problems | join(" ")') = no-job ]]
}

@test "text: a line for each guest, a mark for those that need a look, and how many they are" {
	printf 'vzdump: nightly\n\tschedule 22:00\n\tvmid 101\n\tstorage backup\n' > "$VZDUMP_ROOT/etc/pve/jobs.cfg"
	vzdump_ok 101 --protected 1
	run --separate-stderr "$VZDUMP" status
	[[ $status = 0 && $stderr = "" && ${#lines[@]} = 4 ]]
	[[ ${lines[0]} =~ ^\ +VMID\ +NAME\ +BACKUP\ +AGE\ +SIZE\ +VERIFIED\ +BOOT\ +PROT\ +NEXT\ PRUNED\ +NEXT\ RUN\ +JOB\ +LAST\ RUN$ ]]
	[[ ${lines[1]} =~ ^\ \ 101\ +web\ +[0-9-]+\ [0-9:]+\ +[0-9]+m\ .*B\ +-\ +-\ +yes\ +-\ +[0-9-]+\ 22:00\ +nightly\ +ok$ ]]
	[[ ${lines[2]} =~ ^!\ 102\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-\ +-$ ]]
	[[ ${lines[3]} = "2 guests: 1 without a backup, 1 in no job, 0 whose last run failed" ]]
}

@test "a host without guests has none to show" {
	rm "$VZDUMP_ROOT"/etc/pve/qemu-server/*
	run "$VZDUMP" status
	[[ $status = 0 && $output = "There are no guests on this host." ]]
}

@test "a name that would command a terminal does not" {
	printf 'memory: 16\nname: a\033[31mb\n' > "$(conf_file 101)"
	vzdump_ok 101
	run "$VZDUMP" status 101
	[[ $status = 0 && $output = *'a?[31mb'* ]]
}

@test "guests and storages that are named, and those that there are not" {
	vzdump_ok 101
	status 101
	[[ $(got '.guests | length') = 1 ]]
	status --storage backup
	[[ $(got '.places | length') = 1 && $(got '.guests[0].backups') = 1 ]]
	run "$VZDUMP" status 999
	[[ $status = 255 && $output = "there is no guest 999 on this host" ]]
	run "$VZDUMP" status --storage nowhere
	[[ $status = 255 && $output = "storage 'nowhere' does not exist"* ]]
}

@test "the next backup to be pruned is the one that the next run removes" {
	local next
	cat >> "$VZDUMP_ROOT/etc/vzdump.conf" <<< 'prune-backups: keep-last=2'
	touch "$STORE"/backup/dump/vzdump-qemu-101-2020_01_0{1,2,3}-00_00_00.vma.zst
	status 101
	next=$(got '.guests[0]["next-pruned"][]')
	[[ $next = $'backup:backup/vzdump-qemu-101-2020_01_01-00_00_00.vma.zst\nbackup:backup/vzdump-qemu-101-2020_01_02-00_00_00.vma.zst' ]]
	vzdump_ok 101
	[[ $(sed -n "s/^INFO: removing backup '\(.*\)'$/\1/p" <<< "$output") = "$next" ]]
}

@test "a user who may not read our records sees archives and one warning" {
	[[ $(id -u) = 0 ]] || skip "needs root"
	vzdump_ok 101
	chmod -R a+rX "$VZ_TMP"
	chmod 700 "$VZDUMP_ROOT/var/log/vzdump/guests"
	run --separate-stderr setpriv --reuid 65534 --clear-groups "$VZDUMP" status --output-format json
	[[ $status = 0 && $(wc -l <<< "$stderr") = 1 && $stderr = "WARN: last runs and verified archives are not known"* ]]
	[[ $(got '.guests[0].backups') = 1 && $(got '.guests[0]["last-run"]') = null ]]
}

@test "a record that is cut short is a warning, and the others are read" {
	vzdump_ok 101 102
	truncate -s 40 "$VZDUMP_ROOT/var/log/vzdump/guests/101.json"
	status
	[[ $stderr = "WARN: the record '"*"/101.json' is damaged"* ]]
	[[ $(got '.guests[0]["last-run"]') = null && $(got '.guests[1]["last-run"].state') = ok ]]
}

@test "1000 guests with 20000 archives: all of them, with one look at each archive" {
	/usr/bin/python3 - "$VZDUMP_ROOT" "$STORE/backup/dump" <<- 'END'
		import json, os, sys
		root, dump = sys.argv[1:]
		os.makedirs(root + "/var/log/vzdump/guests")
		record = {"version": 1, "last-run": {"state": "ok", "start": 1790000000}}
		for vmid in range(1000, 2000):
		    open(f"{root}/etc/pve/qemu-server/{vmid}.conf", "w").close()
		    json.dump(record, open(f"{root}/var/log/vzdump/guests/{vmid}.json", "w"))
		    for day in range(1, 21):
		        name = f"{dump}/vzdump-qemu-{vmid}-2020_01_{day:02}-00_00_00"
		        for end in ".vma.zst", ".vma.zst.notes", ".log":
		            open(name + end, "w").close()
	END
	sed -i '/^dir: backup$/a\	prune-backups keep-last=20' "$VZDUMP_ROOT/etc/pve/storage.cfg"
	unset TZ
	run --separate-stderr strace -f -o "$VZ_TMP/trace" "$VZDUMP" status --output-format json
	[[ $status = 0 && $stderr = "" ]]
	[[ $(got '[.guests[] | select(.backups == 20 and .["last-run"].state == "ok")] | length') = 1000 ]]
	[[ $(got '[.guests[]["next-pruned"][]] | unique | length') = 1000 ]]
	# one stat of each archive; a guest's record and what was verified of it are opened
	[[ $(grep -cE ' (newfstatat|stat|statx|access|faccessat2?|readlink)\(' "$VZ_TMP/trace") -lt 20500 ]]
	[[ $(grep -cE ' (openat|open)\(' "$VZ_TMP/trace") -lt 2500 ]]
	run ! grep -E 'openat.*\.(conf|zst|notes|log)"' <(grep -v '/etc/vzdump.conf\|/usr/\|/etc/ld' "$VZ_TMP/trace")
}

@test "help and completion know the command, and a guest's id is no command" {
	run "$VZDUMP" help
	[[ $status = 0 && $output = "USAGE: vzdump "* && $output = *"vzdump status "* ]]
	run "$VZDUMP" --help
	[[ $status = 0 && $output = *"vzdump status "* ]]
	run "$VZDUMP" help status
	[[ $status = 0 && ${lines[0]} = "USAGE: vzdump status [<vmid> ...] [OPTIONS]" ]]
	run "$VZDUMP" help stats
	[[ $status = 255 && $output = "vzdump: unknown command 'stats' (did you mean 'status'?)" ]]
	run "$VZDUMP" stat
	[[ $status = 255 && $output = *"'stat' is not a guest id"* ]]
	run "$VZDUMP" --complete-words 0 -- ''
	[[ $output = *$'101\t'* && $output = *$'status\t'* ]]
	run "$VZDUMP" --complete-words 0 -- --st
	[[ $output = *--storage* && $output != *$'\nstatus'* ]]
	run "$VZDUMP" --complete-words 1 -- status --
	[[ $output = *--output-format* && $output != *--compress* ]]
	run "$VZDUMP" --complete-words 1 -- 101 ''
	[[ $output = *102* && $output != *status* ]]
}

@test "status to a full disk is an error, unlike the log of a backup" {
	run bash -c '"$1" status > /dev/full' _ "$VZDUMP"
	[[ $status = 255 ]]
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# vzdump --dry-run: what it says comes true, and nothing is changed by it.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	PVE=$VZDUMP_ROOT/etc/pve
	DUMP=$STORE/backup/dump
	FLEECING=(--fleecing "enabled=1,storage=fast")
}

teardown() {
	backup_drop
	[[ -z ${LOCKED:-} ]] || kill "$LOCKED" 2> /dev/null || true
	vz_teardown
}

# web_add: guest 101 with a disk of each kind and one that is left out
web_add() {
	local tpm=$STORE/local/images/101/vm-101-tpm.raw
	conf_add 101 "name: web" "bios: ovmf"
	disk_add 101 scsi0 throttle 16M
	disk_add 101 efidisk0 pflash 528K
	disk_add 101 virtio1 blockdev 8M backup=0
	truncate -s 4M "$tpm"
	conf_add 101 "tpmstate0: local:101/${tpm##*/},size=4M"
	disk_fill "$(disk_path 101 scsi0)" 4M
	truncate -s 16M "$(disk_path 101 scsi0)"
}

# everything: all files of host and storages with their times, and what QEMU has; but the log of the backup of
# $OTHER, which goes on meanwhile
everything() {
	find "$VZDUMP_ROOT" "$STORE" ! -name "qemu-${OTHER:-}.log" -printf '%p %y %i %m %s %T@ %C@\n' | sort
	[[ ! -e $VZ_TMP/101.qemu-pid ]] || graph_state 101
}

# dry <argument>...: a dry run, after which all must be as it was
dry() {
	everything > "$VZ_TMP/before"
	run --separate-stderr "$VZDUMP" --dry-run "$@"
	everything > "$VZ_TMP/after"
	diff "$VZ_TMP/before" "$VZ_TMP/after"
}

# planned <argument>...: the same, with its plan in $VZ_TMP/plan
planned() {
	dry --output-format json "$@" || return 1
	printf '%s\n' "$output" > "$VZ_TMP/plan"
	/usr/bin/python3 -c 'import json, sys, jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))' \
		"$VZ_TOP/doc/vzdump-plan.schema.json" "$VZ_TMP/plan" || { cat "$VZ_TMP/plan"; return 1; }
}

# is <filter> <value>: what jq makes of the plan
is() {
	local found
	found=$(jq -r "$1" "$VZ_TMP/plan")
	[[ $found = "$2" ]] || { echo "$1 is $found, not $2"; return 1; }
}

# hooked: a hook script that writes its guests' phases to $VZ_TMP/phases
hooked() {
	printf '#!/bin/sh\n[ "$3" ] && echo "$1" >> "%s/phases"\nexit 0\n' "$VZ_TMP" > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
}

# archive_add <vmid> <age in days> [size]: an old backup on storage "backup"
archive_add() {
	local file
	file=$DUMP/vzdump-qemu-$1-$(date -d "-$2 days" +%Y_%m_%d-%H_%M_%S).vma.zst
	truncate -s "${3:-1K}" "$file"
	echo "$file"
}

@test "each disk is read by the way that the plan says, and has its size" {
	local found
	web_add
	qemu_start 101 running
	planned 101 --storage backup "${FLEECING[@]}"
	[[ $status = 0 ]]
	is '.guests[0] | "\(.vmid) \(.name) \(.state) \(.running) \(.mode)"' "101 web ok true snapshot"
	is '.guests[0].disks[] | select(.included | not) | "\(.key) \(.reason) \(.name) \(.way)"' "virtio1 backup=no null null"
	is '[.guests[0].disks[] | select(.included) | .way] | join(" ")' "fleecing sink offline"
	is '.guests[0].disks[0].fleecing | "\(.storage) \(.reserved) \(.free > 0)"' "fast false true"
	is '.guests[0].disks[0].file' "$(disk_path 101 scsi0)"
	is '.guests[0].fleecing | "\(.limit > 0) \(.reason)"' "true reserve"
	found=$(jq -c '[.guests[0].disks[] | select(.included) | [.name, .way, .size]] | sort' "$VZ_TMP/plan")
	run --separate-stderr "$VZDUMP" 101 --storage backup "${FLEECING[@]}" --output-format json
	[[ $(jq -c '[.guests[0].disks[] | [.name, .way, .size]] | sort' <<< "$output") = "$found" ]]
	# without fleecing, and of a guest that is off
	planned 101 --storage backup
	is '[.guests[0].disks[] | select(.included) | .way] | join(" ")' "sink sink offline"
	is '.guests[0] | "\(.fleecing) \(.disks[0].fleecing)"' "null null"
	qemu_quit 101
	planned 101 --storage backup "${FLEECING[@]}"
	is '.guests[0] | "\(.running) \(.mode)"' "false stop"
	is '[.guests[0].disks[] | select(.included) | "\(.way) \(.size)"] | join(" ")' \
		"offline $((16 << 20)) offline $((528 << 10)) offline $((4 << 20))"
}

@test "the limit of the fleecing images that will hold, what sets it, and what stays free" {
	web_add
	qemu_start 101 running
	planned 101 --storage backup --fleecing enabled=1,storage=fast,limit=32M,reserve=1K
	is '.guests[0].fleecing | "\(.limit) \(.reason)"' "$((32 << 20)) limit"
	is '.guests[0].disks[0].fleecing.reserve' 1024
	planned 101 --storage backup --fleecing enabled=1,storage=fast,limit=100%,reserve=0 --fleecing-limit 1G
	# of a disk of 16 MiB
	is '.guests[0].fleecing | "\(.limit) \(.reason)"' "$((16 << 20)) limit"
	printf 'fleecing-limit: 17M\n' > "$VZDUMP_ROOT/etc/vzdump.conf"
	planned 101 --storage backup --fleecing enabled=1,storage=fast,limit=1G
	is '.guests[0].fleecing | "\(.limit) \(.reason)"' "$((17 << 20)) fleecing-limit"
	# more than there is: the guest goes on all the same
	planned 101 --storage backup --fleecing enabled=1,storage=fast,reserve=90000T
	is '.guests[0].fleecing | "\(.limit) \(.reason)"' "$((16 << 20)) reserve"
	is '.guests[0].warnings | length' 1
	dry 101 --storage backup --fleecing enabled=1,storage=fast,limit=2G
	has_line '^INFO: fleecing images: 17.0 MiB together at most, by --fleecing-limit$'
}

@test "guests are tried if the call, its job or vzdump.conf says so, in this order" {
	web_add
	printf 'vzdump: nightly\n\tschedule 02:30\n\tvmid 101\n\tstorage backup\n\tverify-boot enabled=1,timeout=88\n' > "$PVE/jobs.cfg"
	planned 101 --storage backup
	is '."verify-boot"' null
	printf 'verify-boot: enabled=1,timeout=77\n' > "$VZDUMP_ROOT/etc/vzdump.conf"
	planned 101 --storage backup
	is '."verify-boot".timeout' 77
	planned --job nightly
	is '."verify-boot".timeout' 88
	planned 101 --storage backup --verify-boot 0
	is '."verify-boot"' null
}

@test "the log of a dry run says it in words" {
	web_add
	qemu_start 101 running
	dry 101 --storage backup "${FLEECING[@]}" --mailto root
	[[ $status = 0 ]]
	has_line "^INFO: dry run, nothing is changed: vzdump 101 "
	has_line "^INFO: archives go to storage 'backup' \('$DUMP'\): .* free$"
	has_line '^INFO: notification: a mail to root$'
	has_line '^INFO: status = running$'
	has_line "^INFO: include disk 'scsi0' 'local:101/vm-101-disk-0.raw' 16M$"
	has_line "^INFO: exclude disk 'virtio1' 'local:101/vm-101-disk-2.raw' \(backup=no\)$"
	has_line "^INFO: drive-scsi0: 16.0 MiB, way fleecing; image on storage 'fast': .* free, of which .* are kept free$"
	has_line '^INFO: drive-efidisk0: 528.0 KiB, way sink$'
	has_line '^INFO: drive-tpmstate0-backup: 4.0 MiB, way offline$'
	has_line '^INFO: it has no backup there yet; .* free$'
	[[ ${lines[-1]} = "INFO: dry run: 1 of 1 guest(s) can be saved, as far as that can be seen before" ]]
	# no other program reads it, so it must be quiet where a run is
	dry 101 --storage backup --quiet
	[[ $status = 0 && -z $output && -z $stderr ]]
	dry 101 --stdout --compress zstd
	[[ $status = 0 && -z $output && $stderr = *"the archive goes to standard output"* ]]
	dry 101 --storage backup --output-format json-lines
	[[ ${#lines[@]} = 1 && $(jq -r '"\(.type) \(.plan.state)"' <<< "$output") = "plan ok" ]]
}

@test "nothing is opened for writing, made, renamed or removed, in no mode" {
	local mode
	web_add
	hooked
	mkdir -p "$VZDUMP_ROOT/var/log/vzdump" "$VZDUMP_ROOT/var/lib/vzdump"
	archive_add 101 1
	qemu_start 101 running
	for mode in snapshot suspend stop; do
		# a sanitizer makes the folder of its reports
		strace -f -qq -o "$VZ_TMP/trace" -e trace=%file,flock,fcntl,kill,ftruncate,fallocate,mount,chmod,fchmod,fchown \
			"$VZDUMP" 101 --dry-run --mode "$mode" --storage backup "${FLEECING[@]}" --script "$VZ_TMP/hook" \
			--prune-backups keep-last=1 --metrics "$VZ_TMP/figures" > /dev/null
		run grep -E 'O_WRONLY|O_RDWR|O_CREAT|LOCK_EX|F_(OFD_)?SETLK|unlink|rename|mkdir|rmdir|symlink|link\(|mknod|utime|truncate|fallocate|chmod|chown|mount|kill\(' \
			<(grep -vE '"/(dev/null|proc/)|readlink|ENOENT' "$VZ_TMP/trace" |
				awk -F'"' -v logs="$BUILD/test-logs/" '!/mkdir/ || index(logs, $2 "/") != 1')
		[[ -z $output ]] || { echo "$mode: $output"; return 1; }
		grep -q "101.conf" "$VZ_TMP/trace"
	done
	[[ ! -e $VZ_TMP/phases && ! -e $VZ_TMP/figures ]]
	for mode in snapshot suspend stop; do
		dry 101 --mode "$mode" --storage backup "${FLEECING[@]}"
		[[ $status = 0 ]]
	done
	qemu_quit 101
	dry 101 --storage backup
	[[ $status = 0 ]]
}

@test "QEMU gets queries only, and the agent nothing" {
	web_add
	conf_add 101 "agent: 1"
	qemu_start 101 running
	strace -f -qq -s 300 -o "$VZ_TMP/trace" -e trace=write,sendto,sendmsg,connect \
		"$VZDUMP" 101 --dry-run --storage backup "${FLEECING[@]}" > /dev/null
	grep -o 'execute[^,}]*' "$VZ_TMP/trace" | tr -d '\\": ' | sort -u > "$VZ_TMP/commands"
	grep -qx executequery-block "$VZ_TMP/commands"
	run grep -vxE 'execute(qmp_capabilities|query-[a-z-]+|qom-get|qom-list|x-debug-query-block-graph)' "$VZ_TMP/commands"
	[[ -z $output ]] || { echo "$output"; return 1; }
	run grep -F "101.qga" "$VZ_TMP/trace"
	[[ -z $output ]]
}

@test "the hook script is not called: its phases are those that a run then reaches" {
	local mode
	web_add
	hooked
	qemu_start 101 running
	for mode in snapshot suspend off; do
		[[ $mode != off ]] || qemu_quit 101
		rm -f "$VZ_TMP/phases"
		planned 101 --mode "${mode/off/snapshot}" --storage backup --script "$VZ_TMP/hook"
		is .hook.script "$VZ_TMP/hook"
		is '.hook.phases | join(" ")' "job-init job-start job-end"
		[[ ! -e $VZ_TMP/phases ]]
		vzdump_ok 101 --mode "${mode/off/snapshot}" --script "$VZ_TMP/hook"
		is '.guests[0].phases | join("\n")' "$(< "$VZ_TMP/phases")"
	done
	rm "$VZ_TMP/hook"
	planned 101 --storage backup --script "$VZ_TMP/hook"
	[[ $status = 255 && $stderr = *"Error: The hook script '$VZ_TMP/hook' does not exist."* ]]
}

@test "mode stop: the plan says that the guest is shut down, and it is not" {
	web_add
	hooked
	qemu_start 101 running
	planned 101 --mode stop --storage backup --script "$VZ_TMP/hook"
	[[ $status = 0 && $stderr = *"VM 101 is shut down (10 minutes at most), and started again after its backup"* ]]
	is '[.guests[0].disks[] | select(.included) | .way] | unique | join(" ")' offline
	is '.guests[0].phases | join(" ")' "backup-start pre-stop backup-end pre-restart post-restart log-end"
	# then it is started before it is read, and its disks are in QEMU
	echo "start-paused-command: false" > "$VZDUMP_ROOT/etc/vzdump.conf"
	planned 101 --mode stop --storage backup "${FLEECING[@]}"
	is '.guests[0].disks[0].way' fleecing
	# and not in the one that runs now, whatever stands in its way there
	qmp 101 nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$VZ_TMP/nbd\"}}}"
	qmp 101 block-export-add '{"type":"nbd","id":"theirs","node-name":"drive-scsi0"}'
	planned 101 --mode stop --storage backup "${FLEECING[@]}"
	[[ $status = 0 ]]
	is '[.guests[0].disks[] | select(.included) | "\(.way) \(.size) \(.file)"] | join(", ")' \
		"fleecing $((16 << 20)) null, sink $((528 << 10)) null, offline $((4 << 20)) null"
	printf 'vm: 101\n' > "$PVE/ha-resources"
	mkdir -p "$PVE/ha"
	mv "$PVE/ha-resources" "$PVE/ha/resources.cfg"
	planned 101 --mode stop --storage backup
	[[ $status = 255 && $stderr = *"would fail - cannot execute a backup with stop mode of a HA managed"* ]]
}

@test "mode suspend: the plan says that the guest is paused, if it is not paused already" {
	disk_add 101 scsi0 scsi 4M
	qemu_start 101 running
	dry 101 --mode suspend --storage backup
	has_line '^INFO: VM 101 is paused until its backup has begun$'
	qemu_quit 101
	qemu_start 101
	dry 101 --mode suspend --storage backup
	[[ $status = 0 && $output != *"is paused until"* ]]
}

@test "the plan names who would hear of it, and nobody does" {
	conf_add 101 "name: web"
	mkdir -p "$PVE/priv"
	planned 101 --storage backup
	is '.notification | [.way] + .["if-good"] + .["if-bad"] | join(" ")' system
	[[ $stderr = *"INFO: notification: to nobody"$'\n'* ]]
	rm "$PVE/notifications.cfg"
	planned 101 --storage backup
	is '.notification | [.way] + .["if-good"] + .["if-bad"] | join(" ")' "system mail-to-root mail-to-root"
	[[ $stderr = *"INFO: notification: to mail-to-root"$'\n'* ]]
	cat > "$PVE/notifications.cfg" <<- 'END'
		sendmail: always
		  mailto a@example.com

		gotify: alarm
		  server http://127.0.0.1:1

		matcher: all
		  target always

		matcher: bad
		  match-severity error
		  target alarm
		  target always
		  target gone

		matcher: default-matcher
		  disable true
	END
	printf 'gotify: alarm\n\ttoken secret\n' > "$PVE/priv/notifications.cfg"
	planned 101 --storage backup
	[[ $status = 0 ]]
	is '.notification | .["if-good"] | join(" ")' always
	is '.notification | .["if-bad"] | sort | join(" ")' "alarm always"
	[[ $stderr = *"ERROR: cannot notify target 'gone': there is no such target"* && $stderr != *secret* ]]
	planned 101 --storage backup --mailto "b@example.com c@example.com" --mailnotification failure
	is '.notification | "\(.way) \(.["if-good"] | length) \(.["if-bad"] | join(","))"' \
		"mail 0 b@example.com,c@example.com"
	[[ $stderr = *"notification: a mail to nobody, or b@example.com, c@example.com if something fails"* ]]
	planned 101 --storage backup --notification-mode legacy-sendmail
	is .notification.way none
	echo "nonsense" > "$PVE/notifications.cfg"
	planned 101 --storage backup
	[[ $status = 0 && $stderr = *"ERROR: cannot notify anybody: "* ]]
	[[ $(grep -c "cannot notify anybody" <<< "$stderr") = 1 ]]
}

@test "the backups that the plan names are those that retention then removes" {
	local old
	conf_add 101 "name: web"
	for old in 1 2 3 4; do
		archive_add 101 "$old"
	done
	touch "$(archive_add 101 9).protected"
	archive_add 102 1
	planned 101 --storage backup --prune-backups keep-last=2
	is '"\(.retention) \(.prunes)"' "keep-last=2 true"
	is '.guests[0].newest.archive' "$(find "$DUMP" -name '*-101-*.zst' | sort | tail -n 1)"
	find "$DUMP" -name '*.zst' | sort > "$VZ_TMP/had"
	vzdump_ok 101 --prune-backups keep-last=2
	is '.guests[0].prune | sort | join("\n")' "$(comm -23 "$VZ_TMP/had" <(find "$DUMP" -name '*.zst' | sort))"
	[[ $(jq '.guests[0].prune | length' "$VZ_TMP/plan") = 3 ]]
	# one that is protected from the beginning does not count, and without --remove nothing goes
	planned 101 --storage backup --prune-backups keep-last=2 --protected 1
	is '.guests[0].prune | length' 0
	planned 101 --storage backup --prune-backups keep-last=9 --remove 0
	is '"\(.prunes) \(.guests[0].prune | length)"' "false 0"
}

@test "a target that is too full for the next archive is warned about, with what the guests before it take" {
	local free
	conf_add 101 "name: a"
	conf_add 102 "name: b"
	free=$(df --output=avail -B1 "$DUMP" | tail -n 1)
	archive_add 101 1 8T
	planned 101 --storage backup
	[[ $status = 0 && $stderr = *"WARN: its newest backup '$DUMP/vzdump-qemu-101-"*"' has 8.0 TiB, but only "* ]]
	is '.guests[0].newest.size' $((8 << 40))
	planned 101 --storage backup --strict
	[[ $status = 1 ]]
	# two that have room each, but not both
	rm "$DUMP"/*
	archive_add 101 1 $((free * 6 / 10))
	archive_add 102 1 $((free * 6 / 10))
	planned 101 102 --storage backup
	is '[.guests[].warnings | length] | join(" ")' "0 1"
	[[ $stderr = *"but only "* ]]
	# unless an older one goes in between
	archive_add 101 2 $((free * 6 / 10))
	planned 101 102 --storage backup --prune-backups keep-last=1
	is '[.guests[].warnings | length] | join(" ")' "0 0"
}

@test "what QEMU has beside the configuration is told as a run tells it" {
	local warnings
	disk_add 101 scsi0 scsi 4M
	disk_add 101 virtio1 blockdev 4M
	sed -i '/^virtio1/d; s/vm-101-disk-0/vm-101-disk-7/' "$(conf_file 101)"
	cp "$(disk_path 101 scsi0)" "$STORE/local/images/101/vm-101-disk-7.raw"
	qemu_start 101 running
	dry 101 --storage backup
	[[ $status = 0 ]]
	warnings=$(grep ^WARN <<< "$output")
	[[ $warnings = *"scsi0: QEMU has '"*"QEMU has a disk that the configuration does not name: "* ]]
	vzdump_ok 101
	[[ $(grep ^WARN <<< "$output") = "$warnings" ]]
}

@test "another backup is named, and nobody waits for it or ends it" {
	disk_add 102 scsi0 scsi 64M
	disk_fill "$(disk_path 102 scsi0)" 64M
	conf_add 101 "name: web"
	backup_begin 102
	OTHER=102
	planned 101 --storage backup
	[[ $status = 0 && $stderr = *"a backup runs now, for whose end this one waits (180 minutes at most)"* ]]
	[[ $(jq -r .lock "$VZ_TMP/plan") = "held by vzdump (pid $BACKUP) since "* ]]
	planned 101 --storage backup --lockwait 0
	[[ $status = 255 ]]
	is '.guests[0].state' ok
	"$VZDUMP" 101 --storage backup --lockwait 0 > "$VZ_TMP/real" 2>&1 || true
	# when it began is known to a second
	[[ ${stderr##*$'\n'} = "$(sed '$!d; s/ since .*//' "$VZ_TMP/real") since "* ]]
	[[ $stderr = *"(wait = 0): held by vzdump (pid $BACKUP) since "* ]]
	# its own guest is locked, but not any more when a run has waited
	planned 102 --storage backup
	[[ $status = 0 && $stderr = *"VM 102 is backed up right now; that is over before its turn in this run"* ]]
	planned 102 --storage backup --lockwait 0
	[[ $status = 255 && $stderr = *"would fail - VM is locked (backup): the guest is held by vzdump (pid $BACKUP)"* ]]
	# --stop ends nothing
	dry --stop
	[[ $status = 0 && $output = *"--stop: the backup that runs now is stopped first: the global lock is held by vzdump (pid $BACKUP)"* ]]
	kill -0 "$BACKUP"
	backup_end
	[[ $status = 0 ]]
}

@test "the QEMU of a guest that another backup saves now is not asked anything" {
	disk_add 102 scsi0 scsi 64M
	disk_fill "$(disk_path 102 scsi0)" 64M
	qemu_start 102 running
	backup_begin 102
	strace -f -qq -s 300 -o "$VZ_TMP/trace" -e trace=write,sendto,sendmsg \
		"$VZDUMP" 102 --dry-run --storage backup "${FLEECING[@]}" > "$VZ_TMP/out"
	grep -q "VM 102 is backed up right now; that is over before its turn in this run" "$VZ_TMP/out"
	grep -q "^INFO: drive-scsi0: 64.0 MiB, way fleecing;" "$VZ_TMP/out"
	run ! grep -F execute "$VZ_TMP/trace"
	backup_end
	[[ $status = 0 ]]
}

@test "what a killed run has left stays, and the plan is that of the time after its cleanup" {
	disk_add 101 scsi0 throttle 4M
	conf_add 101 "lock: backup"
	mkdir -p "$VZDUMP_ROOT/var/lib/vzdump"
	# the last line was cut
	printf '+pid 999999\n+lock \n+im' > "$VZDUMP_ROOT/var/lib/vzdump/101.journal"
	qemu_start 101 running
	qmp 101 blockdev-add '{"driver":"null-co","node-name":"vzdump-f-scsi0","read-zeroes":true}'
	planned 101 --storage backup
	[[ $status = 0 && $stderr = *"an earlier run was killed amid VM 101: what it left behind is cleaned up first"* ]]
	is '.guests[0] | "\(.cleanup) \(.disks[0].way)"' "true sink"
	# the lock of somebody else is one
	sed -i 's/^lock: backup/lock: migrate/' "$(conf_file 101)"
	rm "$VZDUMP_ROOT/var/lib/vzdump/101.journal"
	planned 101 --storage backup
	[[ $status = 255 && $stderr = *"would fail - VM is locked (migrate)"* ]]
}

@test "a storage that is not active stays so, and the plan says that it would be activated" {
	storage_add late backup
	rmdir "$STORE/late"
	conf_add 101 "name: web"
	planned 101 --storage late
	[[ $status = 0 && ! -e $STORE/late && $stderr = *"storage 'late' is not active: a run activates it"* ]]
	is '.target | "\(.storage) \(.active) \(.free)"' "late false null"
	# what backups are there, nobody knows
	[[ $stderr != *"no backup there"* && $stderr != *"prune older"* ]]
	vzdump_ok 101 --storage late
	planned 101 --storage late
	is '.target | "\(.active) \(.free > 0)"' "true true"
}

# lvm_fakes: tools of LVM that know the volume group vgt with a thin pool and a volume that is not active
lvm_fakes() {
	local tool
	mkdir "$VZ_TMP/tools"
	cat > "$VZ_TMP/tools/lvs" <<- 'END'
		#!/bin/sh
		case "$*" in
		*vgt/pool*) lv='"lv_name":"pool", "lv_attr":"twi---tz--", "lv_size":"419430400", "pool_lv":""' ;;
		*) lv='"lv_name":"vm-101-disk-0", "lv_attr":"Vwi---tz--", "lv_size":"41943040", "pool_lv":"pool"' ;;
		esac
		echo "{\"report\": [{\"lv\": [{$lv, \"data_percent\":\"\", \"lv_tags\":\"\"}]}]}"
	END
	cp "$VZ_TMP/tools/lvs" "$VZ_TMP/tools/vgs"
	sed -i "s/twi---tz/twi-aotz/" "$VZ_TMP/tools/lvs"
	for tool in lvchange vgchange vgscan; do
		printf '#!/bin/sh\necho "$0" >> "%s/changed"\n' "$VZ_TMP" > "$VZ_TMP/tools/$tool"
	done
	chmod +x "$VZ_TMP"/tools/*
	PATH=$VZ_TMP/tools:$PATH
	printf 'lvmthin: thin\n\tvgname vgt\n\tthinpool pool\n\tcontent images\n' >> "$PVE/storage.cfg"
}

@test "a volume that is not active stays so, and its size is not known; one that is gone fails" {
	lvm_fakes
	conf_add 101 "scsi0: thin:vm-101-disk-0"
	conf_add 102 "scsi0: thin:vm-102-disk-0"
	planned 101 102 --storage backup
	[[ $status = 255 && ! -e $VZ_TMP/changed ]]
	is '.guests[0] | "\(.state) \(.disks[0].way) \(.disks[0].size)"' "ok offline null"
	is '.guests[1] | "\(.state) \(.error)"' "failed disk 'scsi0': storage 'thin' has no volume 'vm-102-disk-0'"
}

@test "guests of other nodes, pools and containers are in the plan as in the run" {
	mkdir -p "$PVE/nodes/pve2/qemu-server"
	echo here > "$VZDUMP_ROOT/etc/hostname"
	conf_add 101 "name: a"
	conf_add 102 "name: b"
	touch "$PVE/nodes/pve2/qemu-server/201.conf"
	printf 'hostname: ct\n' > "$PVE/lxc/105.conf"
	printf 'pool:mine::102,201:::\n' > "$PVE/user.cfg"
	planned --all --storage backup
	[[ $status = 255 ]]
	is '[.guests[] | "\(.vmid) \(.state)"] | join(", ")' "101 ok, 102 ok, 105 unsupported"
	is '.external | tojson' '[201]'
	planned --pool mine --storage backup
	[[ $status = 0 ]]
	is '[.guests[].vmid] | join(" ")' 102
	dry 201 --storage backup
	[[ $status = 0 && -z $output ]]
	dry 101 --node pve2
	[[ $status = 0 && -z $output ]]
}

@test "guests that were not looked at are told from those that can be saved" {
	conf_add 101 "name: web"
	planned 101 --storage backup --tmpdir /nonexistent
	[[ $status = 255 ]]
	is '.guests[0] | "\(.state) \(.error)"' "todo null"
	planned 101 --storage backup
	is '.guests[0].state' ok
}

# fails <argument>...: a dry run and a run must fail alike: status, errors, last line
fails() {
	local real
	run "$VZDUMP" --dry-run "$@"
	planned=$(grep -E '^ERROR|^WARN' <<< "$output" | sed 's/would fail - /failed - /')
	last=${lines[-1]} code=$status
	run "$VZDUMP" "$@"
	real=$(grep -E '^ERROR|^WARN' <<< "$output" | grep -v '^ERROR: Backup job failed' || true)
	[[ $code = 255 && $status = 255 && $last = "${lines[-1]}" && $planned = "$real" ]] || {
		printf '%s\n' "$*: dry run $code, '$last':" "$planned" "run $status, '${lines[-1]}':" "$real"
		return 1
	}
}

@test "what fails a run fails the dry run, with the same words and exit status" {
	local to=(--storage backup)
	disk_add 101 scsi0 scsi 4M
	qemu_start 101 running
	fails 999 101 "${to[@]}"
	fails 101 --storage nope
	fails 101 --storage fast --script /nonexistent --tmpdir /none
	fails 101 --dumpdir /nonexistent
	fails 101 --storage backup --dumpdir /tmp
	fails 101 --storage backup --stdout
	fails --pool nope
	fails 101 --all
	fails
	fails 101 --stdout --output-format json
	fails 101 "${to[@]}" --fleecing enabled=1,storage=nope
	fails 101 "${to[@]}" --fleecing enabled=1,storage=backup
	# guests that cannot be saved
	conf_add 102 "lock: migrate"
	fails 102 "${to[@]}"
	fails --all --stdout
	conf_add 103 "scsi0: nope:103/vm-103-disk-0.raw"
	fails 103 "${to[@]}"
	disk_add 104 scsi0 scsi 0
	fails 104 "${to[@]}"
	conf_add 105 "name: old"
	archive_add 105 1
	fails 105 "${to[@]}" --prune-backups keep-last=1 --remove 0
	conf_add 106 "name: walled"
	truncate -s 2M "$PVE/firewall/106.fw"
	fails 106 "${to[@]}"
	printf 'hostname: ct\n' > "$PVE/lxc/107.conf"
	fails 107 "${to[@]}"
	disk_add 108 scsi0 scsi 4M
	sleep 1000 <> "$(disk_path 108 scsi0)" 3>&- &
	LOCKED=$!
	fails 108 "${to[@]}"
	# QEMU itself stands in the way
	qmp 101 nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$VZ_TMP/nbd\"}}}"
	qmp 101 block-export-add '{"type":"nbd","id":"theirs","node-name":"drive-scsi0"}'
	fails 101 "${to[@]}"
}

@test "--dry-run and --cleanup contradict each other" {
	run -255 "$VZDUMP" --dry-run --cleanup
	[[ $output = "vzdump: option --dry-run: --cleanup would change something"* ]]
}

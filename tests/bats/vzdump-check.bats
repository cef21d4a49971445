#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# vzdump check: what it finds on host and guests, its exit status, and that nothing is changed by it.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	export TZ=UTC
	PVE=$VZDUMP_ROOT/etc/pve
	DUMP=$STORE/backup/dump
	echo 'storage: backup' > "$VZDUMP_ROOT/etc/vzdump.conf"
	sed -i '/^dir: backup$/a\	prune-backups keep-last=3' "$PVE/storage.cfg"
}

teardown() {
	backup_drop
	! mountpoint -q "$DUMP" || umount "$DUMP"
	vz_teardown
}

# check <status> [argument]...: its findings are in $VZ_TMP/findings, and as the schema says
check() {
	local wanted=$1
	shift
	run --separate-stderr "$VZDUMP" check "$@" --output-format json
	printf '%s\n' "$output" > "$VZ_TMP/findings"
	[[ $status = "$wanted" && -z $stderr ]] || {
		echo "vzdump check ended with $status: $stderr"
		jq -r '.findings[] | select(.level != "ok") | "\(.level) \(.subject): \(.text)"' "$VZ_TMP/findings"
		return 1
	}
	/usr/bin/python3 -c 'import json, sys, jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))' \
		"$VZ_TOP/doc/vzdump-check.schema.json" "$VZ_TMP/findings"
	jq -e '.summary == (reduce .findings[].level as $l ({"ok":0,"remark":0,"warning":0,"fault":0}; .[$l] += 1))' \
		"$VZ_TMP/findings" > /dev/null
}

# finds <level> <group> <subject> <regular expression>: there is such a finding; the expression is for
# "text -> way out"
finds() {
	jq -e --arg l "$1" --arg g "$2" --arg s "$3" --arg t "$4" \
		'[.findings[] | select(.level == $l and .group == $g and .subject == $s and
			("\(.text) -> \(.["way-out"])" | test($t)))] | length == 1' "$VZ_TMP/findings" > /dev/null || {
		echo "not found: $*"
		jq -r '.findings[] | "\(.level) \(.group) \(.subject): \(.text) -> \(.["way-out"])"' "$VZ_TMP/findings"
		return 1
	}
}

# finds_no <regular expression>: no finding, of whatever level, says so
finds_no() {
	! jq -r '.findings[] | "\(.level) \(.subject): \(.text)"' "$VZ_TMP/findings" | grep -E -- "$1"
}

# everything: all files of host and storages with their times, and what QEMU has
everything() {
	find "$VZDUMP_ROOT" "$STORE" ! -name "qemu-${OTHER:-}.log" -printf '%p %y %i %m %s %T@ %C@\n' | sort
	[[ ! -e $VZ_TMP/101.qemu-pid ]] || graph_state 101
}

# archive_add <vmid> [size]: an old backup on storage "backup"
archive_add() {
	truncate -s "${2:-1K}" "$DUMP/vzdump-qemu-$1-2020_01_01-00_00_00.vma.zst"
}

@test "a guest that runs and one that is off, without a fault: exit status 0, and each disk with its way" {
	conf_add 101 "name: web"
	disk_add 101 scsi0 throttle 16M
	disk_add 101 virtio1 blockdev 8M backup=0
	disk_add 102 scsi0 blockdev 1M
	qemu_start 101 running
	check 0
	finds ok config storage.cfg "can be read"
	finds ok tools "program 'qemu-storage-daemon'" version
	finds ok storages "storage 'backup'" "free"
	finds ok storages "storage 'backup'" "keep-last=3"
	finds ok guests "VM 101" "pid $(qemu_pid 101)\) answers"
	finds remark guests "VM 101" "has no agent.* -> install qemu-guest-agent"
	finds ok plan "VM 101 scsi0" "'local:101/vm-101-disk-0.raw', 16.0 MiB, is saved by way sink"
	finds remark plan "VM 101 virtio1" "is left out of backups \(backup=no\)"
	finds remark plan "backup to storage 'backup'" "fleecing is off.* -> give it --fleecing"
	finds ok guests "VM 102" "does not run"
	finds ok plan "VM 102 scsi0" "1.0 MiB, is saved by way offline"
	echo 'fleecing: enabled=1,storage=fast' >> "$VZDUMP_ROOT/etc/vzdump.conf"
	check 0 101
	finds ok plan "VM 101 scsi0" "by way fleecing; its fleecing image goes to storage 'fast', .* free"
	finds_no "fleecing is off|VM 102|may take"
	echo 'fleecing: enabled=1,storage=fast,limit=90000T' >> "$VZDUMP_ROOT/etc/vzdump.conf"
	check 1 101
	finds warning plan "VM 101" "may take 87.9 PiB, but their storages have only .* -> free space there"
	# the guests after the host, one after the other
	[[ $(jq -r '[.findings[].vmid] | map(. // 0) | . == sort' "$VZ_TMP/findings") = true ]]
}

@test "text: a line for each finding with its level, and how many they are" {
	disk_add 101 scsi0 blockdev 1M
	printf 'lock: migrate\nname: a\033[31mb\n' >> "$(conf_file 101)"
	run --separate-stderr "$VZDUMP" check
	[[ $status = 255 && -z $stderr ]]
	has_line "^ok       VM 101: it does not run$"
	has_line "^fault    VM 101: VM is locked \(migrate\).*'qm unlock 101'"
	[[ ${lines[-1]} =~ ^[0-9]+\ fine,\ [0-9]+\ to\ know,\ 0\ warnings,\ 1\ fault$ ]]
	[[ $(grep -cvE '^(ok      |remark  |warning |fault   ) [^ ].*: ' <<< "$output") = 2 ]]
	[[ $output != *$'\033'* ]]
}

@test "nothing is opened for writing, made, renamed or removed, and QEMU is as it was" {
	disk_add 101 scsi0 throttle 1M
	disk_add 102 scsi0 blockdev 1M
	archive_add 101
	printf 'vzdump: nightly\n\tschedule 22:00\n\tall 1\n\tfleecing enabled=1\n' > "$PVE/jobs.cfg"
	qemu_start 101 running
	everything > "$VZ_TMP/before"
	strace -f -qq -o "$VZ_TMP/trace" -e trace=%file,flock,fcntl,kill,ftruncate,fallocate,mount,chmod,fchmod,fchown \
		"$VZDUMP" check > /dev/null || [[ $? = 1 ]]
	everything > "$VZ_TMP/after"
	diff "$VZ_TMP/before" "$VZ_TMP/after"
	# a sanitizer makes the folder of its reports
	run grep -E 'O_WRONLY|O_RDWR|O_CREAT|LOCK_EX|F_(OFD_)?SETLK|unlink|rename|mkdir|rmdir|symlink|link\(|mknod|utime|truncate|fallocate|chmod|chown|mount|kill\(' \
		<(grep -vE '"/(dev/null|dev/tty|proc/|sys/)|readlink|ENOENT|SIGCHLD|F_[GS]ETFL' "$VZ_TMP/trace" |
			awk -F'"' -v logs="$BUILD/test-logs/" '!/mkdir/ || index(logs, $2 "/") != 1')
	[[ -z $output ]] || { echo "$output"; return 1; }
	grep -q "101.conf" "$VZ_TMP/trace"
}

@test "beside a backup that runs all is fine, and the backup goes on" {
	disk_add 101 scsi0 throttle 64M
	disk_fill "$(disk_path 101 scsi0)" 64M
	qemu_start 101 running
	backup_begin 101
	check 0
	finds remark host host "a backup runs now: the global lock is held by vzdump \(pid $BACKUP\)"
	finds remark leftovers "VM 101" "is backed up or restored right now"
	finds_no "left in its QEMU|^(warning|fault)"
	backup_end
	[[ $status = 0 ]]
}

@test "what the configuration files have that is not understood" {
	printf 'dir: usb\n\tpath /srv\n\tcontents backup\n' >> "$PVE/storage.cfg"
	printf 'storage: usb\n\tincremental enabled=x\n' > "$PVE/vzdump-storage.cfg"
	echo 'compres: zstd' >> "$VZDUMP_ROOT/etc/vzdump.conf"
	printf 'vzdump: nightly\n\tschedule 22:00\n\tvm 101\n\tall 1\n' > "$PVE/jobs.cfg"
	printf '\nsendmail: ops\n\tmailt a@example.com\n' >> "$PVE/notifications.cfg"
	check 1
	finds warning config storage.cfg "line .* \(section 'usb'\).*'contents'.*did you mean 'content'"
	finds warning config vzdump-storage.cfg "line 2.*incremental"
	finds warning config vzdump.conf "unknown key 'compres'.*did you mean 'compress'"
	finds warning config jobs.cfg "line 3 \(section 'nightly'\).*'vm'"
	finds warning config notifications.cfg "mailt"
}

@test "a guest's configuration that cannot be read as it was meant" {
	disk_add 101 scsi0 blockdev 1M
	echo 'scsi1 local:101/x.raw' >> "$(conf_file 101)"
	check 1
	finds warning plan "VM 101" "scsi1 local"
	echo 'scsi2: local:101/x.raw,backup=perhaps' >> "$(conf_file 101)"
	check 255
	finds fault plan "VM 101" "'scsi2': key 'backup': value 'perhaps' is not a boolean"
}

@test "jobs: guests that no job saves, ids that there are not, events that never come, pools that there are not" {
	disk_add 101 scsi0 blockdev 1M
	disk_add 102 scsi0 blockdev 1M
	cat > "$PVE/jobs.cfg" <<- 'END'
		vzdump: nightly
		 schedule 22:00
		 vmid 101,105
		 storage backup

		vzdump: past
		 schedule 2020-1-1
		 vmid 101
		 storage backup

		vzdump: off
		 schedule 22:00
		 enabled 0
		 vmid 102
		 storage backup

		vzdump: pooled
		 schedule 22:00
		 pool web
		 storage backup
	END
	check 255
	finds ok jobs "job 'nightly'" "runs next at .* 22:00 \('22:00'\), for 2 guests"
	finds fault jobs "job 'nightly'" "names guest 105, which there is not"
	finds warning jobs "job 'past'" "'2020-1-1' never comes again"
	finds remark jobs "job 'off'" "not enabled.* -> write 'enabled 1'"
	finds fault config jobs.cfg "job 'pooled' cannot run.*web"
	finds warning jobs "VM 102" "no job saves it -> add it to a job"
	finds warning jobs jobs "no job is started: vzdump-scheduler has not run.* -> systemctl enable --now"
	finds ok plan "VM 101" "\(job 'nightly'"
	finds ok plan "VM 102" "\(backup to storage 'backup'"
}

@test "jobs: who starts them, and what the last runs have come to" {
	disk_add 101 scsi0 blockdev 1M
	printf 'vzdump: nightly\n\tschedule 22:00\n\tall 1\n\tstorage backup\n' > "$PVE/jobs.cfg"
	"$BUILD/bin/vzdump-scheduler" --once 3>&-
	check 0
	finds ok jobs jobs "vzdump-scheduler looks for due jobs"
	# of a program that has not looked for an hour
	sed -Ei 's/"uptime":[0-9]+/"uptime":0/' "$VZDUMP_ROOT/run/vzdump-scheduler.json"
	if (($(cut -d. -f1 /proc/uptime) > 600)); then
		check 1
		finds warning jobs jobs "has looked for due jobs last at "
	fi
	"$BUILD/bin/vzdump-scheduler" --once 3>&-
	sed -Ei 's/"state": *"[a-z]+"/"state":"stopped","msg":"job errors"/' "$VZDUMP_ROOT/var/lib/vzdump/jobs/vzdump-nightly.json"
	conf_add 101 "lock: migrate"
	vzdump 101
	sed -i '/^lock/d' "$(conf_file 101)"
	check 1
	finds warning jobs "job 'nightly'" "ended with: job errors -> run it again with 'vzdump --job nightly'"
	finds warning jobs "VM 101" "its last backup .* was not made: VM is locked \(migrate\)"
	vzdump_ok 101
	check 1
	finds_no "its last backup"
}

@test "a QEMU that does not answer is told within its limit, and the other guests are looked at" {
	disk_add 101 scsi0 blockdev 1M
	disk_add 102 scsi0 blockdev 1M
	qemu_start 101 running
	kill -STOP "$(qemu_pid 101)"
	check 255
	kill -CONT "$(qemu_pid 101)"
	finds fault guests "VM 101" "its QEMU does not answer: .* -> see what process $(qemu_pid 101) does"
	finds ok plan "VM 102" "nothing is seen"
	check 0
}

@test "a guest that runs where no monitor is looked for, and a monitor without a guest" {
	local run=$VZDUMP_ROOT/run/qemu-server/101
	disk_add 101 scsi0 blockdev 1M
	qemu_start 101 running
	rm "$run.pid"
	check 0
	mv "$run.qmp" "$VZDUMP_ROOT/run/qemu-server/monitor"
	check 255
	finds warning leftovers host "the socket '.*/run/qemu-server/monitor' belongs to no guest"
	finds fault plan "VM 101" "QEMU \(pid $(qemu_pid 101)\) has '.*' open for writing, but VM 101 has no QMP socket"
	qemu_pid 101 > "$run.pid"
	check 255
	finds fault guests "VM 101" "nothing answers at its QMP socket"
}

@test "disks that differ: QEMU has one more, lacks one, or its file is another" {
	disk_add 101 scsi0 blockdev 1M
	disk_add 101 virtio1 blockdev 1M
	qemu_start 101 running
	sed -i '/^virtio1/d' "$(conf_file 101)"
	check 1
	finds warning plan "VM 101" "QEMU has a disk that the configuration does not name: 'virtio1'"
	conf_add 101 "scsi5: local:101/vm-101-disk-1.raw,size=1M"
	sed -i '/^scsi0/d' "$(conf_file 101)"
	truncate -s 1M "$STORE/local/images/101/vm-101-disk-5.raw"
	conf_add 101 "scsi0: local:101/vm-101-disk-5.raw,size=1M"
	check 1
	finds warning plan "VM 101" "scsi0: QEMU has '.*disk-0.raw' there, the configuration says"
	conf_add 101 "scsi6: local:101/vm-101-disk-9.raw,size=1M"
	check 255
	finds fault plan "VM 101" "scsi6"
}

@test "another program's block job, and its export, are faults" {
	disk_add 101 scsi0 blockdev 1M
	qemu_start 101 running
	qmp 101 nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$VZ_TMP/nbd\"}}}" > /dev/null
	qmp 101 block-export-add '{"type":"nbd","id":"theirs","node-name":"drive-scsi0"}' > /dev/null
	check 255
	finds fault plan "VM 101" "NBD server is in use: export 'theirs' is not ours"
	qmp 101 nbd-server-stop > /dev/null
	qmp 101 blockdev-add "{\"driver\":\"null-co\",\"node-name\":\"void\",\"size\":1048576,\"read-zeroes\":true}" > /dev/null
	qmp 101 blockdev-mirror '{"job-id":"theirs","device":"drive-scsi0","target":"void","sync":"none"}' > /dev/null
	check 255
	finds fault plan "VM 101" "a block job is running in the QEMU \(mirror 'theirs'\)"
}

@test "what a killed backup has left on the host and in QEMU, with its journal and without" {
	disk_add 101 scsi0 throttle 64M
	disk_fill "$(disk_path 101 scsi0)" 64M
	qemu_start 101 running
	"$VZDUMP" 101 --storage backup --compress zstd --bwlimit 100 --fleecing enabled=1,storage=fast > "$VZ_TMP/log" 2>&1 3>&- &
	BACKUP=$!
	wait_for_task "$BACKUP"
	kill -KILL "$BACKUP"
	wait "$BACKUP" || true
	check 1
	finds warning leftovers "VM 101" "was killed, and has left: .*image fast:101/vm-101-fleece-0.* -> .*vzdump --cleanup 101"
	finds warning guests "VM 101" "nodes, exports or bitmaps of a backup that has ended are left in its QEMU"
	finds warning storages "storage 'backup'" "vzdump-qemu-101-.*\.dat' .* is left of a backup that did not end"
	mv "$VZDUMP_ROOT/var/lib/vzdump/101.journal" "$VZ_TMP"
	check 255
	finds fault plan "VM 101" "locked \(backup\)"
	finds warning guests "VM 101" "left in its QEMU"
	mv "$VZ_TMP/101.journal" "$VZDUMP_ROOT/var/lib/vzdump"
	"$VZDUMP" --cleanup
	check 0
	finds_no "left"
}

@test "the bitmaps of incremental backups are counted" {
	disk_add 101 scsi0 blockdev 1M
	qemu_start 101 running
	qmp 101 block-dirty-bitmap-add '{"node":"drive-scsi0","name":"vzbase-11111111-2222-4333-8444-555555555555-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-scsi0"}' > /dev/null
	guest_io 101 scsi0 "write -P 0x55 0 128K"
	check 0
	finds ok guests "VM 101" "1 bitmap of incremental backups is in its QEMU; 128.0 KiB have changed since"
}

@test "an agent that is configured and does not answer is a warning, one that answers is not" {
	conf_add 101 "agent: 1"
	disk_add 101 scsi0 blockdev 1M
	qemu_start 101 running
	check 1
	finds warning guests "VM 101" "its agent does not answer.* -> install and start qemu-guest-agent"
	qemu_quit 101
	guest_linux 101
	qemu_start 101 running
	for _ in {1..120}; do
		! check 0 > /dev/null || break
		sleep 0.5
	done
	finds ok guests "VM 101" "its agent answers"
	# paused, nobody can answer, and nothing is wrong
	qmp 101 stop > /dev/null
	check 0
	finds_no "agent"
}

@test "targets: not there, full, without retention, too small for another backup of that size" {
	disk_add 101 scsi0 blockdev 1M
	sed -i '/prune-backups/d' "$PVE/storage.cfg"
	check 0
	finds remark storages "storage 'backup'" "kept for ever.* -> .*prune-backups keep-last"
	truncate -s 8P "$DUMP/vzdump-qemu-101-2020_01_01-00_00_00.vma.zst" 2> /dev/null || archive_add 101 1T
	check 1
	finds warning plan "VM 101" "its newest backup .* but only .* will be free"
	printf 'dir: usb\n\tpath %s/usb\n\tcontent backup\n\tis_mountpoint 1\n' "$VZ_TMP" >> "$PVE/storage.cfg"
	check 255 --storage usb
	finds fault storages "storage 'usb'" "usb"
	run "$VZDUMP" check --storage fast
	[[ $status = 255 && $output = "can't use storage 'fast' for backup - wrong content type"* ]]
	# where nothing fits any more
	mount -t tmpfs -o size=64k none "$DUMP" 2> /dev/null || return 0
	dd if=/dev/zero of="$DUMP/full" bs=4k status=none 2> /dev/null || true
	check 255
	finds fault storages "storage 'backup'" "0 B of .* are free -> remove old backups"
}

@test "vzdump.conf names no storage that is for backups: the first one is looked at, and said so" {
	disk_add 101 scsi0 blockdev 1M
	rm "$VZDUMP_ROOT/etc/vzdump.conf"
	check 0
	finds remark config vzdump.conf "'local', which is not one for backups; 'backup' is looked at.* -> write 'storage: backup'"
	sed -i 's/content backup/content iso/' "$PVE/storage.cfg"
	check 255
	finds fault plan "backup to storage 'local'" "wrong content type: add 'backup'"
}

@test "programs that are missing, with the packages that have them" {
	local program
	disk_add 101 scsi0 blockdev 1M
	mkdir "$VZ_TMP/path"
	for program in nbdkit qemu-storage-daemon; do
		ln -s "$(type -P "$program")" "$VZ_TMP/path/$program"
	done
	echo 'compress: lzo' >> "$VZDUMP_ROOT/etc/vzdump.conf"
	printf 'lvm: vg\n\tvgname vg\n\tcontent images\n' >> "$PVE/storage.cfg"
	VZDUMP=$(realpath "$VZDUMP")
	PATH_BEFORE=$PATH
	run --separate-stderr env PATH="$VZ_TMP/path" "$VZDUMP" check --output-format json
	printf '%s\n' "$output" > "$VZ_TMP/findings"
	[[ $status = 255 ]]
	finds warning tools "program 'qemu-img'" "it is missing.* -> apt-get install qemu-utils"
	finds fault tools "program 'lzop'" "'compress: lzo' -> apt-get install lzop"
	finds fault tools "storage 'vg'" "needs the program 'vgs', which is missing -> apt-get install lvm2"
	rm "$VZ_TMP/path/qemu-storage-daemon"
	run --separate-stderr env PATH="$VZ_TMP/path" "$VZDUMP" check --output-format json
	printf '%s\n' "$output" > "$VZ_TMP/findings"
	finds fault tools "program 'qemu-storage-daemon'" "guests that are off.* -> apt-get install qemu-system-common"
}

@test "a folder that cannot be written to is a fault" {
	[[ $(id -u) = 0 ]] || skip "needs root"
	chmod 755 "$VZ_TMP" "$VZDUMP_ROOT"
	run --separate-stderr setpriv --reuid 65534 --clear-groups "$VZDUMP" check --output-format json
	printf '%s\n' "$output" > "$VZ_TMP/findings"
	[[ $status = 255 ]]
	finds fault host host "'.*/var/lib' cannot be written to, but the journal of a backup.*Permission denied -> "
}

@test "containers, guests and storages that there are not, and a host without guests" {
	touch "$PVE/lxc/201.conf"
	check 0
	finds remark guests "container 201" "containers are not saved"
	rm "$PVE/lxc/201.conf"
	check 0
	run "$VZDUMP" check 999
	[[ $status = 255 && $output = "there is no guest 999 on this host" ]]
	run "$VZDUMP" check --storage nowhere
	[[ $status = 255 && $output = "storage 'nowhere' does not exist (storage.cfg has local, fast, backup)" ]]
	run bash -c '"$1" check > /dev/full' _ "$VZDUMP"
	[[ $status = 255 ]]
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Backups of a real Linux guest under TCG, seen from inside.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
}

teardown() {
	vz_teardown
}

# check_log: the log in the backed up file system; every line whole, none missing.  Prints how many.
check_log() {
	debugfs -R "cat /log" "$VZ_TMP/out/disk-drive-virtio0.raw" 2> /dev/null > "$VZ_TMP/guest-log"
	python3 - "$VZ_TMP/guest-log" <<- 'END'
		import hashlib, sys
		lines = open(sys.argv[1]).read().splitlines()
		for i, line in enumerate(lines):
		    text, _, md5 = line.rpartition(" ")
		    assert hashlib.md5((text + "\n").encode()).hexdigest() == md5, f"line {i} is torn"
		    assert text.split()[0] == str(i), f"line {i} is missing"
		print(len(lines))
	END
}

@test "a guest that writes is frozen and thawed; its backup mounts clean and its log is whole" {
	disk_add 124 virtio0 blockdev 96M
	mkfs.ext4 -q "$(disk_path 124 virtio0)"
	conf_add 124 "agent: 1"
	guest_linux 124 writer
	qemu_start 124 running
	guest_wait 124 "guest: writing" 600
	sleep 3
	vzdump_ok 124 --fleecing 1
	has_line "^INFO: issuing guest-agent 'fs-freeze' command$"
	has_line "^INFO: issuing guest-agent 'fs-thaw' command$"
	has_no_line '^(WARN|ERROR)'
	archive_read
	e2fsck -fn "$VZ_TMP/out/disk-drive-virtio0.raw"
	first=$(check_log)
	[[ $first -ge 32 ]]
	# the guest goes on: a later backup, this time with pushed data, has more
	sleep 2
	run --separate-stderr "$VZDUMP" 124 --storage backup --compress zstd --output-format json
	[[ $status = 0 && $(jq '.guests[0] | .["frozen-seconds"] > 0 and .["frozen-seconds"] < .seconds' <<< "$output") = true ]]
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	archive_read
	e2fsck -fn "$VZ_TMP/out/disk-drive-virtio0.raw"
	second=$(check_log)
	[[ $second -gt $first ]]
	# freezing can be turned off
	sed -i 's/^agent:.*/agent: 1,freeze-fs-on-backup=0/' "$(conf_file 124)"
	vzdump_ok 124
	has_line 'skipping guest filesystem freeze - disabled in VM options'
	has_no_line 'fs-freeze'
	nothing_left 124
}

@test "two disks have one instant" {
	local fleecing a b
	disk_add 124 virtio0 blockdev 16M
	disk_add 124 virtio1 blockdev 16M
	guest_linux 124 alternate
	qemu_start 124 running
	guest_wait 124 "guest: alternating" 600
	for fleecing in 1 0 1 0; do
		sleep 1
		vzdump_ok 124 --fleecing $fleecing
		has_line '^INFO: vCPUs stopped for [0-9.]+ ms for the snapshot of 2 disk\(s\)$'
		archive_read
		a=$(head -c 511 "$VZ_TMP/out/disk-drive-virtio0.raw" | tr -d '\0 \n')
		b=$(head -c 511 "$VZ_TMP/out/disk-drive-virtio1.raw" | tr -d '\0 \n')
		[[ $a = "$b" || $a = $((b + 1)) ]] || { echo "disk 0 is at $a, disk 1 at $b"; return 1; }
	done
	[[ $a -gt 0 ]]
	nothing_left 124
}

@test "mode stop shuts the guest down, saves it and starts it again" {
	disk_add 124 virtio0 blockdev 48M
	mkfs.ext4 -q "$(disk_path 124 virtio0)"
	conf_add 124 "agent: 1"
	guest_linux 124 writer
	qemu_start 124 running
	guest_wait 124 "guest: writing" 600
	cat > "$VZ_TMP/start" <<- END
		#!/bin/bash
		. "$VZ_LIB/qemu.bash"
		VZ_TMP=$VZ_TMP STORE=$STORE
		qemu_start "\$1" running
	END
	chmod +x "$VZ_TMP/start"
	echo "start-command: $VZ_TMP/start {vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
	pid=$(qemu_pid 124)
	vzdump_ok 124 --mode stop --stopwait 1
	has_line '^INFO: stopping virtual guest$'
	has_line '^INFO: restarting vm$'
	has_line '^INFO: guest is online again after (<1|[0-9]+) seconds$'
	[[ $(qemu_pid 124) != "$pid" ]]
	qemu_alive 124
	archive_read
	e2fsck -fn "$VZ_TMP/out/disk-drive-virtio0.raw"
	[[ $(check_log) -gt 0 ]]
	nothing_left 124
}

@test "a guest that does not shut down in time is left running, and the backup fails" {
	disk_add 124 virtio0 blockdev 4M
	qemu_start 124 running
	vzdump 124 --mode stop --stopwait 0
	[[ $status = 255 ]]
	has_line '^ERROR: Backup of VM 124 failed - VM quit/powerdown failed - got timeout$'
	qemu_alive 124
	nothing_left 124
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Incremental backups of a real Linux guest under TCG that writes all the time.

load ../lib/qemu
load ../lib/vzdump
load ../lib/incremental

setup() {
	vz_setup
}

teardown() {
	vz_teardown
}

# guest_begin <key> <style>: its file system has files that do not change
guest_begin() {
	disk_add 124 "$1" "$2" 96M
	mkdir "$VZ_TMP/files"
	disk_fill "$VZ_TMP/files/noise" 32M
	mkfs.ext4 -q -d "$VZ_TMP/files" "$(disk_path 124 "$1")"
	rm -r "$VZ_TMP/files"
	guest_linux 124 writer
	qemu_start 124 running
	guest_wait 124 "guest: writing" 600
}

# consistent <key>: the file system in the newest archive is good once its journal is replayed, as after a power
# cut, and its log is whole.  LINES_BEFORE goes up.
consistent() {
	local disk=$VZ_TMP/out/disk-drive-$1.raw n
	"$VMA" verify "$ARCHIVE"
	archive_read
	cp --sparse=always "$disk" "$VZ_TMP/replayed"
	# (the guest's clock is its own)
	printf '[options]\nbroken_system_clock = true\n' > "$VZ_TMP/e2fsck.conf"
	E2FSCK_CONFIG=$VZ_TMP/e2fsck.conf e2fsck -fy "$VZ_TMP/replayed" > "$VZ_TMP/fsck" 2>&1 || [ $? = 1 ]
	# ext4 counts what is free anew whenever it is mounted
	! grep -vE "^(e2fsck |Pass |Free (blocks|inodes) count wrong|Fix\? yes|$VZ_TMP/replayed: |$)" "$VZ_TMP/fsck" ||
		return 1
	! grep -F UNEXPECTED "$VZ_TMP/fsck" || return 1
	debugfs -R "cat /log" "$VZ_TMP/replayed" 2> /dev/null > "$VZ_TMP/guest-log"
	n=$(
		python3 - "$VZ_TMP/guest-log" <<- 'END'
			import hashlib, sys
			# what was not synced may be missing at the end, or be zeroes
			lines = open(sys.argv[1], "rb").read().rstrip(b"\0").split(b"\n")[:-1]
			for i, line in enumerate(lines):
			    text, _, md5 = line.rpartition(b" ")
			    assert hashlib.md5(text + b"\n").hexdigest().encode() == md5, f"line {i} is torn"
			    assert int(text.split()[0]) == i, f"line {i} is missing"
			print(len(lines))
		END
	)
	echo "$n lines"
	((n > LINES_BEFORE))
	LINES_BEFORE=$n
}

# generations <key> <argument>...: three while it writes, and one of the paused guest
generations() {
	local key=$1 n
	shift
	LINES_BEFORE=0
	for ((n = 0; n < 3; n++)); do
		vzdump_ok 124 --incremental 1 "$@"
		[ "$n" = 0 ] || has_line '^INFO: incremental to .*: [0-9.]+ [KM]iB of 96\.0 MiB changed$'
		has_no_line '^(WARN|ERROR)'
		consistent "$key"
		guest_lines 40
	done
	qmp 124 stop
	cp --sparse=always "$(disk_path 124 "$key")" "$VZ_TMP/instant"
	vzdump_ok 124 --incremental 1 "$@"
	has_line '^INFO: incremental to .*: [0-9.]+ [KM]iB of 96\.0 MiB changed$'
	consistent "$key"
	same_disk "drive-$key" "$VZ_TMP/instant"
	nothing_left 124
}

# guest_lines <n>: waits until the guest has written some 16 KiB each line
guest_lines() {
	local before now i
	before=$(written)
	for ((i = 0; i < 1200; i++)); do
		now=$(written)
		((now < before + $1)) || return 0
		sleep 0.1
	done
	return 1
}

# written: write requests of its disk so far
written() {
	qmp 124 query-blockstats '{}' stats.wr_operations | awk '{ n += $1 } END { print n + 0 }'
}

@test "virtio-blk and fleecing: each archive is a file system as after a power cut, and the last one is the disk" {
	guest_begin virtio0 blockdev
	generations virtio0 --fleecing 1
}

@test "a throttled disk, and data pushed by the guest: as well" {
	guest_begin scsi0 throttle
	generations scsi0
}

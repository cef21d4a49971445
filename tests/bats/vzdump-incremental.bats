#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Incremental backups: every archive is complete, at the cost of what has changed.

load ../lib/qemu
load ../lib/vzdump
load ../lib/incremental

setup() {
	vz_setup
}

teardown() {
	chain_place_end
	vz_teardown
}

# a guest with 24 MiB of noise on a disk of 32 MiB
guest_with_noise() {
	disk_add 123 scsi0 throttle 32M
	disk_fill "$(disk_path 123 scsi0)" 24M
	truncate -s 32M "$(disk_path 123 scsi0)"
	qemu_start 123
}

@test "the second backup looks only at what the guest has changed, and both are complete" {
	chain_place xfs 400M
	guest_with_noise
	backup_next 123 --fleecing enabled=1,storage=fast
	has_line '^INFO: full backup, a new chain begins: there is no other backup of this guest$'
	archive_right scsi0
	local first=$ARCHIVE used
	cp "$VZ_TMP/instant-scsi0" "$VZ_TMP/first"
	used=$(place_used)
	guest_io 123 scsi0 "write -P 0x11 1M 192k" "write -P 0x22 10M 64k" "discard 20M 1M"
	backup_next 123 --fleecing enabled=1,storage=fast
	has_line "^INFO: incremental to ${first##*/}: 1\.3 MiB of 32\.0 MiB changed$"
	has_line "^INFO: taken over from ${first##*/}: [0-9.]+ MiB \(shared blocks\), new: [0-9.]+ [KM]iB$"
	archive_right scsi0
	# 4 clusters and their neighbours in three or four frames of 59; a full one has 24 MiB
	used=$(($(place_used) - used))
	echo "$used bytes more"
	((used < 16 << 20))
	# the first one is untouched
	ARCHIVE=$first
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/first"
	nothing_left 123
	# one bitmap stays: that of the newest archive
	[ "$(base_bitmaps 123 | wc -l)" = 1 ]
}

@test "after a restart of the guest everything is compared, and frames are taken over all the same" {
	chain_place btrfs 400M
	guest_with_noise
	backup_next 123
	local first=$ARCHIVE
	qemu_quit 123
	qemu_start 123
	guest_io 123 scsi0 "write -P 0x33 5M 64k"
	backup_next 123
	has_line "^INFO: full backup: the guest was restarted since \(no dirty bitmap\), comparing with ${first##*/}$"
	has_line '^INFO: taken over from .*: [12][0-9]\.[0-9] MiB \(shared blocks\), new: [0-9.]+ [KM]iB$'
	archive_right scsi0
	# and the bitmap of this one is trusted
	guest_io 123 scsi0 "write -P 0x44 6M 64k"
	backup_next 123
	has_line ': (64|128)\.0 KiB of 32\.0 MiB changed$'
	archive_right scsi0
}

@test "a guest that is off is compared, running or not between the backups" {
	guest_with_noise
	qemu_quit 123
	backup_next 123
	archive_right scsi0
	qemu_start 123
	guest_io 123 scsi0 "write -P 0x55 9M 128k"
	qemu_quit 123
	backup_next 123
	has_line '^INFO: full backup: the guest is off, comparing with '
	has_line '^INFO: taken over from '
	archive_right scsi0
}

@test "a backup that is not incremental ends the chain, and the next one begins another" {
	guest_with_noise
	backup_next 123
	vzdump_ok 123
	has_no_line 'incremental|chain|taken over'
	backup_next 123
	has_line '^INFO: full backup, a new chain begins: the newest backup .* was not made with --incremental, or its end is damaged$'
	archive_right scsi0
	backup_next 123
	has_line '^INFO: incremental to '
	archive_right scsi0
	[ "$(base_bitmaps 123 | wc -l)" -le 2 ]
}

@test "a frame of the base that is damaged is read from the guest, with a warning" {
	guest_with_noise
	backup_next 123
	# in the frame of the clusters from 7.4 to 11 MiB; noise is stored as it is
	printf 'damage' | dd of="$ARCHIVE" bs=1 seek=$((8 << 20)) conv=notrunc status=none
	guest_io 123 scsi0 "write -P 0x66 9M 64k"
	backup_next 123 --fleecing enabled=1,storage=fast
	has_line '^WARN: .*: its clusters are read from the guest instead$'
	archive_right scsi0
}

@test "the bitmap of a complete archive stays if the backup was killed right after that" {
	local entry
	guest_with_noise
	export VZDUMP_TRACE=journal
	backup_next 123
	unset VZDUMP_TRACE
	entry=$(sed -nE "s|.*(bitmap [0-9a-f-]{36}-[0-9a-f]{32} $ARCHIVE)$|\\1|p" <<< "$output" | head -n 1)
	[ "$entry" ]
	# as after kill -9 before it was struck
	printf '+pid 999999\n+%s\n' "$entry" > "$VZDUMP_ROOT/var/lib/vzdump/123.journal"
	vzdump --cleanup
	[ "$status" = 0 ]
	nothing_left 123
	guest_io 123 scsi0 "write -P 0x77 5M 64k"
	backup_next 123
	has_line '^INFO: incremental to .*: (64|128)\.0 KiB of 32\.0 MiB changed$'
	archive_right scsi0
}

@test "a disk that has grown keeps its bitmap: what it had is not compared again" {
	guest_with_noise
	backup_next 123
	truncate -s 33M "$(disk_path 123 scsi0)"
	qmp 123 block_resize '{"node-name":"f-scsi0","size":34603008}' > /dev/null
	qmp 123 block_resize '{"node-name":"drive-scsi0","size":34603008}' > /dev/null || true
	guest_io 123 scsi0 "write -P 0x77 32M 64k"
	backup_next 123
	has_line ': 1\.1 MiB of 33\.0 MiB changed$'
	archive_right scsi0
}

# changed <vmid> <MiB>...: an incremental backup after a cluster at each of them has changed; sets NEW, the bytes that
# the file system has taken for it
changed() {
	local vmid=$1 at
	shift
	for at; do
		disk_fill "$VZ_TMP/fresh" 64K "$BATS_TEST_NAME $at $((SEED++))"
		guest_io "$vmid" scsi0 "write -s $VZ_TMP/fresh ${at}M 64k"
	done
	NEW=$(place_used)
	backup_next "$vmid"
	has_line "^INFO: incremental to .*: $(($# * 64 + 64))\.0 KiB of 64\.0 MiB changed$"
	NEW=$(($(place_used) - NEW))
	echo "# numbers: $((NEW >> 10)) KiB for $# clusters" >&3
	archive_right scsi0
}

@test "a changed cluster costs its frame once, and from then on frames of 8 clusters at most" {
	local SEED=0
	chain_place xfs 400M
	# 768 clusters are 13 frames of 59 and a rest
	disk_add 123 scsi0 throttle 64M
	disk_fill "$(disk_path 123 scsi0)" 48M
	truncate -s 64M "$(disk_path 123 scsi0)"
	qemu_start 123
	backup_next 123
	# each in another frame
	changed 123 1 5 9 13
	((NEW < 4 * 59 * 65536 * 12 / 10))
	# which are cut anew: the next is in one of 8
	changed 123 2 6 10
	((NEW < 3 * 8 * 65536 * 12 / 10))
	changed 123 3
	((NEW < 8 * 65536 * 12 / 10))
	changed 123 2 6 10 3
	((NEW < 4 * 8 * 65536 * 12 / 10))
}

@test "a guest with a TPM: its state is always compared, the log names it, and the disk's bitmap is used" {
	local state=$STORE/local/images/123/vm-123-disk-9.raw
	guest_with_noise
	disk_fill "$state" 4M tpm
	conf_add 123 "tpmstate0: local:123/vm-123-disk-9.raw,size=4M,version=v2.0"
	backup_next 123
	printf 'other' | dd of="$state" bs=1 seek=1000 conv=notrunc status=none
	guest_io 123 scsi0 "write -P 0x11 1M 64k"
	backup_next 123
	has_line ': comparing 4\.[12] MiB of 36\.0 MiB \(drive-tpmstate0-backup: it is not read from the guest.s QEMU\)$'
	archive_right scsi0
	same_disk drive-tpmstate0-backup "$state"
}

@test "a guest without disks has a chain, too" {
	conf_add 124 "name: nodisks"
	vzdump_ok 124 --incremental 1
	vzdump_ok 124 --incremental 1
	has_line '^INFO: taken over from .*: nothing, new: [0-9.]+ KiB$'
	"$VMA" verify "$ARCHIVE"
}

@test "a base whose end is damaged is not used, and the log says so" {
	guest_with_noise
	backup_next 123
	printf 'dirt' | dd of="$ARCHIVE" bs=1 seek=$(($(stat -c %s "$ARCHIVE") - 20)) conv=notrunc status=none
	backup_next 123
	has_line "^INFO: full backup, a new chain begins: the newest backup .*, or its end is damaged$"
	archive_right scsi0
}

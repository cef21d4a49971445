#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What may happen to the base of an incremental backup, and to its target: an archive is right, or there is none.

load chains

setup_file() {
	faults_setup_file
	build_kill_at
}

setup() {
	faults_setup
}

teardown() {
	chain_place_end
	faults_teardown
}

# right: the newest archive has the disks as they were before the last backup
right() {
	archive_right scsi0 virtio1 > "$VZ_TMP/right" 2>&1 || fail "$(< "$VZ_TMP/right") $output"
}

# disks_keep: how the disks are now
disks_keep() {
	local key
	for key in scsi0 virtio1; do
		cp --sparse=always "$(disk_path 123 "$key")" "$VZ_TMP/instant-$key"
	done
}

# ends_right: the backup in the background has succeeded, and its archive is right
ends_right() {
	ends_with 0 60
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	output=$(< "$LOG")
	right
}

# ---- a storage that is full ----

# target_full: there is no room for another archive; then there is
target_full() {
	local base=$ARCHIVE
	vzdump 123 --incremental 1 "${FLEECING[@]}"
	[[ $status = 255 ]] || fail "ended with $status: $output" || return 1
	has_line "ERROR: Backup of VM 123 failed - .*No space left on device"
	[[ $ARCHIVE = "$base" ]]
	undone 123
	rm "$PLACE/ballast" "$PLACE"/dump/*.log
	bitmaps_published 123
	archive_next 123 "${FLEECING[@]}"
	has_line "^INFO: incremental to ${base##*/}: "
}

@test "the target gets full while what has changed is written: the next incremental backup is right" {
	chain_place ext4 140M
	guest_of_two
	archive_next 123
	fallocate -l 78M "$PLACE/ballast"
	guest_io 123 scsi0 "write -P 1 0 1M"
	local i
	for ((i = 0; i < 240; i++)); do
		printf 'write -P %d %dk 4k\0' "$((i + 1))" "$((i * 64))"
	done | xargs -0 -n 60 bash -c '
		. "$0/tests/lib/qemu.bash"; VZ_TMP=$1; shift; guest_io 123 virtio1 "$@"' "$VZ_TOP" "$VZ_TMP"
	target_full
}

@test "the target gets full while frames are taken over by copying: the next incremental backup is right" {
	chain_place ext4 140M
	guest_of_two
	archive_next 123
	fallocate -l 78M "$PLACE/ballast"
	guest_changes 1
	target_full
}

@test "the fleecing image gets full amid an incremental backup: the next one is right" {
	small_fs "$STORE/fast" 6M
	guest_of_two
	archive_next 123
	restarted
	backup_start 123 --incremental 1 --bwlimit 500 \
		--fleecing enabled=1,storage=fast,reserve=0
	guest_io 123 scsi0 "write -P 5 4M 12M"
	ends_with 255
	log_has "ERROR: Backup of VM 123 failed - drive-scsi0: fleecing storage 'fast' is full"
	undone 123
	bitmaps_published 123
	archive_next 123 "${FLEECING[@]}"
	has_line '^INFO: full backup: the guest was restarted since'
}

# ---- the file of the base ----

@test "the base is removed amid the backup that takes over from it: it was opened once" {
	guest_of_two
	archive_next 123
	restarted
	disks_keep
	backup_start 123 --incremental 1 --bwlimit 10000
	rm "$ARCHIVE"
	ends_right
	log_has '^INFO: taken over from '
	undone 123
}

@test "the base is cut amid the backup that takes over from it: that fails, and the next one is a full one" {
	guest_of_two
	archive_next 123
	restarted
	backup_start 123 --incremental 1 --bwlimit 8000 "${FLEECING[@]}"
	log_wait '^INFO: +[4-9][0-9]%'
	local base=$ARCHIVE
	truncate -s 64K "$base"
	ends_with 255 60
	log_has "ERROR: Backup of VM 123 failed - .*cannot take over frames of '${base##*/}'"
	[[ $(newest_archive "$STORE/backup/dump") = "$base" ]]
	undone 123
	backup_next 123
	has_line "^INFO: full backup, a new chain begins: .*'${base##*/}'"
	right
}

# damaged <offset from the end>: the next backup after damage there is a full one that says why
damaged() {
	gens_note
	python3 - "$ARCHIVE" "$1" <<- 'END'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(-int(sys.argv[2]), 2)
		    byte = f.read(1)[0]
		    f.seek(-int(sys.argv[2]), 2)
		    f.write(bytes([byte ^ 0x55]))
	END
	local base=${ARCHIVE##*/}
	guest_changes 3
	backup_next 123
	has_line "^INFO: full backup, a new chain begins: .*$base"
	right
}

@test "chain frame, index or seek table of the base are damaged: a full backup that says why" {
	guest_of_two
	archive_next 123
	damaged 9
	# the seek table is some 200 bytes long, root and chain frame stand before it
	local at
	for at in 40 300 700; do
		damaged "$at"
	done
	archive_next 123
	has_line '^INFO: incremental to '
}

# no_chain: the newest archive is now as other programs write one
no_chain() {
	zstd -q -d -c "$ARCHIVE" | zstd -q > "$VZ_TMP/plain"
	mv "$VZ_TMP/plain" "$ARCHIVE"
}

@test "the newest archive is another program's, is of no use, or was renamed: a full backup that says why" {
	guest_of_two
	archive_next 123
	no_chain
	archive_next 123
	has_line '^INFO: full backup, a new chain begins: the newest backup .* was not made with --incremental, or its end is damaged$'
	: > "$ARCHIVE"
	archive_next 123
	has_line "^INFO: full backup, a new chain begins: .*'${BASE:-vzdump-qemu-123-}"
	mv "$ARCHIVE" "$ARCHIVE.away"
	backup_next 123
	has_line '^INFO: full backup, a new chain begins: there is no other backup of this guest$'
	right
	rm "$STORE"/backup/dump/*.away
	archive_next 123
	has_line '^INFO: incremental to '
}

# ---- another generation ----

@test "the newest archive was removed: the one before is the base, and its bitmap is not mistaken" {
	guest_of_two
	backup_next 123
	local older=$ARCHIVE
	guest_changes 1
	backup_next 123
	rm "$ARCHIVE"
	guest_changes 2
	archive_next 123
	has_line "^INFO: full backup: its dirty bitmap is that of another backup, comparing with ${older##*/}$"
}

@test "an older generation stands under the name of the newest: its bitmap is not mistaken" {
	guest_of_two
	backup_next 123
	local older=$ARCHIVE
	guest_changes 1
	backup_next 123
	cp "$older" "$ARCHIVE"
	local base=${ARCHIVE##*/}
	guest_changes 2
	backup_next 123
	has_line "^INFO: full backup: its dirty bitmap is that of another backup, comparing with $base$"
	right
}

@test "jobs to two storages in turn: each is incremental to its own archive" {
	storage_add second backup
	mkdir -p "$STORE/second/dump"
	guest_of_two
	backup_next 123
	backup_next 123 --storage second
	local n storage
	for n in 1 2 3; do
		for storage in backup second; do
			guest_changes "$((n * 4 + ${#storage}))"
			backup_next 123 --storage "$storage"
			has_line '^INFO: incremental to '
			ARCHIVE=$(newest_archive "$STORE/$storage/dump")
			right
			# two disks, two chains
			[[ $(base_bitmaps 123 | wc -l) = 4 ]]
		done
	done
}

# ---- a base that lies ----

# lie <kind>: in the first trailer of the archive two hashes change places, or a cluster gets another number.
# Prints the first two clusters of that frame
lie() {
	python3 - "$ARCHIVE" "$1" <<- 'END'
		import struct, sys
		path, kind = sys.argv[1:]
		data = bytearray(open(path, "rb").read())
		at = data.index(b"VMATRAIL") + 16
		entries = [struct.unpack_from("<BHI", data, at + 23 * i) for i in range(2)]
		if kind == "hashes":
		    a, b = at + 7, at + 30
		    data[a:a + 16], data[b:b + 16] = data[b:b + 16], data[a:a + 16]
		elif kind == "number":
		    struct.pack_into("<I", data, at + 3, 0xfffffff)
		elif kind == "mask":
		    struct.pack_into("<H", data, at + 1, 0x1)
		open(path, "wb").write(data)
		print({1: "scsi0", 2: "virtio1"}[entries[0][0]], entries[0][2], entries[1][2])
	END
}

@test "a trailer of the base has wrong hashes: at worst these clusters are old, verify says so, and it heals" {
	guest_of_two
	backup_next 123
	local key a b other
	read -r key a b < <(lie hashes)
	other=$([[ $key = scsi0 ]] && echo virtio1 || echo scsi0)
	# the guest exchanges the two clusters: by their hashes nothing has changed
	python3 - "$(disk_path 123 "$key")" "$a" "$b" "$VZ_TMP" <<- 'END'
		import sys
		path, a, b, tmp = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
		with open(path, "rb") as f:
		    for name, at in (("a", b), ("b", a)):
		        f.seek(at << 16)
		        open(f"{tmp}/cluster-{name}", "wb").write(f.read(65536))
	END
	guest_io 123 "$key" "write -s $VZ_TMP/cluster-a $((a * 64))k 64k" "write -s $VZ_TMP/cluster-b $((b * 64))k 64k"
	backup_next 123
	run ! "$VMA" verify "$ARCHIVE"
	"$VMA" extract "$ARCHIVE" "$VZ_TMP/x"
	cmp "$VZ_TMP/x/disk-drive-$other.raw" "$VZ_TMP/instant-$other"
	[[ $(stat -c %s "$VZ_TMP/x/disk-drive-$key.raw") = $((17 << 20)) ]]
	# nothing but these two
	[[ $({ cmp -l "$VZ_TMP/x/disk-drive-$key.raw" "$VZ_TMP/instant-$key" || true; } |
		awk '{ print int(($1 - 1) / 65536) }' | uniq | xargs) = $(printf '%s\n' "$a" "$b" | sort -n | xargs) ]]
	guest_io 123 "$key" "write -P 7 $((a * 64))k 4k"
	archive_next 123
	has_line "^WARN: .*base"
}

@test "a trailer of the base has wrong clusters or blocks: these are read from the guest, with a warning" {
	guest_of_two
	local kind
	for kind in number mask; do
		archive_next 123
		lie "$kind"
		restarted
		archive_next 123
		has_line "^WARN: .*base"
	done
}

# ---- a file system that does not answer ----

# hangs_at <call> [argument]...: from the middle of the backup on that call about the base does not come back; the
# guest goes on, and a request to stop ends it all
hangs_at() {
	local lib=$BATS_TEST_TMPDIR/hang-at.so ms base=$ARCHIVE
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$lib" "$FAULTS/hang-at.c" -ldl
	rm -f "$VZ_TMP"/{seen,from}
	: > "$LOG"
	LD_PRELOAD=$lib HANG_AT="$1:${base##*/}" HANG_SEEN=$VZ_TMP/seen HANG_FROM=$VZ_TMP/from \
		ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
		"$VZDUMP" 123 --storage backup --compress zstd --incremental 1 "${@:2}" > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	[[ $1 != open ]] || touch "$VZ_TMP/from"
	log_wait 'started backup task'
	touch "$VZ_TMP/from"
	until [[ -e $VZ_TMP/seen ]]; do
		kill -0 "$PID"
		sleep 0.05
	done
	kill -TERM "$PID"
	ends_with 255 30
	log_has 'ERROR: Backup of VM 123 failed - .*interrupted by signal'
	ms=$(guest_write 123 scsi0 1M 64k)
	[[ $ms -lt 3000 ]] || fail "a guest write took $ms ms"
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]] || fail "$output"
	undone 123
	bitmaps_published 123
	archive_next 123 "${@:2}"
}

@test "the base's file system does not answer while trailers are read: a request to stop ends the backup" {
	guest_of_two
	archive_next 123
	restarted
	hangs_at pread --bwlimit 4000
	restarted
	hangs_at pread --bwlimit 4000 "${FLEECING[@]}"
}

@test "the base's file system does not answer while frames are taken over: a request to stop ends the backup" {
	guest_of_two
	archive_next 123
	guest_changes 1
	hangs_at copy
	guest_changes 2
	hangs_at copy "${FLEECING[@]}"
}

@test "the base's file system does not answer when it is opened: a request to stop ends the backup" {
	guest_of_two
	archive_next 123
	local lib=$BATS_TEST_TMPDIR/hang-at.so
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$lib" "$FAULTS/hang-at.c" -ldl
	: > "$LOG"
	LD_PRELOAD=$lib HANG_AT="pread:${ARCHIVE##*/}" HANG_SEEN=$VZ_TMP/seen \
		ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
		"$VZDUMP" 123 --storage backup --compress zstd --incremental 1 > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	until [[ -e $VZ_TMP/seen ]]; do
		kill -0 "$PID"
		sleep 0.05
	done
	kill -TERM "$PID"
	ends_with 255 30
	log_has 'ERROR: Backup of VM 123 failed - .*interrupted by signal'
	undone 123
	archive_next 123
}

# ---- how it is taken over ----

@test "on ext4 the log says that frames were copied, on XFS that blocks are shared" {
	local kind said
	guest_of_two
	for kind in ext4 xfs; do
		chain_place "$kind" 400M
		archive_next 123
		guest_changes 1
		archive_next 123
		said=$([[ $kind = ext4 ]] && echo 'copied by the file system' || echo 'shared blocks')
		has_line "^INFO: taken over from .*: [0-9.]+ MiB \($said\), new: "
		rm "$PLACE"/dump/*
		chain_place_end
	done
}

@test "sharing blocks fails at any piece of what is taken over: that one is copied, and the archive is right" {
	local n
	guest_of_two
	chain_place xfs 400M
	archive_next 123
	local base=$ARCHIVE
	for ((n = 1;; n++)); do
		# far apart, so that what is taken over is in pieces
		guest_io 123 scsi0 "write -P $n 7M 64k"
		guest_io 123 virtio1 "write -P $n 4M 64k" "write -P $n 12M 64k"
		disks_keep
		run_killed share fails "$n" 123 --incremental 1
		[[ $status = 0 ]] || fail "ended with $status" || return 1
		grep -q "^failed share $n:" "$LOG" || break
		ARCHIVE=$(newest_archive "$STORE/backup/dump")
		right || return 1
		rm "$ARCHIVE"
		[[ -e $base ]]
	done
	log_has '^INFO: taken over from .* \(shared blocks\), new: '
	((n > 3)) || fail "only $((n - 1)) pieces"
}

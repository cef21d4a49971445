#!/usr/bin/env bats
# The dirty bitmaps that incremental backups leave in QEMU: what a killed one has made is removed, the others stay
# until they are forgotten.

load ../lib/qemu
load ../lib/vzdump
load ../lib/incremental

CHAIN=11111111-2222-4333-8444-555555555555
BASE=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
NEW=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb

setup() {
	vz_setup
	disk_add 123 scsi0 throttle 1M
	disk_add 123 virtio1 iothread 1M
	JOURNAL=$VZDUMP_ROOT/var/lib/vzdump/123.journal
	mkdir -p "${JOURNAL%/*}"
}

teardown() {
	vz_teardown
}

# bitmap <vmid> <node> <name>
bitmap() {
	qmp "$1" block-dirty-bitmap-add "{\"node\":\"$2\",\"name\":\"$3\"}" > /dev/null
}

# Those of a base and of a new generation on both disks, one of another chain, and one of another program.
bitmaps_add() {
	qemu_start "$1" running
	bitmap "$1" f-scsi0 "vzbase-$CHAIN-$BASE-scsi0"
	bitmap "$1" drive-virtio1 "vzbase-$CHAIN-$BASE-virtio1"
	bitmap "$1" f-scsi0 "vzbase-$CHAIN-$NEW-scsi0"
	bitmap "$1" drive-virtio1 "vzbase-$CHAIN-$NEW-virtio1"
	bitmap "$1" f-scsi0 "vzbase-00000000${CHAIN:8}-$BASE-scsi0"
	bitmap "$1" f-scsi0 "pbs-incremental-dirty-bitmap"
}

# has_bitmaps <vmid> <pattern> <number>
has_bitmaps() {
	local n
	n=$(qmp "$1" query-named-block-nodes '{"flat":true}' | grep -oE '"name": ?"[^"]*"' | grep -cE -- "$2") || true
	[[ $n = "$3" ]] || {
		echo "$n bitmaps match '$2', not $3"
		return 1
	}
}

# A run that was killed after it has made those of the new generation, for this archive.
was_killed() {
	printf '+pid 999999\n+bitmap %s-%s %s\n' "$CHAIN" "$NEW" "$1" > "$JOURNAL"
}

@test "Without its archive the bitmaps of a killed backup are removed, and no others" {
	bitmaps_add 123
	was_killed "$STORE/backup/dump/vzdump qemu.vma.zst"
	vzdump --cleanup
	[[ $status = 0 && ! -e $JOURNAL ]]
	has_bitmaps 123 "$NEW" 0
	has_bitmaps 123 "^\"name\": ?\"(vzbase-.*$BASE|pbs-)" 4
}

@test "If the archive of a killed backup is complete its bitmaps stay" {
	bitmaps_add 123
	touch "$STORE/backup/dump/vzdump qemu.vma.zst"
	was_killed "$STORE/backup/dump/vzdump qemu.vma.zst"
	vzdump --cleanup
	[[ $status = 0 && ! -e $JOURNAL ]]
	has_bitmaps 123 "$NEW" 2
}

@test "The bitmaps of a guest that does not run any more have ended with its QEMU" {
	was_killed "$STORE/backup/dump/none"
	vzdump --cleanup
	[[ $status = 0 && ! -e $JOURNAL ]]
}

@test "While QEMU does not answer, its bitmaps stay in the journal" {
	local socket=$VZDUMP_ROOT/run/qemu-server/123.qmp
	bitmaps_add 123
	was_killed "$STORE/backup/dump/none"
	mv "$socket" "$socket.away"
	vzdump --cleanup
	[[ $status != 0 ]]
	has_line "^WARN: cleaning up: dirty bitmaps in QEMU: "
	grep -q "^+bitmap" "$JOURNAL"
	mv "$socket.away" "$socket"
	vzdump --cleanup
	[[ $status = 0 && ! -e $JOURNAL ]]
	has_bitmaps 123 "$NEW" 0
}

@test "A backup that is not incremental leaves all bitmaps where they are" {
	bitmaps_add 123
	vzdump_ok 123
	has_no_line "left-over"
	vzdump_ok 123 --fleecing enabled=1,storage=fast
	has_bitmaps 123 '"vzbase-' 5
	vzdump --cleanup
	has_bitmaps 123 '"vzbase-' 5
}

@test "A backup that is killed leaves the bitmaps of its base, and the next one is right and complete" {
	local base first
	disk_fill "$(disk_path 123 scsi0)" 1M
	qemu_start 123 running
	vzdump_ok 123 --incremental 1
	first=$ARCHIVE
	base=$(base_bitmaps 123 | sort)
	[[ $(wc -l <<< "$base") = 2 ]]
	guest_io 123 scsi0 "write -P 0x11 128k 64k"
	"$VZDUMP" 123 --storage backup --compress zstd --incremental 1 --bwlimit 1 > "$VZ_TMP/log" 2>&1 3>&- &
	wait_for_task $!
	[[ $(base_bitmaps 123 | wc -l) = 4 ]]
	kill -KILL $!
	wait $! || true
	guest_io 123 scsi0 "write -P 0x22 512k 64k"
	vzdump --cleanup
	[[ $status = 0 && $(base_bitmaps 123 | sort) = "$base" ]]
	cp "$(disk_path 123 scsi0)" "$VZ_TMP/now"
	vzdump_ok 123 --incremental 1
	has_line "^INFO: incremental to ${first##*/}: "
	# what was written, and the last cluster of each disk
	has_line ": 256\.0 KiB of 2\.0 MiB changed$"
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/now"
	nothing_left 123
}

@test "A disk that was smaller in between is compared as a whole, whatever the guest has written since" {
	disk_fill "$(disk_path 123 scsi0)" 1M
	qemu_start 123 running
	vzdump_ok 123 --incremental 1
	qmp 123 block_resize '{"node-name":"f-scsi0","size":524288}'
	qmp 123 block_resize '{"node-name":"f-scsi0","size":1048576}'
	guest_io 123 scsi0 "write -P 0x11 960k 64k"
	cp "$(disk_path 123 scsi0)" "$VZ_TMP/now"
	vzdump_ok 123 --incremental 1
	has_line "the disk was smaller in between"
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/now"
}

@test "--cleanup --forget removes the bitmaps of all guests that run, and says how many" {
	disk_add 124 scsi0 throttle 1M
	disk_add 125 scsi0 throttle 1M
	bitmaps_add 123
	qemu_start 124
	bitmap 124 f-scsi0 "vzbase-$CHAIN-$BASE-scsi0"
	vzdump --cleanup --forget
	[[ $status = 0 ]]
	has_line "^INFO: VM 123: removed 5 dirty bitmap\(s\) from its QEMU$"
	has_line "^INFO: VM 124: removed 1 dirty bitmap\(s\) from its QEMU$"
	has_no_line "VM 125"
	has_bitmaps 123 '"vzbase-' 0
	has_bitmaps 123 '"pbs-' 1
	has_bitmaps 124 '"vzbase-' 0
	vzdump --cleanup --forget
	[[ $status = 0 ]]
	has_line "^INFO: there are no dirty bitmaps of incremental backups$"
}

@test "--cleanup --forget removes those of the guests that are named, and of no other" {
	disk_add 124 scsi0 throttle 1M
	bitmaps_add 123
	qemu_start 124
	bitmap 124 f-scsi0 "vzbase-$CHAIN-$BASE-scsi0"
	vzdump --cleanup --forget 124
	[[ $status = 0 ]]
	has_bitmaps 123 '"vzbase-' 5
	has_bitmaps 124 '"vzbase-' 0
}

@test "--cleanup --forget leaves a guest alone whose backup or restore runs now" {
	local journal
	bitmaps_add 123
	printf '+pid %d\n' $$ > "$JOURNAL"
	exec {journal}< "$JOURNAL"
	flock "$journal"
	vzdump --cleanup --forget 123
	exec {journal}<&-
	[[ $status = 0 ]]
	has_line "^WARN: VM 123: its backup or restore runs now, so its dirty bitmaps stay$"
	has_no_line "there are no dirty bitmaps"
	has_bitmaps 123 '"vzbase-' 5
}

@test "--cleanup --forget fails if a QEMU does not answer, and asks the others all the same" {
	local socket=$VZDUMP_ROOT/run/qemu-server/123.qmp
	disk_add 124 scsi0 throttle 1M
	bitmaps_add 123
	qemu_start 124
	bitmap 124 f-scsi0 "vzbase-$CHAIN-$BASE-scsi0"
	mv "$socket" "$socket.away"
	vzdump --cleanup --forget
	mv "$socket.away" "$socket"
	[[ $status != 0 ]]
	has_line "^VM 123: removing dirty bitmaps from its QEMU: "
	has_bitmaps 124 '"vzbase-' 0
}

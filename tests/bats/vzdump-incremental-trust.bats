#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Which dirty bitmaps an incremental backup trusts: whatever was done to the disk or its bitmap since, the archive is
# right, and the log says why all of the disk was compared.

load ../lib/qemu
load ../lib/vzdump
load ../lib/incremental

setup() {
	vz_setup
}

teardown() {
	vz_teardown
}

# first_backup [style]: a guest with a disk of 8 MiB whose first backup is there; then it writes
first_backup() {
	disk_add 123 scsi0 "${1:-blockdev}" 8M
	disk_fill "$(disk_path 123 scsi0)" 8M
	qemu_start 123
	backup_next 123
	has_line '^INFO: full backup, a new chain begins: '
	archive_right scsi0
	guest_io 123 scsi0 "write -P 0x11 1M 64k"
}

# compared <reason>: the next backup trusts no bitmap, and is right
compared() {
	backup_next 123
	has_line "^INFO: full backup: $1, comparing with vzdump-qemu-123-"
	archive_right scsi0
	nothing_left 123
}

# next_compares <reason>: so it is, and the one after it trusts the new bitmap
next_compares() {
	compared "$1"
	guest_io 123 scsi0 "write -P 0x22 2M 64k"
	next_trusts
}

next_trusts() {
	backup_next 123
	has_line '^INFO: incremental to vzdump-qemu-123-.*: [0-9.]+ KiB of [0-9.]+ MiB changed$'
	archive_right scsi0
	nothing_left 123
}

# job_done <vmid>: the block job copies nothing more and ends
job_done() {
	local i
	for ((i = 0; i < 200; i++)); do
		[[ $(qmp "$1" query-block-jobs) = *device* ]] || return 0
		qmp "$1" block-job-complete '{"device":"commit"}' > /dev/null 2>&1 || true
		sleep 0.05
	done
	return 1
}

# snapshot_begin, snapshot_commit: an external snapshot of scsi0, and its end
snapshot_begin() {
	OVERLAY=$VZ_TMP/overlay.qcow2
	qemu-img create -q -f qcow2 "$OVERLAY" 8M
	qmp 123 blockdev-add "{\"driver\":\"qcow2\",\"node-name\":\"overlay\",\"backing\":null,
		\"file\":{\"driver\":\"file\",\"filename\":\"$OVERLAY\"}}"
	qmp 123 blockdev-snapshot '{"node":"drive-scsi0","overlay":"overlay"}'
}

snapshot_commit() {
	qmp 123 block-commit '{"job-id":"commit","device":"overlay","base-node":"drive-scsi0"}'
	job_done 123
}

@test "the guest's QEMU was started again: compared" {
	first_backup
	qemu_quit 123
	qemu_start 123
	next_compares 'the guest was restarted since \(no dirty bitmap\)'
}

# migrate_with <true|false>: to another QEMU, by way of a file, with dirty bitmaps or without them
migrate_with() {
	local i caps="{\"capabilities\":[{\"capability\":\"dirty-bitmaps\",\"state\":$1}]}"
	qmp 123 migrate-set-capabilities "$caps"
	qmp 123 migrate "{\"uri\":\"exec:cat > $VZ_TMP/state\"}"
	for ((i = 0; i < 400; i++)); do
		[[ $(qmp 123 query-migrate) != *'"completed"'* ]] || break
		sleep 0.05
	done
	qemu_quit 123
	qemu_args 123 -incoming defer
	qemu_start 123
	qmp 123 migrate-set-capabilities "$caps"
	qmp 123 migrate-incoming "{\"uri\":\"exec:cat $VZ_TMP/state\"}"
	for ((i = 0; i < 400; i++)); do
		[[ $(qmp 123 query-migrate) != *'"completed"'* ]] || break
		sleep 0.05
	done
	[[ $(qmp 123 query-status) != *inmigrate* ]]
}

@test "the guest was migrated without its dirty bitmaps: compared" {
	first_backup
	migrate_with false
	next_compares 'the guest was restarted since \(no dirty bitmap\)'
}

@test "the guest was migrated with its dirty bitmaps: they are trusted" {
	first_backup
	migrate_with true
	guest_io 123 scsi0 "write -P 0x33 3M 64k"
	next_trusts
}

@test "an external snapshot was taken: compared, and so is the first backup after it was committed" {
	first_backup
	snapshot_begin
	guest_io 123 scsi0 "write -P 0x33 3M 64k"
	vzdump_ok 123 --incremental 1
	has_line "^INFO: full backup: the guest uses another node now than at that time, as after an external snapshot \(its dirty bitmap is on 'drive-scsi0'\), comparing with "
	snapshot_commit
	cp "$(disk_path 123 scsi0)" "$VZ_TMP/instant-scsi0"
	archive_right scsi0
	guest_io 123 scsi0 "write -P 0x44 4M 64k"
	compared "the guest uses another node now than at that time, as after an external snapshot \(its dirty bitmap is on 'overlay'\)"
}

@test "an external snapshot was taken and committed since: what the commit wrote is in the bitmap, which is trusted" {
	first_backup
	snapshot_begin
	guest_io 123 scsi0 "write -P 0x33 3M 64k"
	snapshot_commit
	guest_io 123 scsi0 "write -P 0x44 4M 64k"
	next_trusts
}

@test "the disk was unplugged and plugged in as another one: all of it is read" {
	first_backup throttle
	qmp 123 device_del '{"id":"scsi0"}'
	qmp 123 device_add '{"driver":"scsi-hd","id":"scsi1","drive":"drive-scsi0","bus":"hw-scsi0.0","share-rw":true}'
	sed -i 's/^scsi0:/scsi1:/' "$(conf_file 123)"
	mv "$VZ_TMP/123.scsi0.path" "$VZ_TMP/123.scsi1.path"
	backup_next 123
	has_line '^INFO: full backup: the disk was scsi0 at that time, comparing with '
	archive_right scsi1
}

@test "the disk was unplugged, another one is plugged in under its name: compared" {
	first_backup throttle
	local other=$STORE/local/images/123/vm-123-disk-7.raw
	disk_fill "$other" 8M other
	qmp 123 device_del '{"id":"scsi0"}'
	qmp 123 blockdev-add "{\"driver\":\"raw\",\"node-name\":\"other\",
		\"file\":{\"driver\":\"file\",\"filename\":\"$other\"}}"
	qmp 123 device_add '{"driver":"scsi-hd","id":"scsi0","drive":"other","bus":"hw-scsi0.0"}'
	sed -i 's/vm-123-disk-0/vm-123-disk-7/' "$(conf_file 123)"
	echo "$other" > "$VZ_TMP/123.scsi0.path"
	compared "the guest uses another node now than at that time, as after an external snapshot \(its dirty bitmap is on 'f-scsi0'\)"
}

@test "the disk has grown: only what is new is looked at besides" {
	first_backup
	qmp 123 block_resize "{\"node-name\":\"drive-scsi0\",\"size\":$((10 << 20))}"
	guest_io 123 scsi0 "write -P 0x33 9M 64k"
	backup_next 123
	has_line '^INFO: incremental to .*: 2\.[0-9]+ MiB of 10\.0 MiB changed$'
	archive_right scsi0
	guest_io 123 scsi0 "write -P 0x44 9M 64k"
	next_trusts
}

@test "somebody has disabled the dirty bitmap: compared" {
	first_backup
	local name
	name=$(base_bitmaps 123)
	qmp 123 block-dirty-bitmap-disable "{\"node\":\"drive-scsi0\",\"name\":\"$name\"}"
	guest_io 123 scsi0 "write -P 0x33 3M 64k"
	qmp 123 block-dirty-bitmap-enable "{\"node\":\"drive-scsi0\",\"name\":\"$name-end\"}"
	next_compares 'its dirty bitmap was disabled'
}

@test "a dirty bitmap of that name is a coarser one: compared" {
	first_backup
	local name
	name=$(base_bitmaps 123)
	qmp 123 block-dirty-bitmap-remove "{\"node\":\"drive-scsi0\",\"name\":\"$name\"}"
	qmp 123 block-dirty-bitmap-add "{\"node\":\"drive-scsi0\",\"name\":\"$name\",\"granularity\":131072}"
	next_compares 'its dirty bitmap has a granularity of 131072 bytes, not 65536'
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What the keys of a storage mean to a backup, and a storage that is no plain directory.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
}

teardown() {
	umount "$VZ_TMP/btrfs" 2> /dev/null || true
	vz_teardown
}

# section_add <type> <id> <line>...
section_add() {
	local type=$1 id=$2
	shift 2
	{
		echo "$type: $id"
		printf '\t%s\n' "$@"
		echo
	} >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
}

btrfs_mounted() {
	mkdir "$VZ_TMP/btrfs"
	truncate -s 256M "$VZ_TMP/btrfs.img"
	mkfs.btrfs -q "$VZ_TMP/btrfs.img"
	mount -o loop "$VZ_TMP/btrfs.img" "$VZ_TMP/btrfs"
}

@test "on btrfs the fleecing image is a subvolume while the backup runs, and gone after it" {
	local image=$VZ_TMP/btrfs/vm/images/123/vm-123-fleece-0 pid
	btrfs_mounted
	section_add btrfs bt "path $VZ_TMP/btrfs/vm" "content images,backup" "is_mountpoint $VZ_TMP/btrfs"
	disk_add 123 scsi0 blockdev 48M
	disk_fill "$(disk_path 123 scsi0)" 48M
	qemu_start 123
	"$VZDUMP" 123 --storage bt --compress zstd --bwlimit 16000 --fleecing enabled=1,storage=bt \
		> "$VZ_TMP/log" 2>&1 3>&- &
	pid=$!
	wait_for_task "$pid"
	[[ $(stat -c %i "$image") == 256 && $(stat -c %s "$image/disk.raw") == $((48 << 20)) ]]
	guest_io 123 scsi0 "write -P 0x55 40M 2M"
	wait "$pid"
	[[ ! -e $VZ_TMP/btrfs/vm/images/123 ]]
	ARCHIVE=$(newest_archive "$VZ_TMP/btrfs/vm/dump")
	archive_read
	run ! same_disk drive-scsi0 "$(disk_path 123 scsi0)"
	guest_io 123 scsi0 "read -P 0x55 40M 2M"
	nothing_left 123
}

@test "a storage that is not mounted is refused before the guest is touched" {
	disk_add 123 scsi0 blockdev 8M
	mkdir "$VZ_TMP/mnt"
	section_add dir away "path $VZ_TMP/mnt" "content backup,images" "is_mountpoint 1"
	section_add btrfs nobtrfs "path $VZ_TMP/mnt" "content backup"
	vzdump 123 --storage away
	[[ $status == 255 ]]
	has_line "could not activate storage 'away'.*expected to be a mount point but is not mounted"
	vzdump 123 --storage nobtrfs
	[[ $status == 255 ]]
	has_line "could not activate storage 'nobtrfs'.*is not a btrfs file system"
	[[ -z $(ls "$VZ_TMP/mnt") ]]
}

@test "max-protected-backups limits what --protected may add" {
	disk_add 123 scsi0 blockdev 8M
	section_add dir few "path $VZ_TMP/few" "content backup" "max-protected-backups 1"
	vzdump_ok 123 --storage few --protected 1
	vzdump 123 --storage few --protected 1
	[[ $status == 255 ]]
	has_line "number of protected backups per guest is limited to 1 on storage 'few'"
	vzdump_ok 123 --storage few
}

@test "content-dirs, disable and nodes count for the target" {
	disk_add 123 scsi0 blockdev 8M
	section_add dir moved "path $VZ_TMP/moved" "content backup" "content-dirs backup=else/where"
	section_add dir off "path $VZ_TMP/off" "content backup" "disable"
	section_add dir other "path $VZ_TMP/other" "content backup" "nodes nobody"
	vzdump_ok 123 --storage moved
	[[ -n $(newest_archive "$VZ_TMP/moved/else/where") ]]
	vzdump 123 --storage off
	has_line "storage 'off' is disabled"
	vzdump 123 --storage other
	has_line "storage 'other' is not available on node"
	[[ ! -e $VZ_TMP/off && ! -e $VZ_TMP/other ]]
}

# own <line>...: vzdump-storage.cfg
own() {
	printf '%s\n' "$@" > "$VZDUMP_ROOT/etc/pve/vzdump-storage.cfg"
}

@test "vzdump-storage.cfg turns incremental backups on for one storage, and a slip in it only warns" {
	local file=$VZDUMP_ROOT/etc/pve/vzdump-storage.cfg vain="^WARN: incremental has no effect without --compress zstd"
	conf_add 123 "memory: 16"
	own 'storage: backup' $'\tincremental 1'
	vzdump_ok 123 --compress gzip
	has_line "$vain: the backups are full ones$"
	vzdump_ok 123 --compress gzip --incremental 0
	has_no_line "^WARN: .*incremental"
	vzdump_ok 123 --compress gzip --dumpdir "$VZ_TMP"
	has_no_line "^WARN: .*incremental"
	own 'storage: backup' $'\tincremental 1,max-generations=1' '' 'storage: bakcup' $'\tincremental 1'
	vzdump_ok 123 --compress gzip
	has_no_line "$vain"
	has_line "^WARN: file $file line 2 \(section 'backup'\) - unable to parse value of 'incremental': key 'max-generations': value '1' is too small"
	has_line "^WARN: file $file line 4 \(skip section 'bakcup'\): storage 'bakcup' does not exist \(did you mean 'backup'\?\)$"
	vzdump_ok 123 --compress gzip --dry-run
	has_line "line 2 \(section 'backup'\)"
}

@test "incremental in storage.cfg, where Proxmox VE would lose it, counts for nothing, and the right file is named" {
	conf_add 123 "memory: 16"
	section_add dir inc "path $VZ_TMP/inc" "content backup" "incremental 1"
	vzdump_ok 123 --storage inc --compress gzip
	has_line "'incremental': unexpected property \(it belongs into $VZDUMP_ROOT/etc/pve/vzdump-storage.cfg\)$"
	has_no_line "has no effect"
}

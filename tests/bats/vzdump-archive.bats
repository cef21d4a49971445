#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What a backup leaves: archives, configuration, notes, retention; and offline guests.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	disk_add 123 scsi0 scsi 3M
	disk_fill "$(disk_path 123 scsi0)" 2M
}

teardown() {
	vz_teardown
}

@test "a guest that does not run is read offline, in raw and in qcow2" {
	local dir=$STORE/local/images/123
	qemu-img create -q -f qcow2 "$dir/vm-123-disk-5.qcow2" 5M
	qemu-img convert -n -O qcow2 "$(disk_path 123 scsi0)" "$dir/vm-123-disk-5.qcow2" 2> /dev/null ||
		qemu-io -f qcow2 -c "write -P 7 1M 2M" "$dir/vm-123-disk-5.qcow2" > /dev/null
	qemu-img convert -O raw "$dir/vm-123-disk-5.qcow2" "$VZ_TMP/want"
	conf_add 123 "virtio1: local:123/vm-123-disk-5.qcow2"
	vzdump_ok 123 --fleecing 1
	has_line '^INFO: status = stopped$'
	has_line '^INFO: backup mode: stop$'
	archive_read
	same_disk drive-scsi0 "$(disk_path 123 scsi0)"
	same_disk drive-virtio1 "$VZ_TMP/want"
	grep -q '^#qmdump#map:scsi0:drive-scsi0:local:raw:$' "$VZ_TMP/out/qemu-server.conf"
	grep -q '^#qmdump#map:virtio1:drive-virtio1:local:qcow2:$' "$VZ_TMP/out/qemu-server.conf"
	nothing_left 123
}

@test "the archive's configuration leaves out what PVE leaves out, and says so" {
	cat >> "$(conf_file 123)" <<- 'END'
		#a description
		name: web
		parent: before
		unused0: local:123/vm-123-disk-8.raw
		ide2: none,media=cdrom
		ide3: local:iso/x.iso,media=cdrom
		scsi1: local:123/vm-123-disk-7.raw,backup=0

		[PENDING]
		memory: 512

		[before]
		name: old

		[special:cloudinit]
		name: x
	END
	mkdir -p "$VZDUMP_ROOT/etc/pve/firewall"
	printf '[OPTIONS]\nenable: 1\n' > "$VZDUMP_ROOT/etc/pve/firewall/123.fw"
	cp "$(conf_file 123)" "$VZ_TMP/conf"
	vzdump_ok 123
	has_line "^INFO: VM Name: web$"
	has_line "^INFO: exclude disk 'scsi1' 'local:123/vm-123-disk-7.raw' \(backup=no\)$"
	has_line "^INFO: skip unused drive 'local:123/vm-123-disk-8.raw' \(not included into backup\)$"
	has_line '^INFO: snapshots found \(not included into backup\)$'
	has_line '^INFO: pending configuration changes found \(not included into backup\)$'
	has_line '^INFO: special config section found \(not included into backup\)$'
	archive_read
	[[ ! -e $VZ_TMP/out/disk-drive-scsi1.raw ]]
	run ! grep -E '^(parent|unused0|lock)|\[|512|old' "$VZ_TMP/out/qemu-server.conf"
	grep -q '^name: web$' "$VZ_TMP/out/qemu-server.conf"
	cmp "$VZ_TMP/out/qemu-server.fw" "$VZDUMP_ROOT/etc/pve/firewall/123.fw"
	# the guest's own file is as it was
	cmp "$VZ_TMP/conf" "$(conf_file 123)"
}

@test "each --compress makes what its name says, readable by the stock tool" {
	local pair name ext
	for pair in "0 vma" "1 vma.lzo" "lzo vma.lzo" "gzip vma.gz" "zstd vma.zst"; do
		read -r name ext <<< "$pair"
		vzdump_ok 123 --compress "$name"
		[[ $ARCHIVE = *.$ext ]]
		archive_read
		same_disk drive-scsi0 "$(disk_path 123 scsi0)"
		rm "$ARCHIVE"
	done
	vzdump_ok 123 --compress gzip --pigz 2
	archive_read
	same_disk drive-scsi0 "$(disk_path 123 scsi0)"
	vzdump_ok 123 --zstd 2 --zstd-level 9
	zstd -q -t "$ARCHIVE"
}

@test "--stdout writes the archive there and the log to standard error" {
	"$VZDUMP" 123 --stdout --compress zstd > "$VZ_TMP/a.zst" 2> "$VZ_TMP/log"
	grep -q '^INFO: sending archive to stdout$' "$VZ_TMP/log"
	ARCHIVE=$VZ_TMP/a.zst
	archive_read
	same_disk drive-scsi0 "$(disk_path 123 scsi0)"
	vzdump 123 --stdout --storage backup
	[[ $status = 255 && $output = *"cannot use options 'storage' and 'stdout' at the same time"* ]]
	vzdump 123 124 --stdout
	[[ $status = 255 && $output = *"only backup a single VM"* ]]
}

@test "a guest without disks is saved with its configuration alone" {
	conf_add 130 "name: diskless"
	vzdump_ok 130
	has_line '^INFO: backup contains no disks$'
	archive_read
	grep -q '^name: diskless$' "$VZ_TMP/out/qemu-server.conf"
}

@test "notes and protection stand beside the archive" {
	conf_add 123 "name: web"
	vzdump_ok 123 --protected 1 --notes-template '{{guestname}} {{vmid}} {{cluster}}\nnext'
	has_line '^INFO: adding notes to backup$'
	has_line '^INFO: marking backup as protected$'
	[[ $(< "$ARCHIVE.notes") = $'web 123 standalone node\nnext' && -e $ARCHIVE.protected ]]
	vzdump 123 --dumpdir "$STORE/backup/dump" --protected 1
	[[ $status = 255 && $output = *protected*storage* ]]
}

@test "older backups are pruned as asked; protected ones stay" {
	local dump=$STORE/backup/dump day
	for day in 01 02 03 04; do
		touch "$dump/vzdump-qemu-123-2020_01_$day-00_00_00.vma.zst"
	done
	touch "$dump/vzdump-qemu-123-2020_01_02-00_00_00.vma.zst.protected"
	touch "$dump/vzdump-qemu-124-2020_01_01-00_00_00.vma.zst"
	vzdump_ok 123 --prune-backups keep-last=2
	has_line '^INFO: prune older backups with retention: keep-last=2$'
	has_line '^INFO: pruned 2 backup\(s\) not covered by keep-retention policy$'
	run ls "$dump"
	[[ $output != *2020_01_01-00_00_00*123* && ! -e $dump/vzdump-qemu-123-2020_01_03-00_00_00.vma.zst ]]
	[[ -e $dump/vzdump-qemu-123-2020_01_04-00_00_00.vma.zst ]]
	[[ -e $dump/vzdump-qemu-123-2020_01_02-00_00_00.vma.zst && -e $ARCHIVE ]]
	[[ -e $dump/vzdump-qemu-124-2020_01_01-00_00_00.vma.zst ]]
	vzdump 123 --prune-backups keep-last=1 --remove 0
	[[ $status = 255 && $output = *"max backup limit of 1"* ]]
}

@test "--all saves every guest in order, --exclude leaves some out, a failed one does not stop the rest" {
	local vmid
	for vmid in 101 102 103; do
		conf_add $vmid "name: n$vmid"
	done
	vzdump_ok --all --exclude "102;103"
	[[ $(grep -o 'Starting Backup of VM [0-9]*' <<< "$output" | tr '\n' ' ') = \
		"Starting Backup of VM 101 Starting Backup of VM 123 " ]]
	conf_add 102 "lock: migrate"
	vzdump 103 102 101
	[[ $status = 255 ]]
	has_line '^ERROR: Backup of VM 102 failed - VM is locked \(migrate\)'
	has_line '^INFO: Finished Backup of VM 103 '
	has_line '^INFO: Backup job finished with errors$'
	[[ ${lines[-1]} = "job errors" ]]
	vzdump 999
	[[ $status = 255 && $output = *"unable to find VM '999'"* ]]
}

@test "defaults come from vzdump.conf, the command line goes first" {
	printf 'storage: backup\ncompress: gzip\nbwlimit: 5000\n' > "$VZDUMP_ROOT/etc/vzdump.conf"
	run "$VZDUMP" 123
	[[ $status = 0 ]]
	has_line 'vma.gz'
	has_line 'bandwidth limit: 5000 KiB/s'
	run "$VZDUMP" 123 --compress 0
	[[ $status = 0 ]]
	has_line "\.vma'$"
}

@test "another node's job is none of ours" {
	run "$VZDUMP" 123 --node elsewhere
	[[ $status = 0 && -z $output ]]
}

@test "wrong usage is one line that names the option, and exit status 255" {
	local args
	for args in "" "123 --nosuch 1" "123 --zstd x" "123 --compress best" "12" "123 --mode fast" \
		"123 --all" "123 --mailto a@" "123 --bwlimit -1" "123 --storage -x" "123 --storage"; do
		# shellcheck disable=SC2086
		run "$VZDUMP" $args
		[[ $status = 255 && ${#lines[@]} = 1 ]] || { echo "$args: $status $output"; return 1; }
		for word in $args; do
			[[ $word != --* || $output = *"${word#--}"* ]] || { echo "$args: $output"; return 1; }
		done
	done
}

@test "a storage that cannot take backups is refused by name" {
	vzdump 123 --storage fast
	[[ $status = 255 && $output = *"can't use storage 'fast' for backups"* ]]
	printf 'zfsnew: odd\n\tpool x\n\tcontent backup\n' >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	vzdump 123 --storage odd
	[[ $status = 255 && $output = *"'odd'"*zfsnew* ]]
	# standing in the file it disturbs nobody
	vzdump_ok 123
}

@test "the hook script is called at PVE's phases with PVE's environment" {
	cat > "$VZ_TMP/hook" <<- END
		#!/bin/sh
		echo "\$* \$VMTYPE \$STOREID \$HOSTNAME" >> "$VZ_TMP/phases"
		echo "hook says \$1"
	END
	chmod +x "$VZ_TMP/hook"
	conf_add 123 "name: web"
	vzdump_ok 123 --script "$VZ_TMP/hook"
	has_line '^INFO: hook says backup-start$'
	[[ $(cut -d' ' -f1 "$VZ_TMP/phases" | tr '\n' ' ') = \
		"job-init job-start backup-start backup-end log-end job-end " ]]
	grep -q '^backup-start stop 123 qemu backup web$' "$VZ_TMP/phases"
	vzdump 123 --script /nonexistent
	[[ $status = 255 && $output = *"/nonexistent"* ]]
}

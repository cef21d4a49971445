#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# A disk of a guest on a LUN, by the kernel (iscsi) and by QEMU itself (iscsidirect).

load "${VZ_TYPE_FILE%/*}/../lib/qemu"
load "${VZ_TYPE_FILE%/*}/../lib/vzdump"

PVESM=$BUILD/bin/pvesm
TARGET=iqn.2026-11.test:disk

setup_file() {
	modprobe iscsi_tcp
	echo InitiatorName=iqn.2026-11.test:me > /etc/iscsi/initiatorname.iscsi
	tgtd > "$BATS_FILE_TMPDIR/tgtd.log" 2>&1 3>&- 4>&-
	iscsid 3>&- 4>&-
	head -c 32M "$VZ_NOISE" > "$VZ_DEVICE"
	until tgtadm --lld iscsi --op new --mode target --tid 1 -T $TARGET; do
		sleep 0.2
	done
	tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 -b "$VZ_DEVICE"
	tgtadm --lld iscsi --op bind --mode target --tid 1 -I ALL
}

setup() {
	vz_setup
	local type
	for type in iscsi iscsidirect; do
		printf '%s: %s\n\tportal 127.0.0.1\n\ttarget %s\n\tcontent images\n\n' \
			$type $type $TARGET >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	done
}

teardown() {
	vz_teardown
}

# volume <storage>: the one that is there
volume() {
	"$PVESM" list "$1" | awk 'NR == 2 { print $1 }'
}

# saved <volume id> <image>: the mission's command saves it while the guest writes to it
saved() {
	cat "$VZ_DEVICE" > "$VZ_TMP/instant-scsi0"
	conf_add 123 "scsi0: $1,size=$VZ_DISK"
	disk_args 123 scsi0 throttle "$2"
	qemu_start 123
	graph_state 123 > "$VZ_TMP/before"
	"$VZDUMP" 123 --storage backup --compress zstd --bwlimit 20000 --fleecing enabled=1,storage=fast \
		> "$VZ_TMP/log" 2>&1 3>&- &
	local pid=$!
	wait_for_task "$pid"
	guest_io 123 scsi0 "write -P ${3} 24M 2M"
	wait "$pid" || { cat "$VZ_TMP/log"; return 1; }
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	graph_state 123 | diff "$VZ_TMP/before" -
	nothing_left 123
	# the guest's write went to the LUN
	guest_io 123 scsi0 "read -P ${3} 24M 2M"
	run ! same_disk drive-scsi0 "$VZ_DEVICE"
}

@test "a LUN is logged in to, listed and saved; images cannot be allocated or removed" {
	local volid
	volid=$(volume iscsi)
	[[ $volid == iscsi:0.0.1.scsi-* ]]
	[[ $("$PVESM" path "$volid") == /dev/disk/by-id/scsi-* ]]
	saved "$volid" "$("$PVESM" path "$volid")" 0x21
	run "$PVESM" alloc iscsi 123 "" 4M
	[[ $status == 255 && $output == *"images cannot be allocated or removed on storages of type 'iscsi'" ]]
	run "$PVESM" free "$volid"
	[[ $status == 255 ]]
	vzdump 123 --fleecing enabled=1
	[[ $status == 255 ]]
	has_line "images cannot be made on storages of type 'iscsi': name another storage"
	nothing_left 123
}

@test "iscsidirect: a LUN is listed, and saved with QEMU's own initiator" {
	local volid
	volid=$(volume iscsidirect)
	[[ $volid == iscsidirect:lun1 ]]
	saved "$volid" "{\"driver\":\"iscsi\",\"transport\":\"tcp\",\"portal\":\"127.0.0.1\",\"target\":\"$TARGET\",\"lun\":1}" 0x22
}

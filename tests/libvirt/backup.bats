#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Backups of libvirt guests: which are found, in which states they are saved, and what is in the archive.

load ../lib/libvirt

setup_file() {
	libvirt_setup_file
}

teardown_file() {
	libvirt_teardown_file
}

setup() {
	libvirt_setup
}

teardown() {
	libvirt_teardown
}

# two_disks NAME: a guest that runs
two_disks() {
	domain_disk "$1" vda 2M
	domain_disk "$1" sda 2M qcow2
	domain_start "$1"
	domain_before "$1"
}

# saved_as_made NAME KEY=TARGET...: its archive is right, and the guest as it was
saved_as_made() {
	archive_read || return 1
	same_as_instant "$@" || return 1
	nothing_of_ours
}

mirrors() {
	ls "$VZDUMP_ROOT/var/lib/vzdump/libvirt"
}

@test "a guest that runs is saved with and without fleecing, byte for byte, with both of its configurations" {
	domain_uefi web
	two_disks web
	local arguments
	for arguments in "${FLEECING[*]}" ""; do
		# shellcheck disable=SC2086 # words
		vzdump_ok --libvirt web $arguments
		has_no_line 'WARN|ERROR'
		has_line 'VM Name: web'
		saved_as_made web virtio0=vda scsi0=sda
		domain_unchanged web
		grep -qx 'name: web' "$VZ_TMP/out/qemu-server.conf"
		grep -qx 'bios: ovmf' "$VZ_TMP/out/qemu-server.conf"
		grep -q '^efidisk0: ' "$VZ_TMP/out/qemu-server.conf"
		run ! grep '^#vzdump#' "$VZ_TMP/out/qemu-server.conf"
		diff -B <(virsh dumpxml web --inactive --security-info) "$VZ_TMP/out/libvirt.xml"
	done
	domain_write web vda 0 64k
	domain_write web sda 0 64k
}

@test "the variables of a UEFI guest are saved as they are" {
	domain_uefi web
	two_disks web
	virsh suspend web	# its firmware writes some while it starts
	vzdump_ok --libvirt web "${FLEECING[@]}"
	archive_read
	cmp <(head -c "$(stat -c %s "$IMAGES/web-nvram.fd")" "$VZ_TMP/out/disk-drive-efidisk0.raw") "$IMAGES/web-nvram.fd"
}

@test "what the guest writes during the backup is not in the archive, but in its disks" {
	domain_disk web vda 48M
	domain_start web
	backup_begin --libvirt web "${FLEECING[@]}"
	domain_write web vda 0 64k 0x11
	domain_write web vda 47M 1M 0x22
	backup_end
	[[ $status = 0 ]]
	saved_as_made web virtio0=vda
	no_nodes web
	domain_reads web vda 0 64k 0x11
	domain_reads web vda 47M 1M 0x22
}

@test "a guest on SATA, which needs stopped vCPUs, is saved" {
	domain_disk web sda 2M raw sata
	domain_start web
	domain_before web
	vzdump_ok --libvirt web
	saved_as_made web sata0=sda
	domain_unchanged web sda
}

@test "guests that are shut off, paused and transient are saved and stay so" {
	domain_disk off vda 2M
	domain_define off
	two_disks paused
	virsh suspend paused
	domain_before paused
	domain_disk passing vda 2M
	domain_create passing
	domain_before passing
	vzdump_ok --libvirt off
	saved_as_made off virtio0=vda
	[[ $(domain_state off) = "shut off" ]]
	vzdump_ok --libvirt paused "${FLEECING[@]}"
	saved_as_made paused virtio0=vda scsi0=sda
	domain_unchanged paused
	vzdump_ok --libvirt passing "${FLEECING[@]}"
	saved_as_made passing virtio0=vda
	domain_unchanged passing vda
}

@test "mode suspend stops a guest only for the instant, and its fate is the same" {
	two_disks web
	vzdump_ok --libvirt web --mode suspend
	saved_as_made web virtio0=vda scsi0=sda
	domain_unchanged web vda sda
}

@test "a transient guest is not stopped by mode stop, since it would be gone" {
	domain_disk passing vda 2M
	domain_create passing
	domain_before passing
	vzdump --libvirt passing --mode stop
	[[ $status = 255 ]]
	has_line 'transient'
	domain_unchanged passing vda
	nothing_of_ours
}

@test "'*' is each guest, --exclude takes some out, and a name or uuid is one" {
	two_disks web
	domain_disk off vda 2M
	domain_define off
	virsh metadata off --config --uri urn:vzdump:guest --key vzdump --set '<guest vmid="202"/>'
	vzdump_ok --libvirt '*'
	[[ $(grep -c 'Finished Backup of VM' <<< "$output") = 2 ]]
	vzdump_ok --libvirt '*' --exclude 202
	[[ $(grep -c 'Finished Backup of VM' <<< "$output") = 1 ]]
	has_line 'VM Name: web'
	vzdump_ok --libvirt "$(virsh domuuid off | tr -d '\n'),web"
	[[ $(grep -c 'Finished Backup of VM' <<< "$output") = 2 ]]
	# once it is known, its id will do
	vzdump_ok 202
	has_line 'VM Name: off'
	nothing_of_ours
}

@test "a name that is unknown, a wrong URI, another host and a libvirtd that is down are said in one line each" {
	two_disks web
	vzdump --libvirt nobody,web
	[[ $status = 255 ]]
	has_line "^ERROR: Backup failed - libvirt domain 'nobody': .*no domain with matching name"
	has_line "^INFO: Finished Backup of VM"
	vzdump --libvirt web --connect qemu:///elsewhere
	[[ $status = 255 ]]
	has_line "'qemu:///elsewhere' is neither qemu:///system nor qemu:///session"
	vzdump --libvirt web --connect xen:///system
	[[ $status = 255 ]]
	has_line "'xen:///system' is not for QEMU"
	vzdump --libvirt web --connect qemu+ssh://root@host.example/system
	[[ $status = 255 ]]
	has_line "is another host's libvirt: run vzdump on that host"
	vzdump --libvirt web --connect qemu+tcp://127.0.0.1/system
	[[ $status = 255 ]]
	has_line "is another host's libvirt: run vzdump on that host"
	libvirt_down TERM
	vzdump --libvirt web
	[[ $status = 255 ]]
	has_line "^ERROR: Backup failed - libvirt domain 'web': cannot connect to libvirt: .*libvirt-sock"
	libvirt_up
	domain_write web vda 0 64k
	nothing_of_ours
}

@test "the vmid of the metadata counts, and two guests with one are refused, as is one of Proxmox VE's" {
	two_disks web
	vzdump_ok --libvirt web
	local first
	first=$(mirrors)
	[[ $first =~ ^[1-9][0-9]{8}\.conf$ ]]
	virsh metadata web --live --config --uri urn:vzdump:guest --key vzdump --set '<guest vmid="201"/>'
	vzdump_ok --libvirt web
	[[ $ARCHIVE = */vzdump-qemu-201-* && $(mirrors) = 201.conf ]]
	domain_disk other vda 2M
	domain_define other
	virsh metadata other --config --uri urn:vzdump:guest --key vzdump --set '<guest vmid="201"/>'
	vzdump --libvirt other
	[[ $status = 255 ]]
	has_line "its id 201 is that of libvirt domain 'web' .*: give it another: virsh metadata other --config"
	# the first one is gone: the id is free
	virsh destroy web
	virsh undefine web
	vzdump_ok --libvirt other
	[[ $ARCHIVE = */vzdump-qemu-201-* ]]
	conf_add 203 "name: of-proxmox"
	virsh metadata other --config --uri urn:vzdump:guest --key vzdump --set '<guest vmid="203"/>'
	vzdump --libvirt other
	[[ $status = 255 ]]
	has_line "its id 203 is that of .*: give it another"
	nothing_of_ours
}

@test "a guest that gets another disk or name is saved as it is then, and one that is gone is forgotten" {
	two_disks web
	vzdump_ok --libvirt web
	local vmid
	vmid=$(mirrors)
	qemu-img create -q -f raw "$IMAGES/web-vdb.raw" 1M
	printf 'more' | dd of="$IMAGES/web-vdb.raw" conv=notrunc status=none
	virsh attach-disk web "$IMAGES/web-vdb.raw" vdb --driver qemu --subdriver raw --persistent
	vzdump_ok "${vmid%.conf}"
	archive_read
	same_disk drive-virtio1 "$IMAGES/web-vdb.raw"
	virsh destroy web
	virsh domrename web renamed
	vzdump_ok "${vmid%.conf}"
	has_line 'VM Name: renamed'
	[[ $(mirrors) = "$vmid" ]]
	virsh undefine renamed
	vzdump "${vmid%.conf}"
	[[ $status = 255 ]]
	[[ -z $(mirrors) ]]
	nothing_of_ours
}

@test "disks that are excluded, shared, empty drives and read-only ones are told apart" {
	domain_disk web vda 2M
	domain_disk web vdb 2M
	domain_disk web vdc 2M raw virtio "<shareable/>"
	domain_disk web vdd 2M raw virtio "<readonly/>"
	domain_device web "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
	domain_element web "<metadata><vzdump:guest xmlns:vzdump='urn:vzdump:guest' vmid='205' exclude='vdb'/></metadata>"
	domain_start web
	domain_before web
	vzdump_ok --libvirt web
	has_line "WARN: .*vdc.*"
	saved_as_made web virtio0=vda virtio3=vdd
	[[ ! -e $VZ_TMP/out/disk-drive-virtio1.raw && ! -e $VZ_TMP/out/disk-drive-virtio2.raw ]]
	domain_unchanged web vda vdb vdc
}

@test "a job names libvirt guests, a dry run changes nothing, and status knows them" {
	two_disks web
	printf 'vzdump: nightly\n\tschedule daily\n\tlibvirt web\n\tstorage backup\n\tcompress zstd\n' \
		> "$VZDUMP_ROOT/etc/pve/jobs.cfg"
	run "$VZDUMP" --job nightly --dry-run
	[[ $status = 0 ]]
	has_line '1 of 1 guest\(s\) can be saved'
	[[ -z $(newest_archive "$STORE/backup/dump") ]]
	run "$VZDUMP" --job nightly
	[[ $status = 0 ]]
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	saved_as_made web virtio0=vda scsi0=sda
	domain_unchanged web vda sda
	run "$VZDUMP" status
	has_line ' web .* nightly .* ok'
}

@test "the second incremental backup reads only what the guest wrote, by a bitmap that libvirt's QEMU keeps" {
	[[ -c /dev/loop-control ]] || skip "no loop devices"
	domain_disk web vda 16M
	domain_start web
	truncate -s 400M "$VZ_TMP/xfs"
	mkfs.xfs -q -m reflink=1 "$VZ_TMP/xfs"
	mkdir "$VZ_TMP/mnt"
	mount -o loop "$VZ_TMP/xfs" "$VZ_TMP/mnt"
	storage_add chain backup
	rmdir "$STORE/chain" && ln -s "$VZ_TMP/mnt" "$STORE/chain"
	vzdump_ok --libvirt web --storage chain --incremental 1
	domain_write web vda 1M 64k 0x77
	vzdump_ok --libvirt web --storage chain --incremental 1
	ARCHIVE=$(newest_archive "$STORE/chain/dump")
	archive_read
	head -c 65536 /dev/zero | tr '\0' w | dd of="$IMAGES/web-vda-instant" bs=64k seek=16 conv=notrunc status=none
	same_as_instant web virtio0=vda
	has_line '^INFO: incremental to .*: (64|128)\.0 KiB of 16\.0 MiB changed$'
	domain_write web vda 0 64k
	no_nodes web
	nothing_of_ours
}

@test "a second backup of a guest at the same time is refused, and the first is right" {
	domain_disk web vda 48M
	domain_start web
	backup_begin --libvirt web
	local begun=$BACKUP
	vzdump --libvirt web --lockwait 0
	[[ $status = 255 ]]
	has_line "can't acquire lock .*: held by vzdump"
	BACKUP=$begun
	backup_end
	[[ $status = 0 ]]
	saved_as_made web virtio0=vda
	vzdump_ok --libvirt web
	no_nodes web
	domain_write web vda 0 64k
}

@test "a user's own guest of qemu:///session is saved by that user, without root" {
	local home=$VZ_TMP/home user=(setpriv --reuid nobody --regid nogroup --clear-groups)
	mkdir -p "$home/run"
	domain_disk own vda 2M
	domain_xml own > "$home/own.xml"
	chmod 755 "$VZ_TMP"
	chown -R nobody "$home" "$IMAGES" "$STORE" "$VZDUMP_ROOT"
	chmod 700 "$home/run"
	export HOME=$home XDG_RUNTIME_DIR=$home/run LIBVIRT_DEFAULT_URI=qemu:///session
	export -n XDG_CONFIG_HOME XDG_CACHE_HOME
	"${user[@]}" libvirtd --daemon --timeout 60 --pid-file "$home/libvirtd.pid"
	"${user[@]}" virsh create "$home/own.xml"
	run "${user[@]}" "$VZDUMP" --libvirt own --connect qemu:///session --storage backup --compress zstd "${FLEECING[@]}"
	echo "$output"
	[[ $status = 0 ]]
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	saved_as_made own virtio0=vda
	[[ $("${user[@]}" virsh domstate own) = running* ]]
	"${user[@]}" virsh destroy own
	kill "$(< "$home/libvirtd.pid")"
}

@test "a guest that gets a snapshot after the job has begun, and before its turn, is saved as it is then" {
	domain_disk web vda 2M qcow2
	domain_define web
	cat > "$VZ_TMP/hook" <<- END
		#!/bin/bash
		[[ \$1 = job-start ]] || exit 0
		virsh snapshot-create-as web later --disk-only --diskspec "vda,file=$IMAGES/later" &&
			qemu-io -f qcow2 -c "write -P 0x77 0 64k" "$IMAGES/later"
	END
	chmod +x "$VZ_TMP/hook"
	vzdump_ok --libvirt web --script "$VZ_TMP/hook"
	has_line "include disk 'virtio0' '$IMAGES/later'"
	archive_read
	qemu-io -r -f raw -c "read -P 0x77 0 64k" "$VZ_TMP/out/disk-drive-virtio0.raw" | grep -q '65536/65536'
}

@test "a name with blanks is one name if the list has a comma" {
	domain_disk 'my guest' vda 2M
	domain_define 'my guest'
	vzdump_ok --libvirt 'my guest,'
	has_line 'Finished Backup'
	run "$VZDUMP" --libvirt 'my guest' --storage backup
	[[ $status != 0 && $output = *"libvirt domain 'my'"* ]]
}

@test "vzdump check says how a guest without a channel for an agent gets one" {
	domain_disk web vda 2M
	domain_start web
	vzdump_ok --libvirt web
	run "$VZDUMP" check
	[[ $output = *"has no agent"*"'virsh edit'"*"org.qemu.guest_agent.0"* && $output != *"agent: 1"* ]]
}

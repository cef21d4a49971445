#!/usr/bin/env bats
# What an administrator does by libvirt to a guest that is being saved, and after it.

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

# still_saved: the backup goes on, and so does the guest
still_saved() {
	kill -0 "$BACKUP" || fail "the backup has ended" || return 1
	domain_write web vda 1M 64k
}

# works COMMAND...: of virsh, during the backup
works() {
	echo "works: $*"
	timeout 60 virsh "$@" < /dev/null || return 1
	[[ ${BACKUP:-} != + ]] || return 0
	still_saved
}

# refused WHY COMMAND...: with that in its message
refused() {
	local why=$1 said status=0
	shift
	echo "refused: $*"
	said=$(timeout 60 virsh "$@" 2>&1 < /dev/null) || status=$?
	echo "$said"
	[[ $status = 1 && $said =~ $why ]] || return 1
	still_saved
}

# guest: two disks, of which the first is too much for a pipe that nobody reads
guest() {
	domain_disk web vda 48M
	domain_disk web sda 4M qcow2
	domain_start web
	domain_before web
}

# saved ARGUMENT...: begins a backup that stands still amid the first disk
saved() {
	backup_begin --libvirt web "$@"
}

# saved_right: the backup ends well, and its archive is of the instant when it began
saved_right() {
	backup_end
	[[ $status = 0 ]] || fail "ended with $status" || return 1
	has_no_line 'WARN|ERROR' || return 1
	archive_read || return 1
	same_as_instant web virtio0=vda scsi0=sda || return 1
	no_nodes web || return 1
	nothing_of_ours
}

# table ARGUMENT...: all that can be done in one backup
table() {
	guest
	qemu-img create -q -f raw "$IMAGES/other.raw" 4M
	saved "$@"

	works domblkinfo web vda
	works domblkstat web vda
	works domstats web
	works dumpxml web
	works suspend web
	works resume web
	works attach-disk web "$IMAGES/other.raw" sdb --driver qemu --subdriver raw --live
	domain_write web sdb 0 64k
	works detach-disk web sdb --live
	[[ $(virsh domblklist web) != *sdb* ]]
	works blkdeviotune web vda --total-iops-sec 1000 --live
	works blkdeviotune web vda --total-iops-sec 0 --live
	works dump web "$IMAGES/memory" --memory-only
	works reset web

	refused 'Permission conflict' blockresize web vda 80M
	# a migration is what these are to QEMU
	refused 'unexpectedly failed' save web "$IMAGES/saved"
	refused 'unexpectedly failed' managedsave web
	refused 'unexpectedly failed' dump web "$IMAGES/core" --live
	refused 'unexpectedly failed' snapshot-create-as web memory --memspec "$IMAGES/m,snapshot=external" \
		--diskspec "vda,file=$IMAGES/m.vda" --diskspec "sda,file=$IMAGES/m.sda"
	[[ $(domain_state web) = running ]]
	refused 'Need a root block node' blockcopy web vda "$IMAGES/copy.raw" --wait --finish --transient-job

	works checkpoint-create-as web before --diskspec vda,checkpoint=no --diskspec sda,checkpoint=bitmap
	works checkpoint-delete web before
	works snapshot-create-as web overlay --disk-only --diskspec "vda,file=$IMAGES/o.vda" --diskspec "sda,file=$IMAGES/o.sda"
	refused 'Need a root block node' blockcommit web vda --active --pivot --wait
	domain_reads web vda 1M 64k

	saved_right
	BACKUP=+
	domain_reads web vda 1M 64k
	works blockcommit web vda --active --pivot --wait
	works blockcommit web sda --active --pivot --wait
	works snapshot-delete web overlay --metadata
	domain_reads web vda 1M 64k
	domain_unchanged web vda sda
	virsh destroy web
	after_writes
}

# after_writes: the disks are on the host what the guest made them
after_writes() {
	local disk
	head -c 65536 /dev/zero | tr '\0' U > "$VZ_TMP/U"
	for disk in vda sda; do
		dd if="$VZ_TMP/U" of="$IMAGES/web-$disk-instant" bs=64k conv=notrunc status=none
	done
	dd if="$VZ_TMP/U" of="$IMAGES/web-vda-instant" bs=64k seek=16 conv=notrunc status=none
	qemu-img compare "$IMAGES/web-vda-instant" -f raw -F raw "$IMAGES/web-vda.raw"
	qemu-img compare "$IMAGES/web-sda-instant" -f raw -F qcow2 "$IMAGES/web-sda.qcow2"
}

@test "each operation of libvirt during a backup with fleecing works or is refused, and neither guest nor archive suffer" {
	table "${FLEECING[@]}"
}

@test "each operation of libvirt during a backup without fleecing works or is refused, and neither guest nor archive suffer" {
	table
}

@test "after a backup snapshot, commit, resize, save, restore, checkpoints and libvirt's own backup work" {
	guest
	vzdump_ok --libvirt web "${FLEECING[@]}"
	domain_unchanged web vda sda
	BACKUP=+
	works snapshot-create-as web overlay --disk-only --diskspec "vda,file=$IMAGES/o.vda" --diskspec "sda,file=$IMAGES/o.sda"
	works blockcommit web vda --active --pivot --wait
	works blockcommit web sda --active --pivot --wait
	works snapshot-delete web overlay --metadata
	works checkpoint-create-as web now --diskspec vda,checkpoint=no --diskspec sda,checkpoint=bitmap
	works checkpoint-delete web now
	works backup-begin web
	until virsh domjobinfo web | grep -q None; do sleep 0.1; done
	works blockcopy web vda "$IMAGES/copy.raw" --wait --finish --transient-job
	works save web "$IMAGES/saved"
	works restore "$IMAGES/saved"
	works blockresize web sda 8M
	[[ $(domain_state web) = running ]]
	domain_write web sda 6M 64k
	vzdump_ok --libvirt web "${FLEECING[@]}"
}

@test "a disk that is detached while it is saved is in the archive, and nothing of it stays in QEMU" {
	guest
	saved "${FLEECING[@]}"
	works detach-disk web sda --live
	saved_right
	[[ $(domain_graph web) != *web-sda* ]]
	BACKUP=+
	works attach-disk web "$IMAGES/web-sda.qcow2" sda --driver qemu --subdriver qcow2 --live
	domain_write web sda 0 64k
	domain_write web vda 0 64k
}

@test "a guest that is undefined while it is saved goes on, and so does its backup" {
	guest
	saved "${FLEECING[@]}"
	works undefine web
	saved_right
	domain_write web vda 0 64k
}

@test "a guest that is destroyed while it is saved ends the backup with an error, and it starts again" {
	guest
	saved "${FLEECING[@]}"
	virsh destroy web
	backup_end
	[[ $status = 255 ]]
	has_line 'ERROR: Backup of VM [0-9]+ failed'
	nothing_of_ours
	virsh start web
	no_nodes web
	vzdump_ok --libvirt web "${FLEECING[@]}"
	no_nodes web
	nothing_of_ours
}

@test "a guest that does not run and is renamed or undefined while it is saved is in the archive" {
	domain_disk web vda 48M
	domain_define web
	saved
	virsh domrename web other
	backup_end
	[[ $status = 0 ]] || fail "ended with $status"
	archive_read
	same_as_instant web virtio0=vda
	backup_begin --libvirt other
	virsh undefine other
	backup_end
	[[ $status = 0 ]] || fail "ended with $status"
	archive_read
	same_as_instant web virtio0=vda
	nothing_of_ours
}

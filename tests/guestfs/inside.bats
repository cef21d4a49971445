#!/usr/bin/env bats
# Files of XFS, btrfs, NTFS and LVM, by a real libguestfs; each command that reads them boots a virtual machine.

bats_require_minimum_version 1.5.0

VMA=$BUILD/bin/vma

# without KVM, unless a test is about that: a machine that is itself virtual may have one that does not work
export LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg

# make_lvm <disk> <disk>: a volume group over both, one of them partitioned, and an XFS that needs both
make_lvm() {
	truncate -s 240M "$1" "$2"
	guestfish <<- END
		add $1 format:raw
		add $2 format:raw
		run
		pvcreate /dev/sda
		part-disk /dev/sdb gpt
		pvcreate /dev/sdb1
		vgcreate vg-data "/dev/sda /dev/sdb1"
		lvcreate big vg-data 400
		lvcreate small vg-data 32
		mkfs xfs /dev/vg-data/big label:BIG
		mkfs ext4 /dev/vg-data/small
		mount /dev/vg-data/big /
		mkdir /folder
		write /folder/letter.txt "on two disks"
		upload $BATS_FILE_TMPDIR/noise /noise
	END
}

setup_file() {
	local d=$BATS_FILE_TMPDIR
	mkdir -p "$d/tree/folder"
	echo "the lost letter" > "$d/tree/folder/letter.txt"
	ln -s /etc/passwd "$d/tree/absolute"
	ln -s ../../.. "$d/tree/folder/up"
	mkfifo "$d/tree/fifo"
	head -c 3M /dev/urandom > "$d/tree/noise"
	touch -d '2001-02-03 04:05:06' "$d/tree/folder/letter.txt"
	chmod 640 "$d/tree/folder/letter.txt"
	chown 1234:5678 "$d/tree/folder/letter.txt"
	# more than fits onto one of the two disks
	head -c 260M /dev/urandom > "$d/noise"

	truncate -s 320M "$d/xfs"
	printf '/\n0 0\nd--755 0 0\nfolder d--755 0 0\nletter.txt ---640 1234 5678 %s\n$\nabsolute l--777 0 0 /etc/passwd\nnoise ---644 0 0 %s\n$\n' \
		"$d/tree/folder/letter.txt" "$d/tree/noise" > "$d/proto"
	mkfs.xfs -q -L XFS -p "$d/proto" "$d/xfs"
	truncate -s 128M "$d/btrfs"
	mkfs.btrfs -q -L BTRFS --rootdir "$d/tree" "$d/btrfs"
	truncate -s 32M "$d/ntfs"
	mkntfs -q -F -L NTFS "$d/ntfs" > /dev/null
	ntfscp -q "$d/ntfs" "$d/tree/noise" noise
	ntfscp -q "$d/ntfs" "$d/tree/folder/letter.txt" letter.txt
	truncate -s 500M "$d/scsi0"
	sfdisk -q "$d/scsi0" <<- 'END'
		label: gpt
		start=2048, size=655360
		start=657408, size=262144
		start=919552, size=65536
	END
	dd if="$d/xfs" of="$d/scsi0" bs=512 seek=2048 conv=notrunc,sparse status=none
	dd if="$d/btrfs" of="$d/scsi0" bs=512 seek=657408 conv=notrunc,sparse status=none
	dd if="$d/ntfs" of="$d/scsi0" bs=512 seek=919552 conv=notrunc,sparse status=none
	make_lvm "$d/pv1" "$d/pv2"
	"$VMA" create "$d/a.vma.zst" -d "drive-scsi0=$d/scsi0" -d "drive-scsi1=$d/pv1" -d "drive-virtio2=$d/pv2"
}

setup() {
	T=$BATS_TEST_TMPDIR
	D=$BATS_FILE_TMPDIR
	A=$D/a.vma.zst
	cd "$T" || return
}

teardown() {
	! grep "^$BATS_RUN_TMPDIR/.* /tmp/vma-inside\." /proc/self/mounts
}

@test "partitions of all kinds are listed without a virtual machine" {
	LD_LIBRARY_PATH=/nonexistent run "$VMA" ls "$A:scsi0"
	echo "$output"
	[[ ${lines[1]} =~ ^1\ .*\ xfs\ +XFS\  ]]
	[[ ${lines[2]} =~ ^2\ .*\ btrfs\ +BTRFS\  ]]
	[[ ${lines[3]} =~ ^3\ .*\ ntfs\ +NTFS\  ]]
	run "$VMA" ls "$A:scsi1"
	[[ ${lines[1]} =~ ^0\ .*\ LVM2_member\  ]]
	run "$VMA" ls "$A:virtio2:1" /
	[ "$output" = "disk 'virtio2', partition 1: it belongs to LVM; vma ls $A:LVM lists the logical volumes" ]
}

@test "a whole XFS comes out, with modes, owners and links" {
	run "$VMA" cp "$A:scsi0:1:/" xfs
	echo "$output"
	[ "$status" = 0 ]
	[ -z "$output" ]
	cmp xfs/noise "$D/tree/noise"
	cmp xfs/folder/letter.txt "$D/tree/folder/letter.txt"
	[ "$(stat -c '%a %u %g' xfs/folder/letter.txt)" = "640 1234 5678" ]
	[ "$(readlink xfs/absolute)" = /etc/passwd ]
}

@test "a folder of btrfs comes out" {
	run "$VMA" cp "$A:scsi0:2:/" btrfs
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "warning: devices, pipes and sockets are not copied; left out: 1" ]
	rm -f fifo
	run diff -r --no-dereference "$D/tree" btrfs
	[ "$output" = "Only in $D/tree: fifo" ]
	[ "$(stat -c '%a %u %g %Y' btrfs/folder/letter.txt)" = "640 1234 5678 $(date -d '2001-02-03 04:05:06' +%s)" ]
}

@test "a pipe is no file, for standard output as well" {
	run timeout 600 "$VMA" cp "$A:scsi0:2:/fifo" -
	echo "$output"
	[ "$status" = 255 ]
	[ "$output" = "'/fifo' is not a file" ]
}

@test "a file of NTFS comes out" {
	run "$VMA" cp "$A:scsi0:3:/noise" there
	echo "$output"
	[ "$status" = 0 ]
	cmp there "$D/tree/noise"
}

@test "volumes of LVM are listed, and a file that lies on two disks comes out" {
	run "$VMA" ls "$A:LVM"
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[1]} =~ ^vg-data/big\ +419430400\ xfs\ +BIG$ ]]
	[[ ${lines[2]} =~ ^vg-data/small\ +33554432\ ext4\ +-$ ]]
	"$VMA" cp "$A:LVM:vg-data/big:/" lvm
	cmp lvm/noise "$D/noise"
	[ "$(cat lvm/folder/letter.txt)" = "on two disks" ]
}

@test "a KVM that does not work is told, and the files come all the same" {
	[ -e /dev/kvm ] || skip "no /dev/kvm"
	export -n LIBGUESTFS_BACKEND_SETTINGS
	unset LIBGUESTFS_BACKEND_SETTINGS
	run --separate-stderr "$VMA" ls "$A:scsi0:1:/folder"
	echo "$stderr"
	[ "$status" = 0 ]
	[[ $output = "-rw-r-----  1234  5678           16 "*" letter.txt" ]]
	[[ -z $stderr || $stderr = "warning: KVM does not work on this host, so files are read more slowly,"* ]]
}

@test "what is not there is told, and a machine that cannot start, with the way out" {
	run "$VMA" cp "$A:LVM:vg-data/none:/x" x
	[ "$output" = "there is no logical volume 'vg-data/none'; the disks have: vg-data/big, vg-data/small" ]
	LIBGUESTFS_HV=/bin/false run "$VMA" ls "$A:scsi0:1:/"
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = *"libguestfs cannot start its machine ("*"libguestfs-test-tool shows more" ]]
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# A guest that runs and is not seen to: its disk is not read, replaced or removed while somebody writes to it.

load ../lib/qemu
load ../lib/vzdump

QMRESTORE=$BUILD/bin/qmrestore
PVESM=$BUILD/bin/pvesm

setup() {
	vz_setup
	LOOP='' OTHER=''
}

teardown() {
	[[ -z $OTHER ]] || kill "$OTHER" 2> /dev/null || true
	backup_drop
	vz_teardown
	[[ -z $LOOP ]] || losetup -d "$LOOP"
}

# hide <vmid>: the guest runs, but not where vzdump looks for it
hide() {
	rm "$VZDUMP_ROOT/run/qemu-server/$1".{qmp,pid}
}

# image_add <vmid> <size>: its only disk, scsi0, of noise; prints the path
image_add() {
	local image=$STORE/local/images/$1/vm-$1-disk-0.raw
	mkdir -p "${image%/*}"
	disk_fill "$image" "$2" "$1"
	conf_add "$1" "scsi0: local:$1/vm-$1-disk-0.raw,size=$2"
	echo "$image"
}

# device_add <vmid> <size>: the same behind a loop device, DEVICE
device_add() {
	disk_fill "$VZ_TMP/behind" "$2" "$1"
	LOOP=$(losetup -f --show "$VZ_TMP/behind") || skip "no loop devices on this machine"
	conf_add "$1" "scsi0: $LOOP,size=$2"
	DEVICE=$LOOP
}

# keep_open <file> [program]: a process that has it open for writing, and is no QEMU
keep_open() {
	"${2:-sleep}" 1000 1<> "$1" 3>&- &
	OTHER=$!
}

# as_swtpm <file>: what swtpm does with the file that holds its state: open, mapped, all of it locked
as_swtpm() {
	python3 - "$1" 3>&- <<- 'END' &
		import fcntl, mmap, os, sys, time
		open("/proc/self/comm", "w").write("swtpm")
		state = open(sys.argv[1], "r+b")
		fcntl.lockf(state, fcntl.LOCK_EX)
		data = mmap.mmap(state.fileno(), 0)
		open(sys.argv[1] + ".pid", "w").write(f"{os.getpid()}\n")
		time.sleep(1000)
	END
	local shell=$!
	until [[ -s $1.pid ]]; do
		kill -0 "$shell" || return 1
		sleep 0.05
	done
	OTHER=$(< "$1.pid")
	rm "$1.pid"
}

# ended <status>
ended() {
	[[ $status = "$1" ]] || { echo "ended with $status: $output"; return 1; }
}

# locked_out: a QEMU that was to start did not get its disk
locked_out() {
	[[ $status != 0 && $output = *'Failed to get'*'lock'* ]] || { echo "$status: $output"; return 1; }
}

refused() {
	[[ $status = 255 ]] || { echo "$output"; return 1; }
	has_line "$1"
	[[ -z $(find "$STORE/backup/dump" -name '*.vma*') ]]
	nothing_left 123
}

@test "a guest without a socket, and one that has another's disk: the backup fails and names the QEMU" {
	local image
	image=$(image_add 123 8M)
	disk_args 123 scsi0 scsi "$image"
	qemu_start 123
	hide 123
	vzdump 123
	refused "ERROR: Backup of VM 123 failed - disk 'scsi0': QEMU \(pid $(qemu_pid 123)\) has '$image' open for writing, but VM 123 has no QMP socket '$VZDUMP_ROOT/run/qemu-server/123.qmp': .*'-qmp unix:$VZDUMP_ROOT/run/qemu-server/123.qmp,server=on,wait=off'"
	qemu_kill 123
	disk_args 124 scsi0 throttle "$image"
	qemu_start 124
	vzdump 123
	refused "QEMU \(pid $(qemu_pid 124)\) has '$image' open for writing"
	# and once nobody has it any more, it is saved
	qemu_quit 124
	vzdump_ok 123
	archive_read
	same_disk drive-scsi0 "$image"
}

@test "the same with a block device, also where QEMU knows it by a node of its own, as libvirt makes them" {
	local node=$VZ_TMP/dev/node
	device_add 123 8M
	disk_args 123 scsi0 throttle "$DEVICE"
	qemu_start 123
	hide 123
	vzdump 123
	refused "QEMU \(pid $(qemu_pid 123)\) has '$DEVICE' open for writing"
	qemu_kill 123
	mkdir "$VZ_TMP/dev"
	mknod "$node" b $((16#$(stat -c %t "$DEVICE"))) $((16#$(stat -c %T "$DEVICE")))
	[[ $(stat -c %i "$node") != "$(stat -c %i "$DEVICE")" ]]
	disk_args 124 scsi0 throttle "$node"
	qemu_start 124
	vzdump 123
	refused "QEMU \(pid $(qemu_pid 124)\) has '$DEVICE' open for writing"
}

@test "a program that writes, a mount of the disk and one behind a loop device are users too, readers are not" {
	local image
	image=$(image_add 123 8M)
	keep_open "$image"
	vzdump 123
	refused "disk 'scsi0': sleep \(pid $OTHER\) has '$image' open for writing: end that first"
	kill "$OTHER"
	tail -f "$image" > /dev/null 3>&- &
	OTHER=$!
	vzdump_ok 123
	rm "$STORE"/backup/dump/*
	mkfs.ext4 -q -F "$image"
	LOOP=$(losetup -f --show "$image") || skip "no loop devices on this machine"
	vzdump_ok 123
	rm "$STORE"/backup/dump/*
	mkdir "$VZ_TMP/mnt"
	mount "$LOOP" "$VZ_TMP/mnt"
	vzdump 123
	conf_add 125 "scsi0: $LOOP,size=8M"
	run "$VZDUMP" 125 --storage backup
	umount "$VZ_TMP/mnt"
	has_line "disk 'scsi0': '$LOOP' is mounted on this host, at '$VZ_TMP/mnt'"
	vzdump 123
	[[ $status = 0 ]]
}

@test "a guest that is started amid its offline backup is refused its disk, and the archive is right" {
	local image start
	image=$(image_add 123 64M)
	disk_args 123 scsi0 throttle "$image"
	backup_begin 123
	run qemu_start 123 running
	locked_out
	backup_end
	ended 0
	has_no_line '^(WARN|ERROR)'
	archive_read
	same_disk drive-scsi0 "$image"
	# a qcow2 image, and a block device
	qemu-img convert -O qcow2 "$image" "${image%.raw}.qcow2"
	rm "$(conf_file 123)"
	conf_add 123 "scsi0: local:123/vm-123-disk-0.qcow2"
	: > "$(args_file 123)"
	disk_args 123 scsi0 throttle "${image%.raw}.qcow2" qcow2
	backup_begin 123
	run qemu_start 123 running
	locked_out
	backup_end
	ended 0
	archive_read
	same_disk drive-scsi0 "$image"
	rm "$(conf_file 123)"
	device_add 123 64M
	: > "$(args_file 123)"
	disk_args 123 scsi0 throttle "$DEVICE"
	backup_begin 123
	run qemu_start 123 running
	locked_out
	backup_end
	ended 0
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/behind"
}

@test "a writer that no lock keeps out, amid an offline backup: generation 1 never stands behind generation 0" {
	local image node=$VZ_TMP/dev/node
	# a program, which ends before the backup does: file
	image=$(image_add 123 64M)
	backup_begin 123
	printf 1 | dd of="$image" conv=notrunc bs=1 seek=0 status=none
	printf 1 | dd of="$image" conv=notrunc bs=1 seek=$((63 << 20)) status=none
	backup_end
	ended 255
	has_line "ERROR: Backup of VM 123 failed - disk 'scsi0': somebody wrote to '$image' while it was read"
	rm "$(conf_file 123)"
	# a QEMU whose lock is on another node of the device, and runs on
	device_add 123 64M
	mkdir "$VZ_TMP/dev"
	mknod "$node" b $((16#$(stat -c %t "$DEVICE"))) $((16#$(stat -c %T "$DEVICE")))
	disk_args 124 scsi0 throttle "$node"
	backup_begin 123
	qemu_start 124 running
	guest_io 124 scsi0 "write -P 1 0 64k" flush "write -P 1 63M 64k" flush
	backup_end
	ended 255
	has_line "ERROR: Backup of VM 123 failed - disk 'scsi0': QEMU \(pid $(qemu_pid 124)\) has '$DEVICE' open for writing"
	qemu_quit 124
	# and one that has not written yet
	backup_begin 123
	qemu_start 124
	backup_end
	ended 255
	has_line "QEMU \(pid $(qemu_pid 124)\) has '$DEVICE' open for writing"
	nothing_left 123
}

@test "qmrestore --force and pvesm free leave the disk of a guest that runs unseen, before and after the copy" {
	local image
	image=$(image_add 123 8M)
	vzdump_ok 123
	disk_args 123 scsi0 scsi "$image"
	qemu_start 123
	hide 123
	cp "$(conf_file 123)" "$VZ_TMP/conf"
	run "$QMRESTORE" "$ARCHIVE" 123 --force
	[[ $status = 255 ]]
	has_line "^unable to restore VM 123 - disk 'scsi0': QEMU \(pid $(qemu_pid 123)\) has '$image' open for writing, but VM 123 has no QMP socket"
	has_no_line 'new volume'
	run "$PVESM" free local:123/vm-123-disk-0.raw
	[[ $status = 255 ]]
	has_line "cannot remove 'local:123/vm-123-disk-0.raw': QEMU \(pid $(qemu_pid 123)\) has '$image' open for writing: shut that guest down, or take the disk out of it, first\$"
	[[ $(stat -L -c %i "$image") = "$(stat -L -c %i "/proc/$(qemu_pid 123)/fd/"* | grep -x "$(stat -c %i "$image")")" ]]
	qemu_quit 123
	# started while the archive is read: from a pipe that does not end yet
	mkfifo "$VZ_TMP/in"
	{
		head -c -100000 "$ARCHIVE"
		until [[ -e $VZ_TMP/go ]]; do sleep 0.05; done
		tail -c 100000 "$ARCHIVE"
	} > "$VZ_TMP/in" 3>&- &
	local pid writer=$!
	"$QMRESTORE" - 123 --force < "$VZ_TMP/in" > "$VZ_TMP/out" 2>&1 3>&- &
	pid=$!
	until grep -q "^map 'drive-scsi0'" "$VZ_TMP/out"; do
		kill -0 $pid
		sleep 0.05
	done
	qemu_start 123
	hide 123
	touch "$VZ_TMP/go"
	wait $writer || true
	status=0
	wait $pid || status=$?
	output=$(< "$VZ_TMP/out")
	[[ $status = 255 ]]
	has_line "unable to restore VM 123 - disk 'scsi0': QEMU \(pid $(qemu_pid 123)\) has '$image' open for writing"
	diff "$VZ_TMP/conf" "$(conf_file 123)"
	[[ $(find "$STORE/local/images/123" -type f) = "$image" ]]
	nothing_left 123
}

@test "--cleanup does not remove an image that somebody has open, and removes it afterwards" {
	local image pid
	disk_add 123 scsi0 throttle 16M
	disk_fill "$(disk_path 123 scsi0)" 16M
	qemu_start 123
	"$VZDUMP" 123 --storage backup --bwlimit 2000 --fleecing 1 > "$VZ_TMP/log" 2>&1 3>&- &
	pid=$!
	wait_for_task $pid
	kill -KILL $pid
	wait $pid || true
	image=$STORE/local/images/123/vm-123-fleece-0.raw
	keep_open "$image"
	run "$VZDUMP" --cleanup
	[[ $status = 255 && -e $image ]]
	has_line "sleep \(pid $OTHER\) has '$image' open for writing"
	kill "$OTHER"
	run "$VZDUMP" --cleanup
	[[ $status = 0 ]]
	nothing_left 123
}

@test "a running guest's TPM state is saved although swtpm (pretended) has it open, a stopped one's is not" {
	local state=$STORE/local/images/123/vm-123-disk-9.raw
	disk_add 123 scsi0 throttle 4M
	disk_fill "$state" 4M tpm
	conf_add 123 "tpmstate0: local:123/vm-123-disk-9.raw,size=4M,version=v2.0"
	as_swtpm "$state"
	qemu_start 123
	vzdump_ok 123
	has_no_line '^WARN'
	archive_read
	same_disk drive-tpmstate0-backup "$state"
	qemu_quit 123
	vzdump 123
	[[ $status = 255 ]]
	has_line "disk 'tpmstate0': swtpm \(pid $OTHER\) has '$state' open for writing"
}

@test "disks that QEMU has and the configuration does not: one warning each, none for what is no disk" {
	disk_add 123 scsi0 throttle 1M
	disk_add 123 virtio1 blockdev 1M backup=0
	disk_add 123 efidisk0 pflash 528K
	conf_add 123 "bios: ovmf" "ide2: none,media=cdrom"
	truncate -s 1M "$VZ_TMP"/{extra,more,cd,floppy}.raw
	qemu_args 123 -drive "if=none,id=cd,media=cdrom,format=raw,file=$VZ_TMP/cd.raw" -device ide-cd,drive=cd,id=ide2 \
		-device ide-cd,id=ide3 -blockdev "driver=raw,node-name=spare,file.driver=file,file.filename=$VZ_TMP/floppy.raw"
	qemu_start 123
	vzdump_ok 123
	has_no_line '^WARN'
	qemu_kill 123
	disk_args 123 scsi5 scsi "$VZ_TMP/extra.raw"
	disk_args 123 virtio7 blockdev "$VZ_TMP/more.raw"
	qemu_start 123
	vzdump_ok 123
	[[ $(grep -c '^WARN' <<< "$output") = 2 ]]
	has_line "^WARN: QEMU has a disk that the configuration does not name: 'scsi5' \('$VZ_TMP/extra.raw'\); it is not saved$"
	has_line "^WARN: QEMU has a disk that the configuration does not name: 'virtio7' \('$VZ_TMP/more.raw'\); it is not saved$"
}

@test "a device that has another file than the configuration says: a warning names both" {
	local a b
	disk_add 123 virtio0 blockdev 1M
	disk_add 123 virtio1 blockdev 1M
	a=$(disk_path 123 virtio0) b=$(disk_path 123 virtio1)
	disk_fill "$a" 1M a
	disk_fill "$b" 1M b
	: > "$(args_file 123)"
	disk_args 123 virtio0 blockdev "$b"
	ln -s "$b" "$VZ_TMP/link"
	disk_args 123 virtio1 blockdev "$VZ_TMP/link"
	sed -i '/^disk/d; s/file.filename=/file.locking=off,file.filename=/' "$(args_file 123)"
	qemu_start 123
	vzdump_ok 123
	# by another name it is the same
	[[ $(grep -c '^WARN' <<< "$output") = 1 ]]
	has_line "^WARN: virtio0: QEMU has '$b' there, the configuration says 'local:123/vm-123-disk-0.raw' \('$a'\): QEMU's disk is saved$"
	archive_read
	same_disk drive-virtio0 "$b"
}

# luks_add <vmid> <size in the configuration>
luks_add() {
	LUKS=$STORE/local/images/$1/vm-$1-disk-0.raw
	mkdir -p "${LUKS%/*}"
	# QEMU's own way measures how fast the machine is, and gives up if that is not steady
	truncate -s 8M "$LUKS"
	printf pw | cryptsetup luksFormat -q --type luks1 --pbkdf-force-iterations 1000 \
		--cipher aes-xts-plain64 --key-size 512 --hash sha256 "$LUKS" -
	conf_add "$1" "scsi0: local:$1/vm-$1-disk-0.raw${2:+,size=$2}"
}

@test "a disk that QEMU decrypts: told while it runs, refused when it does not; a guest's own LUKS is data" {
	luks_add 123 6M
	qemu_args 123 -object secret,id=s,data=pw -device virtio-scsi-pci,id=hw \
		-blockdev "driver=luks,node-name=drive-scsi0,key-secret=s,file.driver=file,file.filename=$LUKS" \
		-device scsi-hd,id=scsi0,drive=drive-scsi0,bus=hw.0
	qemu_start 123
	vzdump_ok 123
	has_line '^WARN: scsi0: QEMU decrypts this disk \(LUKS\): the archive holds plain text'
	rm "$STORE"/backup/dump/*
	qemu_quit 123
	vzdump 123
	refused "disk 'scsi0': '$LUKS' is encrypted \(LUKS\) and QEMU decrypts it for the guest"
	# as large as the guest sees it: its own
	luks_add 124 8M
	vzdump_ok 124
	has_no_line '^WARN'
	archive_read
	same_disk drive-scsi0 "$LUKS"
	# nobody knows
	luks_add 125
	vzdump_ok 125
	has_line "^WARN: scsi0: '$LUKS' begins with a LUKS header and is saved as it is, encrypted"
	archive_read
	same_disk drive-scsi0 "$LUKS"
}

@test "a configuration that has lost its disks is an error, and no backup is pruned for it" {
	image_add 123 1M > /dev/null
	vzdump_ok 123
	local first=$ARCHIVE
	sed -i '/^scsi0/d' "$(conf_file 123)"
	conf_add 123 "name: empty"
	vzdump 123 --prune-backups keep-last=1
	[[ $status = 255 && -e $first ]]
	has_line "ERROR: Backup of VM 123 failed - the configuration of VM 123 names no disk, but its newest backup '$first' has some"
	nothing_left 123
	# one that never had any, and one whose disks are left out on purpose
	mv "$first" "$VZ_TMP"
	vzdump_ok 123
	vzdump_ok 123 --prune-backups keep-last=1
	rm "$STORE"/backup/dump/*
	mv "$VZ_TMP/${first##*/}" "$STORE/backup/dump"
	conf_add 123 "scsi0: local:123/vm-123-disk-0.raw,size=1M,backup=0"
	vzdump_ok 123
}

@test "qmrestore refuses an id that a container has, or a guest of another node" {
	local pve=$VZDUMP_ROOT/etc/pve id here
	image_add 123 1M > /dev/null
	vzdump_ok 123
	here=$(hostname -s)
	mkdir -p "$pve"/nodes/{pve2/{qemu-server,lxc},"$here/qemu-server"}
	echo 'hostname: ct' | tee "$pve/lxc/300.conf" > "$pve/nodes/pve2/lxc/302.conf"
	echo 'name: other' > "$pve/nodes/pve2/qemu-server/301.conf"
	ln "$(conf_file 123)" "$pve/nodes/$here/qemu-server/123.conf"
	for id in "300 container on this node has that id \('$pve/lxc" "301 VM on node 'pve2' has that id \('$pve/nodes/pve2/qemu-server" \
		"302 container on node 'pve2' has that id \('$pve/nodes/pve2/lxc"; do
		run "$QMRESTORE" "$ARCHIVE" "${id%% *}" --storage local --force
		[[ $status = 255 && ! -e $(conf_file "${id%% *}") ]] || { echo "$id: $output"; return 1; }
		read -r id kind where <<< "$id"
		has_line "^unable to restore VM $id - $kind $id $where/$id.conf'\): choose another$"
	done
	run "$QMRESTORE" "$ARCHIVE" 123 --force
	[[ $status = 0 ]]
}

@test "offline, holes of raw and qcow2 images are still known as such, and odd sizes kept" {
	local image=$STORE/local/images/123/vm-123-disk-0.raw
	mkdir -p "${image%/*}"
	truncate -s 3000001537 "$image"
	printf x | dd of="$image" bs=1 seek=3000000000 conv=notrunc status=none
	qemu-img convert -O qcow2 "$image" "$STORE/local/images/123/vm-123-disk-1.qcow2"
	conf_add 123 "scsi0: local:123/vm-123-disk-0.raw" "scsi1: local:123/vm-123-disk-1.qcow2"
	strace -f -qq -e trace=pread64,preadv,read -e status=successful -o "$VZ_TMP/reads" \
		"$VZDUMP" 123 --storage backup --compress zstd > "$VZ_TMP/log" 2>&1
	grep -q '^INFO: backup is sparse: 5.59 GiB (99%) total zero data' "$VZ_TMP/log"
	# bytes that the storage daemon read of the images: no more than a few clusters
	awk '/^[0-9]+ +pread/ { n += $NF } END { exit n < 64 * 1048576 ? 0 : 1 }' "$VZ_TMP/reads"
	# QEMU counts in sectors
	"$BUILD/bin/vma" list "$(newest_archive "$STORE/backup/dump")" | grep -q 'size: 3000002048 devname: drive-scsi0$'
}

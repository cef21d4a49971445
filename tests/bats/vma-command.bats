#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# vma on archives made by Proxmox, and by ourselves: what it prints, what it writes, what it refuses.

load ../lib/qemu
load ../lib/vzdump

FIXTURES=$BATS_TEST_DIRNAME/../fixtures
VMA=$BUILD/bin/vma

SCSI0=a7b627f88a88ebd4b427aaca31025343b46777687fe162409630957386379659
SCSI1=bca8b215e7500bef99f0f8b1642b04cb160acc2195f498e653ab04eccb6ddaf4
STATE_SCSI0=bbb8f1a973dbce5dba8d6040561567aa7635195af68c0fb5ed742d107f575d6f

setup() {
	T=$BATS_TEST_TMPDIR
}

# same_sum <sha256> <file>
same_sum() {
	[ "$(sha256sum < "$2")" = "$1  -" ]
}

@test "list prints what Proxmox's vma prints" {
	export TZ=UTC
	for packed in "" .zst .gz .lzo; do
		diff <("$VMA" list "$FIXTURES/two-disks.vma$packed") - <<- 'END'
			CFG: size: 450 name: qemu-server.conf
			CFG: size: 81 name: qemu-server.fw
			DEV: dev_id=1 size: 8388608 devname: drive-scsi0
			DEV: dev_id=2 size: 2098688 devname: drive-scsi1
			CTIME: Sun Nov 22 20:36:21 2026
		END
	done
	"$VMA" list "$FIXTURES/state.vma" | grep -qx 'VMSTATE: dev_id=1 memory: 2098688'
}

@test "list --output-format json holds the same" {
	"$VMA" list "$FIXTURES/two-disks.vma.gz" --output-format json > "$T/json"
	[ "$(jq -c '[.devices[] | [.id, .name, .size]]' "$T/json")" = \
		'[[1,"drive-scsi0",8388608],[2,"drive-scsi1",2098688]]' ]
	[ "$(jq -r '.configs[1].name' "$T/json")" = qemu-server.fw ]
}

@test "list --output-format json tells what disks use where an index does, and nothing where not" {
	"$VMA" index "$FIXTURES/two-disks.vma.zst" "$T/x.vma.zst"
	"$VMA" list "$T/x.vma.zst" --output-format json > "$T/json"
	jq -e '.seekable and ."file-size" > 0 and .ratio > 0 and .ratio < 2' "$T/json"
	jq -e '[.devices[] | .used + .zero == .size and .used > 0 and .zero > 0] | all' "$T/json"
	"$VMA" list "$FIXTURES/two-disks.vma.zst" --output-format json |
		jq -e '(.seekable | not) and .ratio == null and .devices[0].used == null'
	"$VMA" list - --output-format json < "$T/x.vma.zst" | jq -e '.seekable | not'
}

@test "config prints a config, also from standard input" {
	"$VMA" config "$FIXTURES/two-disks.vma.lzo" | cmp - "$FIXTURES/two-disks.conf"
	"$VMA" config - -c qemu-server.fw < "$FIXTURES/two-disks.vma.zst" | cmp - "$FIXTURES/two-disks.fw"
	run "$VMA" config "$FIXTURES/two-disks.vma" -c nope
	[ "$status" = 255 ]
	[[ $output = "unable to find configuration data 'nope'"* ]]
}

@test "extract writes Proxmox's file names with the right content, from every packing, file and pipe" {
	bzip2 -c "$FIXTURES/two-disks.vma" > "$T/two-disks.vma.bz2"
	xz -c "$FIXTURES/two-disks.vma" > "$T/two-disks.vma.xz"
	for archive in "$FIXTURES"/two-disks.vma{,.zst,.gz,.lzo} "$T"/two-disks.vma.{bz2,xz}; do
		rm -rf "$T/a" "$T/b"
		"$VMA" extract "$archive" "$T/a" > "$T/out"
		grep -qx "DEVINFO $T/a/tmp-disk-drive-scsi0.raw 8388608" "$T/out"
		"$VMA" extract - "$T/b" < <(cat "$archive") > "$T/out-b"
		same_sum "$SCSI0" "$T/a/disk-drive-scsi0.raw"
		same_sum "$SCSI1" "$T/a/disk-drive-scsi1.raw"
		cmp "$T/a/qemu-server.conf" "$FIXTURES/two-disks.conf"
		diff -r "$T/a" "$T/b"
	done
}

@test "extract writes the state of a running guest, and holes for zeroes" {
	"$VMA" extract "$FIXTURES/state.vma" "$T/o"
	same_sum "$SCSI1" "$T/o/vmstate.bin"
	same_sum "$STATE_SCSI0" "$T/o/disk-drive-scsi0.raw"
	[ "$(du -k "$T/o/disk-drive-scsi0.raw" | cut -f1)" -lt 1000 ]
}

@test "extract refuses a folder that exists, and disks that the archive has not" {
	mkdir "$T/o"
	run "$VMA" extract "$FIXTURES/two-disks.vma" "$T/o"
	[ "$status" = 255 ]
	[[ $output = "target directory '$T/o' exists: name one that is made for it" ]]
	run "$VMA" extract "$FIXTURES/two-disks.vma" -d drive-ide0 "$T/p"
	[ "$status" = 255 ]
	[[ $output = "disk 'drive-ide0' is not in the archive"* ]]
}

@test "extract -d takes only some disks" {
	"$VMA" extract "$FIXTURES/two-disks.vma.zst" -d drive-scsi1 "$T/o"
	[ "$(ls "$T/o")" = "$(printf 'disk-drive-scsi1.raw\nqemu-server.conf\nqemu-server.fw')" ]
	same_sum "$SCSI1" "$T/o/disk-drive-scsi1.raw"
}

@test "extract --to sends disks to files, several in one pass, and empties them first" {
	head -c 9M /dev/urandom > "$T/a"
	"$VMA" extract "$FIXTURES/two-disks.vma.zst" --to "drive-scsi0=$T/a" --to "drive-scsi1=$T/b"
	same_sum "$SCSI0" "$T/a"
	same_sum "$SCSI1" "$T/b"
	run "$VMA" extract "$FIXTURES/two-disks.vma.zst" --to "drive-scsi0=nbd://x"
	[ "$status" = 255 ]
}

@test "extract --to leaves all targets as they were if anything is wrong with one, and makes none" {
	head -c 9M /dev/urandom > "$T/a"
	cp "$T/a" "$T/before"
	cp "$FIXTURES/two-disks.vma.zst" "$T/self"
	ln "$T/a" "$T/b"
	for second in "drive-scsi9=$T/x" "drive-scsi0=$T/x" "drive-scsi1=$T/a" "drive-scsi1=$T/b" \
		"drive-scsi1=$T/self" "drive-scsi1=$T/none/x" "drive-scsi1=/dev/null" nonsense; do
		run "$VMA" extract "$T/self" --to "drive-scsi0=$T/a" --to "$second"
		echo "$second: $output"
		[ "$status" = 255 ]
		cmp "$T/a" "$T/before"
		cmp "$T/self" "$FIXTURES/two-disks.vma.zst"
	done
	run "$VMA" extract - --to "drive-scsi0=$T/self" < "$T/self"
	[ "$output" = "'$T/self' is the archive itself; give another target" ]
	run "$VMA" extract "$T/self" --to "drive-scsi0=$T/a" --to "drive-scsi1=$T/b"
	[ "$output" = "disks 'drive-scsi0' and 'drive-scsi1' would both go to '$T/b'; give each its own" ]
	# a file that it has made meanwhile goes again
	run "$VMA" extract "$T/self" --to "drive-scsi0=$T/new" --to "drive-scsi1=$T/none/x" "$T/o"
	[ "$status" = 255 ]
	[ "$(ls "$T")" = $'a\nb\nbefore\nself' ]
}

@test "extract --to makes no file below /dev, and no raw image that is called qcow2 or was one" {
	run "$VMA" extract "$FIXTURES/two-disks.vma" --to drive-scsi0=/dev/vzdump-nope
	[ "$status" = 255 ]
	[ "$output" = "device '/dev/vzdump-nope' does not exist, and no file is made below /dev" ]
	[ ! -e /dev/vzdump-nope ]
	qemu-img create -q -f qcow2 "$T/a" 8M
	qemu-img create -q -f vmdk "$T/b" 8M
	cp "$T/a" "$T/a.before"
	for target in a b c.qcow2 d.vmdk; do
		run "$VMA" extract "$FIXTURES/two-disks.vma" --to "drive-scsi0=$T/$target"
		echo "$output"
		[ "$status" = 255 ]
		[[ $output = "option --to: '$T/$target' is "@(qcow2|vmdk)" by its name or content, "* ]]
	done
	cmp "$T/a" "$T/a.before"
	[ ! -e "$T/c.qcow2" ]
}

# with_qemu <image> <command>...: runs it while a program of QEMU has the image open
with_qemu() {
	local rc=0 image=$1
	shift
	qemu-nbd -t -f raw -k "$T/nbd.sock" "$image" 3>&- &
	local pid=$!
	wait_socket "$T/nbd.sock"
	"$@" || rc=$?
	kill "$pid"
	wait "$pid" || true
	return "$rc"
}

to_open_image() {
	run "$VMA" extract "$FIXTURES/two-disks.vma" --to "drive-scsi0=$1"
	[ "$status" = 255 ]
	[ "$output" = "a QEMU has '$1' open; end the guest, or give another target" ]
	printf '0:drive-scsi0=%s\nskip=drive-scsi1\ndone\n' "$1" > "$T/map"
	run "$VMA" extract "$FIXTURES/two-disks.vma" -r "$T/map" "$T/o"
	[ "$status" = 255 ]
	[[ $output = *"a QEMU has '$1' open; end the guest, or give another target" ]]
	rm -r "$T/o"
}

open_device() {
	with_qemu "$LOOP" to_open_image "$LOOP"
}

@test "extract writes over no image and no device that a QEMU has open" {
	head -c 8M /dev/urandom > "$T/disk"
	cp "$T/disk" "$T/before"
	with_qemu "$T/disk" to_open_image "$T/disk"
	cmp "$T/disk" "$T/before"
	with_loop open_device
	cmp "$T/disk" "$T/before"
}

@test "extract --sync writes all down before a file has its name; images of a map always are" {
	local n
	strace -f -y -e trace=fsync,rename,/renameat -o "$T/trace" \
		"$VMA" extract "$FIXTURES/two-disks.vma" "$T/o" --sync 1 > "$T/out"
	sed -nE 's/^[0-9]+ +//; s/\) += 0$//p' "$T/trace" | sed -E "s/\([0-9]+</ </; s|$T/||g" > "$T/calls"
	cat "$T/calls"
	for disk in drive-scsi0 drive-scsi1; do
		n=$(grep -n "^fsync.*tmp-disk-$disk" "$T/calls" | cut -d: -f1)
		[ "$n" -lt "$(grep -n "^rename.*tmp-disk-$disk" "$T/calls" | cut -d: -f1)" ]
	done
	grep -q '^fsync.*qemu-server.conf' "$T/calls"
	[ "$(tail -n 1 "$T/calls")" = "fsync <o>" ]
	truncate -s 8M "$T/a"
	printf '0:drive-scsi0=%s\nskip=drive-scsi1\ndone\n' "$T/a" > "$T/map"
	strace -f -y -e trace=fsync -o "$T/trace" "$VMA" extract "$FIXTURES/two-disks.vma" -r "$T/map" "$T/p" > "$T/out"
	grep -q "fsync([0-9]*<$T/a>" "$T/trace"
	strace -f -y -e trace=fsync -o "$T/trace" "$VMA" extract "$FIXTURES/two-disks.vma" --to "drive-scsi0=$T/b" --sync 1
	grep -q "fsync([0-9]*<$T/b>" "$T/trace"
}

# wait_socket <path>
wait_socket() {
	for _ in {1..100}; do
		[ -S "$1" ] && return
		sleep 0.05
	done
	echo "no socket $1"
	return 1
}

@test "extract --to writes to NBD exports: a qcow2 image, and one that held something else" {
	qemu-img create -q -f qcow2 "$T/a.qcow2" 8M
	qemu-nbd -t -f qcow2 -k "$T/a.sock" -x disk "$T/a.qcow2" 3>&- &
	local one=$!
	nbdkit -f -U "$T/b.sock" memory 3M 3>&- &
	local two=$!
	wait_socket "$T/a.sock"
	wait_socket "$T/b.sock"
	nbdcopy -- [ nbdkit pattern 3M ] "nbd+unix:///?socket=$T/b.sock"
	"$VMA" extract "$FIXTURES/two-disks.vma.zst" --to "drive-scsi0=nbd+unix:///disk?socket=$T/a.sock" \
		--to "drive-scsi1=nbd+unix:///?socket=$T/b.sock"
	nbdcopy "nbd+unix:///?socket=$T/b.sock" "$T/b.raw"
	kill "$one" "$two"
	wait "$one" "$two" || true
	qemu-img convert -O raw "$T/a.qcow2" "$T/a.raw"
	same_sum "$SCSI0" "$T/a.raw"
	truncate -s 2098688 "$T/b.raw"
	same_sum "$SCSI1" "$T/b.raw"
	[ "$(stat -c %s "$T/a.qcow2")" -lt 4000000 ]
}

@test "extract --to refuses an export that is too small, read-only or not there" {
	local uri="nbd+unix:///?socket=$T/s"
	run "$VMA" extract "$FIXTURES/two-disks.vma" --to "drive-scsi0=$uri"
	[ "$status" = 255 ]
	[[ $output = "cannot connect to '$uri': "* ]]
	run nbdkit -U "$T/s" memory 1M --run "'$VMA' extract '$FIXTURES/two-disks.vma' --to 'drive-scsi0=$uri'"
	[[ $output = "'$uri' has 1048576 bytes, the disk in the archive 8388608; "* ]]
	rm -f "$T/s"
	run nbdkit -r -U "$T/s" memory 8M --run "'$VMA' extract '$FIXTURES/two-disks.vma' --to 'drive-scsi0=$uri'"
	[[ $output = "'$uri' is read-only; "* ]]
	run "$VMA" extract "$FIXTURES/two-disks.vma" --to drive-scsi0=ssh://host/x
	[[ $output = *"is neither a file or block device nor an NBD URI"* ]]
}

# with_loop <command>...: runs it, then frees the loop device of $T/disk whatever came of it
with_loop() {
	local rc=0
	LOOP=$(losetup --show -f "$T/disk") || skip "no loop devices on this machine"
	"$@" || rc=$?
	losetup -d "$LOOP"
	return "$rc"
}

to_device() {
	"$VMA" extract "$FIXTURES/two-disks.vma.zst" --to "drive-scsi0=$LOOP"
	head -c 8388608 "$LOOP" > "$T/out"
	tail -c 8388608 "$LOOP" | cmp - "$T/behind"
}

to_mounted() {
	mkfs.ext4 -qF "$LOOP"
	mount "$LOOP" "$T/mnt"
	run "$VMA" extract "$FIXTURES/two-disks.vma.zst" --to "drive-scsi0=$LOOP"
	umount "$T/mnt"
}

@test "extract --to writes a block device, zeroes included and no byte behind the disk" {
	head -c 16M /dev/urandom > "$T/disk"
	tail -c 8388608 "$T/disk" > "$T/behind"
	with_loop to_device
	same_sum "$SCSI0" "$T/out"
}

@test "extract --to leaves a mounted device alone" {
	truncate -s 16M "$T/disk"
	mkdir "$T/mnt"
	with_loop to_mounted
	[ "$status" = 255 ]
	[[ $output = "device '/dev/loop"*"' is in use (mounted, "* ]]
	e2fsck -fn "$T/disk"
}

@test "extract -r reads the map that qmrestore sends" {
	head -c 8M /dev/urandom > "$T/a"
	mkfifo "$T/fifo"
	printf 'format=raw:1:drive-scsi0=%s\nskip=drive-scsi1\ndone\n' "$T/a" > "$T/fifo" &
	"$VMA" extract "$FIXTURES/two-disks.vma.zst" -r "$T/fifo" "$T/o" > "$T/out"
	wait
	grep -q '^DEV: dev_id=2' "$T/out"
	same_sum "$SCSI0" "$T/a"
	printf '0:drive-scsi0=%s\ndone\n' "$T/b" > "$T/map"
	head -c 1M /dev/zero > "$T/b"
	run "$VMA" extract "$FIXTURES/two-disks.vma" -r "$T/map" "$T/p"
	[ "$status" = 255 ]
	[[ $output = *"'$T/b' has 1048576 bytes, the disk in the archive 8388608"* ]]
}

@test "extract -d goes before the map, and a map may name disks that the archive has not" {
	head -c 8M /dev/urandom > "$T/a"
	cp "$T/a" "$T/before"
	truncate -s 2098688 "$T/b"
	printf '1:drive-scsi0=%s\nthrottling.bps=0x40000000:0:drive-scsi1=%s\n0:drive-ide3=%s\nskip=drive-ide4\ndone\n' \
		"$T/a" "$T/b" "$T/c" > "$T/map"
	run "$VMA" extract "$FIXTURES/two-disks.vma" -d drive-scsi1 -r "$T/map" "$T/o"
	[ "$status" = 0 ]
	[[ $output = *"warning: option --readmap: disk 'drive-ide3' is not in the archive"* ]]
	cmp "$T/a" "$T/before"
	same_sum "$SCSI1" "$T/b"
	[ ! -e "$T/c" ]
	for bps in 0x -1 9g; do
		printf 'throttling.bps=%s:0:drive-scsi0=%s\n' "$bps" "$T/a" > "$T/map"
		run "$VMA" extract "$FIXTURES/two-disks.vma" -r "$T/map" "$T/p"
		[[ $output = *"'throttling.bps=$bps' is not a number of bytes" ]]
		rm -r "$T/p"
	done
}

@test "extract -d brings the state of a running guest along, as Proxmox's does" {
	"$VMA" extract "$FIXTURES/state.vma" -d drive-scsi0 "$T/o"
	same_sum "$SCSI1" "$T/o/vmstate.bin"
	same_sum "$STATE_SCSI0" "$T/o/disk-drive-scsi0.raw"
}

@test "what an NBD server does not take is told by disk, export and byte" {
	local uri="nbd+unix:///?socket=$T/s"
	run nbdkit -U "$T/s" --filter=error memory 8M error-pwrite=ENOSPC error-rate=1 \
		--run "'$VMA' extract '$FIXTURES/two-disks.vma' --to 'drive-scsi0=$uri'"
	echo "$output"
	[[ $output =~ "disk 'drive-scsi0': cannot write to byte "[0-9]+" of '$uri': " ]]
}

@test "extract -r writes images of other formats, and holds the rate that disks share" {
	local begin
	qemu-img create -q -f qcow2 "$T/a.qcow2" 8M
	truncate -s 2098688 "$T/b"
	printf 'format=qcow2:cache=none:0:drive-scsi0=%s\n0:drive-scsi1=%s\ndone\n' "$T/a.qcow2" "$T/b" > "$T/map"
	"$VMA" extract "$FIXTURES/two-disks.vma.zst" -r "$T/map" "$T/o" > "$T/out"
	qemu-img convert -f qcow2 -O raw "$T/a.qcow2" "$T/a"
	same_sum "$SCSI0" "$T/a"
	run ! pgrep -f "$T/a.qcow2"
	head -c 12M /dev/urandom > "$T/x"
	head -c 12M /dev/urandom > "$T/y"
	"$VMA" create "$T/n.vma" -d "drive-x=$T/x" -d "drive-y=$T/y"
	truncate -s 12M "$T/c" "$T/d"
	for disk in x=c y=d; do
		echo "throttling.bps=8388608:throttling.group=g:0:drive-${disk%=*}=$T/${disk#*=}"
	done > "$T/map"
	begin=$(date +%s%N)
	"$VMA" extract "$T/n.vma" -r "$T/map" "$T/p" > "$T/out"
	# 24 MiB at 8 MiB a second for both
	[ $((($(date +%s%N) - begin) / 1000000)) -ge 2700 ]
	cmp "$T/x" "$T/c"
	cmp "$T/y" "$T/d"
	printf 'format=qcow2:0:drive-scsi0=%s\ndone\n' "$T/gone" > "$T/map"
	run "$VMA" extract "$FIXTURES/two-disks.vma" -r "$T/map" "$T/q"
	[ "$status" = 255 ]
	[[ $output = *"option --readmap: image '$T/gone': No such file"* ]]
	printf 'iops=3:0:drive-scsi0=%s\ndone\n' "$T/gone" > "$T/map"
	run "$VMA" extract "$FIXTURES/two-disks.vma" -r "$T/map" "$T/r"
	[[ $output = *"option --readmap: 'iops=3' is none of format, "* ]]
}

# end_extract: the extract $! with $T/slow.qcow2, by a signal that leaves neither daemon nor folder
end_extract() {
	local pid=$! folder
	for _ in {1..100}; do
		if pgrep -f "$T/slow.qcow2" > "$T/pid"; then break; fi
		sleep 0.05
	done
	[ -s "$T/pid" ]
	sleep 1
	folder=$(dirname "$(readlink "/proc/$(< "$T/pid")/fd/2")") # where its log is
	[[ $folder = /tmp/vma-images.* && -d $folder ]]
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 255 ]
	grep -qx 'restore failed: interrupted by signal' "$T/out"
	run ! pgrep -f "$T/slow.qcow2"
	[ ! -e "$folder" ]
}

@test "extract -r is ended by a signal, also while its input stalls" {
	head -c 12M /dev/urandom > "$T/x"
	"$VMA" create "$T/n.vma" -d "drive-x=$T/x"
	qemu-img create -q -f qcow2 "$T/slow.qcow2" 12M
	echo "format=qcow2:throttling.bps=1048576:0:drive-x=$T/slow.qcow2" > "$T/map"
	"$VMA" extract "$T/n.vma" -r "$T/map" "$T/o" > "$T/out" 2>&1 &
	end_extract
	echo "format=qcow2:0:drive-x=$T/slow.qcow2" > "$T/map"
	mkfifo "$T/stalls"
	timeout 60 "$VMA" extract - -r "$T/map" "$T/p" < "$T/stalls" > "$T/out" 2>&1 &
	exec 7> "$T/stalls"
	head -c 5M "$T/n.vma" >&7
	end_extract
	exec 7>&-
}

@test "verify finds the fixtures whole" {
	for archive in "$FIXTURES"/*.vma*; do
		run "$VMA" verify "$archive"
		[[ $status = 0 && ${#lines[@]} = 1 && $output = "$archive is good: "* ]]
		run "$VMA" verify -v - < "$archive"
		[[ $status = 0 && ${lines[-1]} = "the archive is good: "* ]]
	done
}

@test "create makes what the other reader reads, in every packing" {
	head -c 3000001 /dev/urandom > "$T/x"
	truncate -s 20000256 "$T/x"
	for packed in "" .zst .gz .lzo; do
		"$VMA" create "$T/a.vma$packed" -c "$FIXTURES/two-disks.conf" -d "format=raw:drive-scsi0=$T/x"
		python3 "$BATS_TEST_DIRNAME/../lib/vma_reader.py" extract "$T/a.vma$packed" "$T/o$packed"
		cmp "$T/o$packed/disk-drive-scsi0.raw" "$T/x"
		"$VMA" extract "$T/a.vma$packed" "$T/p$packed"
		diff -r "$T/o$packed" "$T/p$packed"
		"$VMA" verify "$T/a.vma$packed"
	done
	run "$VMA" create "$T/a.vma"
	[ "$status" = 255 ]
}

@test "create takes disks as arguments, too, with a name or without" {
	head -c 102400 /dev/urandom > "$T/x"
	"$VMA" create "$T/a.vma" "$T/x" "drive-ide1=$T/x" -c "$FIXTURES/two-disks.conf"
	[ "$("$VMA" list "$T/a.vma" | grep -c 'devname: \(disk0\|drive-ide1\)$')" = 2 ]
	"$VMA" extract "$T/a.vma" "$T/o"
	cmp "$T/x" "$T/o/disk-disk0.raw"
	cmp "$T/x" "$T/o/disk-drive-ide1.raw"
}

@test "create -d names disks by their place if need be, and -v tells the progress as Proxmox's does" {
	head -c 131072 /dev/urandom > "$T/x"
	truncate -s 1M "$T/x"
	"$VMA" create -v "$T/a.vma" -d "format=raw:$T/x" -d "drive-ide1=$T/x" -d "format=raw:$T/x" 2> "$T/err"
	[ "$("$VMA" list "$T/a.vma" | grep -c 'devname: \(disk0\|drive-ide1\|disk2\)$')" = 3 ]
	head -n 1 "$T/err" | grep -Eqx 'progress 2% 65536/3145728 [0-9]+'
	grep -Eqx 'progress 100% 3145728/3145728 [0-9]+' "$T/err"
	grep -qx 'image disk2: size=1048576 zeros=917504 saved=131072' "$T/err"
	run "$VMA" create "$T/b.vma" -d "$T/x"
	[ "$status" = 255 ]
}

@test "an image that ends within a sector gets zeroes up to its end, which Proxmox's reader asks for" {
	for size in 1 65537 100000 131583; do
		head -c "$size" /dev/urandom > "$T/x"
		rm -rf "$T/a.vma" "$T/o"
		"$VMA" create "$T/a.vma" "$T/x"
		"$VMA" list "$T/a.vma" | grep -q "size: $(((size + 511) / 512 * 512)) devname"
		"$VMA" extract "$T/a.vma" "$T/o"
		truncate -s "%512" "$T/x"
		cmp "$T/x" "$T/o/disk-disk0.raw"
	done
}

@test "create and index keep the state of a guest in order, zeroes or not" {
	truncate -s 9M "$T/x"
	for at in 1 3 8; do
		head -c 300000 /dev/urandom | dd of="$T/x" bs=1M seek="$at" conv=notrunc status=none
	done
	for packed in "" .zst; do
		"$VMA" create "$T/a.vma$packed" -d "vmstate=$T/x" -d "drive-scsi0=$T/x"
		python3 "$BATS_TEST_DIRNAME/../lib/vma_reader.py" verify "$T/a.vma$packed"
		"$VMA" index "$T/a.vma$packed" "$T/i$packed.vma.zst"
		python3 "$BATS_TEST_DIRNAME/../lib/vma_reader.py" extract "$T/i$packed.vma.zst" "$T/o$packed"
		cmp "$T/x" "$T/o$packed/vmstate.bin"
	done
}

@test "create reads qcow2 and vmdk images through QEMU, with their backing files and holes" {
	head -c 3M /dev/urandom > "$T/x"
	truncate -s 3G "$T/x"
	head -c 1M /dev/urandom | dd of="$T/x" bs=1M seek=2500 conv=notrunc status=none
	qemu-img convert -f raw -O qcow2 "$T/x" "$T/base.qcow2"
	qemu-img create -q -f qcow2 -b "$T/base.qcow2" -F qcow2 "$T/a,b.qcow2"
	qemu-io -f qcow2 -c 'write -P 7 1G 300k' "$T/a,b.qcow2" > "$T/out"
	qemu-img convert -f raw -O vmdk "$T/x" "$T/c.vmdk"
	"$VMA" create "$T/a.vma.zst" -d "format=qcow2:drive-scsi0=$T/a,b.qcow2" -d "raw=$T/x" \
		-d "format=vmdk:$T/c.vmdk" -v 2> "$T/err"
	"$VMA" extract "$T/a.vma.zst" "$T/o"
	cmp "$T/x" "$T/o/disk-raw.raw"
	cmp "$T/x" "$T/o/disk-disk2.raw"
	qemu-img compare -f qcow2 -F raw "$T/a,b.qcow2" "$T/o/disk-drive-scsi0.raw"
	[ "$("$VMA" list --output-format json "$T/a.vma.zst" | jq '.devices[0].used')" -lt 5000000 ]
	run pgrep -f "$T/a,b.qcow2"
	[ "$status" = 1 ]
	for disk in "format=qcow2:x=$T/x" "format=vdi:x=$T/x" "format=qcow2:x=$T/none"; do
		run "$VMA" create "$T/b.vma" -d "$disk"
		echo "$output"
		[ "$status" = 255 ]
		[ ! -e "$T/b.vma" ]
	done
}

@test "create writes to standard output, too" {
	head -c 102400 /dev/urandom > "$T/x"
	"$VMA" create - "drive-ide1=$T/x" > "$T/a.vma"
	"$VMA" extract - "$T/o" < "$T/a.vma"
	cmp "$T/x" "$T/o/disk-drive-ide1.raw"
}

@test "an archive has its name when it is complete, and what was broken off is not in the way" {
	head -c 48M /dev/urandom > "$T/x"
	for signal in INT KILL; do
		"$VMA" create "$T/a.vma.gz" "$T/x" 2> "$T/err" 3>&- &
		pid=$!
		until [ -s "$T/a.vma.gz.part" ]; do sleep 0.02; done
		[ ! -e "$T/a.vma.gz" ]
		run "$VMA" create "$T/a.vma.gz" "$T/x"
		[[ $status = 255 && $output = *"a.vma.gz.part' is being written by another process: wait for that (it is held by "*" (pid "*") since 20"* ]]
		kill -"$signal" "$pid"
		wait "$pid" || true
		[ ! -e "$T/a.vma.gz" ]
		if [ "$signal" = INT ]; then
			[ "$(< "$T/err")" = "interrupted by signal" ]
			[ ! -e "$T/a.vma.gz.part" ]
		fi
	done
	[ -e "$T/a.vma.gz.part" ]
	truncate -s 1M "$T/x"
	"$VMA" create "$T/a.vma.gz" "$T/x"
	"$VMA" verify "$T/a.vma.gz"
	[ ! -e "$T/a.vma.gz.part" ]
}

@test "an xz archive that asks for a gigabyte of memory is refused in words, -9 is taken" {
	[ -z "${VZ_SANITIZED:-}" ] || skip "sanitizers need more memory than this allows"
	xz -9 -c "$FIXTURES/two-disks.vma" > "$T/a.vma.xz"
	"$VMA" verify "$T/a.vma.xz"
	xz --lzma2=dict=1GiB -T1 -c "$FIXTURES/nodisk.vma" > "$T/b.vma.xz"
	(ulimit -v 600000 && run "$VMA" verify "$T/b.vma.xz" && [ "$status" = 255 ] &&
		[[ $output = *"the archive needs a dictionary for which 80 MiB of memory do not suffice; "* ]])
}

@test "index makes any archive seekable and leaves what it holds as it was" {
	for packed in .zst .gz .lzo ""; do
		cp "$FIXTURES/two-disks.vma$packed" "$T/x.vma$packed"
		touch -d 2020-02-02 "$T/x.vma$packed"
		chmod 600 "$T/x.vma$packed"
		"$VMA" index "$T/x.vma$packed"
		"$VMA" verify "$T/x.vma.zst"
		"$VMA" extract "$T/x.vma.zst" "$T/o"
		same_sum "$SCSI0" "$T/o/disk-drive-scsi0.raw"
		same_sum "$SCSI1" "$T/o/disk-drive-scsi1.raw"
		cmp "$T/o/qemu-server.conf" "$FIXTURES/two-disks.conf"
		[ "$("$VMA" list "$T/x.vma.zst" --output-format json | jq -r .uuid)" = \
			"$("$VMA" list "$FIXTURES/two-disks.vma" --output-format json | jq -r .uuid)" ]
		[ "$(stat -c '%a %Y' "$T/x.vma.zst")" = "600 $(date -d 2020-02-02 +%s)" ]
		nbdkit -U - "$BUILD/plugin/nbdkit-vma-plugin.so" "$T/x.vma.zst" disk=drive-scsi0 \
			--run 'nbdcopy "$uri" -' > "$T/scsi0"
		same_sum "$SCSI0" "$T/scsi0"
		rm -r "$T"/x.vma* "$T/o"
	done
	"$VMA" index - "$T/y.vma.zst" < "$FIXTURES/state.vma"
	"$VMA" verify "$T/y.vma.zst"
	[ "$("$VMA" index "$T/y.vma.zst")" = "$T/y.vma.zst has an index already" ]
}

@test "index replaces what a link leads to, not the link" {
	mkdir "$T/dump"
	for packed in zst gz; do
		cp "$FIXTURES/two-disks.vma.$packed" "$T/dump/x$packed.vma.$packed"
		ln -s "dump/x$packed.vma.$packed" "$T/latest.$packed"
		"$VMA" index "$T/latest.$packed"
		[ -L "$T/latest.$packed" ]
		nbdkit -U - "$BUILD/plugin/nbdkit-vma-plugin.so" "$T/dump/x$packed.vma.zst" disk=drive-scsi0 \
			--run 'nbdcopy "$uri" -' > "$T/scsi0"
		same_sum "$SCSI0" "$T/scsi0"
	done
	[ "$(ls "$T")" = $'dump\nlatest.gz\nlatest.zst\nscsi0' ]
}

@test "a file that only has the name of an unfinished archive stays" {
	echo "my only copy" > "$T/x.vma.zst.part"
	echo "no archive" > "$T/x.vma"
	cp "$FIXTURES/two-disks.vma" "$T/y.vma"
	truncate -s 1M "$T/disk"
	for what in "index $T/x.vma" "index $T/y.vma $T/x.vma.zst" "create $T/x.vma.zst $T/disk"; do
		# shellcheck disable=SC2086
		run "$VMA" $what
		[ "$status" = 255 ]
		[ "$(< "$T/x.vma.zst.part")" = "my only copy" ]
	done
	[ "$output" = "'$T/x.vma.zst.part' is in the way and is not an archive; rename or remove it" ]
	# a beginning of ours is begun anew, also where a no-archive is what was to be read
	head -c 1000 "$FIXTURES/two-disks.vma.zst" > "$T/x.vma.zst.part"
	run "$VMA" index "$T/x.vma"
	[ "$status" = 255 ]
	[ "$(stat -c %s "$T/x.vma.zst.part")" = 1000 ]
	"$VMA" create "$T/x.vma.zst" "$T/disk"
	[ ! -e "$T/x.vma.zst.part" ]
}

@test "index leaves a damaged archive alone, and nothing beside it" {
	head -c 400000 "$FIXTURES/two-disks.vma" | zstd -q > "$T/x.vma.zst"
	cp "$T/x.vma.zst" "$T/before"
	run "$VMA" index "$T/x.vma.zst"
	[ "$status" = 255 ]
	cmp "$T/x.vma.zst" "$T/before"
	[ "$(ls "$T")" = $'before\nx.vma.zst' ]
	cp "$FIXTURES/two-disks.vma.gz" "$T/x.vma.gz"
	run "$VMA" index "$T/x.vma.gz"
	[[ $output = "'$T/x.vma.zst' exists already; "* ]]
	cmp "$T/x.vma.zst" "$T/before"
}

@test "a damaged archive: verify names disk and place, extract refuses, --salvage gets the rest" {
	head -c 20M /dev/urandom > "$T/x"
	"$VMA" create "$T/a.vma.zst" -d "drive-scsi0=$T/x"
	printf 'damage' | dd of="$T/a.vma.zst" bs=1 seek=10000000 conv=notrunc status=none
	run "$VMA" verify "$T/a.vma.zst"
	[ "$status" = 255 ]
	[[ $output = *"damage: zstd frame "*" is damaged: "* ]]
	[[ $output =~ lost:\ drive-scsi0:\ ([0-9]+)\ bytes\ at\ ([0-9]+) ]]
	lost=${BASH_REMATCH[1]} at=${BASH_REMATCH[2]}
	run "$VMA" extract "$T/a.vma.zst" "$T/o"
	[ "$status" = 255 ]
	[ ! -e "$T/o/disk-drive-scsi0.raw" ]
	run "$VMA" extract --salvage "$T/a.vma.zst" "$T/s"
	[ "$status" = 255 ]
	[[ $output = *"$lost bytes are lost and read as zeroes" ]]
	head -c "$lost" /dev/zero | dd of="$T/x" bs=65536 seek=$((at / 65536)) conv=notrunc status=none
	cmp "$T/x" "$T/s/disk-drive-scsi0.raw"
}

@test "verify sees an index or a seek table that is damaged or lost" {
	head -c 20M /dev/urandom > "$T/x"
	"$VMA" create "$T/a.vma.zst" -d "drive-scsi0=$T/x"
	"$VMA" verify -v "$T/a.vma.zst" | grep -qx 'seek table and index agree with the data'
	size=$(stat -c %s "$T/a.vma.zst")
	for back in 5 40 150; do
		cp "$T/a.vma.zst" "$T/b.vma.zst"
		printf '\xa5' | dd of="$T/b.vma.zst" bs=1 seek=$((size - back)) conv=notrunc status=none
		run "$VMA" verify "$T/b.vma.zst"
		[ "$status" = 255 ]
		[[ $output = *"verify failed"*@(index|seek table)* ]]
	done
}

@test "an archive cut off is refused in words" {
	head -c 300000 "$FIXTURES/two-disks.vma" > "$T/cut"
	run "$VMA" extract "$T/cut" "$T/o"
	[ "$status" = 255 ]
	[[ $output = *"restore failed: the archive ends within the extent at byte "* ]]
	run "$VMA" list /etc/passwd
	[ "$status" = 255 ]
	[[ $output = "cannot read archive '/etc/passwd': not a VMA archive"* ]]
}

@test "a full file system is an error that names the file" {
	[ -w /dev/full ] || skip
	mkdir -p "$T/full"
	mount -t tmpfs -o size=64k none "$T/full" 2> /dev/null || skip "cannot mount"
	run "$VMA" extract "$FIXTURES/two-disks.vma" "$T/full/o"
	umount "$T/full"
	[ "$status" = 255 ]
	[[ $output = *"No space left on device"* ]]
}

@test "what could not be printed is an error" {
	[ -w /dev/full ] || skip
	head -c 30000 /dev/zero | tr '\0' x > "$T/conf"
	"$VMA" create "$T/a.vma" -c "$T/conf"
	for command in list "list --output-format json" "config -c conf" "verify -v"; do
		# shellcheck disable=SC2086
		run --separate-stderr bash -c "'$VMA' $command '$T/a.vma' > /dev/full"
		[ "$status" = 255 ]
		[ "$stderr" = "cannot write to standard output" ]
	done
}

@test "unknown options and commands are refused" {
	run "$VMA" verify --nope "$FIXTURES/two-disks.vma"
	[ "$status" = 255 ]
	[[ $output = "vma verify: unknown option --nope"* ]]
	run "$VMA" frob
	[ "$status" = 255 ]
	[[ $output = "vma: unknown command 'frob'"* ]]
	run "$VMA" verfiy "$FIXTURES/two-disks.vma"
	[[ $status = 255 && $output = "vma: unknown command 'verfiy' (did you mean 'verify'?)" ]]
	run "$VMA" extract "$FIXTURES/two-disks.vma" "$T/o" --drives scsi0
	[[ $status = 255 && $output = *"disk 'scsi0' is not in the archive (did you mean 'drive-scsi0'?)" ]]
}

@test "the manual has every option of every command, and no other" {
	local command
	for command in list config extract verify create index serve; do
		diff <("$VMA" "$command" --help | sed -nE 's/^  --([a-z-]+).*/\1/p' | grep -vxE 'help|version' | sort) \
			<(awk -v want="vma $command" '/^\.S[sh] / { on = index($0, want) }
				on && /^\.It Fl -/ { sub(/^-/, "", $3); print $3 }' \
				"$BATS_TEST_DIRNAME/../../man/vma.1" | sort)
	done
}

@test "what vzdump wrote of a stopped guest is verified and comes back" {
	vz_setup
	disk_add 123 scsi0 scsi 3M
	disk_fill "$(disk_path 123 scsi0)" 2M
	for packed in zstd gzip lzo 0; do
		vzdump_ok 123 --compress "$packed"
		"$VMA" verify "$ARCHIVE"
		"$VMA" config "$ARCHIVE" > "$T/conf"
		grep -q '^#qmdump#map:scsi0:drive-scsi0:local:raw:$' "$T/conf"
		"$VMA" extract "$ARCHIVE" "$T/$packed"
		cmp "$T/$packed/disk-drive-scsi0.raw" "$(disk_path 123 scsi0)"
		rm "$ARCHIVE"
	done
	vz_teardown
}

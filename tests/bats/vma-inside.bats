#!/usr/bin/env bats
# Files inside the disks of an archive: vma ls, vma cp, as far as they need no virtual machine.

bats_require_minimum_version 1.5.0

VMA=$BUILD/bin/vma
USER_ID=65534

# make_tree <directory>: all sorts of files, and names that lead elsewhere or change a terminal
make_tree() {
	mkdir -p "$1/etc" "$1/sub/deep"
	echo "the lost letter" > "$1/etc/letter.txt"
	seq 300000 > "$1/numbers"
	truncate -s 9M "$1/sparse"
	echo "the end" >> "$1/sparse"
	ln "$1/numbers" "$1/sub/hard"
	ln -s /etc/passwd "$1/absolute"
	ln -s ../../../.. "$1/sub/up"
	ln -s etc "$1/folder"
	mkfifo "$1/fifo"
	touch "$1/sub/$(printf 'red\033[31m')" "$1/sub/$(printf 'two\nlines')"
	cp /bin/true "$1/sub/deep/suid"
	chmod 4755 "$1/sub/deep/suid"
	chmod 640 "$1/etc/letter.txt"
	chown 1234:5678 "$1/etc/letter.txt"
	touch -d '2001-02-03 04:05:06' "$1/etc/letter.txt" "$1/sub/deep" "$1/etc"
}

setup_file() {
	local d=$BATS_FILE_TMPDIR
	chmod 755 "$BATS_RUN_TMPDIR" "$d"
	make_tree "$d/tree"
	truncate -s 64M "$d/part"
	mkfs.ext4 -q -L letters -d "$d/tree" "$d/part"
	truncate -s 300M "$d/scsi0"
	sfdisk -q "$d/scsi0" <<- 'END'
		label: gpt
		start=2048, size=131072, name=letters
		start=137216, size=65536
		start=204800, size=65536
		start=270336, size=65536
	END
	dd if="$d/part" of="$d/scsi0" bs=1M seek=1 conv=notrunc,sparse status=none
	truncate -s 32M "$d/scsi0.swap"
	mkswap "$d/scsi0.swap" > /dev/null
	dd if="$d/scsi0.swap" of="$d/scsi0" bs=512 seek=137216 conv=notrunc,sparse status=none
	# MBR, with a logical partition
	truncate -s 80M "$d/sata1"
	sfdisk -q "$d/sata1" <<- 'END'
		label: dos
		start=2048, size=2048, type=83
		start=4096, type=5
		start=8192, size=131072, type=83
	END
	dd if="$d/part" of="$d/sata1" bs=512 seek=8192 conv=notrunc,sparse status=none
	"$VMA" create "$d/a.vma.zst" -d "drive-scsi0=$d/scsi0" -d "drive-sata1=$d/sata1" \
		-d "drive-virtio2=$d/part"
	chmod 644 "$d/a.vma.zst"
}

setup() {
	T=$BATS_TEST_TMPDIR
	D=$BATS_FILE_TMPDIR
	A=$D/a.vma.zst
	cd "$T" || return
}

teardown() {
	! mountpoint -q "$T/small" || umount "$T/small"
	# each command unmounts what it has mounted, and waits for that
	! grep "^$BATS_RUN_TMPDIR/.* /tmp/vma-inside\." /proc/self/mounts
}

# same_tree <directory>: what has been copied is what make_tree made
same_tree() {
	# what is in only one of them: the folder that mkfs makes, and what is never copied
	run diff -r --no-dereference "$D/tree" "$1"
	echo "$output"
	[ "$output" = "$(printf '%s\n' "Only in $D/tree: fifo" "Only in $1: lost+found")" ]
	[ "$(stat -c '%a %u %g %Y' "$1/etc/letter.txt")" = "640 1234 5678 $(date -d '2001-02-03 04:05:06' +%s)" ]
	[ "$(stat -c '%Y' "$1/sub/deep")" = "$(date -d '2001-02-03 04:05:06' +%s)" ]
	[ "$(stat -c '%a' "$1/sub/deep/suid")" = 755 ]
	[ "$(stat -c '%i' "$1/numbers")" = "$(stat -c '%i' "$1/sub/hard")" ]
	[ "$(stat -c '%b' "$1/sparse")" -lt 1000 ]
	[ "$(readlink "$1/absolute")" = /etc/passwd ]
}

@test "ls lists disks, the partitions of a disk, and the files of a partition" {
	run "$VMA" ls "$A"
	[ "$(awk '{ print $1, $2 }' <<< "$output")" = "$(printf '%s\n' 'DISK SIZE' 'drive-scsi0 314572800' \
		'drive-sata1 83886080' 'drive-virtio2 67108864')" ]
	run "$VMA" ls "$A:scsi0"
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[1]} =~ ^1\ +1048576\ +67108864\ ext4\ +letters\ +0fc63daf- ]]
	[[ ${lines[2]} =~ ^2\ +70254592\ +33554432\ swap\ +-\  ]]
	[[ ${lines[3]} =~ ^3\ +.*33554432\ -\ +-\  ]]
	run "$VMA" ls "$A:drive-sata1"
	echo "$output"
	[[ ${lines[2]} =~ ^5\ +4194304\ +67108864\ ext4\ +letters\ +0x83 ]]
	[ "${#lines[@]}" = 3 ]
	run "$VMA" ls "$A:virtio2"
	[[ ${lines[1]} =~ ^0\ +0\ +67108864\ ext4\ +letters\ +- ]]
	run "$VMA" ls "$A:scsi0:1" /etc
	echo "$output"
	[ "$output" = "-rw-r-----  1234  5678           16 2001-02-03 04:05 letter.txt" ]
	[ "$("$VMA" ls "$A:sata1:5:/etc")" = "$output" ]
	[ "$("$VMA" ls "$A:virtio2:/etc")" = "$output" ]
	# a link to a folder, and a file
	[ "$("$VMA" ls "$A:virtio2:/folder/")" = "$output" ]
	[ "$("$VMA" ls "$A:virtio2" /folder)" = "$output" ]
	[ "$("$VMA" ls "$A:virtio2:/folder/letter.txt" | sed 's,/folder/,,')" = "$output" ]
}

@test "ls as JSON has the same" {
	[ "$("$VMA" ls "$A" --output-format json | jq -c '.[0] | [.disk, .size, .used > 0]')" = \
		'["drive-scsi0",314572800,true]' ]
	[ "$("$VMA" ls "$A:scsi0" --output-format json | jq -c '.[0] | [.partition, .offset, ."file-system", .name]')" = \
		'[1,1048576,"ext4","letters"]' ]
	[ "$("$VMA" ls "$A:scsi0:1" /etc --output-format json | jq -c '.[0] | [.name, .type, .mode, .uid, .size, .mtime]')" = \
		"$(printf '["letter.txt","file","0640",1234,16,%d]' "$(date -d '2001-02-03 04:05:06' +%s)")" ]
	[ "$("$VMA" ls "$A:scsi0:1" / --output-format json | jq -r '.[] | select(.name == "absolute").target')" = /etc/passwd ]
}

@test "cp copies a file, a link, a folder and a whole file system, with modes, times, owners and holes" {
	"$VMA" cp "$A:scsi0:1:/etc/letter.txt" .
	cmp letter.txt "$D/tree/etc/letter.txt"
	[ "$(stat -c '%a %u %g %Y' letter.txt)" = "640 1234 5678 $(date -d '2001-02-03 04:05:06' +%s)" ]
	"$VMA" cp "$A:scsi0:1:/etc/letter.txt" renamed
	cmp renamed letter.txt
	"$VMA" cp "$A:scsi0:1:sparse" "$T/"
	cmp sparse "$D/tree/sparse"
	[ "$(stat -c '%b' sparse)" -lt 1000 ]
	"$VMA" cp "$A:scsi0:1:/absolute" .
	[ "$(readlink absolute)" = /etc/passwd ]
	[ "$("$VMA" cp "$A:sata1:5:/etc/letter.txt" -)" = "the lost letter" ]
	"$VMA" cp "$A:virtio2:/numbers" - | cmp - "$D/tree/numbers"
	"$VMA" cp "$A:virtio2:/sub" .
	cmp sub/hard "$D/tree/numbers"
	run "$VMA" cp "$A:virtio2:/" all
	[ "$status" = 0 ]
	[ "$output" = "warning: devices, pipes and sockets are not copied; left out: 1" ]
	same_tree "$T/all"
	"$VMA" cp "$A:scsi0:1:/" . 2> /dev/null
	same_tree "$T/scsi0-1"
}

@test "no root is needed; then what is copied is the user's own" {
	mkdir -m 777 out
	chmod 755 "$T"
	setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups "$VMA" cp "$A:scsi0:1:/etc" out
	[ "$(stat -c '%a %u' out/etc/letter.txt)" = "640 $USER_ID" ]
	run setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups "$VMA" ls "$A:scsi0:1:/etc"
	[[ $output = *letter.txt ]]
}

@test "nothing is overwritten, and every mistake is told with the way out" {
	touch there
	run "$VMA" cp "$A:scsi0:1:/etc/letter.txt" there
	[ "$output" = "'./there' exists, and nothing is overwritten; give another place" ]
	ln -s nowhere letter.txt
	run "$VMA" cp "$A:scsi0:1:/etc/letter.txt" .
	[ "$output" = "'./letter.txt' exists, and nothing is overwritten; give another place" ]
	[ ! -e nowhere ]
	run "$VMA" cp "$A:scsi0:1:/none" x
	[ "$output" = "there is no '/none' in the file system" ]
	run "$VMA" cp "$A:scsi0:1:/etc" -
	[ "$output" = "'/etc' is a directory" ]
	run "$VMA" cp "$A:scsi0:1:/fifo" x
	[ "$output" = "'/fifo' is a device, pipe or socket, which is not copied" ]
	run "$VMA" cp "$A:scsi0:1:/fifo" -
	[ "$output" = "'/fifo' is not a file" ]
	run "$VMA" cp "$A:scsi0:1:/etc" ''
	[ "$output" = "target: '' is no name; give a folder, a new name, or - for standard output" ]
	run "$VMA" cp "$A:scsi0:1" x
	[[ $output = "'$A:scsi0:1' names no file; it is ARCHIVE:DISK:PARTITION:PATH, as in"* ]]
	run "$VMA" ls "$A:scsi0:1:/etc" /etc
	[ "$output" = "two paths are given: '/etc' and '/etc'" ]
	run "$VMA" ls "$A" /etc
	[[ $output = "'/etc': name a disk or volume before the path"* ]]
	run "$VMA" ls "$A:scsi7"
	[ "$output" = "disk 'scsi7' is not in the archive; it has: drive-scsi0, drive-sata1, drive-virtio2" ]
	run "$VMA" ls "$A:scsi0" /
	[[ $output = "disk 'scsi0' has partitions; name one, as in $A:scsi0:1: 1 (ext4), 2 (swap), 3 (unknown)"* ]]
	run "$VMA" ls "$A:scsi0:9" /
	[[ $output = "disk 'scsi0' has no partition 9; it has: 1 (ext4),"* ]]
	run "$VMA" ls "$A:virtio2:1" /
	[ "$output" = "disk 'virtio2' has no partition 1: it is not partitioned, so leave the number out" ]
	run "$VMA" ls "$A:scsi0:2" /
	[ "$output" = "disk 'scsi0', partition 2: it is swap space and has no files" ]
	run "$VMA" ls "$A:scsi0:3" /
	[ "$output" = "disk 'scsi0', partition 3: there is no file system that is known" ]
	run "$VMA" ls "$A:scsi0:one" /
	[[ $output = *"one"* ]]
	run "$VMA" ls none.vma:scsi0
	[ "$output" = "there is no archive 'none.vma'" ]
	run "$VMA" ls "$BATS_TEST_DIRNAME/../fixtures/two-disks.vma.zst:scsi0"
	[[ $output = *"vma index "*" makes one" ]]
}

@test "a terminal obeys no name of a guest's file" {
	TERM=xterm script -qec "$VMA ls $A:virtio2:/sub" /dev/null > "$T/seen" < /dev/null
	cat -v "$T/seen"
	[ "$(grep -c $'\033\\[31m' "$T/seen")" = 0 ]
	grep -q 'red?\[31m' "$T/seen"
	grep -q 'two?lines' "$T/seen"
}

@test "a file system that was in use tells so, as its journal is not read" {
	cp "$D/part" part
	debugfs -w -R "feature needs_recovery" part 2> /dev/null
	"$VMA" create j.vma.zst -d "drive-scsi0=part"
	run --separate-stderr "$VMA" ls "j.vma.zst:scsi0:/etc"
	[[ $output = *letter.txt ]]
	[[ $stderr = "warning: the file system was in use at the backup, and the last changes are in its journal only;"* ]]
}

@test "kill -9 leaves no mount, no folder and no process behind" {
	mkfifo out
	"$VMA" cp "$A:virtio2:/numbers" - > out 3>&- &
	local pid=$! children _
	exec 7< out
	# one serves the mount, one reads the file system
	for _ in {1..600}; do
		mapfile -t children < <(pgrep -P "$pid")
		[ "${#children[@]}" != 2 ] || break
		sleep 0.05
	done
	[ "${#children[@]}" = 2 ]
	kill -9 "$pid"
	for _ in {1..600}; do
		ps -o pid= -p "${children[0]},${children[1]}" > left || break
		sleep 0.05
	done
	[ ! -s left ]
	[ "$(grep -c "^$BATS_RUN_TMPDIR/.* /tmp/vma-inside\." /proc/self/mounts)" = 0 ]
	exec 7<&-
}

@test "names and links of a hostile file system lead nowhere, circles end, damage is an error" {
	mkdir -p h/a h/c/d
	touch h/a/xxxx "h/c/d/e"
	ln -s /tmp h/link
	truncate -s 8M hostile
	mkfs.ext4 -q -O ^metadata_csum -d h hostile
	# a file that is called ../x, and a folder that is its own grandchild
	python3 - hostile <<- 'END'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    data = f.read()
		    at = data.index(b"xxxx")
		    f.seek(at)
		    f.write(b"../x")
	END
	debugfs -w -R "link c c/d/again" hostile 2> /dev/null
	"$VMA" create h.vma.zst -d "drive-scsi0=hostile"
	run "$VMA" cp h.vma.zst:scsi0:/a out
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = "the file system has a name that leads elsewhere: "* ]]
	[ ! -e x ]
	run "$VMA" cp h.vma.zst:scsi0:/c circle
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = *"the file system is damaged, it has folders in a circle" ]]
	# the tables are gone
	cp "$D/part" broken
	dd if=/dev/urandom of=broken bs=1K seek=2 count=4000 conv=notrunc status=none
	"$VMA" create b.vma.zst -d "drive-scsi0=broken"
	run "$VMA" cp b.vma.zst:scsi0:/etc b
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = *"damaged"* || $output = *"error"* ]]
}

@test "without libguestfs it is said what needs it, and what to install" {
	truncate -s 320M xfs
	mkfs.xfs -q xfs
	"$VMA" create x.vma.zst -d "drive-scsi0=xfs"
	[[ $("$VMA" ls x.vma.zst:scsi0) = *"xfs"* ]]
	# a library of that name that is none
	mkdir lib
	echo > lib/libguestfs.so.0
	LD_LIBRARY_PATH=$T/lib run "$VMA" ls x.vma.zst:scsi0:/
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = "disk 'scsi0': xfs needs libguestfs: libguestfs is not installed: apt-get install libguestfs0 "* ]]
}

@test "what is left out is counted, sockets too" {
	mkdir s
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s/one"); socket.socket(socket.AF_UNIX).bind("s/two")'
	mkfifo s/three
	truncate -s 8M part
	mkfs.ext4 -q -d s part
	"$VMA" create s.vma.zst -d drive-scsi0=part
	run "$VMA" cp s.vma.zst:scsi0:/ out
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "warning: devices, pipes and sockets are not copied; left out: 3" ]
}

@test "a label is on the line of its partition, whatever it holds" {
	truncate -s 8M part
	mkfs.ext4 -q -L "$(printf 'one\n9 two')" part
	"$VMA" create l.vma.zst -d drive-scsi0=part
	run "$VMA" ls l.vma.zst:scsi0
	echo "$output"
	[ "${#lines[@]}" = 2 ]
	[[ ${lines[1]} = *" one?9 two "* ]]
	[ "$("$VMA" ls l.vma.zst:scsi0 --output-format json | jq -r '.[0].label')" = "$(printf 'one\n9 two')" ]
}

@test "a file that has not come as a whole is not left behind" {
	mkdir small
	mount -t tmpfs -o size=1M tmpfs small
	run "$VMA" cp "$A:virtio2:/numbers" small
	echo "$output"
	[ "$status" = 255 ]
	[ "$output" = "cannot write 'numbers': No space left on device" ]
	[ -z "$(ls small)" ]
	run "$VMA" cp "$A:virtio2:/sub" small
	echo "$output"
	umount small
	[ "$status" = 255 ]
	[ "$output" = "cannot write 'sub/hard': No space left on device" ]
}

@test "a folder that would fill the memory of the host ends with an error" {
	truncate -s 9M part
	mkfs.ext4 -q -b 4096 -O ^has_journal,^extent,^dir_index,^metadata_csum,^64bit part
	# one block of names, to which indirect blocks point again and again
	printf '%s\n' "mkdir endless" "mkdir long" "set_inode_field endless block[TIND] 2003" \
		"set_inode_field long block[DIND] 2004" > commands
	debugfs -w -f commands part > /dev/null 2>&1
	python3 - part <<- 'END'
		import struct, sys
		name = struct.pack("<IHBB", 2, 264, 255, 2) + b"n" * 256
		last = struct.pack("<IHBB", 2, 4096 - 14 * 264, 255, 2) + b"n" * 255
		def pointers(block, n):
		    return struct.pack("<I", block) * n + bytes(4 * (1024 - n))
		with open(sys.argv[1], "r+b") as f:
		    f.seek(2000 * 4096)
		    f.write((name * 14 + last).ljust(4096, b"\0"))
		    for block, n in (2000, 1024), (2001, 1024), (2002, 1024), (2001, 40):
		        f.write(pointers(block, n))
	END
	"$VMA" create m.vma.zst -d drive-scsi0=part
	run "$VMA" ls m.vma.zst:scsi0:/long
	echo "${output:0:1000}"
	[ "$status" = 255 ]
	[ "$output" = "the folder's list is longer than 128 MiB: vma cp can still copy the folder" ]
	[ -z "${VZ_SANITIZED:-}" ] || skip "sanitizers do without the limit"
	run "$VMA" ls m.vma.zst:scsi0:/endless
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = "the process that reads the file system needs more than 1 GiB of memory: "* ]]
}

@test "what a hostile partition table does to libblkid, it does to a process without rights" {
	cat > probe.c <<- 'END'
		#include <fcntl.h>
		#include <stdlib.h>
		#include <unistd.h>
		int blkid_do_safeprobe(void *probe)
		{
			(void)probe;
			if (getuid() != 65534 || open("/dev/null", 0) >= 0)
				_exit(0);
			abort();
		}
	END
	cc -shared -fPIC -o probe.so probe.c
	LD_PRELOAD=$T/probe.so ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 run "$VMA" ls "$A:scsi0"
	echo "$output"
	[ "$status" = 255 ]
	[ "$output" = "disk 'drive-scsi0': the process that reads the file system has died (signal 6): the file system is damaged" ]
}

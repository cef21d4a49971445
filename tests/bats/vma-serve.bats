#!/usr/bin/env bats
# The disks of an archive over NBD: the nbdkit plugin, its filters, and vma serve.

load ../lib/qemu
load ../lib/vzdump

FIXTURES=$BATS_TEST_DIRNAME/../fixtures
VMA=$BUILD/bin/vma
PLUGIN=$BUILD/plugin/nbdkit-vma-plugin.so

setup_file() {
	# a disk with one ext4 partition, one that is mostly empty, both archived
	local d=$BATS_FILE_TMPDIR
	mkdir "$d/tree"
	seq 1000000 > "$d/tree/numbers"
	echo "the lost letter" > "$d/tree/letter.txt"
	truncate -s 64M "$d/part"
	mkfs.ext4 -q -d "$d/tree" "$d/part"
	truncate -s 66M "$d/scsi0"
	printf 'label: dos\nstart=2048, size=131072, type=83\n' | sfdisk -q "$d/scsi0"
	dd if="$d/part" of="$d/scsi0" bs=1M seek=1 conv=notrunc,sparse status=none
	truncate -s 1G "$d/virtio1"
	head -c 5000000 /dev/urandom | dd of="$d/virtio1" bs=1M seek=300 conv=notrunc status=none
	"$VMA" create "$d/a.vma.zst" -c "$FIXTURES/two-disks.conf" -d "drive-scsi0=$d/scsi0" \
		-d "drive-virtio1=$d/virtio1"
	"$VMA" create "$d/a.vma" -d "drive-scsi0=$d/scsi0" -d "drive-virtio1=$d/virtio1"
}

setup() {
	T=$BATS_TEST_TMPDIR
	D=$BATS_FILE_TMPDIR
}

teardown() {
	if [ -n "${SERVER:-}" ]; then
		kill "$SERVER" 2> /dev/null || true
		wait "$SERVER" || true
	fi
	[ ! -d "${VZ_TMP:-}" ] || vz_teardown
}

# serve <argument>...: vma serve in the background on $T/sock, its output in $T/serve
serve() {
	"$VMA" serve "$@" --socket "$T/sock" > "$T/serve" 2>&1 3>&- &
	SERVER=$!
	for _ in {1..100}; do
		! grep -q "^serving" "$T/serve" || return 0
		sleep 0.05
	done
	cat "$T/serve"
	return 1
}

@test "each disk is an export of its name, with its holes, read-only, for several connections" {
	serve "$D/a.vma.zst"
	grep -qx "drive-virtio1 1073741824 nbd+unix:///drive-virtio1?socket=$T/sock" "$T/serve"
	for disk in scsi0 virtio1; do
		nbdcopy --connections=4 "nbd+unix:///drive-$disk?socket=$T/sock" "$T/$disk"
		cmp "$D/$disk" "$T/$disk"
	done
	[ "$(nbdinfo --map --totals "nbd+unix:///drive-virtio1?socket=$T/sock" |
		awk '$3 == 3 { print ($1 > 1060000000) }')" = 1 ]
	nbdinfo --is read-only "nbd+unix:///drive-scsi0?socket=$T/sock"
	[ "$(nbdinfo --list --json "nbd+unix:///?socket=$T/sock" | jq -r '.exports | length')" = 2 ]
	run nbdinfo --size "nbd+unix:///drive-ide7?socket=$T/sock"
	[ "$status" != 0 ]
	grep -q "disk 'drive-ide7' is not in the archive; it has:" "$T/serve"
}

@test "a thousand reads at random places, four connections at once, are what the disk has" {
	serve "$D/a.vma.zst"
	cat > "$T/read.py" <<- 'END'
		import nbd, random, sys
		uri, path, seed = sys.argv[1:]
		random.seed(int(seed))
		disk = open(path, "rb")
		size = disk.seek(0, 2)
		h = nbd.NBD()
		h.connect_uri(uri)
		for i in range(250):
		    n = random.choice((1, 511, 4096, 65536, 200000))
		    at = random.randrange(size - n)
		    disk.seek(at)
		    assert h.pread(n, at) == disk.read(n), (at, n)
	END
	local pids=() disk
	for i in 1 2 3 4; do
		disk=$([ $((i % 2)) = 0 ] && echo scsi0 || echo virtio1)
		/usr/bin/python3 "$T/read.py" "nbd+unix:///drive-$disk?socket=$T/sock" "$D/$disk" "$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

@test "opening costs one read at the end of the file, and 64 KiB cost a part of one frame" {
	strace -f -yy -e trace=pread64,read -o "$T/trace" \
		nbdkit -U - "$PLUGIN" "$D/a.vma.zst" --run "qemu-io -r -f raw -c 'read 1M 64k' \
		'nbd:unix:'\$unixsocket':exportname=drive-scsi0'"
	grep -F '/a.vma.zst>' "$T/trace" > "$T/reads"
	cut -c1-200 "$T/reads"
	local size at bytes
	bytes=$(sed -nE '2,$s/.* = ([0-9]+)$/\1/p' "$T/reads" | awk '{ n += $1 } END { print n }')
	[ "$bytes" -gt 0 ]
	[ "$bytes" -lt 4194304 ]
	size=$(stat -c %s "$D/a.vma.zst")
	at=$(sed -nE '1s/.*, ([0-9]+)\) += ([0-9]+)$/\1 \2/p' "$T/reads")
	[ $((${at/ /+})) = "$size" ]
}

@test "a file comes out of a backed-up partition, without root and without unpacking" {
	cp "$D/a.vma.zst" "$T/"
	chmod 755 "$BATS_RUN_TMPDIR" "$D" "$T" "$BATS_FILE_TMPDIR"
	# the line that the manual shows, so that it stays true
	sed -n '/^nbdkit .*filter=ext2/,/--run/p' "$BATS_TEST_DIRNAME/../../man/vma.1" |
		sed "s/\\\\e\$/\\\\/; s|vma x.vma.zst|$PLUGIN $T/a.vma.zst|; s|/etc/fstab|\$1|" > "$T/get"
	run setpriv --reuid=65534 --regid=65534 --clear-groups bash "$T/get" /letter.txt
	echo "$output"
	[ "$output" = "the lost letter" ]
	# several MiB: the holes of the disk are not the file's
	bash "$T/get" /numbers | cmp - "$D/tree/numbers"
}

@test "an archive that is not packed is served too; one stream is refused with the way out" {
	serve "$D/a.vma"
	nbdcopy "nbd+unix:///drive-scsi0?socket=$T/sock" "$T/scsi0"
	cmp "$D/scsi0" "$T/scsi0"
	run "$VMA" serve "$FIXTURES/two-disks.vma.zst"
	[ "$status" = 255 ]
	[[ $output = *"it has no index to read single places by; vma index $FIXTURES/two-disks.vma.zst makes one" ]]
	run nbdkit -U - "$PLUGIN" file="$FIXTURES/two-disks.vma.zst" --run true
	[ "$status" != 0 ]
	[[ $output = *"vma index"* ]]
}

@test "a damaged frame fails the reads of it and no others" {
	cp "$D/a.vma.zst" "$T/a.vma.zst"
	# within the random data of the second disk
	printf 'xxxx' | dd of="$T/a.vma.zst" bs=1 conv=notrunc status=none \
		seek=$(($(stat -c %s "$T/a.vma.zst") - 2000000))
	serve "$T/a.vma.zst"
	nbdcopy "nbd+unix:///drive-scsi0?socket=$T/sock" "$T/scsi0"
	cmp "$D/scsi0" "$T/scsi0"
	run nbdcopy "nbd+unix:///drive-virtio1?socket=$T/sock" "$T/virtio1"
	[ "$status" != 0 ]
	grep -qE 'drive-virtio1 at byte [0-9]+: frame [0-9]+ at byte [0-9]+ of the archive: ' "$T/serve"
}

@test "serve ends on a signal, removes its socket, and takes over none that is in use" {
	serve "$D/a.vma.zst"
	run "$VMA" serve "$D/a.vma.zst" --socket "$T/sock"
	[ "$status" = 255 ]
	[[ $output = *"'$T/sock' exists and is in use; give another socket" ]]
	kill -TERM "$SERVER"
	wait "$SERVER"
	SERVER=
	[ ! -e "$T/sock" ]
	run "$VMA" serve "$D/a.vma.zst" --disk nope --socket "$T/sock"
	[ "$status" = 255 ]
	[[ $output = *"disk 'nope' is not in the archive"* ]]
}

@test "a QEMU boots from the archive with --filter=cow and finds the log of its guest" {
	vz_setup
	local KERNEL INITRD
	eval "$("$VZ_TOP/tests/guest/build")"
	mkdir "$T/guest"
	echo "from the backup" > "$T/guest/letter"
	truncate -s 32M "$T/disk"
	mkfs.ext4 -q -d "$T/guest" "$T/disk"
	"$VMA" create "$T/g.vma.zst" -d "drive-virtio0=$T/disk"
	mkfifo "$T/in"
	cat > "$T/boot" <<- END
		exec 5<> "$T/in"
		timeout 600 qemu-system-x86_64 -M pc -accel tcg -cpu max -m 192 -nodefaults -display none \
			-no-reboot -kernel "$KERNEL" -initrd "$INITRD" -append "console=ttyS0 quiet panic=-1" \
			-serial stdio < "$T/in" > "$T/out" \
			-drive "if=virtio,format=raw,file=nbd:unix:\$1:exportname=drive-virtio0" &
		until grep -q "guest: ready" "$T/out"; do
			sleep 0.1
			kill -0 \$! || exit 1
		done
		sleep 1
		echo "cat /mnt/letter; echo written > /mnt/new && cat /mnt/new; sync; poweroff -f" >&5
		wait \$!
	END
	run nbdkit -U - --filter=cow "$PLUGIN" "$T/g.vma.zst" --run "bash '$T/boot' \"\$unixsocket\""
	tr -d '\r' < "$T/out"
	grep -q "^from the backup" "$T/out"
	grep -q "^written" "$T/out"
}

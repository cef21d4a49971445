#!/usr/bin/env bats
# qmrestore: guests out of archives, Proxmox's and ours; what it refuses, and what a failure leaves.

load ../lib/qemu
load ../lib/vzdump

FIXTURES=$BATS_TEST_DIRNAME/../fixtures
QMRESTORE=$BUILD/bin/qmrestore
VMA=$BUILD/bin/vma
PVESM=$BUILD/bin/pvesm
SCSI0=a7b627f88a88ebd4b427aaca31025343b46777687fe162409630957386379659
SCSI1=bca8b215e7500bef99f0f8b1642b04cb160acc2195f498e653ab04eccb6ddaf4

setup() {
	vz_setup
	T=$BATS_TEST_TMPDIR
}

teardown() {
	if [ -n "${MOUNTED:-}" ]; then umount "$MOUNTED"; fi
	vz_teardown
}

# restore <argument>...
restore() {
	run "$QMRESTORE" "$@"
}

restore_ok() {
	restore "$@"
	[ "$status" = 0 ] || { echo "$output"; return 1; }
}

# image <vmid> <key>: path of a disk, by the guest's configuration
image() {
	sed -nE "s|^$2: ([a-z]+):([^,]*).*|$STORE/\1/images/\2|p" "$(conf_file "$1")"
}

# has_disk <vmid> <key> <sha256> <bytes> [format]
has_disk() {
	qemu-img convert -U -f "${5:-raw}" -O raw "$(image "$1" "$2")" "$T/raw"
	truncate -s "$4" "$T/raw"
	[ "$(sha256sum < "$T/raw")" = "$3  -" ]
}

# lacks <file> <pattern>
lacks() {
	! grep -HE -- "$2" "$1"
}

# make_archive <conf text>: $T/a.vma with that configuration and a disk drive-scsi0 of noise
make_archive() {
	printf '%s\n' "$1" > "$T/qemu-server.conf"
	disk_fill "$T/noise" 4M "${2:-noise}"
	rm -f "$T/a.vma.zst"
	"$VMA" create "$T/a.vma.zst" -c "$T/qemu-server.conf" -d "drive-scsi0=$T/noise"
}

# tree: all that is in configurations and images
tree() {
	(cd "$VZ_TMP" && find "$STORE" "$VZDUMP_ROOT/etc" -type f -exec md5sum {} + | sort -k2)
}

@test "Proxmox's archives become guests, in every packing and from a pipe" {
	for packed in "" .zst .gz .lzo; do
		restore_ok "$FIXTURES/two-disks.vma$packed" 201 --storage local --force
		has_disk 201 scsi0 "$SCSI0" 8388608
		has_disk 201 scsi1 "$SCSI1" 2098688
	done
	has_line "^new volume ID is 'local:201/vm-201-disk-[0-9].raw'$"
	has_line "^map 'drive-scsi0' to '.*' \(write zeros = 0\)$"
	has_line '^progress 100% \(read 10551296 bytes'
	run "$QMRESTORE" - 202 --storage local < "$FIXTURES/two-disks.vma.zst"
	[ "$status" = 0 ]
	has_disk 202 scsi1 "$SCSI1" 2098688
	# the configuration is the archive's, with the new volumes and sizes
	diff <(grep -v '^#qmdump' "$FIXTURES/two-disks.conf" | grep -v '^scsi[01]:') \
		<(grep -v '^scsi[01]:' "$(conf_file 202)")
	grep -qx 'scsi0: local:202/vm-202-disk-0.raw,discard=on,iothread=1,size=8M' "$(conf_file 202)"
	grep -qx 'scsi1: local:202/vm-202-disk-1.raw,size=2050K' "$(conf_file 202)"
	cmp "$VZDUMP_ROOT/etc/pve/firewall/202.fw" "$FIXTURES/two-disks.fw"
	[ "$(find "$STORE/local/images/201" -type f | wc -l)" = 2 ]
}

@test "a storage of qcow2 images gets qcow2 images, with holes" {
	storage_add qcow images "format qcow2"
	make_archive $'name: x\nscsi0: gone:1/vm-1-disk-0.qcow2\n#qmdump#map:scsi0:drive-scsi0:gone::'
	truncate -s 400M "$T/noise"
	"$VMA" create "$T/big.vma.zst" -c "$T/qemu-server.conf" -d "drive-scsi0=$T/noise"
	restore_ok "$T/big.vma.zst" 203 --storage qcow
	[ "$(image 203 scsi0)" = "$STORE/qcow/images/203/vm-203-disk-0.qcow2" ]
	has_disk 203 scsi0 "$(sha256sum < "$T/noise" | cut -d' ' -f1)" 419430400 qcow2
	[ "$(stat -c %b "$(image 203 scsi0)")" -lt 12000 ]
}

@test "a guest that was backed up while it wrote starts from the restored disk with its log whole" {
	disk_add 124 virtio0 blockdev 96M
	mkfs.ext4 -q "$(disk_path 124 virtio0)"
	guest_linux 124 writer
	qemu_start 124 running
	guest_wait 124 "guest: writing" 600
	sleep 2
	vzdump_ok 124 --fleecing 1
	qemu_kill 124
	restore_ok "backup:backup/${ARCHIVE##*/}" 125 --unique
	nothing_left 125
	local KERNEL INITRD
	eval "$("$VZ_TOP/tests/guest/build")"
	mkfifo "$T/in"
	exec 5<> "$T/in"
	timeout 600 qemu-system-x86_64 -M pc -accel tcg -cpu max -m 192 -nodefaults -display none -no-reboot \
		-kernel "$KERNEL" -initrd "$INITRD" -append "console=ttyS0 quiet panic=-1" -serial stdio \
		-drive "if=virtio,format=raw,file=$(image 125 virtio0)" < "$T/in" > "$T/out" 3>&- &
	until grep -q "guest: ready" "$T/out"; do
		kill -0 $! || { cat "$T/out"; return 1; }
		sleep 0.1
	done
	sleep 1
	echo 'n=0; while read -r a b c; do [ "$(echo "$a $b" | md5sum | cut -d" " -f1)" = "$c" ] && [ $a = $n ] || echo torn; n=$((n+1)); done < /mnt/log; echo "lines: $n"; poweroff -f' >&5
	wait $!
	tr -d '\r' < "$T/out" | tail -n 5
	tr -d '\r' < "$T/out" > "$T/console"
	lacks "$T/console" "^torn$"
	[ "$(tr -d '\r' < "$T/out" | sed -n 's/^lines: //p')" -ge 32 ]
}

@test "an existing guest is only replaced with --force, not while it runs, is protected or locked" {
	disk_add 126 scsi0 blockdev 4M
	qemu_start 126
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	restore "$T/a.vma.zst" 126
	[ "$status" = 255 ]
	has_line 'unable to restore VM 126 - VM 126 already exists'
	restore "$T/a.vma.zst" 126 --force
	[ "$status" = 255 ]
	has_line 'unable to restore VM 126 - VM is running'
	qemu_kill 126
	conf_add 126 "protection: 1"
	restore "$T/a.vma.zst" 126 --force
	has_line 'protection is set'
	sed -i 's/^protection: 1/lock: migrate/' "$(conf_file 126)"
	tree > "$T/before"
	restore "$T/a.vma.zst" 126 --force
	[ "$status" = 255 ]
	has_line 'VM is locked \(migrate\)'
	diff "$T/before" <(tree)
}

@test "a failed restore frees what it made and leaves the guest as it was: damage, full storage, signal" {
	disk_add 127 scsi0 blockdev 4M
	disk_fill "$(disk_path 127 scsi0)" 4M old
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	tree > "$T/before"
	cp "$T/a.vma.zst" "$T/hurt.vma.zst"
	printf 'xxxx' | dd of="$T/hurt.vma.zst" bs=1 seek=2000000 conv=notrunc status=none
	restore "$T/hurt.vma.zst" 127 --force
	[ "$status" = 255 ]
	has_line "^cannot read archive '$T/hurt.vma.zst' \('vma verify' reports what is lost\): zstd frame . at byte .* is damaged"
	diff "$T/before" <(tree)
	run "$QMRESTORE" - 127 --force --storage local < "$T/hurt.vma.zst"
	[ "$status" = 255 ]
	has_line '^cannot read the archive on standard input: zstd frame . at byte .* is damaged'
	diff "$T/before" <(tree)
	restore "$T/hurt.vma.zst" 300
	[ "$status" = 255 ]
	[ ! -e "$(conf_file 300)" ]
	diff "$T/before" <(tree)
	mkdir -p "$STORE/small"
	mount -t tmpfs -o size=2M tmpfs "$STORE/small"
	MOUNTED=$STORE/small
	storage_add small images
	tree > "$T/before"
	restore "$T/a.vma.zst" 127 --force --storage small
	[ "$status" = 255 ]
	has_line 'No space left on device'
	has_no_line 'cannot read archive'
	diff "$T/before" <(tree)
	"$QMRESTORE" "$T/a.vma.zst" 127 --force --bwlimit 500 > "$T/out" 2>&1 3>&- &
	local pid=$!
	until grep -q "^map" "$T/out"; do
		kill -0 "$pid"
		sleep 0.05
	done
	kill -TERM "$pid"
	# not by run, whose subshell does not know it
	status=0
	wait "$pid" || status=$?
	[ "$status" = 255 ]
	diff "$T/before" <(tree)
	nothing_left 127
}

@test "a storage's bwlimit for restores holds, unless --bwlimit says otherwise" {
	storage_add slow images "bwlimit default=1,restore=1000"
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:slow:raw:'
	local begin=$SECONDS
	restore_ok "$T/a.vma.zst" 127
	[ $((SECONDS - begin)) -ge 3 ]
	# with the storage's default it would take more than an hour
	restore_ok "$T/a.vma.zst" 127 --force --bwlimit 0
}

# own <vmid> <format> <name>: a volume of 1 MiB; prints its id
own() {
	"$PVESM" alloc local "$1" "$3.$2" 1M --format "$2" > /dev/null
	echo "local:$1/$3.$2"
}

@test "--force: disks in the archive replace theirs, all else is kept as unused, snapshots go" {
	local kept there later old past
	disk_add 133 scsi0 blockdev 4M
	there=$(image 133 scsi0)
	later=$(own 133 qcow2 vm-133-disk-10)
	kept=$(own 133 raw vm-133-disk-11)
	old=$(own 133 raw vm-133-disk-12)
	past=$(own 133 raw vm-133-disk-13)
	own 133 raw vm-133-disk-1
	own 133 raw vm-133-state-before
	for name in before mine; do
		qemu-img snapshot -c "$name" "$STORE/local/images/${later#*:}"
	done
	disk_add 134 scsi0 blockdev 4M
	{
		printf 'scsi1: %s\nscsi2: %s,backup=0\nscsi3: local:134/vm-134-disk-0.raw\n' "$later" "$kept"
		printf 'scsi7: gone:vm-133-disk-0\nunused3: %s\n\n[before]\nscsi0: local:133/vm-133-disk-0.raw\n' "$old"
		printf 'scsi1: %s\nscsi4: %s\n' "$later" "$past"
		printf 'snaptime: 1700000000\nvmstate: local:133/vm-133-state-before.raw\n'
	} >> "$(conf_file 133)"
	(cd "$STORE/local/images/133" && echo *) | tr ' ' '\n' > "$T/files"
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\nscsi2: local:133/vm-133-disk-11.raw,backup=0\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	restore_ok "$T/a.vma.zst" 133 --force
	[ "$(grep -E '^[a-z]+[0-9]:' "$(conf_file 133)")" = "scsi0: local:133/vm-133-disk-2.raw,size=4M
unused0: $later
unused1: $kept
unused2: gone:vm-133-disk-0
unused3: $old
unused4: $past" ]
	cmp "$T/noise" "$(image 133 scsi0)"
	# the one that nobody names stays where it was
	diff <(grep -vE "^(${there##*/}|vm-133-state-before.raw)$" "$T/files" | sort - <(echo vm-133-disk-2.raw)) \
		<(cd "$STORE/local/images/133" && echo * | tr ' ' '\n' | sort)
	[ -e "$STORE/local/images/134/vm-134-disk-0.raw" ]
	has_line "^removing volume 'local:133/${there##*/}' of the guest that was replaced$"
	has_line "^removing snapshot 'before' of '$later'$"
	has_line "volume 'gone:vm-133-disk-0': storage 'gone' does not exist"
	[ "$(qemu-img snapshot -l "$STORE/local/images/${later#*:}" | awk '$1 ~ /^[0-9]+$/ { print $2 }')" = mine ]
	# again, now with snapshots on what goes
	printf 'scsi1: %s\n\n[mine]\nscsi1: %s\n' "$later" "$later" >> "$(conf_file 133)"
	sed -i '/^unused0:/d' "$(conf_file 133)"
	make_archive $'scsi1: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi1:drive-scsi0:local:raw:'
	restore_ok "$T/a.vma.zst" 133 --force
	has_line "^removing volume '$later' of the guest that was replaced, with its snapshots: mine$"
	[ ! -e "$STORE/local/images/${later#*:}" ]
	[ "$(image 133 unused0)" = "$STORE/local/images/133/vm-133-disk-2.raw" ]
}

@test "after kill -9 the next cleanup removes the new volumes and lets the old guest go on" {
	disk_add 128 scsi0 blockdev 4M
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	tree > "$T/before"
	for vmid in 128 301; do
		# else the first one's output is taken for the second's
		: > "$T/out"
		"$QMRESTORE" "$T/a.vma.zst" "$vmid" --force --bwlimit 500 > "$T/out" 2>&1 3>&- &
		local pid=$!
		until grep -q "^map" "$T/out"; do
			sleep 0.05
		done
		# nobody cleans up behind the back of a run that lives
		run "$VZDUMP" --cleanup "$vmid"
		has_line 'another process works on VM'
		grep -qx "lock: create" "$(conf_file "$vmid")"
		kill -KILL "$pid"
		wait "$pid" || true
		"$VZDUMP" --cleanup "$vmid"
	done
	diff "$T/before" <(tree)
	restore_ok "$T/a.vma.zst" 128 --force
	cmp -n 4194304 "$T/noise" "$(image 128 scsi0)"
}

@test "--disk restores one disk into a stopped guest and keeps what was there as unused" {
	disk_add 129 scsi0 blockdev 4M
	disk_add 129 scsi1 blockdev 4M
	disk_fill "$(disk_path 129 scsi0)" 4M keep
	old=$(image 129 scsi0)
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	cp "$(conf_file 129)" "$T/conf"
	restore_ok "$T/a.vma.zst" 129 --disk scsi0
	cmp "$T/noise" "$(image 129 scsi0)"
	[ "$(image 129 unused0)" = "$old" ]
	diff <(grep -v '^scsi0:' "$T/conf") <(grep -vE '^(scsi0|unused0):' "$(conf_file 129)")
	restore "$T/a.vma.zst" 129 --disk scsi7
	[ "$status" = 255 ]
	has_line "disk 'scsi7' is not in the archive"
	restore "$T/a.vma.zst" 333 --disk scsi0
	has_line 'VM 333 does not exist'
}

@test "--unique gives new addresses and uuids, --start starts the guest" {
	make_archive $'net0: virtio=BC:24:11:2C:69:EC,bridge=vmbr0\nsmbios1: manufacturer=x,uuid=b3247ab1-1fe6-428e-965b-08a1b64a8746\nvmgenid: b3247ab1-1fe6-428e-965b-08a1b64a8746\nscsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	echo "start-command: touch $T/started-{vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
	restore_ok "$T/a.vma.zst" 130 --unique --start
	grep -qE '^net0: virtio=BC:24:11:([0-9A-F]{2}:){2}[0-9A-F]{2},bridge=vmbr0$' "$(conf_file 130)"
	lacks "$(conf_file 130)" 2C:69:EC
	grep -qE '^smbios1: uuid=[0-9a-f-]{36},manufacturer=x$' "$(conf_file 130)"
	lacks "$(conf_file 130)" b3247ab1
	[ -e "$T/started-130" ]
}

@test "an archive cannot name devices of this host, paths or disks that do not exist" {
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\nscsi1: /dev/sda\nscsi2: local:2/vm-2-disk-0.raw,backup=0\nide2: none,media=cdrom\nargs: -S\nlock: backup\n[snap]\nscsi0: /etc/passwd\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	restore_ok "$T/a.vma.zst" 131
	has_line "WARN: disk 'scsi1' is not in the archive: it is commented out"
	has_line "WARN: the configuration has 'args: -S', .*: it is commented out"
	grep -qx '#args: -S' "$(conf_file 131)"
	grep -qx '#scsi1: /dev/sda' "$(conf_file 131)"
	grep -qx '#scsi2: local:2/vm-2-disk-0.raw,backup=0' "$(conf_file 131)"
	grep -qx 'ide2: none,media=cdrom' "$(conf_file 131)"
	lacks "$(conf_file 131)" 'lock|snap|passwd|qmdump'
	for map in scsi0:drive-scsi0:../x:raw: scsi99:drive-scsi0:local:raw: scsi0:drive-scsi0 ../x:drive-scsi0:local:raw:; do
		make_archive $'scsi0: local:1/vm-1-disk-0.raw\n'"#qmdump#map:$map"
		restore "$T/a.vma.zst" 132
		[ "$status" = 255 ]
		[ ! -e "$(conf_file 132)" ]
	done
	restore "$FIXTURES/nodisk.vma" 133
	[ "$status" = 255 ]
	has_line "the archive has no data for disk 'scsi0'"
	restore "$T/none" 134
	[ "$status" = 255 ]
	has_line "cannot open archive '$T/none'"
	restore "$T/a.vma.zst" 99
	[ "$status" = 255 ]
	restore "$T/a.vma.zst" 134 --pool x
	[ "$status" = 255 ]
	restore "$T/a.vma.zst" 134 --ha-managed
	[ "$status" = 255 ]
	has_line "ha-managed: .*not supported"
	nothing_left 132
}

@test "--unique heeds mac_prefix of datacenter.cfg" {
	local prefix
	make_archive $'net0: virtio=BC:24:11:2C:69:EC,bridge=vmbr0\nmemory: 16\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	for prefix in 02:aB:cD: 02:ab; do
		echo "mac_prefix: $prefix" > "$VZDUMP_ROOT/etc/pve/datacenter.cfg"
		restore_ok "$T/a.vma.zst" 150 --unique --force
		grep -qE "^net0: virtio=02:AB:([0-9A-F]{2}:){3}[0-9A-F]{2},bridge=vmbr0$" "$(conf_file 150)"
	done
	# a multicast address is none of a card
	echo "mac_prefix: 01:00:5e" > "$VZDUMP_ROOT/etc/pve/datacenter.cfg"
	restore_ok "$T/a.vma.zst" 150 --unique --force
	has_line "WARN: .*mac_prefix '01:00:5e'"
	grep -qE "^net0: virtio=BC:24:11:" "$(conf_file 150)"
}

@test "an archive without the data of a disk that it maps is refused, --disk gets the others out" {
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\nscsi1: local:1/vm-1-disk-1.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:\n#qmdump#map:scsi1:drive-scsi1:local:raw:'
	restore "$T/a.vma.zst" 143
	[ "$status" = 255 ]
	has_line "the archive has no data for disk 'scsi1'.*--disk"
	[ ! -e "$(conf_file 143)" ]
	[ ! -e "$STORE/local/images/143" ]
	echo "memory: 16" > "$(conf_file 143)"
	restore "$T/a.vma.zst" 143 --disk scsi1
	[ "$status" = 255 ]
	has_line "disk 'scsi1' is not in the archive"
	restore_ok "$T/a.vma.zst" 143 --disk scsi0
	cmp "$T/noise" "$(image 143 scsi0)"
}

@test "a disk without a line in the archive's configuration gets one" {
	make_archive $'memory: 16\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	restore_ok "$T/a.vma.zst" 144
	grep -qx 'scsi0: local:144/vm-144-disk-0.raw,size=4M' "$(conf_file 144)"
	has_line "WARN: .*no line for its disk 'scsi0'"
}

@test "CD drives on a path of the host and other lines that name its devices are commented out, and told" {
	make_archive $'scsi0: cache=none,file=local:1/vm-1-disk-0.raw,discard=on\nide0: none,media=cdrom\nide1: cdrom,media=cdrom\nide3: /dev/nvme0n1,media=cdrom\nsata0: media=cdrom,volume=/etc/shadow\ncdrom: /dev/sda\nusb0: host=0a5c:21e8\nusb1: spice,usb3=1\nserial0: /dev/ttyS0\nserial1: socket\nparallel0: /dev/parport0\nhostpci0: 0000:01:00\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	restore_ok "$T/a.vma.zst" 149
	[ "$(cat "$(conf_file 149)")" = "scsi0: local:149/vm-149-disk-0.raw,cache=none,discard=on,size=4M
ide0: none,media=cdrom
#ide1: cdrom,media=cdrom
#ide3: /dev/nvme0n1,media=cdrom
#sata0: media=cdrom,volume=/etc/shadow
#ide2: /dev/sda
#usb0: host=0a5c:21e8
usb1: spice,usb3=1
#serial0: /dev/ttyS0
serial1: socket
#parallel0: /dev/parport0
#hostpci0: 0000:01:00" ]
	has_line "^WARN: .* 'ide3: /dev/nvme0n1,media=cdrom', which names a device or file of this host: it is commented out"
	for line in ide1:\ cdrom usb0:\ host serial0:\ /dev/ttyS0 parallel0 hostpci0; do
		has_line "^WARN: the configuration has '$line.*look at it"
	done
	has_no_line "usb1|serial1|ide0"
}

@test "--disk takes the options of the guest's own line, or else the archive's, and keeps only real volumes" {
	local volume
	make_archive $'scsi0: cache=none,file=local:1/vm-1-disk-0.raw,discard=on,format=raw,ssd=1,size=1G\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	for line in "" "scsi0: none,media=cdrom" "scsi0: local:iso/x.iso,media=cdrom" "scsi0: media=cdrom,file=none"; do
		printf '%s\n' "memory: 16" "$line" > "$(conf_file 141)"
		restore_ok "$T/a.vma.zst" 141 --disk scsi0
		cmp "$T/noise" "$(image 141 scsi0)"
		[ "$(sed -E '/^$/d; s/disk-[0-9]+/disk-N/' "$(conf_file 141)")" = "memory: 16
scsi0: local:141/vm-141-disk-N.raw,cache=none,discard=on,ssd=1,size=4M" ]
	done
	volume=$(own 141 raw vm-141-disk-20)
	for line in "cache=none,file=$volume,discard=on" "volume=$volume,cache=none,size=1M,discard=on"; do
		printf '%s\n' "unused0: local:141/vm-141-disk-30.raw" "scsi0: $line" "[snap]" "scsi0: $line" > "$(conf_file 141)"
		restore_ok "$T/a.vma.zst" 141 --disk scsi0
		[ "$(sed -E 's/(scsi0: local:141.vm-141-disk-)[0-9]+/\1N/' "$(conf_file 141)")" = "unused0: local:141/vm-141-disk-30.raw
scsi0: local:141/vm-141-disk-N.raw,cache=none,discard=on,size=4M
unused1: $volume
[snap]
scsi0: $line" ]
	done
	# a device of the host is no volume that could be unused
	printf 'scsi0: /dev/sdz,discard=on\n' > "$(conf_file 141)"
	restore_ok "$T/a.vma.zst" 141 --disk scsi0
	lacks "$(conf_file 141)" 'unused|sdz'
	has_line "'scsi0: /dev/sdz,discard=on' is no longer in the configuration"
	# PVE's old name of ide2
	make_archive $'ide2: local:1/vm-1-disk-0.raw\n#qmdump#map:ide2:drive-scsi0:local:raw:'
	printf 'cdrom: none,media=cdrom\n' > "$(conf_file 141)"
	restore_ok "$T/a.vma.zst" 141 --disk ide2
	lacks "$(conf_file 141)" 'cdrom'
	grep -q '^ide2: local:141/' "$(conf_file 141)"
}

@test "--disk keeps what is edited in the configuration while it restores" {
	disk_add 142 scsi0 blockdev 4M
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	"$QMRESTORE" "$T/a.vma.zst" 142 --disk scsi0 --bwlimit 1000 > "$T/out" 2>&1 3>&- &
	local pid=$!
	until grep -q "^map" "$T/out"; do
		sleep 0.05
	done
	printf 'onboot: 1\nunused0: local:142/vm-142-disk-50.raw\n' >> "$(conf_file 142)"
	sed -i 's/^\(scsi0: .*\)/\1,serial=edited/' "$(conf_file 142)"
	wait "$pid"
	grep -qx 'onboot: 1' "$(conf_file 142)"
	grep -qx 'unused0: local:142/vm-142-disk-50.raw' "$(conf_file 142)"
	grep -qE '^unused1: local:142/vm-142-disk-0.raw$' "$(conf_file 142)"
	grep -qE '^scsi0: .*,serial=edited(,|$)' "$(conf_file 142)"
	lacks "$(conf_file 142)" '^lock:'
	cmp "$T/noise" "$(image 142 scsi0)"
}

@test "cloud-init images are made anew, those of the replaced guest go or stay in sight; an ISO of that name is none" {
	local old extra
	old=$(own 140 qcow2 vm-140-cloudinit)
	make_archive $'ide0: local:1/vm-1-cloudinit.qcow2,media=cdrom\nide2: local:iso/ubuntu-cloudinit.iso,media=cdrom\nscsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	echo "ide0: $old,media=cdrom" > "$(conf_file 140)"
	restore_ok "$T/a.vma.zst" 140 --force
	grep -qx 'ide2: local:iso/ubuntu-cloudinit.iso,media=cdrom' "$(conf_file 140)"
	grep -qx 'ide0: local:140/vm-140-cloudinit.raw,media=cdrom,size=4M' "$(conf_file 140)"
	lacks "$(conf_file 140)" '^unused'
	[ ! -e "$STORE/local/images/${old#*:}" ]
	[ "$(stat -c %s "$(image 140 ide0)")" = 4194304 ]
	# the same image is used again; another drive's stays
	extra=$(own 140 qcow2 vm-140-cloudinit)
	echo "ide3: media=cdrom,file=$extra" >> "$(conf_file 140)"
	restore_ok "$T/a.vma.zst" 140 --force
	grep -qx 'ide0: local:140/vm-140-cloudinit.raw,media=cdrom,size=4M' "$(conf_file 140)"
	[ -e "$(image 140 ide0)" ]
	grep -qx "unused0: $extra" "$(conf_file 140)"
	lacks "$(conf_file 140)" '^ide3|^unused1'
}

@test "a replaced volume that cannot be removed stays in the configuration, as unused" {
	make_archive $'scsi0: local:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	# a folder of that name: nothing that unlink() removes
	mkdir -p "$STORE/local/images/148/vm-148-disk-9.raw"
	other=$(own 148 raw vm-148-disk-8)
	printf 'scsi0: local:148/vm-148-disk-9.raw,size=4M\nscsi1: %s\n' "$other" > "$(conf_file 148)"
	restore_ok "$T/a.vma.zst" 148 --force
	has_line "WARN: cannot remove .*Is a directory"
	grep -qx "unused0: $other" "$(conf_file 148)"
	grep -qx 'unused1: local:148/vm-148-disk-9.raw' "$(conf_file 148)"
	nothing_left 148
}

@test "a template becomes a usual guest; --force replaces one unless linked clones stand on it" {
	make_archive $'name: t\ntemplate: 1 \nscsi0: local:1/base-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:'
	restore_ok "$T/a.vma.zst" 145
	has_line "WARN: .*'qm template 145'"
	lacks "$(conf_file 145)" template
	cmp "$T/noise" "$(image 145 scsi0)"
	# a template with a clone
	mkdir -p "$STORE/local/images/"{146,147}
	qemu-img create -q -f qcow2 "$STORE/local/images/146/base-146-disk-0.qcow2" 4M
	(cd "$STORE/local/images/147" && qemu-img create -q -f qcow2 -F qcow2 -b ../146/base-146-disk-0.qcow2 vm-147-disk-0.qcow2)
	printf 'template: 1\nscsi0: local:146/base-146-disk-0.qcow2,size=4M\n' > "$(conf_file 146)"
	tree > "$T/before"
	restore "$T/a.vma.zst" 146 --disk scsi0
	[ "$status" = 255 ]
	has_line 'it is a template, which single disks do not go into'
	restore "$T/a.vma.zst" 146 --force
	[ "$status" = 255 ]
	has_line "it is a template: 'local:146/base-146-disk-0.qcow2/147/vm-147-disk-0.qcow2' of VM 147 is a linked clone"
	diff "$T/before" <(tree)
	# one that stands on another template itself
	sed -i 's|local:146/|local:9/base-9-disk-0.qcow2/146/|' "$(conf_file 146)"
	restore "$T/a.vma.zst" 146 --force
	has_line "it is a template: 'local:146/base-146-disk-0.qcow2/147/vm-147-disk-0.qcow2' of VM 147 is a linked clone"
	rm "$STORE/local/images/147/vm-147-disk-0.qcow2"
	restore_ok "$T/a.vma.zst" 146 --force
	[ ! -e "$STORE/local/images/146/base-146-disk-0.qcow2" ]
	lacks "$(conf_file 146)" 'unused|template'
	cmp "$T/noise" "$(image 146 scsi0)"
}

@test "a restore ends with how the guest starts, unless the host is Proxmox VE's, or it was started" {
	make_archive 'scsi0: local:100/x.raw
#qmdump#map:scsi0:drive-scsi0:local:raw:'
	restore_ok "$T/a.vma.zst" 124
	[ "${lines[-1]}" = "VM 124 starts with: vzdump-qemu-args 124 --exec" ]
	# where systemd runs, and the unit is there
	mkdir -p "$VZDUMP_ROOT"/run/systemd/system "$VZDUMP_ROOT/usr/lib/systemd/system"
	touch "$VZDUMP_ROOT/usr/lib/systemd/system/guest@.service"
	restore_ok "$T/a.vma.zst" 125
	[ "${lines[-1]}" = "VM 125 starts with: systemctl start guest@125" ]
	# as vzdump.conf says
	echo 'start-command: virt-start vm-{vmid} now' > "$VZDUMP_ROOT/etc/vzdump.conf"
	restore_ok "$T/a.vma.zst" 126
	[ "${lines[-1]}" = "VM 126 starts with: virt-start vm-126 now" ]
	restore_ok "$T/a.vma.zst" 126 --disk scsi0
	has_no_line 'starts with'
	echo 'start-command: true' > "$VZDUMP_ROOT/etc/vzdump.conf"
	restore_ok "$T/a.vma.zst" 127 --start
	has_no_line 'starts with'
	mkdir -p "$VZDUMP_ROOT/usr/sbin"
	touch "$VZDUMP_ROOT/usr/sbin/qm"
	restore_ok "$T/a.vma.zst" 128
	has_no_line 'starts with'
}

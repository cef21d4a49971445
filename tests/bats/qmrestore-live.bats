#!/usr/bin/env bats
# qmrestore --live-restore: the guest runs from the archive while its volumes are filled.

load ../lib/qemu
load ../lib/vzdump

QMRESTORE=$BUILD/bin/qmrestore
VMA=$BUILD/bin/vma

setup() {
	vz_setup
	T=$BATS_TEST_TMPDIR
	echo "start-command: $VZ_LIB/start-guest $VZ_TMP {vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
}

teardown() {
	umount "$STORE/local/images/141/vm-141-overlay-0.raw" 2> /dev/null || true
	vz_teardown
}

# restore_begin <argument>...: in the background; what it says is in $T/out
restore_begin() {
	: > "$T/out" # an earlier one's
	"$QMRESTORE" "$@" --live-restore 1 > "$T/out" 2>&1 3>&- &
	PID=$!
}

# says <pattern> [seconds]: waits until the restore has said it
says() {
	local i
	for ((i = 0; i < ${2:-30} * 10; i++)); do
		if grep -qE -- "$1" "$T/out"; then return 0; fi
		[ "$i" = 0 ] || kill -0 "$PID" 2> /dev/null || break
		sleep 0.1
	done
	echo "it did not say '$1':"
	cat "$T/out"
	return 1
}

# restore_end [status]
restore_end() {
	local status=0
	wait "$PID" || status=$?
	[ "$status" = "${1:-0}" ] || {
		echo "ended with $status:"
		cat "$T/out"
		return 1
	}
}

image() {
	sed -nE "s|^$2: ([a-z0-9]+):([^,]*).*|$STORE/\1/images/\2|p" "$(conf_file "$1")"
}

# ours <vmid>: nodes and jobs of the restore that are in QEMU
ours() {
	qmp "$1" query-named-block-nodes '{"flat":true}' | grep -o '"qmrestore[^"]*"' || true
	qmp "$1" query-jobs | grep -o '"qmrestore[^"]*"' || true
}

# left <vmid>: overlays, servers, folders, copies, locks
left() {
	find "$STORE" -name '*overlay*'
	find "$VZDUMP_ROOT/var/lib/vzdump" -type f
	find "$VZDUMP_ROOT/run" -name 'vzdump-*'
	pgrep -af "nbdkit.*$VZDUMP_ROOT" || true
	grep -HE '^(lock|freeze):' "$(conf_file "$1")" || true
}

# server_ends: it looks once a second whether the guest's QEMU is there
server_ends() {
	for _ in {1..50}; do
		pgrep -f "nbdkit.*$VZDUMP_ROOT" > /dev/null || break
		sleep 0.1
	done
}

# clean <vmid>
clean() {
	local found
	found=$(left "$1")
	[ -z "$found" ] || { echo "left behind: $found"; return 1; }
}

tree() {
	(cd "$VZ_TMP" && find "$STORE" "$VZDUMP_ROOT/etc" -type f -exec md5sum {} + | sort -k2)
}

# make_archive <MiB> <key>[,<storage>]...: $T/a.vma.zst with disks of noise, $T/<key>.raw
make_archive() {
	local mib=$1 disk key devices=()
	shift
	rm -f "$T/a.vma.zst"
	echo "name: x" > "$T/qemu-server.conf"
	for disk in "$@"; do
		key=${disk%%,*}
		disk_fill "$T/$key.raw" "${mib}M" "$key"
		echo "$key: old:1/vm-1-$key.raw" >> "$T/qemu-server.conf"
		echo "#qmdump#map:$key:drive-$key:${disk#*,}::" >> "$T/qemu-server.conf"
		devices+=(-d "drive-$key=$T/$key.raw")
	done
	"$VMA" create "$T/a.vma.zst" -c "$T/qemu-server.conf" "${devices[@]}"
}

# QEMU before 9.0 crashes with SCSI disks in iothreads
qemu_has_iothread_scsi() {
	[ "$(qemu-system-x86_64 --version | sed -nE 's/.*version ([0-9]+).*/\1/p')" -ge 9 ]
}

@test "a guest starts from the archive at once, writes, and ends on its own volume with all it wrote" {
	disk_add 124 virtio0 blockdev 96M
	mkfs.ext4 -q "$(disk_path 124 virtio0)"
	guest_linux 124 writer
	qemu_start 124 running
	guest_wait 124 "guest: writing" 600
	sleep 2
	vzdump_ok 124 --fleecing 1
	qemu_kill 124
	guest_linux 125 writer
	echo "virtio0 iothread" > "$VZ_TMP/125.styles"
	restore_begin "$ARCHIVE" 125 --bwlimit 300
	says "VM 125 runs; its disks are restored meanwhile"
	grep -qx "lock: create" "$(conf_file 125)"
	# it boots and writes before the copy is complete
	guest_wait 125 "guest: writing" 600
	says "^restore-drive-virtio0: transferred .* of .* \([0-9.]+%\) in "
	restore_end
	says "restore of VM 125 finished, it is on its own volumes now"
	[ -z "$(ours 125)" ]
	clean 125
	sleep 2
	[ "$(qmp 125 query-status | grep -c '"running": true')" = 1 ]
	qemu_kill 125
	run e2fsck -fp "$(image 125 virtio0)"
	[ "$status" -le 1 ]
	debugfs -R "cat /log" "$(image 125 virtio0)" > "$T/log" 2> /dev/null
	python3 - "$T/log" <<- 'END'
		import hashlib, sys
		runs, last = 0, None
		for line in open(sys.argv[1]).read().splitlines():
		    text, _, md5 = line.rpartition(" ")
		    assert hashlib.md5((text + "\n").encode()).hexdigest() == md5, f"torn: {line}"
		    n = int(text.split()[0])
		    runs += n == 0
		    assert n == 0 or n == last + 1, f"{n} after {last}"
		    last = n
		assert runs == 2 and last > 16, (runs, last)
	END
}

@test "every way a disk can hang in QEMU, raw and qcow2: what the guest writes meanwhile wins" {
	storage_add qcow images "format qcow2"
	make_archive 8 scsi0,local scsi1,qcow scsi2,local scsi3,fast virtio0,local virtio1,qcow ide0,local
	# (nor does the monitor's qemu-io of those like a disk in an iothread; a real guest does, above)
	local with_iothread=-iothread virtio=iothread
	qemu_has_iothread_scsi || { with_iothread='' virtio=blockdev; }
	cat > "$VZ_TMP/130.styles" <<- END
		scsi0 scsi$with_iothread
		scsi1 throttle$with_iothread
		scsi2 throttle
		scsi3 drive-scsi
		virtio0 $virtio
		virtio1 blockdev
		ide0 drive-ide
	END
	restore_begin "$T/a.vma.zst" 130 --bwlimit 2000
	says "VM 130 runs"
	for key in scsi0 scsi1 scsi2 scsi3 virtio0 virtio1 ide0; do
		guest_io 130 "$key" "write -P 0x11 7M 1000k" "write -P 0x22 64k 3k" "write -z 1M 128k" "read 3M 512k" flush
		printf '%s\n' "write -P 0x11 7M 1000k" "write -P 0x22 64k 3k" "write -z 1M 128k" |
			qemu-io -f raw "$T/$key.raw" > /dev/null
		[ "$key" != scsi0 ] || qmp 130 query-jobs | grep -q '"qmrestore-scsi0"'
	done
	restore_end
	[ -z "$(ours 130)" ]
	clean 130
	for key in scsi0 scsi1 scsi2 scsi3 virtio0 virtio1 ide0; do
		guest_io 130 "$key" "write -P 0x33 5M 64k" flush
		qemu-io -f raw -c "write -P 0x33 5M 64k" "$T/$key.raw" > /dev/null
	done
	qemu_kill 130
	for key in scsi0 scsi1 scsi2 scsi3 virtio0 virtio1 ide0; do
		qemu-img compare -U -f raw "$T/$key.raw" "$(image 130 "$key")" || { echo "$key"; return 1; }
	done
	[[ $(image 130 scsi1) = *.qcow2 && $(image 130 scsi0) = *.raw ]]
}

@test "from an archive of a chain that took over most of it" {
	make_archive 8 virtio0,local
	"$BUILD/tests/chain" "$T/0.vma.zst" - "$T/qemu-server.conf" "drive-virtio0=$T/virtio0.raw"
	qemu-io -f raw -c "write -P 0x44 3M 100k" -c "write -z 5M 200k" "$T/virtio0.raw" > /dev/null
	"$BUILD/tests/chain" "$T/1.vma.zst" "$T/0.vma.zst" "$T/qemu-server.conf" "drive-virtio0=$T/virtio0.raw"
	restore_begin "$T/1.vma.zst" 130 --bwlimit 4000
	says "VM 130 runs"
	guest_io 130 virtio0 "write -P 0x11 7M 64k" "read -P 0x44 3M 100k" flush
	qemu-io -f raw -c "write -P 0x11 7M 64k" "$T/virtio0.raw" > /dev/null
	restore_end
	qemu_kill 130
	cmp "$T/virtio0.raw" "$(image 130 virtio0)"
	clean 130
}

@test "a guest that is shut down meanwhile: the rest is copied, with what it wrote" {
	make_archive 8 virtio0,local
	restore_begin "$T/a.vma.zst" 131 --bwlimit 400
	says "VM 131 runs"
	guest_io 131 virtio0 "write -P 0x11 7M 64k" "write -z 1M 64k" flush
	qemu-io -f raw -c "write -P 0x11 7M 64k" -c "write -z 1M 64k" "$T/virtio0.raw" > /dev/null
	qmp 131 quit
	restore_end
	says "VM 131 was shut down; the rest is copied now"
	cmp "$T/virtio0.raw" "$(image 131 virtio0)"
	clean 131
}

# storage_daemon <line of shell>...: what runs in its place, $real is the program
storage_daemon() {
	mkdir "$T/bin"
	printf '%s\n' "#!/bin/bash" "real=$(command -v qemu-storage-daemon)" "$@" > "$T/bin/qemu-storage-daemon"
	chmod +x "$T/bin/qemu-storage-daemon"
	PATH=$T/bin:$PATH
}

@test "a guest that is shut down meanwhile: all of its disks are whole before the overlays go, however their writer ends" {
	# shellcheck disable=SC2016
	storage_daemon '"$real" "$@" & child=$!' "trap 'kill -KILL \$child; exit' TERM" 'wait $child'
	storage_add qcow images "format qcow2"
	make_archive 8 virtio0,qcow virtio1,qcow
	restore_begin "$T/a.vma.zst" 131 --bwlimit 400
	says "VM 131 runs"
	qmp 131 quit
	restore_end
	for key in virtio0 virtio1; do
		[[ $(image 131 $key) = *.qcow2 ]]
		qemu-img compare -f raw "$T/$key.raw" -F qcow2 "$(image 131 $key)"
	done
	clean 131
}

@test "a guest that is shut down meanwhile, and a volume that is not on disk in the end: an error, and the overlay stays" {
	# -D: strace beside it, so that it is the daemon that is told to end
	# shellcheck disable=SC2016
	storage_daemon 'exec strace -D -f -o "$0.trace" -e trace=fdatasync -e inject=fdatasync:error=EIO "$real" "$@"'
	make_archive 8 virtio0,local
	restore_begin "$T/a.vma.zst" 131 --bwlimit 400
	says "VM 131 runs"
	qmp 131 quit
	restore_end 255
	says "virtio0: cannot write to 'nbd.*Input/output error" 1 || grep -q "Input/output error" "$T/out"
	[[ -e $(dirname "$(image 131 virtio0)")/vm-131-overlay-0.raw ]]
	# strace takes a moment longer than the daemon
	timeout 60 bash -c 'while pgrep -f "$0" > /dev/null; do sleep 0.05; done' "[q]emu-storage-daemon.*$VZ_TMP"
}

@test "what the host holds back of the new volume is written out before the guest is stopped to move there" {
	make_archive 8 virtio0,local
	# the leak sanitizer cannot work while strace does
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 restore_begin "$T/a.vma.zst" 133 --bwlimit 2000
	says "VM 133 runs"
	strace -f -y -s 200 -e trace=fdatasync,sendmsg -o "$T/trace" -p "$PID" 3>&- &
	restore_end
	wait
	[ "$(sed -nE 's/.* fdatasync\(.*vm-133-disk-0.raw>.*/written/p; s/.*execute[^,]*[^a-z]stop[^a-z].*/stopped/p' \
		"$T/trace" | tail -n 2 | xargs)" = "written stopped" ]
	clean 133
}

@test "an existing guest is replaced, and its disks go when the new ones are complete" {
	disk_add 132 virtio0 blockdev 4M
	disk_add 132 virtio3 blockdev 4M
	old=$(image 132 virtio0)
	later=$(image 132 virtio3)
	rm "$(args_file 132)"
	make_archive 4 virtio0,local
	restore_begin "$T/a.vma.zst" 132 --force --bwlimit 2000
	says "VM 132 runs"
	[ -e "$old" ]
	restore_end
	[ ! -e "$old" ]
	# not in the archive
	[ -e "$later" ]
	[ "$(image 132 unused0)" = "$later" ]
	clean 132
	qemu_kill 132
	cmp "$T/virtio0.raw" "$(image 132 virtio0)"
}

@test "what a live restore replaced stays as long as a power cut may bring it back, and goes with the script" {
	disk_add 138 virtio0 blockdev 4M
	old=$(image 138 virtio0)
	rm "$(args_file 138)"
	make_archive 4 virtio0,local
	# the third write of the configuration is the last
	cat > "$T/qmrestore" <<- END
		#!/bin/sh
		exec strace -qq -P "$VZDUMP_ROOT/etc/pve/qemu-server" -e trace=fsync -e inject=fsync:error=EIO:when=3+ \
			-o "$T/trace" "$QMRESTORE" "\$@"
	END
	chmod +x "$T/qmrestore"
	QMRESTORE=$T/qmrestore ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 restore_begin "$T/a.vma.zst" 138 --force
	restore_end
	says "WARN: a power cut may still bring the lock 'create' of VM 138 back: cannot sync folder"
	[ -e "$old" ]
	[ "$(grep -cE '^(lock|freeze)' "$(conf_file 138)")" = 0 ]
	qemu_kill 138
	sh "$VZDUMP_ROOT/var/lib/vzdump/138.finish" 3>&-
	[ ! -e "$old" ]
	cmp "$T/virtio0.raw" "$(image 138 virtio0)"
	clean 138
}

@test "a SCSI disk with an iothread is refused where QEMU would crash, before the guest runs" {
	if qemu_has_iothread_scsi; then skip "this QEMU can do it"; fi
	make_archive 1 scsi0,local
	echo "scsi0 throttle-iothread" > "$VZ_TMP/137.styles"
	restore_begin "$T/a.vma.zst" 137
	restore_end 255
	says "scsi0: QEMU .* crashes when a SCSI disk with an iothread is restored live"
	[ ! -e "$(conf_file 137)" ]
	[ -z "$(find "$STORE" -name '*vm-137*')" ]
}

@test "what fails before the guest runs leaves everything as it was" {
	disk_add 133 virtio3 blockdev 4M
	make_archive 4 virtio0,local efidisk0,local
	tree > "$T/before"
	# a start-command that does not start, one that lets the guest run at once
	echo "start-command: false" > "$VZDUMP_ROOT/etc/vzdump.conf"
	restore_begin "$T/a.vma.zst" 133 --force
	restore_end 255
	says "start-command 'false' failed with exit status 1"
	touch "$VZ_TMP/careless"
	echo "start-command: $VZ_LIB/start-guest $VZ_TMP {vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
	cp "$VZDUMP_ROOT/etc/vzdump.conf" "$T/vzdump.conf"
	printf 'virtio0 blockdev\nefidisk0 pflash\n' > "$VZ_TMP/133.styles"
	for vmid in 133 134; do
		restore_begin "$T/a.vma.zst" "$vmid" --force
		restore_end 255
		says "let VM $vmid run at once: .* must heed 'freeze: 1'"
		[ ! -S "$VZDUMP_ROOT/run/qemu-server/$vmid.qmp" ] || ! qemu_alive "$vmid"
	done
	rm "$VZ_TMP/careless"
	# killed while the guest is about to be started; the cleanup knows
	echo "start-command: sh -c '$VZ_LIB/start-guest $VZ_TMP {vmid}; touch $T/started; sleep 100'" \
		> "$VZDUMP_ROOT/etc/vzdump.conf"
	for vmid in 133 134; do
		rm -f "$T/started" "$(args_file "$vmid")"
		restore_begin "$T/a.vma.zst" "$vmid" --force
		until [ -e "$T/started" ]; do
			kill -0 "$PID"
			sleep 0.1
		done
		kill -KILL "$PID"
		restore_end 137
		run "$VZDUMP" --cleanup "$vmid"
		echo "$output"
		[ "$status" = 0 ]
		if qemu_alive "$vmid"; then return 1; fi
	done
	echo "start-command: false" > "$VZDUMP_ROOT/etc/vzdump.conf"
	sed -i '/vzdump.conf/d' "$T/before"
	diff "$T/before" <(tree | sed '/vzdump.conf/d')
	clean 133
}

@test "an archive that is hurt in the middle: the guest runs on, volumes are kept, what is missing is said" {
	make_archive 16 virtio0,local
	printf 'xxxx' | dd of="$T/a.vma.zst" bs=1 seek=9000000 conv=notrunc status=none
	restore_begin "$T/a.vma.zst" 135
	restore_end 255
	says "^ERROR: virtio0: .*MiB of 16.0 MiB are not in its new volume 'local:135/vm-135-disk-0.raw': .*'local:135/vm-135-overlay-0.raw', a qcow2 image over the archive's 'drive-virtio0'"
	says "VM 135 runs on from the archive until it is shut down"
	# also what was not copied, and what it takes to write a part of a cluster
	guest_io 135 virtio0 "read 14M 64k" "write -P 0x44 64k 64k" "write -P 0x45 15M 4k"
	[ -e "$(image 135 virtio0)" ]
	grep -qx "lock: create" "$(conf_file 135)"
	# the server ends with the guest
	pgrep -f "nbdkit.*$VZDUMP_ROOT" > "$T/pids"
	qemu_kill 135
	server_ends
	run pgrep -f "nbdkit.*$VZDUMP_ROOT"
	[ "$status" = 1 ]
	qemu-io -f qcow2 -c "read -P 0x44 64k 64k" "$STORE/local/images/135/vm-135-overlay-0.raw"
}

@test "qmrestore is interrupted: the guest runs on, and the script that it names finishes the restore" {
	local signal status script=$VZDUMP_ROOT/var/lib/vzdump/137.finish
	disk_add 137 virtio0 blockdev 4M
	rm "$(args_file 137)"
	make_archive 16 virtio0,local
	for signal in INT HUP KILL; do
		restore_begin "$T/a.vma.zst" 137 --bwlimit 2000 --force
		says "VM 137 runs"
		kill -"$signal" "$PID"
		status=255
		[ "$signal" != KILL ] || status=137
		restore_end "$status"
		cp "$T/virtio0.raw" "$T/want.raw"
		# what was not copied is there, and what it takes to write a part of a cluster
		guest_io 137 virtio0 "read 14M 64k" "write -P 0x44 64k 64k" "write -P 0x45 15M 4k" flush
		qemu-io -f raw -c "write -P 0x44 64k 64k" -c "write -P 0x45 15M 4k" "$T/want.raw" > /dev/null
		# not while it runs
		run sh "$script"
		[ "$status" != 0 ]
		qmp 137 quit
		[ "$signal" = KILL ] || says "^ERROR: to finish when it is shut down, run: sh '$script'"
		run "$VZDUMP" --cleanup 137
		[[ $output == *"'$script'"* ]]
		cat "$script"
		# neither while its storage is away, as far as one can see
		mv "$STORE/local/images" "$T/away"
		run sh "$script" 3>&-
		[ "$status" = 1 ]
		[[ $output =~ "volume 'local:137/vm-137-disk-"[01]".raw' is not on its storage now; run this again when it is" ]]
		grep -qx "lock: create" "$(conf_file 137)"
		rm -rf "$STORE/local/images"
		mv "$T/away" "$STORE/local/images"
		(unset VZDUMP_ROOT; sh "$script" 3>&-)
		cmp "$T/want.raw" "$(image 137 virtio0)"
		[ "$(find "$STORE/local/images/137" -type f | wc -l)" = 1 ]
		server_ends
		clean 137
		rm "$(args_file 137)"
	done
}

@test "what a guest wrote to a volume that it is on already is not overwritten by the script" {
	local script=$VZDUMP_ROOT/var/lib/vzdump/141.finish overlay=$STORE/local/images/141/vm-141-overlay-0.raw
	disk_fill "$T/virtio0.raw" 2M virtio0
	disk_fill "$T/virtio1.raw" 32M virtio1
	printf 'name: x\nvirtio0: old:1/a\nvirtio1: old:1/b\n#qmdump#map:virtio0:drive-virtio0:local::\n#qmdump#map:virtio1:drive-virtio1:local::\n' > "$T/qemu-server.conf"
	"$VMA" create "$T/a.vma.zst" -c "$T/qemu-server.conf" -d "drive-virtio0=$T/virtio0.raw" -d "drive-virtio1=$T/virtio1.raw"
	# the overlay cannot be removed
	printf '#!/bin/sh -e\nmount --bind %s %s\nexec %s %s 141\n' "$overlay" "$overlay" "$VZ_LIB/start-guest" "$VZ_TMP" > "$T/start"
	chmod +x "$T/start"
	echo "start-command: $T/start" > "$VZDUMP_ROOT/etc/vzdump.conf"
	restore_begin "$T/a.vma.zst" 141 --bwlimit 1500
	says "remove 'local:141/vm-141-overlay-0.raw' later"
	# it must not end now
	kill -STOP "$PID"
	guest_io 141 virtio0 "write -P 0x46 1M 64k" flush
	kill -KILL "$PID"
	restore_end 137
	qmp 141 quit
	umount "$overlay"
	# nobody knows what has happened to a guest that is not locked any more
	sed -i '/^lock:/d' "$(conf_file 141)"
	run sh "$script" 3>&-
	[ "$status" = 1 ]
	[[ $output == *"VM 141 is not locked by this live restore any more"* ]]
	echo "lock: create" >> "$(conf_file 141)"
	sh "$script" 3>&-
	qemu-io -f raw -c "write -P 0x46 1M 64k" "$T/virtio0.raw" > /dev/null
	cmp "$T/virtio0.raw" "$(image 141 virtio0)"
	cmp "$T/virtio1.raw" "$(image 141 virtio1)"
	[ ! -e "$overlay" ]
	server_ends
	clean 141
}

@test "what somebody changes in the configuration during a live restore stays, and so do volumes that it names" {
	local old
	disk_add 142 virtio0 blockdev 4M
	disk_add 142 virtio1 blockdev 4M
	old=$(image 142 virtio0)
	rm "$(args_file 142)"
	make_archive 4 virtio0,local virtio1,local
	restore_begin "$T/a.vma.zst" 142 --force --bwlimit 1000
	says "VM 142 runs"
	kill -STOP "$PID"
	printf 'onboot: 1\nunused7: local:142/%s\n' "$(basename "$old")" >> "$(conf_file 142)"
	kill -CONT "$PID"
	restore_end
	says "the configuration of VM 142 was changed during the restore: it stays so, without our lock"
	grep -qx 'onboot: 1' "$(conf_file 142)"
	[ "$(image 142 unused7)" = "$old" ]
	[ -e "$old" ]
	[ "$(find "$STORE/local/images/142" -type f | wc -l)" = 3 ]
	clean 142
	qemu_kill 142
	cmp "$T/virtio0.raw" "$(image 142 virtio0)"
}

@test "what does not fit is told before the guest starts" {
	make_archive 16 virtio0,local
	mount -t tmpfs -o size=12M tmpfs "$STORE/local"
	restore_begin "$T/a.vma.zst" 138
	restore_end 255
	umount "$STORE/local"
	says "storage 'local' has only 12.0 MiB free, the archive's disks need 16.0 MiB there"
	[ ! -e "$(conf_file 138)" ]
	[ ! -S "$VZDUMP_ROOT/run/qemu-server/138.qmp" ]
}

@test "archives that cannot be read at any place, standard input and single disks are refused" {
	FIXTURES=$BATS_TEST_DIRNAME/../fixtures
	run "$QMRESTORE" "$FIXTURES/two-disks.vma.zst" 136 --storage local --live-restore 1
	[ "$status" = 255 ]
	has_line "live restore of '.*two-disks.vma.zst': .*vma index"
	run "$QMRESTORE" - 136 --storage local --live-restore 1 < "$FIXTURES/two-disks.vma"
	[ "$status" = 255 ]
	has_line "standard input will not do"
	make_archive 1 virtio0,local
	run "$QMRESTORE" "$T/a.vma.zst" 136 --live-restore 1 --disk virtio0
	[ "$status" = 255 ]
	has_line "do not go together"
	[ ! -e "$(conf_file 136)" ]
}

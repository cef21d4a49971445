#!/usr/bin/env bats
# An archive as a folder of read-only files: vma mount, vma umount.

FIXTURES=$BATS_TEST_DIRNAME/../fixtures
VMA=$BUILD/bin/vma
USER_ID=65534

setup_file() {
	local d=$BATS_FILE_TMPDIR
	chmod 755 "$BATS_RUN_TMPDIR" "$d"
	head -c 3000000 /dev/urandom > "$d/scsi0"
	truncate -s 8000000 "$d/scsi0"
	truncate -s 1G "$d/virtio1"
	head -c 5000000 /dev/urandom | dd of="$d/virtio1" bs=1M seek=300 conv=notrunc status=none
	echo "[OPTIONS]" > "$d/qemu-server.fw"
	"$VMA" create "$d/a.vma.zst" -c "$FIXTURES/two-disks.conf" -c "$d/qemu-server.fw" \
		-d "drive-scsi0=$d/scsi0" -d "drive-virtio1=$d/virtio1"
	chmod 644 "$d/a.vma.zst"
}

setup() {
	T=$BATS_TEST_TMPDIR
	D=$BATS_FILE_TMPDIR
	M=$T/mnt
	mkdir "$M"
	chmod 755 "$T"
}

teardown() {
	[ -z "${SERVER:-}" ] || kill "$SERVER" 2> /dev/null || true
	if grep -qF " $M " /proc/self/mounts; then
		umount -l "$M"
	fi
}

# as_user <command>...: as nobody, without any capability
as_user() {
	setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups "$@"
}

# gone <directory>: waits until nothing is mounted there
gone() {
	local _
	for _ in {1..600}; do
		! grep -qF " $1 " /proc/self/mounts || { sleep 0.05 && continue; }
		return 0
	done
	echo "$1 is still mounted"
	return 1
}

# server_of <directory>: the process that serves it
server_of() {
	pgrep -f "^$VMA mount .* $1\$"
}

@test "each disk and each config is a file, with the content, the holes and the time of the archive" {
	touch -d '2001-02-03 04:05' "$D/a.vma.zst"
	run "$VMA" mount "$D/a.vma.zst" "$M"
	echo "$output"
	[ "$status" = 0 ]
	[ -z "$output" ]
	[ "$(ls "$M")" = "$(printf '%s\n' drive-scsi0.raw drive-virtio1.raw qemu-server.fw two-disks.conf)" ]
	cmp "$D/scsi0" "$M/drive-scsi0.raw"
	cmp "$D/virtio1" "$M/drive-virtio1.raw"
	cmp "$FIXTURES/two-disks.conf" "$M/two-disks.conf"
	cmp "$D/qemu-server.fw" "$M/qemu-server.fw"
	[ "$(stat -c '%s %A' "$M/drive-virtio1.raw")" = "1073741824 -r--------" ]
	[ "$(stat -c %b "$M/drive-virtio1.raw")" -lt 12000 ]
	[ "$(stat -c %Y "$M/drive-scsi0.raw")" = "$("$VMA" list "$D/a.vma.zst" --output-format json | jq .ctime)" ]
	grep -q " $M fuse.vma ro," /proc/self/mounts
	run "$VMA" umount "$M"
	[ "$status" = 0 ]
	[ -z "$output" ]
	[ -z "$(ls "$M")" ]
}

@test "tools that look for holes find them: cp, tar -S, qemu-img" {
	"$VMA" mount "$D/a.vma.zst" "$M"
	cp --sparse=auto "$M/drive-virtio1.raw" "$T/copy"
	cmp "$D/virtio1" "$T/copy"
	[ "$(stat -c %b "$T/copy")" -lt 12000 ]
	tar -C "$M" -cSf "$T/tar" drive-virtio1.raw
	[ "$(stat -c %s "$T/tar")" -lt 6000000 ]
	qemu-img map -f raw --output=json "$M/drive-virtio1.raw" > "$T/map"
	cat "$T/map"
	[ "$(jq '[.[] | select(.data) | .length] | add' "$T/map")" -lt 6000000 ]
	[ "$(jq '[.[].length] | add' "$T/map")" = 1073741824 ]
	"$VMA" umount "$M"
}

@test "random reads by eight readers at the same time are what the disks have" {
	"$VMA" mount "$D/a.vma.zst" "$M"
	cat > "$T/read.py" <<- 'END'
		import os, random, sys
		files = [[open(d + n, "rb") for d in (sys.argv[1], sys.argv[2])] for n in ("1", "2")]
		random.seed(int(sys.argv[3]))
		for i in range(300):
		    ours, theirs = random.choice(files)
		    size = os.fstat(theirs.fileno()).st_size
		    n = random.choice((1, 511, 4096, 65536, 300000))
		    at = random.randrange(size - n)
		    assert os.pread(ours.fileno(), n, at) == os.pread(theirs.fileno(), n, at), (at, n)
	END
	ln -s "$M/drive-scsi0.raw" "$T/ours1"
	ln -s "$M/drive-virtio1.raw" "$T/ours2"
	ln -s "$D/scsi0" "$T/theirs1"
	ln -s "$D/virtio1" "$T/theirs2"
	local pids=() pid i
	for i in {1..8}; do
		python3 "$T/read.py" "$T/ours" "$T/theirs" "$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	"$VMA" umount "$M"
}

@test "no root is needed, and nobody else sees the disks unless told to" {
	chown "$USER_ID" "$M"
	as_user "$VMA" mount "$D/a.vma.zst" "$M"
	[ "$(as_user cat "$M/drive-scsi0.raw" | md5sum)" = "$(md5sum < "$D/scsi0")" ]
	run setpriv --reuid=12345 --regid=12345 --clear-groups ls "$M"
	[ "$status" != 0 ]
	as_user "$VMA" umount "$M"
	as_user "$VMA" mount "$D/a.vma.zst" "$M"
	as_user fusermount3 -u "$M"
	# root allows it by the option alone
	chown 0 "$M"
	"$VMA" mount "$D/a.vma.zst" "$M" --allow-other
	as_user cmp -n 100000 "$M/drive-scsi0.raw" "$D/scsi0"
	"$VMA" umount "$M"
}

@test "nothing can be changed" {
	"$VMA" mount "$D/a.vma.zst" "$M" --allow-other
	run bash -c "echo x > $M/drive-scsi0.raw"
	[[ $output = *"Read-only file system"* ]]
	run touch "$M/new"
	[[ $output = *"Read-only file system"* ]]
	run rm "$M/qemu-server.fw"
	[[ $output = *"Read-only file system"* ]]
	"$VMA" umount "$M"
}

@test "what cannot be mounted is told at once, with the way out" {
	run "$VMA" mount "$FIXTURES/two-disks.vma.zst" "$M"
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = *"it has no index to read single places by; vma index $FIXTURES/two-disks.vma.zst makes one" ]]
	run "$VMA" mount "$T/none.vma" "$M"
	[[ $output = *"$T/none.vma"*"No such file"* ]]
	run "$VMA" mount "$D/scsi0" "$M"
	[ "$status" = 255 ]
	run "$VMA" mount "$D/a.vma.zst" "$T/none"
	[ "$output" = "cannot mount at '$T/none': No such file or directory" ]
	touch "$T/file"
	run "$VMA" mount "$D/a.vma.zst" "$T/file"
	[ "$output" = "cannot mount at '$T/file': Not a directory" ]
	mkdir -p "$T/full/x"
	run "$VMA" mount "$D/a.vma.zst" "$T/full"
	[ "$output" = "'$T/full' is not empty; give an empty folder" ]
	"$VMA" mount "$D/a.vma.zst" "$M"
	run "$VMA" mount "$D/a.vma.zst" "$M"
	[ "$output" = "an archive is mounted at '$M' already; run vma umount '$M' first" ]
	"$VMA" umount "$M"
	# not ours, as fusermount3 says itself
	run as_user "$VMA" mount "$D/a.vma.zst" "$M"
	[[ $output = "cannot mount at '$M': "*"user has no write access to mountpoint $M" ]]
}

@test "the archive of Proxmox can be mounted once vma index has made its index" {
	cp "$FIXTURES/two-disks.vma.zst" "$T/p.vma.zst"
	"$VMA" index "$T/p.vma.zst"
	"$VMA" mount "$T/p.vma.zst" "$M"
	"$VMA" extract "$T/p.vma.zst" "$T/out"
	local disk
	for disk in "$T/out"/disk-*.raw; do
		cmp "$disk" "$M/$(basename "${disk/disk-/}")"
	done
	"$VMA" umount "$M"
}

@test "umount refuses what is not ours, and what is in use" {
	run "$VMA" umount "$T"
	[ "$status" = 255 ]
	[ "$output" = "no archive is mounted at '$T' by vma mount" ]
	run "$VMA" umount /proc
	[ "$output" = "no archive is mounted at '/proc' by vma mount" ]
	run "$VMA" umount "$T/none/none"
	[ "$output" = "cannot unmount '$T/none/none': No such file or directory" ]
	"$VMA" mount "$D/a.vma.zst" "$M"
	exec 7< "$M/drive-scsi0.raw"
	run "$VMA" umount "$M"
	echo "$output"
	[ "$status" = 255 ]
	[[ $output = "cannot unmount '$M': it is in use; fuser -vm '$M' shows by whom"* ]]
	exec 7<&-
	"$VMA" umount "$M/"
}

@test "SIGTERM and SIGINT unmount, in the background and in the foreground" {
	"$VMA" mount "$D/a.vma.zst" "$M"
	kill "$(server_of "$M")"
	gone "$M"
	"$VMA" mount "$D/a.vma.zst" "$M" --foreground > "$T/out" 3>&- &
	SERVER=$!
	local _
	for _ in {1..600}; do
		! grep -q '^mounted at ' "$T/out" || break
		sleep 0.05
	done
	cmp "$D/scsi0" "$M/drive-scsi0.raw"
	# a shell starts background jobs with SIGINT ignored
	kill -TERM "$SERVER"
	wait "$SERVER"
	gone "$M"
	SERVER=
}

@test "a signal that comes before it serves unmounts, too" {
	mkfifo "$T/full"
	exec 7<> "$T/full"
	# it waits with its first line until somebody reads
	python3 -c 'import fcntl; fcntl.fcntl(7, 1031, 4096)'
	head -c 4096 /dev/zero >&7
	"$VMA" mount "$D/a.vma.zst" "$M" --foreground > "$T/full" 7>&- 3>&- &
	SERVER=$!
	local _
	for _ in {1..600}; do
		! grep -qF " $M " /proc/self/mounts || break
		sleep 0.05
	done
	grep -F " $M " /proc/self/mounts
	kill -TERM "$SERVER"
	head -c 4096 <&7 > /dev/null
	wait "$SERVER"
	gone "$M"
	SERVER=
	exec 7>&-
}

@test "after kill -9 both mount and umount say or do what is needed" {
	"$VMA" mount "$D/a.vma.zst" "$M"
	kill -9 "$(server_of "$M")"
	local _
	for _ in {1..600}; do
		stat "$M" > /dev/null 2>&1 || break
		sleep 0.05
	done
	run "$VMA" mount "$D/a.vma.zst" "$M"
	echo "$output"
	[ "$output" = "'$M' is a mount whose process has died; run vma umount '$M' first" ]
	"$VMA" umount "$M"
	"$VMA" mount "$D/a.vma.zst" "$M"
	"$VMA" umount "$M"
}

@test "a damaged frame fails the reads of it and no others, and the message says where" {
	cp "$D/a.vma.zst" "$T/b.vma.zst"
	printf 'xxxx' | dd of="$T/b.vma.zst" bs=1 conv=notrunc status=none \
		seek=$(($(stat -c %s "$T/b.vma.zst") - 2000000))
	"$VMA" mount "$T/b.vma.zst" "$M" --foreground > "$T/out" 2> "$T/log" 3>&- &
	SERVER=$!
	local _
	for _ in {1..600}; do
		! grep -q '^mounted at ' "$T/out" || break
		sleep 0.05
	done
	cmp "$D/scsi0" "$M/drive-scsi0.raw"
	run cat "$M/drive-virtio1.raw"
	[ "$status" != 0 ]
	grep -qE "^$T/b.vma.zst: .*drive-virtio1 at byte [0-9]+: frame [0-9]+" "$T/log"
	cmp "$D/scsi0" "$M/drive-scsi0.raw"
	"$VMA" umount "$M"
	wait "$SERVER"
	SERVER=
	# cut off: its index is at the end
	truncate -s 4000000 "$T/b.vma.zst"
	run "$VMA" mount "$T/b.vma.zst" "$M"
	[ "$status" = 255 ]
	[[ $output = *"vma index"* || $output = *"vma extract"* ]]
}

@test "no library of FUSE is loaded by the other commands" {
	local command
	for command in vzdump qmrestore pvesm vzdump-scheduler; do
		ldd "$BUILD/bin/$command" > "$T/libraries"
		run grep -E 'libfuse|libext2fs|libblkid|libguestfs' "$T/libraries"
		[ "$status" = 1 ]
	done
	ldd "$VMA" | grep -q libfuse3
}

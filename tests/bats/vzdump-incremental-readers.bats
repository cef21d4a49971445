#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Generation 30 of a chain that vzdump made of a running guest, and every program that reads archives.

load ../lib/qemu
load ../lib/vzdump
load ../lib/incremental

QMRESTORE=$BUILD/bin/qmrestore

setup_file() {
	export CHAIN=$BATS_FILE_TMPDIR/chain
	mkdir "$CHAIN"
	vz_setup
	make_generations || { vz_teardown && return 1; }
	vz_teardown
}

setup() {
	vz_setup
	LAST=$CHAIN/30.vma.zst
}

teardown() {
	if [ -n "${SERVER:-}" ]; then
		kill "$SERVER" 2> /dev/null || true
		wait "$SERVER" || true
	fi
	vz_teardown
}

# $CHAIN/<n>.vma.zst, and scsi0 and virtio0 as they were then: changes, zeroes and data where there were zeroes
make_generations() {
	local n
	disk_add 123 scsi0 throttle 20500K
	disk_add 123 virtio0 blockdev 540672
	disk_fill "$(disk_path 123 scsi0)" 16M
	truncate -s 20500K "$(disk_path 123 scsi0)"
	disk_fill "$(disk_path 123 virtio0)" 528K
	qemu_start 123 || return 1
	for ((n = 0; n <= 30; n++)); do
		((n == 0)) || guest_io 123 scsi0 "write -P $n $((n * 21000 % 500000)) 3000" \
			"discard $((n % 3 * 65536 + 1000000)) 65536" "write -P $n $((18000000 + n % 4 * 70000)) 4096" || return 1
		backup_next 123 --incremental enabled=1,max-generations=100 --fleecing 1 || return 1
		((n == 0)) || has_line '^INFO: incremental to .* changed$' || return 1
		mv "$ARCHIVE" "$CHAIN/$n.vma.zst"
		ln "$CHAIN/$n.vma.zst" "$ARCHIVE"
		mv "$VZ_TMP/instant-scsi0" "$CHAIN/scsi0.$n"
		mv "$VZ_TMP/instant-virtio0" "$CHAIN/virtio0.$n"
	done
}

# image <vmid> <key>
image() {
	sed -nE "s|^$2: ([a-z]+):([^,]*).*|$STORE/\1/images/\2|p" "$(conf_file "$1")"
}

@test "generation 30 has taken over from all before, and each of them is what the disks were" {
	local n uuid
	uuid=$("$VMA" list "$LAST" --output-format json | jq -r .uuid)
	for ((n = 0; n <= 30; n++)); do
		ARCHIVE=$CHAIN/$n.vma.zst
		[ "$("$VMA" list "$ARCHIVE" --output-format json | jq -r '"\(.uuid) \(.chain.generation)"')" = "$uuid $n" ]
		"$VMA" verify "$ARCHIVE" | grep -q 'seek table, index and trailers agree with the data$'
		archive_read
		same_disk drive-scsi0 "$CHAIN/scsi0.$n"
		same_disk drive-virtio0 "$CHAIN/virtio0.$n"
	done
	run -0 python3 "$VZ_LIB/vma_reader.py" chain "$LAST"
	grep -qxE 'kept_frames=[1-9][0-9]*' <<< "$output"
}

@test "zstd, several threads too, pzstd, libarchive, 7-Zip and python unpack the same" {
	local unpacked
	unpacked=$(zstd -q -d -c "$LAST" | sha256sum)
	zstd -q -t "$LAST"
	[ "$(zstd -q -d -c -T2 "$LAST" | sha256sum)" = "$unpacked" ]
	[ "$(pzstd -q -d -c "$LAST" 2> /dev/null | sha256sum)" = "$unpacked" ]
	[ "$(bsdcat "$LAST" | sha256sum)" = "$unpacked" ]
	# (that of Debian 12.0 does not know zstd)
	! 7zz i | grep -q zstd || [ "$(7zz e -tzstd -so "$LAST" 2> /dev/null | sha256sum)" = "$unpacked" ]
	[ "$(
		python3 - "$LAST" <<- 'END' | sha256sum
			import shutil, sys, zstandard
			with open(sys.argv[1], "rb") as f:
			    stream = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True)
			    shutil.copyfileobj(stream, sys.stdout.buffer)
		END
	)" = "$unpacked" ]
}

@test "vma extract, from a pipe, unpacked, salvaging, and vma index" {
	local out
	"$VMA" extract "$LAST" "$VZ_TMP/file"
	"$VMA" extract - "$VZ_TMP/pipe" < <(cat "$LAST")
	zstd -q -d -c "$LAST" | "$VMA" extract - "$VZ_TMP/unpacked"
	"$VMA" extract --salvage "$LAST" "$VZ_TMP/salvaged"
	for out in file pipe unpacked salvaged; do
		cmp "$VZ_TMP/$out/disk-drive-scsi0.raw" "$CHAIN/scsi0.30"
		cmp "$VZ_TMP/$out/disk-drive-virtio0.raw" "$CHAIN/virtio0.30"
	done
	[[ $("$VMA" index "$LAST") = *" has an index already" ]]
	# and one without its index gets another
	zstd -q -d -c "$LAST" | zstd -q > "$VZ_TMP/plain.vma.zst"
	"$VMA" index "$VZ_TMP/plain.vma.zst" "$VZ_TMP/indexed.vma.zst"
	"$VMA" extract "$VZ_TMP/indexed.vma.zst" --to "drive-scsi0=$VZ_TMP/disk"
	cmp "$VZ_TMP/disk" "$CHAIN/scsi0.30"
}

@test "vma serve and nbdkit's plugin read any place" {
	nbdkit -U - "$BUILD/plugin/nbdkit-vma-plugin.so" "$LAST" disk=drive-scsi0 --run "nbdcopy \"\$uri\" $VZ_TMP/plugin"
	cmp "$VZ_TMP/plugin" "$CHAIN/scsi0.30"
	"$VMA" serve "$LAST" --socket "$VZ_TMP/sock" > "$VZ_TMP/serve" 2>&1 3>&- &
	SERVER=$!
	for _ in {1..200}; do
		! grep -q '^serving' "$VZ_TMP/serve" || break
		sleep 0.05
	done
	nbdcopy --connections=4 "nbd+unix:///drive-scsi0?socket=$VZ_TMP/sock" "$VZ_TMP/scsi0"
	cmp "$VZ_TMP/scsi0" "$CHAIN/scsi0.30"
	nbdcopy "nbd+unix:///drive-virtio0?socket=$VZ_TMP/sock" "$VZ_TMP/virtio0"
	cmp "$VZ_TMP/virtio0" "$CHAIN/virtio0.30"
}

@test "qmrestore makes a guest of it, also one that runs at once" {
	"$QMRESTORE" "$LAST" 210 --storage local
	cmp "$(image 210 scsi0)" "$CHAIN/scsi0.30"
	cmp "$(image 210 virtio0)" "$CHAIN/virtio0.30"
	echo "start-command: $VZ_LIB/start-guest $VZ_TMP {vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
	printf 'scsi0 throttle\n' > "$VZ_TMP/211.styles"
	"$QMRESTORE" "$LAST" 211 --storage local --live-restore 1 3>&-
	qemu_quit 211
	cmp "$(image 211 scsi0)" "$CHAIN/scsi0.30"
	cmp "$(image 211 virtio0)" "$CHAIN/virtio0.30"
}

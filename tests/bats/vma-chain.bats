#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Archives of a chain, as incremental backups make them: each is read by everybody, what vma says of them, and what
# damage costs.  They are made from images, without QEMU, by tests/lib/chain.c.

load ../lib/qemu
load ../lib/vzdump

VMA=$BUILD/bin/vma
QMRESTORE=$BUILD/bin/qmrestore
GENERATIONS=8 # the last one

# change <generation>: some places of scsi0 get other data, some zeroes; virtio0 stays as it is
change() {
	python3 - "$D" "$1" <<- 'END'
		import random, sys
		folder, seed = sys.argv[1:]
		random.seed(int(seed))
		with open(folder + "/scsi0", "r+b") as f:
		    for i in range(12):
		        f.seek(random.randrange((24 << 20) - 70000))
		        f.write(random.randbytes(random.choice([10, 5000, 70000])))
		    f.seek(random.randrange(100) << 16)
		    f.write(bytes(100000))
	END
}

# Generations 0 to 8 of two disks, $D/<n>.vma.zst, with what scsi0 was then in $D/scsi0.<n>
setup_file() {
	D=$BATS_FILE_TMPDIR
	printf '%s\n' "name: x" "scsi0: old:1/a.raw" "virtio0: old:1/b.raw" \
		"#qmdump#map:scsi0:drive-scsi0:local::" "#qmdump#map:virtio0:drive-virtio0:local::" > "$D/qemu-server.conf"
	disk_fill "$D/scsi0" 12M
	yes "some text" | head -c 3M >> "$D/scsi0"
	truncate -s 24M "$D/scsi0"
	disk_fill "$D/virtio0" 528K
	local base=-
	for ((n = 0; n <= GENERATIONS; n++)); do
		[ "$n" = 0 ] || change "$n"
		cp --sparse=always "$D/scsi0" "$D/scsi0.$n"
		make_archive "$D/$n.vma.zst" "$base"
		base=$D/$n.vma.zst
	done
}

setup() {
	T=$BATS_TEST_TMPDIR
	D=$BATS_FILE_TMPDIR
	OLD=$D/0.vma.zst
	NEW=$D/$GENERATIONS.vma.zst
}

teardown() {
	! mountpoint -q "$T/mnt" || umount "$T/mnt"
	[ ! -d "${VZ_TMP:-}" ] || vz_teardown
}

# make_archive <new> <base>
make_archive() {
	"$BUILD/tests/chain" "$1" "$2" "$D/qemu-server.conf" "drive-scsi0=$D/scsi0" "drive-virtio0=$D/virtio0"
}

# image <vmid> <key>
image() {
	sed -nE "s|^$2: ([a-z]+):([^,]*).*|$STORE/\1/images/\2|p" "$(conf_file "$1")"
}

# frames <archive>: offset, bytes and kind (frame, trailer, chain, pad, index) of each
frames() {
	python3 - "$1" <<- 'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		n, at = struct.unpack_from("<I", data, len(data) - 9)[0], 0
		for i in range(n):
		    size = struct.unpack_from("<I", data, len(data) - 9 - 8 * (n - i))[0]
		    kind = {0x184D2A5B: "trailer", 0x184D2A5C: "pad", 0x184D2A5A: "index"}
		    kind = kind.get(struct.unpack_from("<I", data, at)[0], "frame")
		    kind = "chain" if data[at + 8:at + 16] == b"VMACHAIN" else kind
		    print(at, size, kind)
		    at += size
	END
}

# hurt <archive> <at> [byte]: $T/x.vma.zst is the archive with another byte there
hurt() {
	cp "$1" "$T/x.vma.zst"
	printf '%b' "${3:-\\xa5}" | dd of="$T/x.vma.zst" bs=1 seek="$2" conv=notrunc status=none
}

@test "every program that unpacks zstd reads the same, whichever generation it is" {
	local unpacked
	for archive in "$OLD" "$D/4.vma.zst" "$NEW"; do
		zstd -q -d -c "$archive" > "$T/unpacked"
		unpacked=$(sha256sum < "$T/unpacked")
		[ "$(zstd -q -d -c -T2 "$archive" | sha256sum)" = "$unpacked" ]
		[ "$(pzstd -q -d -c "$archive" 2> /dev/null | sha256sum)" = "$unpacked" ]
		[ "$(bsdcat "$archive" | sha256sum)" = "$unpacked" ]
		# (that of Debian 12.0 does not know zstd)
		! 7zz i | grep -q zstd || [ "$(7zz e -tzstd -so "$archive" 2> /dev/null | sha256sum)" = "$unpacked" ]
		[ "$(
			python3 - "$archive" <<- 'END' | sha256sum
				import shutil, sys, zstandard
				with open(sys.argv[1], "rb") as f:
				    stream = zstandard.ZstdDecompressor().stream_reader(f, read_across_frames=True)
				    shutil.copyfileobj(stream, sys.stdout.buffer)
			END
		)" = "$unpacked" ]
		zstd -q -t "$archive"
		python3 "$VZ_LIB/vma_reader.py" verify "$archive"
	done
}

@test "every generation is what the disks were: extract, from a file, a pipe, unpacked, and one disk alone" {
	for ((n = 0; n <= GENERATIONS; n++)); do
		"$VMA" verify "$D/$n.vma.zst" | grep -q 'is good: 2 disks, .*; seek table, index and trailers agree with the data$'
		"$VMA" extract "$D/$n.vma.zst" "$T/$n"
		cmp "$T/$n/disk-drive-scsi0.raw" "$D/scsi0.$n"
		cmp "$T/$n/disk-drive-virtio0.raw" "$D/virtio0"
	done
	"$VMA" extract - "$T/pipe" < <(cat "$NEW")
	diff -r "$T/pipe" "$T/$GENERATIONS"
	zstd -q -d -c "$NEW" | "$VMA" extract - "$T/unpacked"
	diff -r "$T/unpacked" "$T/$GENERATIONS"
	"$VMA" extract "$NEW" -d drive-virtio0 "$T/one"
	[ "$(cd "$T/one" && echo *)" = "disk-drive-virtio0.raw qemu-server.conf" ]
	truncate -s 24M "$T/to"
	printf 'format=raw:0:drive-scsi0=%s\nskip=drive-virtio0\ndone\n' "$T/to" > "$T/map"
	"$VMA" extract "$NEW" -r "$T/map" "$T/mapped"
	cmp "$T/to" "$D/scsi0"
	"$VMA" config "$NEW" | cmp - "$D/qemu-server.conf"
}

@test "single places are read by the index: vma serve's plugin" {
	for n in 3 "$GENERATIONS"; do
		nbdkit -U - "$BUILD/plugin/nbdkit-vma-plugin.so" "$D/$n.vma.zst" disk=drive-scsi0 \
			--run "nbdcopy \"\$uri\" $T/$n"
		cmp "$T/$n" "$D/scsi0.$n"
	done
}

@test "qmrestore makes a guest of one" {
	vz_setup
	"$QMRESTORE" "$NEW" 210 --storage local > "$T/out"
	cmp "$(image 210 scsi0)" "$D/scsi0"
	cmp "$(image 210 virtio0)" "$D/virtio0"
}

@test "what vzdump --incremental leaves is such a chain" {
	vz_setup
	disk_add 100 scsi0 blockdev 20M
	cp "$D/scsi0.0" "$(disk_path 100 scsi0)"
	truncate -s 24M "$(disk_path 100 scsi0)"
	vzdump_ok 100 --incremental 1
	first=$ARCHIVE
	cp "$D/scsi0.3" "$(disk_path 100 scsi0)"
	vzdump_ok 100 --incremental 1
	[ "$ARCHIVE" != "$first" ]
	for archive in "$first" "$ARCHIVE"; do
		"$VMA" verify "$archive" | grep -q '; seek table, index and trailers agree with the data$'
	done
	"$VMA" list "$ARCHIVE" | grep -qx "BASE: ${first##*/}"
	"$VMA" extract "$ARCHIVE" --to "drive-scsi0=$T/disk"
	cmp "$T/disk" "$D/scsi0.3"
	differing "$D/scsi0.0" "$D/scsi0.3" > "$T/expected"
	run -1 "$VMA" diff "$first" "$ARCHIVE"
	[[ ${lines[0]} = "drive-scsi0: clusters that differ: $(wc -l < "$T/expected"), bytes: "* ]]
}

@test "list says which chain and generation it is, as text behind Proxmox's lines and as JSON" {
	TZ=UTC "$VMA" list "$NEW" > "$T/text"
	"$VMA" list "$NEW" --output-format json > "$T/json"
	[ "$(head -n 4 "$T/text" | cut -d' ' -f1 | tr '\n' ' ')" = "CFG: DEV: DEV: CTIME: " ]
	grep -qx "CHAIN: uuid: $(jq -r .uuid "$T/json") generation: $GENERATIONS" "$T/text"
	grep -qx "BASE: $((GENERATIONS - 1)).vma.zst" "$T/text"
	grep -qx "BEGAN: $(TZ=UTC "$VMA" list "$OLD" | sed -n 's/^CTIME: //p')" "$T/text"
	jq -e --arg base "$((GENERATIONS - 1)).vma.zst" --argjson began "$("$VMA" list "$OLD" --output-format json | jq .ctime)" \
		'.chain.generation == 8 and .chain.base == $base and .chain.began == $began and (.chain.gen | length) == 32 and
		.chain."new-bytes" > 0 and .chain."new-bytes" < ."file-size" / 2' "$T/json"
	[ "$(for n in {0..8}; do "$VMA" list "$D/$n.vma.zst" --output-format json | jq -r .uuid; done | sort -u | wc -l)" = 1 ]
	"$VMA" list "$OLD" | grep 'generation: 0$'
	"$VMA" list "$OLD" | grep BASE && return 1
	"$VMA" list "$OLD" --output-format json | jq -e '.chain.base == null'
	# what is no chain, and what does not come from a file
	"$VMA" index "$NEW" "$T/plain.vma.zst"
	"$VMA" list "$T/plain.vma.zst" | grep -E '^(CHAIN|SPACE)' && return 1
	"$VMA" list "$T/plain.vma.zst" --output-format json | jq -e 'has("chain") and .chain == null'
	"$VMA" list - < <(cat "$NEW") | grep CHAIN && return 1
	"$VMA" list - --output-format json < <(cat "$NEW") | jq -e '.chain == null'
}

@test "list says what the file system shares" {
	truncate -s 300M "$T/btrfs"
	mkfs.btrfs -q "$T/btrfs"
	mkdir "$T/mnt"
	mount -o loop "$T/btrfs" "$T/mnt" || skip "no loop devices, or no btrfs"
	cp "$OLD" "$NEW" "$T/mnt"
	cp --reflink=always "$T/mnt/${NEW##*/}" "$T/mnt/twin"
	sync -f "$T/mnt"
	"$VMA" list "$T/mnt/twin" > "$T/twin"
	"$VMA" list "$T/mnt/${OLD##*/}" > "$T/old"
	"$VMA" list "$T/mnt/${OLD##*/}" --output-format json > "$T/json"
	grep -Eqx 'SPACE: own: 0 shared: [1-9][0-9]+' "$T/twin"
	grep -Eqx 'SPACE: own: [1-9][0-9]+ shared: 0' "$T/old"
	jq -e '.chain."own-bytes" >= ."file-size" and .chain."shared-bytes" == 0' "$T/json"
}

# differing <image> <image>: offset and bytes of each cluster of 64 KiB that differs
differing() {
	python3 - "$1" "$2" <<- 'END'
		import sys
		a, b = (open(f, "rb").read() for f in sys.argv[1:])
		for at in range(0, max(len(a), len(b)), 65536):
		    if a[at:at + 65536] != b[at:at + 65536]:
		        print(at, max(len(a[at:at + 65536]), len(b[at:at + 65536])))
	END
}

@test "diff finds the clusters that differ, and no others, between any two generations" {
	for pair in "0 1" "3 4" "0 8" "8 2"; do
		read -r a b <<< "$pair"
		differing "$D/scsi0.$a" "$D/scsi0.$b" > "$T/expected"
		run -1 "$VMA" diff "$D/$a.vma.zst" "$D/$b.vma.zst" --map
		# the ranges, cut into clusters
		sed -nE 's/^differs: drive-scsi0: ([0-9]+) bytes at ([0-9]+) \(.*\)$/\2 \1/p' <<< "$output" |
			awk '{ for (at = $1; at < $1 + $2; at += 65536) print at, 65536 }' | diff - "$T/expected"
		summary="clusters that differ: $(wc -l < "$T/expected"), bytes: $(awk '{ n += $2 } END { print n }' "$T/expected")"
		[[ $output = *"
drive-scsi0: $summary
drive-virtio0: clusters that differ: 0, bytes: 0
total: $summary" ]]
		run -1 "$VMA" diff "$D/$a.vma.zst" "$D/$b.vma.zst"
		[ "${lines[0]}" = "drive-scsi0: $summary" ]
	done
}

@test "diff as JSON has the same, and what each archive has at a place" {
	"$VMA" diff "$OLD" "$NEW" --map > "$T/text" || [ $? = 1 ]
	"$VMA" diff "$OLD" "$NEW" --map --output-format json > "$T/json" || [ $? = 1 ]
	jq -r '.disks[] | .name as $name | .ranges[] |
		"differs: \($name): \(.length) bytes at \(.offset) (\(.kinds | join(", ")))"' "$T/json" |
		diff - <(grep '^differs: ' "$T/text")
	jq -r '(.disks[] | "\(.name): clusters that differ: \(.clusters), bytes: \(.bytes)"),
		"total: clusters that differ: \(.clusters), bytes: \(.bytes)"' "$T/json" | diff - <(grep -v '^differs: ' "$T/text")
	jq -e '[.disks[].sizes] == [[25165824, 25165824], [540672, 540672]]' "$T/json"
	grep -q '(data, zero)$' "$T/text"
	grep -q '(zero, data)$' "$T/text"
	"$VMA" diff "$OLD" "$NEW" --output-format json | jq -e '[.disks[] | has("ranges")] | any | not'
}

@test "diff of an archive with itself finds nothing, and unpacks nothing" {
	run -0 "$VMA" diff "$NEW" "$NEW"
	[ "${lines[-1]}" = "total: clusters that differ: 0, bytes: 0" ]
	# no more than index, trailers and header
	strace -f -e trace=pread64,read -o "$T/trace" "$VMA" diff "$NEW" "$NEW"
	[ "$(sed -nE 's/.* = ([0-9]+)$/\1/p' "$T/trace" | awk '{ n += $1 } END { print n }')" -lt $(($(stat -c %s "$NEW") / 4)) ]
}

@test "diff of disks that grew, shrank, came and went" {
	cp "$D/scsi0" "$T/scsi0"
	truncate -s 25000000 "$T/scsi0"
	printf x | dd of="$T/scsi0" bs=1 seek=24999999 conv=notrunc status=none
	head -c 100000 /dev/urandom > "$T/ide0"
	"$BUILD/tests/chain" "$T/x.vma.zst" "$NEW" "$D/qemu-server.conf" "drive-scsi0=$T/scsi0" "drive-ide0=$T/ide0"
	"$VMA" verify "$T/x.vma.zst"
	run -1 "$VMA" diff "$NEW" "$T/x.vma.zst" --map
	diff <(echo "$output") - <<- 'END'
		differs: drive-scsi0: 30784 bytes at 24969216 (zero, data)
		differs: drive-scsi0: 165824 bytes at 25000000 (zero, none)
		drive-scsi0: clusters that differ: 3, bytes: 196608; its size is 25165824 and 25000000
		differs: drive-virtio0: 540672 bytes at 0 (data, none)
		drive-virtio0: clusters that differ: 9, bytes: 540672; it is only in the first archive
		differs: drive-ide0: 100000 bytes at 0 (none, data)
		drive-ide0: clusters that differ: 2, bytes: 100000; it is only in the second archive
		total: clusters that differ: 14, bytes: 837280
	END
	"$VMA" diff "$T/x.vma.zst" "$NEW" --output-format json > "$T/json" || [ $? = 1 ]
	jq -e '.bytes == 837280 and ([.disks[] | [.name, .sizes]] == [["drive-scsi0", [25000000, 25165824]],
		["drive-ide0", [100000, null]], ["drive-virtio0", [null, 540672]]])' "$T/json"
}

@test "diff refuses what does not belong to one chain, and names both archives" {
	make_archive "$T/other.vma.zst" -
	"$VMA" index "$NEW" "$T/plain.vma.zst"
	for second in "$T/other.vma.zst" "$T/plain.vma.zst" "$BATS_TEST_DIRNAME/../fixtures/two-disks.vma"; do
		run -255 "$VMA" diff "$NEW" "$second"
		[[ ${#lines[@]} = 1 && $output = "cannot compare '$NEW' with '$second' ("*"): take both apart by vma extract, and compare by cmp" ]]
	done
	run -255 "$VMA" diff "$NEW" "$T/none"
	[ "$output" = "cannot open archive '$T/none': No such file or directory" ]
}

@test "a damaged trailer: the disks are whole, and verify says what that costs" {
	local trailers chain
	mapfile -t trailers < <(frames "$NEW" | awk '$3 == "trailer" { print $1 }')
	[ "${#trailers[@]}" -gt 10 ]
	for trailer in "${trailers[0]}" "${trailers[7]}" "${trailers[-1]}"; do
		# a hash, and what the whole frame is by
		for at in $((trailer + 40)) $((trailer + 9)); do
			hurt "$NEW" "$at"
			run -255 "$VMA" verify "$T/x.vma.zst"
			[[ ${#lines[@]} = 1 && $output = "verify failed: the disks are whole, but the next incremental backup takes over less or nothing: "*"frame "* ]]
			"$VMA" extract "$T/x.vma.zst" --to "drive-scsi0=$T/disk"
			cmp "$T/disk" "$D/scsi0"
		done
	done
	chain=$(frames "$NEW" | awk '$3 == "chain" { print $1 }')
	for at in $((chain + 10)) $((chain + 60)); do
		hurt "$NEW" "$at"
		run -255 "$VMA" verify "$T/x.vma.zst"
		[[ ${#lines[@]} = 1 && $output = "verify failed: the disks are whole, but the next incremental backup takes over less or nothing: "*chain* ]]
	done
	# another version is none of our business
	hurt "$NEW" $((chain + 16)) '\x02'
	run -0 "$VMA" verify "$T/x.vma.zst"
	[[ $output = *"; seek table and index agree with the data, trailers have another version" ]]
	run -255 "$VMA" diff "$NEW" "$T/x.vma.zst"
	[[ $output = *"version 2; this program reads version 1"* ]]
}

@test "a frame's data that is not what its trailer says is found, though its checksum is right" {
	local at
	at=$(frames "$NEW" | awk '$3 == "trailer" { print $1 }' | head -n 1)
	cp "$NEW" "$T/x.vma.zst"
	python3 - "$T/x.vma.zst" "$at" <<- 'END'
		import struct, sys
		# the hashes of two clusters change places, in a trailer that is right otherwise
		path, at = sys.argv[1], int(sys.argv[2])
		with open(path, "r+b") as f:
		    f.seek(at + 24)
		    a, b = bytearray(f.read(23)), bytearray(f.read(23))
		    a[7:], b[7:] = b[7:], a[7:]
		    f.seek(at + 24)
		    f.write(a + b)
	END
	run -255 "$VMA" verify "$T/x.vma.zst"
	[[ ${#lines[@]} = 1 && $output = *"frame "*": the hash of drive-"*" cluster "*" is wrong" ]]
}

@test "from a pipe trailers are not checked, which verify says" {
	run -0 "$VMA" verify - < <(cat "$NEW")
	[[ $output = "the archive is good: "*"; seek table and trailers not checked (it is read from a pipe)" ]]
	run -0 "$VMA" verify - < "$NEW"
	[[ $output = *"; seek table, index and trailers agree with the data" ]]
}

@test "damage of a frame costs its clusters, that of a trailer or pad none, not even in its length" {
	frames "$NEW" > "$T/frames"
	for kind in frame trailer pad; do
		awk -v kind="$kind" '$3 == kind && NR > 2 { print $1, $2 }' "$T/frames" | sed -n '1p;3p' > "$T/places"
		[ -s "$T/places" ]
		while read -r at size; do
			for byte in 5 6 $((size / 2)); do
				[ "$kind" = frame ] || [ "$byte" -lt 8 ] || continue
				rm -rf "$T/o"
				hurt "$NEW" $((at + byte)) '\x5a'
				run -255 --separate-stderr "$VMA" extract --salvage "$T/x.vma.zst" "$T/o"
				sed -nE 's/^lost: drive-scsi0: ([0-9]+) bytes at ([0-9]+)$/\1 \2/p' <<< "$stderr" > "$T/lost"
				[ "$kind" = frame ] || [ ! -s "$T/lost" ]
				[ "$(awk '{ n += $1 } END { print n + 0 }' "$T/lost")" -le $((59 * 65536)) ]
				cp "$D/scsi0" "$T/expected"
				while read -r bytes from; do
					head -c "$bytes" /dev/zero | dd of="$T/expected" bs=65536 seek=$((from / 65536)) conv=notrunc status=none
				done < "$T/lost"
				cmp "$T/expected" "$T/o/disk-drive-scsi0.raw"
			done
		done < "$T/places"
	done
}

@test "vma index leaves an archive that has its index alone, and says what a new one costs" {
	local end
	cp "$NEW" "$T/x.vma.zst"
	[ "$("$VMA" index "$T/x.vma.zst")" = "$T/x.vma.zst has an index already" ]
	cmp "$NEW" "$T/x.vma.zst"
	end=$(frames "$NEW" | tail -n 1 | cut -d' ' -f1)
	head -c "$end" "$NEW" > "$T/x.vma.zst"
	run -0 "$VMA" index "$T/x.vma.zst"
	[ "$output" = "$T/x.vma.zst has an index now; it belongs to no chain any more, so the next incremental backup is a full one" ]
	run -0 "$VMA" verify "$T/x.vma.zst"
	[[ $output = *"; seek table and index agree with the data" ]]
	"$VMA" extract "$T/x.vma.zst" --to "drive-scsi0=$T/disk"
	cmp "$T/disk" "$D/scsi0"
}

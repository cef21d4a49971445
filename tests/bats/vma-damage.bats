#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Archives that are hurt, that lie, or that do not come: what is said of them, what is got out of them.

load ../lib/qemu
load ../lib/vzdump

FIXTURES=$BATS_TEST_DIRNAME/../fixtures
VMA=$BUILD/bin/vma
QMRESTORE=$BUILD/bin/qmrestore

setup() {
	T=$BATS_TEST_TMPDIR
}

teardown() {
	exec 5>&- 6>&-
	readable_again
	[ ! -d "${VZ_TMP:-}" ] || vz_teardown
}

# is_over <pid>: within two seconds
is_over() {
	for _ in {1..40}; do
		kill -0 "$1" 2> /dev/null || return 0
		sleep 0.05
	done
	kill -KILL "$1"
	return 1
}

@test "a signal ends qmrestore and vma index while standard input stalls, at its beginning or amid it" {
	vz_setup
	mkfifo "$T/none" "$T/some"
	exec 5<> "$T/none" 6<> "$T/some"
	for signal in INT TERM HUP; do
		for fifo in none some; do
			[ "$fifo" = none ] || head -c 60000 "$FIXTURES/two-disks.vma" >&6
			env --default-signal=INT "$QMRESTORE" - 210 --storage local < "$T/$fifo" \
				> "$T/out" 2>&1 3>&- 5>&- 6>&- &
			sleep 0.7
			kill -"$signal" $!
			is_over $!
			status=0
			wait $! || status=$?
			[ "$status" = 255 ]
			grep -q 'interrupted by signal' "$T/out"
			[ ! -e "$(conf_file 210)" ]
			[ -z "$(find "$STORE" -type f)" ]
		done
	done
	env --default-signal=INT "$VMA" index - "$T/new.vma.zst" < "$T/none" > "$T/out" 2>&1 3>&- 5>&- 6>&- &
	sleep 0.5
	kill -INT $!
	is_over $!
	grep -q 'interrupted by signal' "$T/out"
	[ "$(cd "$T" && echo new*)" = 'new*' ]
}

@test "gzip: what gzip -t refuses is refused, members may follow each other, anything else may not" {
	local good=$FIXTURES/two-disks.vma.gz size at refused=0
	size=$(stat -c %s "$good")
	for k in {1..20}; do
		at=$((k * (size - 20) / 20))
		cp "$good" "$T/x.vma.gz"
		printf '\xa5' | dd of="$T/x.vma.gz" bs=1 seek="$at" conv=notrunc status=none
		if ! gzip -t "$T/x.vma.gz" 2> /dev/null; then
			refused=$((refused + 1))
			run "$VMA" verify "$T/x.vma.gz"
			[[ $status = 255 && $output = *"unpacking the archive failed at about byte "* ]]
			run "$VMA" extract "$T/x.vma.gz" "$T/o$k"
			[ "$status" = 255 ]
		fi
	done
	[ "$refused" -gt 15 ]
	{ head -c 300000 | gzip; gzip -1; } < "$FIXTURES/two-disks.vma" > "$T/two.vma.gz"
	"$VMA" verify "$T/two.vma.gz"
	"$VMA" verify - < "$T/two.vma.gz"
	head -c "$((size - 3))" "$good" > "$T/cut.vma.gz"
	run "$VMA" verify "$T/cut.vma.gz"
	[[ $status = 255 && $output = *"it is cut off"* ]]
}

@test "gzip: zeroes behind the end are padding, as for gzip itself" {
	{ cat "$FIXTURES/two-disks.vma.gz"; head -c 5000 /dev/zero; } > "$T/x.vma.gz"
	gzip -t "$T/x.vma.gz" 2> /dev/null
	"$VMA" verify "$T/x.vma.gz"
}

@test "gzip and bzip2: garbage behind the end is a damage" {
	bzip2 -c "$FIXTURES/two-disks.vma" > "$T/x.vma.bz2"
	{ head -c 300000 | bzip2; bzip2; } < "$FIXTURES/two-disks.vma" > "$T/two.vma.bz2"
	"$VMA" verify "$T/x.vma.bz2"
	"$VMA" verify "$T/two.vma.bz2"
	cp "$FIXTURES/two-disks.vma.gz" "$T/x.vma.gz"
	for packed in gz bz2; do
		echo garbage >> "$T/x.vma.$packed"
		run "$VMA" verify - < "$T/x.vma.$packed"
		[[ $status = 255 && $output = *"what follows the end of the "*" data is something else"* ]]
	done
}

# on_medium <archive>: from now on $DISK is the archive, of which only what $T/map says can be read
on_medium() {
	mkdir -p "$T/disk"
	DISK=$T/disk/${1##*/}
	nbdfuse "$DISK" --command nbdkit -s --filter=ddrescue file "$1" "ddrescue-mapfile=$T/map" \
		2> "$T/fuse-log" 3>&- &
	FUSE=$!
	for _ in {1..100}; do
		[ ! -e "$DISK" ] || return 0
		sleep 0.05
	done
	return 1
}

# bad_sectors <archive> <at>...: the same, but for the sectors there
bad_sectors() {
	local file=$1 size
	size=$(stat -c %s "$file")
	shift
	{
		echo '0x0 +'
		printf '%s\n' "$@" | awk -v size="$size" '
			$1 > end { printf "0x%x 0x%x +\n", end, $1 - end }
			{ printf "0x%x 0x200 -\n", $1; end = $1 + 512 }
			END { printf "0x%x 0x%x +\n", end, size - end }'
	} > "$T/map"
	on_medium "$file"
}

readable_again() {
	[ -n "${FUSE:-}" ] || return 0
	fusermount3 -u "$T/disk"
	wait "$FUSE" || true
	FUSE=
}

# only_lost <disk> <extracted> <stderr of vma>: what is not what the disk was is listed as lost, and zero
only_lost() {
	cp "$1" "$T/expected"
	sed -nE 's/^lost: [^:]*: ([0-9]+) bytes at ([0-9]+)$/\1 \2/p' "$3" > "$T/lost"
	while read -r bytes at; do
		head -c "$bytes" /dev/zero | dd of="$T/expected" bs=512 seek=$((at / 512)) conv=notrunc status=none
	done < "$T/lost"
	cmp "$T/expected" "$2"
}

@test "sectors that cannot be read cost what stands in them: a cluster, or a frame" {
	[ -w /dev/fuse ] || skip "no FUSE on this machine"
	head -c 24M /dev/urandom > "$T/x"
	for packed in "" .zst; do
		"$VMA" create "$T/a.vma$packed" -d "drive-scsi0=$T/x"
		bad_sectors "$T/a.vma$packed" 5000192 5001216 5004800 14000128
		run "$VMA" extract "$DISK" "$T/no"
		[ "$status" = 255 ]
		[[ $output = *"cannot read the archive at byte "*": Input/output error" ]]
		"$VMA" extract --salvage "$DISK" "$T/o$packed" 2> "$T/err" && return 1
		[ "$(grep -c '^damage: .* bytes of the archive, from byte .*: Input/output error' "$T/err")" = 2 ]
		only_lost "$T/x" "$T/o$packed/disk-drive-scsi0.raw" "$T/err"
		[ "$(awk '{ n += $1 } END { print n }' "$T/lost")" -le "$([ "$packed" ] && echo 12000000 || echo 262144)" ]
		run "$VMA" verify "$DISK"
		[ "$status" = 255 ]
		readable_again
		rm -r "$T/no"
	done
}

@test "a header that cannot be read is taken from the index" {
	[ -w /dev/fuse ] || skip "no FUSE on this machine"
	head -c 9M /dev/urandom > "$T/x"
	"$VMA" create "$T/a.vma.zst" -d "drive-a=$T/x"
	bad_sectors "$T/a.vma.zst" 0
	"$VMA" list "$DISK" | grep 'devname: drive-a$'
	"$VMA" extract --salvage "$DISK" "$T/o" 2> "$T/err" && return 1
	grep -q '^damage: the header is damaged (.*: Input/output error); the index has a copy of it$' "$T/err"
	only_lost "$T/x" "$T/o/disk-drive-a.raw" "$T/err"
	[ "$(awk '{ n += $1 } END { print n }' "$T/lost")" -lt 5000000 ]
	readable_again
}

@test "a medium of which the rest is dead is given up in large steps" {
	[ -w /dev/fuse ] || skip "no FUSE on this machine"
	head -c 24M /dev/urandom > "$T/x"
	"$VMA" create "$T/a.vma" -d "drive-scsi0=$T/x"
	printf '0x0 +\n0x0 0xc00000 +\n0xc00000 0x%x -\n' $(($(stat -c %s "$T/a.vma") - 0xc00000)) > "$T/map"
	on_medium "$T/a.vma"
	strace -f -e trace=lseek -o "$T/trace" "$VMA" extract --salvage "$DISK" "$T/o" 2> "$T/err" && return 1
	only_lost "$T/x" "$T/o/disk-drive-scsi0.raw" "$T/err"
	[ "$(grep -c '^damage: .*cannot be read' "$T/err")" = 1 ]
	[ "$(grep -c SEEK_SET "$T/trace")" -lt 60 ]
}

@test "a stream that is cut or hurt soon: list, config and --salvage get what comes before" {
	head -c 3M /dev/urandom > "$T/a"
	head -c 3M /dev/urandom > "$T/b"
	"$VMA" create "$T/a.vma" -c "$FIXTURES/two-disks.fw" -d "drive-a=$T/a" -d "drive-b=$T/b"
	for pack in "zstd -q" gzip lzop bzip2 xz; do
		$pack < "$T/a.vma" > "$T/whole"
		for hurt in cut flipped; do
			if [ "$hurt" = cut ]; then
				head -c 5M "$T/whole" > "$T/hurt"
			else
				cp "$T/whole" "$T/hurt"
				printf 'hurt' | dd of="$T/hurt" bs=1 seek=5000000 conv=notrunc status=none
			fi
			"$VMA" list "$T/hurt" | grep -q 'devname: drive-b$'
			"$VMA" config "$T/hurt" -c two-disks.fw | cmp - "$FIXTURES/two-disks.fw"
			rm -rf "$T/o"
			run "$VMA" extract "$T/hurt" "$T/o"
			[ "$status" = 255 ]
			rm -r "$T/o"
			"$VMA" extract --salvage "$T/hurt" "$T/o" 2> "$T/err" && return 1
			grep -q '^damage: .*any disk may be wrong at any place before$' "$T/err"
			[ "$hurt" = cut ] || [ "$pack" = lzop ] || continue
			for disk in a b; do
				grep -v "^lost: drive-[^$disk]" "$T/err" > "$T/err-$disk" || true
				only_lost "$T/$disk" "$T/o/disk-drive-$disk.raw" "$T/err-$disk"
			done
			[ "$(sed -nE 's/^salvaged.*: ([0-9]+) bytes are lost.*/\1/p' "$T/err")" -lt 5000000 ]
		done
	done
}

@test "a zstd stream of which only the checksum is wrong comes whole, and no disk is called right" {
	head -c 3M /dev/urandom > "$T/x"
	"$VMA" create - "drive-a=$T/x" | zstd -q > "$T/a.vma.zst"
	printf 'hurt' | dd of="$T/a.vma.zst" bs=1 seek=$(($(stat -c %s "$T/a.vma.zst") - 4)) conv=notrunc status=none
	run "$VMA" extract --salvage "$T/a.vma.zst" "$T/o"
	[ "$status" = 255 ]
	[[ $output = *"damage: "*" checksum; the checksums of such a stream come after the data, so any disk may be wrong at any place before"* ]]
	[[ $output = *": 0 bytes are lost"* ]]
	cmp "$T/x" "$T/o/disk-drive-a.raw"
}

@test "a zstd window over 32 MiB is refused with the way out" {
	head -c 80M /dev/zero > "$T/x"
	"$VMA" create - "drive-a=$T/x" > "$T/a.vma"
	cat "$T/a.vma" "$T/x" | zstd -q --long=27 > "$T/a.vma.zst"
	run "$VMA" list "$T/a.vma.zst"
	[ "$status" = 255 ]
	[[ $output = *"'zstd -dc --long=31 FILE | vma ... -'" ]]
}

@test "damages without end take a hundred lines" {
	head -c 64M /dev/zero > "$T/x"
	"$VMA" create "$T/a.vma" -d "drive-a=$T/x"
	header=$(($(stat -c %s "$T/a.vma") - 18 * 512))
	{
		cat "$T/a.vma"
		for _ in {1..300}; do tail -c "+$((header + 1))" "$T/a.vma"; done
	} > "$T/b.vma"
	"$VMA" verify "$T/b.vma" 2> "$T/err" && return 1
	[ "$(grep -c '^damage: extent at byte .*: drive-a: [0-9]* clusters from [0-9]* on .* come twice$' "$T/err")" = 100 ]
	[ "$(grep -cx 'damage: and more' "$T/err")" = 1 ]
	[ "$(wc -l < "$T/err")" = 102 ]
}

# seek_ends <archive>: where its frames end, from the seek table: header, data..., index, table
seek_ends() {
	python3 - "$1" <<- 'END'
		import struct, sys
		data = open(sys.argv[1], "rb").read()
		frames = struct.unpack_from("<I", data, len(data) - 9)[0]
		at = 0
		for i in range(frames):
		    at += struct.unpack_from("<I", data, len(data) - 9 - 8 * (frames - i))[0]
		    print(at)
	END
}

@test "a damaged header costs nothing: --salvage takes the copy that the index has" {
	head -c 9M /dev/urandom > "$T/x"
	"$VMA" create "$T/a.vma.zst" -c "$FIXTURES/two-disks.fw" -d "drive-a=$T/x"
	for at in 0 6 60; do
		cp "$T/a.vma.zst" "$T/b.vma.zst"
		printf '\x13\x57' | dd of="$T/b.vma.zst" bs=1 seek="$at" conv=notrunc status=none
		"$VMA" config "$T/b.vma.zst" -c two-disks.fw | cmp - "$FIXTURES/two-disks.fw"
		rm -rf "$T/o" "$T/s"
		run "$VMA" extract "$T/b.vma.zst" "$T/o"
		[ "$status" = 255 ]
		[[ $output = *"the header is damaged ("*"; the index has a copy of it, which vma extract --salvage uses" ]]
		run "$VMA" extract --salvage "$T/b.vma.zst" "$T/s"
		[ "$status" = 255 ]
		[[ $output = *": 0 bytes are lost"* ]]
		cmp "$T/x" "$T/s/disk-drive-a.raw"
		run "$VMA" verify "$T/b.vma.zst"
		[[ $status = 255 && $output = *"damage: the header is damaged ("*"damages: 1, bytes of disks lost: 0;"* ]]
	done
}

@test "verify says in one line that an archive is good, and when index or seek table are lost" {
	local ends
	head -c 9M /dev/urandom > "$T/x"
	"$VMA" create "$T/a.vma.zst" -d "drive-a=$T/x"
	run "$VMA" verify "$T/a.vma.zst"
	[ "$status" = 0 ]
	[ "$output" = "$T/a.vma.zst is good: 1 disk, 9.0 MiB (9.0 MiB of data); seek table and index agree with the data" ]
	mapfile -t ends < <(seek_ends "$T/a.vma.zst")
	head -c "${ends[-1]}" "$T/a.vma.zst" > "$T/no-table"
	for how in "$T/no-table" -; do
		run "$VMA" verify "$how" < "$T/no-table"
		[[ $status = 255 && $output = "verify failed: seek table: it is lost (vma index makes a new one)" ]]
	done
	head -c "${ends[-3]}" "$T/a.vma.zst" > "$T/no-index"
	run "$VMA" verify "$T/no-index"
	[ "$status" = 0 ]
	[ "$output" = "the data is whole, but seek table and index are lost: vma index makes new ones" ]
	head -c 2M "$T/x" > "$T/y"
	"$VMA" create - "drive-a=$T/y" > "$T/y.vma"
	zstd -q "$T/y.vma"
	for archive in "$T/y.vma.zst" "$FIXTURES/two-disks.vma.zst"; do
		run "$VMA" verify "$archive"
		[[ $status = 0 && ${#lines[@]} = 1 ]]
		[[ $output = "$archive is good: "*"; no seek table, as in Proxmox's archives" ]]
	done
}

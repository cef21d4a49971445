#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# One allocation fails, each in its turn: the program's own, and those of the libraries it uses.  Then there is an
# error or the line "out of memory", never a crash, and never a result that is not whole.

load ../lib/qemu
load ../lib/vzdump

VMA=$BUILD/bin/vma
QMRESTORE=$BUILD/bin/qmrestore

setup_file() {
	FAIL_LIB=$BATS_FILE_TMPDIR/fail-malloc.so
	export FAIL_LIB
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$FAIL_LIB" "$BATS_TEST_DIRNAME/fail-malloc.c" -ldl
}

setup() {
	# its allocator is another
	[[ ! $BUILD = *address* ]] || skip "the sanitizer has an allocator of its own"
	vz_setup
	T=$BATS_TEST_TMPDIR
	disk_fill "$T/img" 4M noise
	mkdir -p "$STORE/local/images/200"
	cp "$T/img" "$STORE/local/images/200/vm-200-disk-0.raw"
	conf_add 200 "scsi0: local:200/vm-200-disk-0.raw,size=4M"
	printf 'scsi0: local:1/x.raw\n' > "$T/qemu-server.conf"
	"$VMA" create "$T/a.vma" -c "$T/qemu-server.conf" -d "drive-scsi0=$T/img"
	"$VMA" create "$T/a.vma.zst" -c "$T/qemu-server.conf" -d "drive-scsi0=$T/img"
	gzip -k "$T/a.vma"
	xz -k "$T/a.vma"
	bzip2 -k "$T/a.vma"
}

teardown() {
	[[ ! ${VZ_TMP:-} ]] || vz_teardown
}

# ended_well <where> <program>: what may have come of it
ended_well() {
	case $status in
	0) ;;
	134) grep -q 'out of memory' "$T/err" ;;
	1) grep -q 'libarchive: Out of memory' "$T/err" ;;
	255) [[ -s $T/err ]] || grep -q ERROR "$T/out" ;;
	*) false ;;
	esac || {
		echo "$1: $2 ended with $status:"
		cat "$T/out" "$T/err"
		return 1
	}
}

# each_fails <libraries> <check> <program> <argument>...: one after the other of the first allocations fails, later
# ones at growing distance; before and after each run `check before` and `check after` are called
each_fails() {
	local from at runs check=$2 program=$3 libraries=$1
	shift 3
	for from in $libraries; do
		for ((at = 1, runs = 1; runs <= 10; runs++, at += (runs + 1) / 3)); do
			rm -f "$T/failed"
			"$check" before
			status=0
			{
				LD_PRELOAD=$FAIL_LIB FAIL_MALLOC_AT=$at FAIL_MALLOC_FROM=$from \
					FAIL_MALLOC_IN=${program##*/} FAIL_MALLOC_MARK=$T/failed \
					timeout 60 "$program" "$@" > "$T/out" 2> "$T/err" < /dev/null 3>&- || status=$?
			} 2> /dev/null # "Aborted"
			[[ -e $T/failed ]] || break
			ended_well "allocation $at of $from" "$program $*"
			"$check" after
		done
	done
}

nothing() {
	:
}

listed() {
	[[ $1 = before || $status != 0 ]] || diff "$T/out" "$T/listed"
}

@test "vma list and config tell all or nothing" {
	"$VMA" list "$T/a.vma.zst" --output-format json > "$T/listed"
	# json-c up to 0.16 crashes itself when strdup() fails in its parser, which is libc's
	each_fails "bin/ libzstd libjson" same_json "$VMA" list "$T/a.vma.zst" --output-format json
	"$VMA" config "$T/a.vma.zst" > "$T/listed"
	each_fails "bin/ libzstd libc.so" listed "$VMA" config "$T/a.vma.zst"
}

# json-c may lose the blanks
same_json() {
	[[ $1 = before || $status != 0 ]] || diff <(tr -d ' \n' < "$T/out") <(tr -d ' \n' < "$T/listed")
}

@test "vma verify finds no archive whole that it could not read, and blames none" {
	local packed
	each_fails "bin/ libzstd libc.so" nothing "$VMA" verify "$T/a.vma.zst"
	for packed in gz:libz.so xz:liblzma bz2:libarchive; do
		each_fails "${packed#*:}" nothing "$VMA" verify "$T/a.vma.${packed%:*}"
		! grep -q 'damage' "$T/err" || return 1
	done
}

extracted() {
	if [[ $1 = before ]]; then
		rm -rf "$T/new"
	elif [[ $status = 0 ]]; then
		cmp "$T/new/disk-drive-scsi0.raw" "$T/img"
		cmp "$T/new/qemu-server.conf" "$T/qemu-server.conf"
	fi
}

created() {
	if [[ $1 = before ]]; then
		rm -f "$T/new".vma*
	elif [[ -e $T/new.vma.zst ]]; then
		"$VMA" verify "$T/new.vma.zst" > /dev/null
	fi
}

@test "vma extract and create leave nothing that looks whole and is not" {
	each_fails "bin/ libzstd libc.so" extracted "$VMA" extract "$T/a.vma.zst" "$T/new"
	each_fails "bin/ libzstd libc.so" created "$VMA" create "$T/new.vma.zst" -c "$T/qemu-server.conf" \
		-d "drive-scsi0=$T/img"
}

saved() {
	if [[ $1 = before ]]; then
		rm -rf "$STORE/backup/dump"
		return
	fi
	"$VZDUMP" --cleanup > /dev/null
	nothing_left 200
	[[ -e $STORE/backup/dump ]] || return 0
	find "$STORE/backup/dump" -name '*.vma.zst' -exec "$VMA" verify {} + > /dev/null
}

@test "a backup fails or is whole, and is cleaned up after" {
	each_fails "bin/ libzstd libjson libnbd libc.so" saved "$VZDUMP" 200 --storage backup --compress zstd
}

restored() {
	if [[ $1 = before ]]; then
		rm -rf "$(conf_file 201)" "$STORE/local/images/201"
		return
	fi
	"$VZDUMP" --cleanup > /dev/null
	if [[ -e $(conf_file 201) ]]; then
		cmp "$STORE/local/images/201/vm-201-disk-0.raw" "$T/img"
	else
		[[ ! $(find "$STORE/local/images/201" -type f 2> /dev/null) ]]
	fi
}

@test "a restore is done or undone" {
	each_fails "bin/ libzstd libc.so" restored "$QMRESTORE" "$T/a.vma.zst" 201 --storage local
}

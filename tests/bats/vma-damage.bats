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

#!/usr/bin/env bats
# vma boot and vzdump --verify-boot: what a user sees most.  The other ways to fail are in tests/faults/boot.bats.

load ../lib/qemu
load ../lib/vzdump
load ../lib/boot

# long enough for any machine: what a test waits for comes much earlier
LONG=900

setup() {
	vz_setup
	export TMPDIR=$VZ_TMP/t
	mkdir "$TMPDIR"
}

teardown() {
	vz_teardown
}

@test "vma boot says that a guest has started when its agent answers, and keeps screen and console" {
	boot_guest 100
	boot_archive 100
	local before
	before=$(sha256sum < "$ARCHIVE")
	mkdir "$VZ_TMP/keep"
	boot $LONG --keep "$VZ_TMP/keep"
	echo "$output"
	[[ $status = 0 ]]
	has_line '^started: the guest agent answered after [0-9]+ s$'
	grep -q 'guest: ready' "$VZ_TMP"/keep/vzdump-qemu-100-*.boot.log
	[[ $(head -c 4 "$VZ_TMP"/keep/vzdump-qemu-100-*.boot.png | tail -c 3) = PNG ]]
	[[ $(sha256sum < "$ARCHIVE") = "$before" ]]
	nothing_of_boot
}

@test "vma boot says that a disk without a boot sector does not start" {
	boot_guest 100
	dd if=/dev/zero of="$DISK" bs=512 count=1 conv=notrunc status=none
	boot_archive 100
	boot $LONG --output-format json
	echo "$output"
	[[ $status = 1 ]]
	has_line '"state": "failed"'
	has_line '"reason": "the firmware finds nothing to boot from: its console shows .No bootable device.'
	nothing_of_boot
}

@test "vzdump --verify-boot fails a backup that does not start, keeps it and all older ones, and status shows it" {
	boot_guest 100
	vzdump_ok 100
	dd if=/dev/zero of="$DISK" bs=512 count=1 conv=notrunc status=none
	vzdump 100 --prune-backups keep-last=1 --verify-boot "enabled=1,accel=tcg,timeout=$LONG"
	[[ $status = 255 ]]
	has_line 'Backup of VM 100 failed - verify-boot: the guest does not start from its archive, which is kept'
	[[ $(find "$STORE/backup/dump" -name '*.vma.zst' | wc -l) = 2 ]]
	[[ $(head -c 4 "$VZDUMP_ROOT/var/log/vzdump/qemu-100.boot.png" | tail -c 3) = PNG ]]
	nothing_left 100
	nothing_of_boot
	run "$VZDUMP" status
	has_line "^! *100 .* FAILED "
}

@test "vzdump --dry-run says that guests are tried, and gzip makes that impossible" {
	boot_guest 100
	vzdump_ok 100 --dry-run --verify-boot 1
	has_line 'verify-boot: each guest is tried from its archive, for 300 s at most'
	vzdump_ok 100 --compress gzip --verify-boot 1
	has_line 'WARN: verify-boot has no effect with --compress gzip or lzo'
}

@test "vma boot refuses an expression that is none, and an archive without an index" {
	printf 'not an archive' > "$VZ_TMP/x.vma.zst"
	run "$VMA" boot "$VZ_TMP/x.vma.zst" --expect '/(/'
	[[ $status = 255 ]]
	has_line "^'/\\(/' is no extended regular expression: "
	run "$VMA" boot "$VZ_TMP/x.vma.zst"
	[[ $status = 255 ]]
	[[ ${#lines[@]} = 1 ]]
}

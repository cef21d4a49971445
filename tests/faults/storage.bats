#!/usr/bin/env bats
# Storages that are full, or go away in mid-copy.

load faults

# a storage is full only where nothing keeps some of it free
NO_RESERVE=(--fleecing "enabled=1,storage=fast,reserve=0")

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
}

teardown() {
	faults_teardown
}

guest() {
	disk_add 123 scsi0 throttle 32M
	disk_fill "$(disk_path 123 scsi0)" 32M
	qemu_start 123 running
	before 123
}

@test "fleecing storage full: the guest writes on at once, the backup fails and says why" {
	small_fs "$STORE/fast" 6M
	guest
	backup_start 123 --bwlimit 128 "${NO_RESERVE[@]}"
	local ms i
	ms=$(guest_write 123 scsi0 8M 4608k)
	for ((i = 0; i < 60; i++)); do
		ms=$(guest_write 123 scsi0 $((16 * 1024 + i * 128))k 128k)
		[[ $ms -lt 2000 ]] || fail "a guest write took $ms ms"
		kill -0 "$PID" 2> /dev/null || break
		sleep 0.1
	done
	ends_with 255
	log_has "WARN: fleecing storage 'fast' has less than 10% of its space free"
	log_has "WARN: fleecing storage 'fast' has less than 5% of its space free"
	log_has "ERROR: Backup of VM 123 failed - drive-scsi0: fleecing storage 'fast' is full"
	[[ $(grep -c 'of its space free' "$LOG") = 2 ]]
	no_archive
	all_well 123
}

@test "fleecing storage full at once by one large write: the guest's write succeeds" {
	small_fs "$STORE/fast" 6M
	guest
	backup_start 123 --bwlimit 512 "${NO_RESERVE[@]}"
	local ms
	ms=$(guest_write 123 scsi0 8M 20M)
	[[ $ms -lt 5000 ]] || fail "the guest write took $ms ms"
	ends_with 255
	log_has "ERROR: Backup of VM 123 failed - drive-scsi0: fleecing storage 'fast' is full"
	no_archive
	all_well 123
}

# target_full <argument>...: the dump folder has room for a tenth of it
target_full() {
	small_fs "$VZ_TMP/target" 3M
	guest
	vzdump 123 --dumpdir "$VZ_TMP/target" "$@"
	echo "$output" > "$LOG"
	[[ $status = 255 ]]
	log_has "ERROR: Backup of VM 123 failed - .*'$VZ_TMP/target/vzdump-qemu-123-[0-9_-]*\.vma.*No space left on device"
	[[ -z $(find "$VZ_TMP/target" -type f ! -name '*.log') ]]
	all_well 123
}

@test "target full, fleecing: the archive's path and the reason are told, no partial file stays" {
	target_full "${FLEECING[@]}"
}

@test "target full, no fleecing, while the guest writes: the same, and the guest writes on" {
	small_fs "$VZ_TMP/target" 3M
	guest
	backup_start 123 --dumpdir "$VZ_TMP/target" --bwlimit 4000
	local i ms
	for ((i = 0; i < 10; i++)); do
		ms=$(guest_write 123 scsi0 $((20 + i))M 1M)
		[[ $ms -lt 3000 ]] || fail "a guest write took $ms ms"
	done
	ends_with 255
	log_has "No space left on device"
	[[ -z $(find "$VZ_TMP/target" -type f ! -name '*.log') ]]
	all_well 123
}

@test "target full, gzip: the same" {
	target_full --compress gzip
}

@test "target full, lzo: the same" {
	target_full --compress lzo
}

@test "target's folder removed in mid-copy: the backup fails and says so" {
	guest
	mkdir "$VZ_TMP/target"
	backup_start 123 --dumpdir "$VZ_TMP/target" --bwlimit 8000 "${FLEECING[@]}"
	rm -r "$VZ_TMP/target"
	ends_with 255
	log_has "ERROR: Backup of VM 123 failed - .*$VZ_TMP/target/.*No such file or directory"
	[[ ! -e $VZ_TMP/target ]]
	all_well 123
}

@test "target unmounted in mid-copy: the backup fails, nothing lands below the mount point" {
	small_fs "$VZ_TMP/target" 64M
	guest
	backup_start 123 --dumpdir "$VZ_TMP/target" --bwlimit 8000 "${FLEECING[@]}"
	umount -l "$VZ_TMP/target"
	ends_with 255
	log_has "ERROR: Backup of VM 123 failed - "
	[[ -z $(find "$VZ_TMP/target" -type f ! -name '*.log') ]]
	all_well 123
}

@test "fleecing storage unmounted in mid-copy: the guest writes on, the next backup works" {
	small_fs "$STORE/fast" 64M
	guest
	backup_start 123 --bwlimit 8000 "${FLEECING[@]}"
	umount -l "$STORE/fast"
	[[ $(guest_write 123 scsi0 20M 4M) -lt 3000 ]]
	ends_with 0
	rm -f "$STORE"/backup/dump/*
	all_well 123
}

@test "fleecing storage away in mid-copy: said; backups go on without it; the image goes when it is back" {
	guest
	backup_start 123 --bwlimit 8000 "${FLEECING[@]}"
	mv "$STORE/fast" "$STORE/away"
	[[ $(guest_write 123 scsi0 20M 4M) -lt 3000 ]]
	ends_with 0
	log_has "WARN: .*image 'fast:123/vm-123-fleece-0.raw'.*$STORE/fast"
	log_has "WARN: something was left behind: 'vzdump --cleanup 123' tries again"
	rm -f "$STORE"/backup/dump/*
	# it is not forgotten and not in the way
	good_backup 123
	[[ $output = *"WARN: "*"image 'fast:123/vm-123-fleece-0.raw'"* ]]
	mv "$STORE/away" "$STORE/fast"
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	all_well 123
}

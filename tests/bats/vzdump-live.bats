#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Backups of running guests: what is in the archive, and what the guest's QEMU looks like after.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
}

teardown() {
	backup_drop
	vz_teardown
}

# keep_instant <vmid> <key>: a copy of the disk as it is now
keep_instant() {
	cp --sparse=always "$(disk_path "$1" "$2")" "$VZ_TMP/instant-$2"
}

# backup_rewritten <vmid> <argument>...: a backup at limited speed while the guest writes all over its
# disk of 96 MiB; the writer starts once the filter is in, so the instant is known
backup_rewritten() {
	local vmid=$1 r=0
	shift
	while_writing "$vmid" 96 --bwlimit 24000 "$@" || r=$?
	[[ $r = 0 && $(< "$VZ_TMP/writes") -gt 50 ]] || {
		echo "exit $r, $(< "$VZ_TMP/writes") writes: $output"
		return 1
	}
}

@test "the mission's command saves the disk as it was at the instant while the guest rewrites it" {
	disk_add 123 scsi0 throttle 96M
	disk_fill "$(disk_path 123 scsi0)" 96M
	qemu_start 123
	graph_state 123 > "$VZ_TMP/before"
	keep_instant 123 scsi0
	backup_rewritten 123 --fleecing enabled=1,storage=fast
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	if cmp -s "$VZ_TMP/instant-scsi0" "$(disk_path 123 scsi0)"; then
		echo "the guest has written nothing"
		return 1
	fi
	graph_state 123 | diff "$VZ_TMP/before" -
	nothing_left 123
	# it has a log of its own beside it
	[[ $ARCHIVE =~ /vzdump-qemu-123-[0-9]{4}(_[0-9]{2}){2}(-[0-9]{2})(_[0-9]{2}){2}\.vma\.zst$ ]]
	grep -qE '^[0-9-]{10} [0-9:]{8} INFO: Finished Backup of VM 123 \([0-9:]{8}\)$' "${ARCHIVE%.vma.zst}.log"
	has_line '^INFO: starting new backup job: vzdump 123 '
	has_line '^INFO: Starting Backup of VM 123 \(qemu\)$'
	has_line '^INFO: status = running$'
	has_line "^INFO: include disk 'scsi0' 'local:123/vm-123-disk-0.raw' 96M$"
	has_line '^INFO: backup mode: snapshot$'
	has_line '^INFO: bandwidth limit: 24000 KiB/s$'
	has_line "^INFO: creating vzdump archive '$ARCHIVE'$"
	has_line '^INFO: drive-scsi0: attaching fleecing image fast:123/vm-123-fleece-0.raw to QEMU$'
	has_line '^INFO: +[0-9]+% \([0-9.]+ MiB of 96\.0 MiB\) in [0-9]+s, read: [0-9.]+ [KM]iB/s, write: [0-9.]+ [KM]iB/s, fleecing: [0-9.]+ [KM]?i?B \(peak [0-9.]+ [KM]?i?B\)$'
	has_line '^INFO: 100% \(96\.0 MiB of 96\.0 MiB\)'
	has_line '^INFO: fleecing drive-scsi0: peak [0-9.]+ [KM]iB, copied [0-9.]+ MiB, discarded [0-9.]+ MiB$'
	has_line '^INFO: transferred 96\.0 MiB in ([0-9]+ seconds \([0-9.]+ MiB/s\)|<1 seconds)$'
	has_line '^INFO: archive file size: [0-9]+MB$'
	has_line '^INFO: Backup job finished successfully$'
}

# asked <name>: how often the last backup gave QEMU a command of that name
asked() {
	grep -cE " > .*\"execute\": ?\"$1\"" "$VZ_TMP/trace" || true
}

@test "QEMU gets few commands for each disk, none that takes it long, and looks at its graph once a phase" {
	local i n disks vmid
	for disks in 1 6; do
		vmid=$((123 + disks))
		for ((i = 0; i < disks; i++)); do
			disk_add $vmid scsi$i throttle 1M
		done
		qemu_start $vmid running
		VZDUMP_TRACE=qmp "$VZDUMP" $vmid --storage backup --fleecing enabled=1,storage=fast 2> "$VZ_TMP/trace"
		n=$(asked '[^"]*')
		[[ $n -gt 30 && $n -le $((60 + 20 * disks)) ]] || { echo "$n commands for $disks disks"; return 1; }
		[[ $(asked query-named-block-nodes) -le 8 && $(asked query-iothreads) -le 6 ]]
		[[ $(asked query-qmp-schema) = 0 ]]
		# one command puts all filters below the throttle filters, so nothing need stand still
		[[ $(asked stop) = 0 && $(asked blockdev-reopen) = $((1 + disks)) ]]
		qemu_quit $vmid
	done
}

@test "what the host holds back of a disk is written out before a change for which the guest waits" {
	disk_add 123 scsi0 throttle 8M
	qemu_start 123
	strace -f -y -s 200 -e trace=fdatasync,sendmsg -o "$VZ_TMP/trace" \
		"$VZDUMP" 123 --storage backup --fleecing enabled=1,storage=fast
	# in goes the filter, and out
	[ "$(sed -nE 's/.* fdatasync\(.*vm-123-disk-0.raw>.*/written/p; s/.*blockdev-reopen.*/changed/p' \
		"$VZ_TMP/trace" | uniq | xargs)" = "written changed written changed" ]
}

@test "without fleecing, what the guest rewrites is pushed and the archive is as exact" {
	disk_add 123 scsi0 throttle 96M
	disk_fill "$(disk_path 123 scsi0)" 96M
	qemu_start 123
	graph_state 123 > "$VZ_TMP/before"
	keep_instant 123 scsi0
	backup_rewritten 123
	has_line "^INFO: without fleecing the guest's writes to data that was not saved yet waited for the archive: [0-9.]+ [KM]iB of it$"
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	if cmp -s "$VZ_TMP/instant-scsi0" "$(disk_path 123 scsi0)"; then
		echo "the guest has written nothing"
		return 1
	fi
	graph_state 123 | diff "$VZ_TMP/before" -
	nothing_left 123
}

@test "what was zero at the instant is zero in the archive, although the guest has written there since" {
	disk_add 123 scsi0 throttle 96M
	disk_fill "$VZ_TMP/data" 64M
	dd if="$VZ_TMP/data" of="$(disk_path 123 scsi0)" bs=1M seek=32 conv=notrunc status=none
	qemu_start 123
	keep_instant 123 scsi0
	backup_rewritten 123 --fleecing enabled=1,storage=fast
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	has_line '^INFO: backup is sparse: '
	# the guest did write there
	run ! cmp -s -n 32M "$VZ_TMP/instant-scsi0" "$(disk_path 123 scsi0)"
	nothing_left 123
}

# qemu_older_than <major> <vmid>
qemu_older_than() {
	[[ $(qmp "$2" query-version) =~ \"major\":\ ([0-9]+) && ${BASH_REMATCH[1]} -lt $1 ]]
}

@test "every way a disk can hang in QEMU is saved, with fleecing and without" {
	local n=0 style key args vmid
	for style in blockdev iothread scsi scsi-iothread throttle throttle-iothread drive-ide \
		drive-scsi; do
		vmid=$((200 + n++))
		key=scsi0
		[[ $style = blockdev || $style = iothread ]] && key=virtio0
		[[ $style = drive-ide ]] && key=ide0
		disk_add $vmid $key $style 6M
		disk_fill "$(disk_path $vmid $key)" 5M $style
		qemu_start $vmid running
		graph_state $vmid > "$VZ_TMP/before"
		if [[ $style = scsi-iothread || $style = throttle-iothread ]] && qemu_older_than 9 $vmid; then
			# this QEMU would abort; it is refused before anything is touched
			vzdump $vmid --fleecing 1
			[[ $status = 255 ]]
			has_line "ERROR: Backup of VM $vmid failed - .*iothread"
			graph_state $vmid | diff "$VZ_TMP/before" -
			nothing_left $vmid
			qemu_kill $vmid
			continue
		fi
		for args in "--fleecing 1" "--fleecing enabled=1,storage=fast" ""; do
			# shellcheck disable=SC2086
			vzdump_ok $vmid $args || { echo "style $style $args"; return 1; }
			archive_read
			same_disk drive-$key "$(disk_path $vmid $key)"
			guest_io $vmid $key "write -P 0x11 0 64k" "read -P 0x11 0 64k"
			graph_state $vmid | diff "$VZ_TMP/before" - || { echo "style $style $args"; return 1; }
		done
		nothing_left $vmid
		qemu_kill $vmid
	done
}

@test "an EFI disk goes the direct way although fleecing is on, a TPM state is read offline" {
	disk_add 123 efidisk0 pflash 528K
	disk_fill "$(disk_path 123 efidisk0)" 528K efi
	disk_add 123 scsi0 scsi 4M
	conf_add 123 "bios: ovmf"
	qemu_start 123 running
	mkdir -p "$STORE/local/images/123"
	disk_fill "$STORE/local/images/123/vm-123-disk-9.raw" 4M tpm
	conf_add 123 "tpmstate0: local:123/vm-123-disk-9.raw,size=4M,version=v2.0"
	graph_state 123 > "$VZ_TMP/before"
	vzdump_ok 123 --fleecing 1
	has_no_line 'drive-efidisk0: attaching fleecing'
	has_line 'drive-scsi0: attaching fleecing image local:123/vm-123-fleece-0'
	archive_read
	same_disk drive-efidisk0 "$(disk_path 123 efidisk0)"
	same_disk drive-scsi0 "$(disk_path 123 scsi0)"
	same_disk drive-tpmstate0-backup "$STORE/local/images/123/vm-123-disk-9.raw"
	graph_state 123 | diff "$VZ_TMP/before" -
	nothing_left 123
}

@test "disks of odd sizes are saved to the last byte" {
	local size n=0
	for size in 512 4096 5120 65536 66048 131584 3866624 3932672; do
		disk_add 123 scsi$n scsi $size
		disk_fill "$(disk_path 123 scsi$n)" $size $n
		n=$((n + 1))
	done
	qemu_start 123
	for args in "--fleecing 1" ""; do
		# shellcheck disable=SC2086
		vzdump_ok 123 $args
		archive_read
		for ((i = 0; i < n; i++)); do
			same_disk drive-scsi$i "$(disk_path 123 scsi$i)"
		done
	done
	nothing_left 123
}

@test "fleecing images go to the storage of their own disk when none is named" {
	storage_add other images
	disk_add 123 scsi0 scsi 4M
	disk_add 123 scsi1 scsi 4M
	mkdir -p "$STORE/other/images/123"
	mv "$(disk_path 123 scsi1)" "$STORE/other/images/123/vm-123-disk-1.raw"
	ln -s "$STORE/other/images/123/vm-123-disk-1.raw" "$(disk_path 123 scsi1)"
	sed -i 's/^scsi1: local:/scsi1: other:/' "$(conf_file 123)"
	qemu_start 123
	vzdump_ok 123 --fleecing 1
	has_line 'drive-scsi0: attaching fleecing image local:123/vm-123-fleece-0.raw'
	has_line 'drive-scsi1: attaching fleecing image other:123/vm-123-fleece-1.raw'
	nothing_left 123
}

@test "all forms of the fleecing property are understood, and bad ones named" {
	disk_add 123 scsi0 scsi 1M
	qemu_start 123
	local form
	for form in 1 enabled=1 on enabled=yes,storage=fast storage=fast,enabled=1; do
		vzdump_ok 123 --fleecing "$form"
		has_line 'attaching fleecing image'
	done
	for form in 0 storage=fast,enabled=0 enabled=no storage=fast; do
		vzdump_ok 123 --fleecing "$form"
		has_no_line 'attaching fleecing image'
	done
	vzdump 123 --fleecing enabled=maybe
	[[ $status = 255 && $output = *fleecing*enabled*maybe* && ${#lines[@]} = 1 ]]
	vzdump 123 --fleecing 1,store=fast
	[[ $status = 255 && $output = *fleecing*store* && ${#lines[@]} = 1 ]]
	vzdump 123 --fleecing 1,storage=nowhere
	[[ $status = 255 ]]
	has_line "ERROR: Backup of VM 123 failed - allocating fleecing image for scsi0: storage 'nowhere' does not exist"
	nothing_left 123
}

@test "a guest in suspend mode stands still for the start and runs on after" {
	disk_add 123 scsi0 scsi 4M
	disk_fill "$(disk_path 123 scsi0)" 4M
	qemu_start 123 running
	printf '#!/bin/sh\necho "$1" >> %s/phases\necho "$TARGET" >> %s/targets\n' "$VZ_TMP" "$VZ_TMP" > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
	vzdump_ok 123 --mode suspend --fleecing 1 --script "$VZ_TMP/hook"
	[[ $(tr '\n' ' ' < "$VZ_TMP/phases") = *"backup-start pre-stop backup-end pre-restart post-restart "* ]]
	has_line '^INFO: backup mode: suspend$'
	has_line '^INFO: suspending guest$'
	has_line '^INFO: resuming VM again after [0-9]+ seconds$'
	has_line '^INFO: resume vm$'
	# from backup-start to log-end, pre- and post-restart among them, the hook knows the archive's name
	[[ $(grep -cxF "$ARCHIVE" "$VZ_TMP/targets") = 6 ]]
	[[ $(qmp 123 query-status) = *'"running": true'* ]]
	archive_read
	same_disk drive-scsi0 "$(disk_path 123 scsi0)"
	nothing_left 123
}

@test "a guest that its administrator paused stays paused" {
	disk_add 123 scsi0 scsi 4M
	qemu_start 123 stopped
	for mode in snapshot suspend; do
		vzdump_ok 123 --mode $mode --fleecing 1
		[[ $(qmp 123 query-status) = *'"running": false'* ]]
	done
}

# order_is <from> <to>: in the archive all clusters from <to> on come before those from <from> to there
order_is() {
	python3 "$VZ_LIB/vma_reader.py" order "$ARCHIVE" | awk -v from="$1" -v to="$2" '
		$2 >= to { last = NR }
		$2 >= from && $2 < to && !first { first = NR }
		END { if (!first || !last || first < last) { print "order: " first " " last; exit 1 } }'
}

@test "what the guest rewrites is read first, before all that stands in front of it" {
	disk_add 123 scsi0 throttle 96M
	disk_fill "$(disk_path 123 scsi0)" 96M
	qemu_start 123
	keep_instant 123 scsi0
	# at this rate the reader does not get far before it has looked for what was rewritten
	backup_begin 123 --fleecing 1,storage=fast --bwlimit 24000
	guest_io 123 scsi0 "write -P 0x77 80M 16M"
	backup_end
	[[ $status = 0 ]]
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	order_is 1024 1280
	has_line '^INFO: fleecing drive-scsi0: peak [0-9.]+ MiB, copied 16\.[0-9] MiB, discarded 16\.[0-9] MiB$'
}

# reads_end_before <from> <before>: all reads of clusters from <from> on come before the first of <before> and on
reads_end_before() {
	grep -oE '> read clusters [0-9]+\+' <<< "$output" | awk -F '[ +]' -v from="$1" -v before="$2" '
		$4 >= from { last = NR }
		$4 >= before && $4 < from && !first { first = NR }
		END { if (!first || !last || first < last) { print "reads: " first " " last; exit 1 } }'
}

@test "what the guest writes where nothing was is read first as well, and its copies of zeroes do not pile up" {
	[[ ! $(qemu-system-x86_64 --version) =~ version\ [1-9][0-9] ]] || skip "zeroes are believed and discarded at once"
	disk_add 123 scsi0 throttle 80M
	disk_fill "$(disk_path 123 scsi0)" 64M
	truncate -s 80M "$(disk_path 123 scsi0)"
	qemu_start 123
	keep_instant 123 scsi0
	VZDUMP_TRACE=copy backup_begin 123 --fleecing 1,storage=fast --bwlimit 24000
	guest_io 123 scsi0 "write -P 0x77 64M 16M"
	backup_end
	[[ $status = 0 ]]
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	reads_end_before 1024 896
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What must hold on every type of storage; VZ_TYPE_FILE makes one that is real.  See suite.bash, which puts it in
# place of the first line.

load "${VZ_TYPE_FILE%/*}/../lib/qemu"
load "${VZ_TYPE_FILE%/*}/../lib/vzdump"

# shellcheck source=/dev/null
. "$VZ_TYPE_FILE"

PVESM=$BUILD/bin/pvesm
QMRESTORE=$BUILD/bin/qmrestore

setup_file() {
	export VZ_UP=$BATS_FILE_TMPDIR/up
	mkdir "$VZ_UP"
	if [[ ${FILESYSTEM:-} && ! ${VZ_DEVICE:-} ]]; then
		truncate -s "$VZ_DISK" "$BATS_FILE_TMPDIR/disk"
		VZ_LOOP=$(losetup --show -f "$BATS_FILE_TMPDIR/disk")
		export VZ_LOOP VZ_DEVICE=$VZ_LOOP
	fi
	if [[ ! ${VZ_NOISE:-} ]]; then
		export VZ_NOISE=$BATS_FILE_TMPDIR/noise
		head -c 64M /dev/urandom > "$VZ_NOISE"
	fi
	storage_up 3>&- 4>&- > "$BATS_FILE_TMPDIR/section"
}

teardown_file() {
	# it goes when the last who has it open does
	[[ ! ${VZ_LOOP:-} ]] || losetup -d "$VZ_LOOP"
	if declare -F storage_down > /dev/null; then
		storage_down
	fi
}

setup() {
	vz_setup
	[[ ! -d $VZ_UP/pve ]] || cp "$VZ_UP"/pve/* "$VZDUMP_ROOT/etc/pve/"
	cat "$BATS_FILE_TMPDIR/section" >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
}

# What a failed test leaves must not fail the next.
teardown() {
	local file volid
	for file in "$VZ_TMP"/*.qemu-pid; do
		[[ ! -e $file ]] || qemu_quit "$(basename "$file" .qemu-pid)"
	done
	for volid in $("$PVESM" list real --content images | awk 'NR > 1 { print $1 }'); do
		"$PVESM" free "$volid" > /dev/null || true
	done
	vz_teardown
	sync
	eval "${SYNC:-}"
}

has_trait() {
	[[ " $TRAITS " == *" $1 "* ]]
}

# images: all volumes of the storage
images() {
	"$PVESM" list real --content images | awk 'NR > 1 { print $1 }'
}

# path_of <volid>: what QEMU's tools take; it can be used
path_of() {
	if declare -F storage_ready > /dev/null; then
		storage_ready "$1" > /dev/null
	fi
	"$PVESM" path "$1"
}

# volume <volid>: what disk_args takes
volume() {
	local path
	path=$(path_of "$1")
	if [[ $path == rbd:* ]]; then
		[[ $path =~ ^rbd:([^/]*)/([^:]*):.*conf=(.*)$ ]]
		printf '{"driver":"rbd","pool":"%s","image":"%s","conf":"%s"}\n' "${BASH_REMATCH[@]:1}"
	else
		echo "$path"
	fi
}

# noise <MiB> <file>: nothing can make it small
noise() {
	head -c "$1M" "$VZ_NOISE" > "$2"
}

# real_disk <vmid> <MiB>: scsi0 on the storage, filled; $VZ_TMP/instant-scsi0 has the same
real_disk() {
	local vmid=$1 mib=$2 volid
	volid=$("$PVESM" alloc real "$vmid" "" "${mib}M" | sed "s/.*'\(.*\)'.*/\1/")
	noise "$mib" "$VZ_TMP/instant-scsi0"
	qemu-img convert -n -f raw -O raw "$VZ_TMP/instant-scsi0" "$(path_of "$volid")"
	conf_add "$vmid" "scsi0: $volid,size=${mib}M"
	disk_args "$vmid" scsi0 throttle "$(volume "$volid")"
}

# the guest's disk alone is on the storage
only_disk() {
	[[ $(images) == real:*vm-123-disk-0* && $(images | wc -l) == 1 ]] || {
		echo "on the storage: $(images)"
		return 1
	}
}

@test "the type's functions hold what lib/storage promises" {
	local real
	real=$("$PVESM" status --storage real | awk 'NR == 2 { print $1, $3 }')
	[[ $real == "real active" ]]
	[[ ! ${TOOL:-} ]] || export VZ_TOOL=$TOOL
	[[ ! ${SYNC:-} ]] || export VZ_SYNC=$SYNC
	[[ ! ${SNAPSHOT:-} ]] || export VZ_SNAPSHOT=$SNAPSHOT
	[[ ! ${CHAIN:-} ]] || export VZ_CHAIN=$CHAIN
	! has_trait unfillable || export VZ_NO_FILL=1
	! has_trait slow || export VZ_NO_WAIT=1
	run "$BUILD/storage/conformance" real
	grep '^# numbers' <<< "$output" >&3 || true
	grep -v '^ok' <<< "$output"
	[[ $status == 0 && $output == *$'\n1..'* ]]
}

@test "the mission's command saves a disk there with its fleecing image beside it" {
	real_disk 123 20
	qemu_start 123
	graph_state 123 > "$VZ_TMP/before"
	# no storage is named: the disk's own it is
	while_writing 123 20 --bwlimit 4000 --fleecing enabled=1 || { echo "$output"; false; }
	[[ $(< "$VZ_TMP/writes") -gt 20 ]] || { cat "$VZ_TMP/writes"; false; }
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	has_line "^INFO: drive-scsi0: attaching fleecing image real:.*vm-123-fleece-0.* to QEMU$"
	if has_trait thin; then
		has_no_line 'reserves its full size'
	else
		has_line "fleecing image on storage 'real' reserves its full size \(20\.0 MiB\)"
	fi
	echo "$output"
	grep -E 'fleecing drive-scsi0: peak' <<< "$output" | sed 's/^INFO:/# numbers: real backup:/' >&3
	grep -E 'INFO: +[0-9]+%' <<< "$output" | tail -n 3 | sed 's/^INFO:/#/' >&3
	# QEMU and the storage are as before
	graph_state 123 | diff "$VZ_TMP/before" -
	nothing_left 123
	only_disk
	# what the guest wrote meanwhile is on its disk
	qemu_quit 123
	run qemu-img compare -f raw -F raw "$VZ_TMP/instant-scsi0" "$(path_of "$(images)")"
	[[ $status == 1 && $output == *"Content mismatch"* ]]
}

@test "a backup that is killed leaves an image there, which the next run removes" {
	if has_trait brief; then skip "seen on its like"; fi
	real_disk 123 16
	qemu_start 123
	"$VZDUMP" 123 --storage backup --bwlimit 2000 --fleecing enabled=1,storage=real \
		> "$VZ_TMP/log" 2>&1 3>&- &
	local pid=$!
	wait_for_task "$pid"
	images | grep -q vm-123-fleece-0
	kill -KILL "$pid"
	wait "$pid" || true
	images | grep -q vm-123-fleece-0
	guest_io 123 scsi0 "write -P 0x55 4M 1M"
	dd if=/dev/zero bs=1M count=1 status=none | tr '\0' '\125' |
		dd of="$VZ_TMP/instant-scsi0" bs=1M seek=4 conv=notrunc status=none
	vzdump_ok 123 --fleecing enabled=1,storage=real
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	nothing_left 123
	only_disk
}

@test "an archive is restored there, in full and one disk alone" {
	if has_trait brief; then skip "seen on its like"; fi
	disk_add 124 scsi0 blockdev 20M
	noise 12 "$VZ_TMP/noise"
	dd if="$VZ_TMP/noise" of="$(disk_path 124 scsi0)" bs=1M seek=4 conv=notrunc status=none
	vzdump_ok 124
	# what lay there before must not shine through where the archive has zeroes
	local old
	old=$("$PVESM" alloc real 125 "" 20M | sed "s/.*'\(.*\)'.*/\1/")
	noise 20 "$VZ_TMP/junk"
	qemu-img convert -n -f raw -O raw "$VZ_TMP/junk" "$(path_of "$old")"
	"$PVESM" free "$old"
	"$QMRESTORE" "$ARCHIVE" 125 --storage real
	grep -qE '^scsi0: real:.*vm-125-disk-0.*size=20M$' "$(conf_file 125)"
	qemu-img compare -f raw -F raw "$(disk_path 124 scsi0)" "$(path_of "$(images)")"
	qemu-img convert -n -f raw -O raw "$VZ_TMP/junk" "$(path_of "$(images)")"
	# one disk alone: the old one stays, unused
	"$QMRESTORE" "$ARCHIVE" 125 --disk scsi0 --storage real
	grep -qE '^unused0: real:.*vm-125-disk-0' "$(conf_file 125)"
	[[ $(images | wc -l) == 2 ]]
	qemu-img compare -f raw -F raw "$VZ_TMP/junk" "$(path_of "$(images | head -n 1)")"
	qemu-img compare -f raw -F raw "$(disk_path 124 scsi0)" "$(path_of "$(images | tail -n 1)")"
}

@test "a disk there that a QEMU has open is not read, nor removed, and afterwards is" {
	real_disk 123 16
	qemu_start 123
	rm "$VZDUMP_ROOT/run/qemu-server/123".{qmp,pid}
	vzdump 123
	[[ $status == 255 ]]
	has_line "disk 'scsi0': QEMU \(pid $(qemu_pid 123)\) has '.*' open for writing, but VM 123 has no QMP socket"
	run "$PVESM" free "$(images)"
	[[ $status == 255 ]]
	has_line "cannot remove 'real:.*': QEMU \(pid $(qemu_pid 123)\) has '.*' open for writing"
	guest_io 123 scsi0 "read 0 1M" flush
	qemu_quit 123
	vzdump_ok 123
	has_no_line '^(WARN|ERROR)'
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	"$PVESM" free "$(images)"
	nothing_left 123
}

# available: KiB
available() {
	"$PVESM" status --storage real | awk 'NR == 2 { print $6 }'
}

@test "a storage too full for fleecing fails the backup in words, and never the guest" {
	local filler size pid at
	if has_trait unfillable; then skip "it would wait for ever"; fi
	if has_trait brief && has_trait thin; then skip "seen on its like"; fi
	disk_add 123 scsi0 throttle 40M
	noise 40 "$(disk_path 123 scsi0)"
	qemu_start 123
	graph_state 123 > "$VZ_TMP/before"
	size=$(($(available) / 1024 - 16))
	filler=$("$PVESM" alloc real 999 "" "${size}M" | sed "s/.*'\(.*\)'.*/\1/")
	if has_trait thin; then
		qemu-io -f raw -c "write -P 1 0 ${size}M" "$(path_of "$filler")" > /dev/null
	fi
	"$VZDUMP" 123 --storage backup --bwlimit 200 --fleecing enabled=1,storage=real \
		> "$VZ_TMP/log" 2>&1 3>&- &
	pid=$!
	if has_trait thin; then
		wait_for_task "$pid"
		# small ones: QEMU gives up a guest's write that waits for seconds
		local writes=()
		for at in {8..36..2}; do
			writes+=("write -P 0x33 ${at}M 2M")
		done
		guest_io 123 scsi0 "${writes[@]}"
	fi
	status=0
	wait "$pid" || status=$?
	output=$(< "$VZ_TMP/log")
	echo "$output"
	[[ $status == 255 ]]
	if has_trait thin; then
		has_line "ERROR: Backup of VM 123 failed - .*fleecing storage 'real' is full"
		guest_io 123 scsi0 "read -P 0x33 37M 1M"
	else
		has_line "ERROR: Backup of VM 123 failed - .*storage 'real' has only .* free, but reserves the full size of the image"
	fi
	guest_io 123 scsi0 "write -P 0x55 4M 1M" "read -P 0x55 4M 1M"
	graph_state 123 | diff "$VZ_TMP/before" -
	[[ $(images) == "$filler" ]]
	"$PVESM" free "$filler"
	nothing_left 123
}

# used <folder>: bytes
used() {
	sync
	if declare -F backups_used > /dev/null; then
		backups_used "$1"
	else
		df --output=used -B1 "$1" | tail -n 1
	fi
}

# generation <storage> <folder> <argument>...: the next incremental backup, which is the disk as it is now; sets NEW,
# the bytes that are in use since
generation() {
	local storage=$1 dir=$2
	shift 2
	NEW=$(used "$dir")
	cp "$(disk_path 123 scsi0)" "$VZ_TMP/instant-scsi0"
	vzdump_ok 123 --storage "$storage" "$@"
	ARCHIVE=$(newest_archive "$dir/dump")
	archive_read
	same_disk drive-scsi0 "$VZ_TMP/instant-scsi0"
	NEW=$(($(used "$dir") - NEW))
}

# backups_on <storage> <folder> <how>
backups_on() {
	local incremental=(--incremental 1) how="shared blocks"
	if [[ $3 == remote ]]; then
		generation "$1" "$2" "${incremental[@]}"
		has_line '^INFO: full backup: files cannot share blocks there, and copying would move .* over the network twice'
		incremental=("--incremental" "1,copy=always")
	fi
	[[ $3 == shared ]] || how="copied by the file system"
	generation "$1" "$2" "${incremental[@]}"
	has_line '^INFO: full backup, a new chain begins: '
	# three clusters of a frame of 59, and the next time two of one that was cut anew
	guest_io 123 scsi0 "write -P 0x11 1M 192k"
	generation "$1" "$2" "${incremental[@]}"
	has_line '^INFO: incremental to .*: (192|256)\.0 KiB of 16\.0 MiB changed$'
	has_line "^INFO: taken over from .*: [0-9.]+ MiB \($how\), new: "
	echo "# numbers: $1: $((NEW >> 10)) KiB new for 3 clusters in a frame of 59" >&3
	[[ $3 == copied ]] || ((NEW < 59 * 65536 * 12 / 10))
	guest_io 123 scsi0 "write -P 0x22 1088k 128k"
	generation "$1" "$2" "${incremental[@]}"
	has_line "^INFO: taken over from .*: [0-9.]+ MiB \($how\), new: "
	echo "# numbers: $1: $((NEW >> 10)) KiB new for 2 clusters in frames of 8" >&3
	if [[ $3 == copied ]]; then
		((NEW > 15 << 20))
	else
		((NEW < 2 * 8 * 65536 * 12 / 10))
	fi
	rm "$2"/dump/*
}

@test "incremental backups there are complete, and take up what has changed where blocks are shared" {
	[[ ${BACKUPS:-} ]] || skip "no backups there"
	local storage dir how
	disk_add 123 scsi0 throttle 16M
	noise 16 "$(disk_path 123 scsi0)"
	qemu_start 123
	while read -r storage dir how; do
		[[ ! $storage ]] || backups_on "$storage" "$dir" "$how"
	done <<< "$BACKUPS"
}

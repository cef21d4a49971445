#!/usr/bin/env bats
# Thirty nights of incremental backups of six guests, with retention, restarts and kills: what is left at the end.

load faults
load ../lib/incremental

setup_file() {
	faults_setup_file
	build_kill_at
	CLOCK_LIB=$BATS_FILE_TMPDIR/clock-at.so
	export CLOCK_LIB
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$CLOCK_LIB" "$FAULTS/clock-at.c"
}

setup() {
	faults_setup
	DUMP=$STORE/backup/dump
	NIGHTS=$VZ_TMP/nights
	EVENTS=$VZ_TMP/events
	: > "$EVENTS"
	# nights with summer time, and without
	export TZ=CET-1CEST,M3.5.0,M10.5.0/3
}

teardown() {
	chain_place_end
	faults_teardown
}

# disk <vmid> <key> <style> <MiB of noise> <MiB>
disk() {
	disk_add "$1" "$2" "$3" "$5M"
	disk_fill "$(disk_path "$1" "$2")" "$4M" "$1$2"
	truncate -s "$5M" "$(disk_path "$1" "$2")"
	DISKS+=("$1 $2 $5")
}

# 205 and 206 are off
guests() {
	DISKS=()
	disk 201 scsi0 throttle 12 16
	disk 202 scsi0 scsi 20 24
	disk 203 scsi0 throttle 8 12
	disk 203 scsi1 drive-scsi 6 8
	disk 204 virtio0 iothread 12 16
	disk 205 scsi0 throttle 6 8
	disk 206 scsi0 throttle 8 8
	disk 206 virtio0 blockdev 6 8
	local vmid
	for vmid in 201 202 203 204; do
		qemu_start "$vmid"
	done
}

# below <n>: sets N to a random number below n
below() {
	N=$(((RANDOM * 32768 + RANDOM) % $1))
}

# change <vmid> <key> <cluster> <clusters> [discard]: by the guest, or where it is off by whoever has its image
change() {
	local at=$(($3 * 64)) len=$(($4 * 64)) file
	file=$(disk_path "$1" "$2")
	[[ ! ${5:-} ]] || head -c "${len}k" /dev/zero > "$VZ_TMP/fresh"
	if [[ -e $VZ_TMP/$1.qemu-pid ]]; then
		if [[ ${5:-} ]]; then
			guest_io "$1" "$2" "discard ${at}k ${len}k"
		else
			guest_io "$1" "$2" "write -s $VZ_TMP/fresh ${at}k ${len}k"
		fi
	else
		dd if="$VZ_TMP/fresh" of="$file" bs=64k seek="$3" count="$4" conv=notrunc status=none
	fi
}

# A day: each disk has a busy eighth, and now and then something happens elsewhere.
day() {
	local disk vmid key mib clusters at
	for disk in "${DISKS[@]}"; do
		read -r vmid key mib <<< "$disk"
		clusters=$((mib * 16))
		below $((clusters / 8))
		at=$N
		below 4
		((N)) || below $((clusters - 4)) && at=$N
		disk_fill "$VZ_TMP/fresh" 256K "$vmid$key$1"
		below 10
		if ((N == 0)); then
			change "$vmid" "$key" "$at" 4 discard
		else
			change "$vmid" "$key" "$at" $((N % 2 + 1))
		fi
	done
	below 3
	((N)) || restart
}

restart() {
	below 4
	qemu_quit $((201 + N))
	qemu_start $((201 + N))
}

# keep <night>: the disks as they are
keep() {
	local disk vmid key files=()
	mkdir -p "$NIGHTS/$1"
	for disk in "${DISKS[@]}"; do
		read -r vmid key _ <<< "$disk"
		ln -s "$(disk_path "$vmid" "$key")" "$NIGHTS/$1/$vmid-$key"
		files+=("$NIGHTS/$1/$vmid-$key")
	done
	python3 "$FAULTS/month.py" digests "${files[@]}"
}

# run_at <seconds since 1970> [<kind> <moment> <n>]: the job, killed there; sets status
run_at() {
	local at=$1 kill=
	[[ $# = 1 ]] || kill=$2:$3:$4
	status=0
	{
		LD_PRELOAD="$CLOCK_LIB ${kill:+$KILL_LIB}" CLOCK_AT=$at KILL_AT=$kill \
			ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
			"$VZDUMP" 201 202 203 204 205 206 --storage backup --compress zstd "${FLEECING[@]}" \
			--incremental 1,max-generations=12 --prune-backups keep-daily=5,keep-weekly=2 \
			> "$LOG" 2>&1 3>&- || status=$?
	} 2> /dev/null # "Killed"
	python3 "$FAULTS/month.py" events "$LOG" "$DUMP" "$NIGHT" >> "$EVENTS"
}

# One that is killed is put right by who sees it, and begun again; or by the next night's.
night() {
	local at=$(($(date -d "2025-10-01 02:40" +%s) + NIGHT * 24 * 3600)) kinds=(message file journal) kind
	keep "$NIGHT"
	below 3
	if ((N || NIGHT == 29)); then
		run_at "$at"
		[[ $status = 0 ]] || fail "night $NIGHT ended with $status"
		return
	fi
	below 3
	kind=${kinds[N]}
	below 90
	run_at "$at" "$kind" before $((N + 1))
	[[ $status = 0 || $status = 137 ]] || fail "night $NIGHT ended with $status"
	((status)) && KILLED=$((KILLED + 1)) || return 0
	below 2
	if ((N)); then
		"$VZDUMP" --cleanup > /dev/null
		run_at $((at + 1800))
		[[ $status = 0 ]] || fail "night $NIGHT, again, ended with $status"
	fi
}

# left <archive>: it is its guest in its night, and belongs to the chain that the log said
left() {
	local name=${1##*/} vmid night base disk key generation
	read -r vmid night base <<< "$(awk -v name="$name" '$2 == name { print $1, $3, $4 }' "$EVENTS")"
	[[ $base ]] || fail "no run has made $name"
	ARCHIVE=$1
	archive_read
	python3 "$FAULTS/month.py" digests "$VZ_TMP"/out/*.raw
	for disk in "${DISKS[@]}"; do
		[[ $disk = "$vmid "* ]] || continue
		key=$(cut -d' ' -f2 <<< "$disk")
		cmp "$VZ_TMP/out/disk-drive-$key.raw.digests" "$NIGHTS/$night/$vmid-$key.digests" ||
			fail "$name is not what $vmid was in night $night"
	done
	generation=0
	until [[ $base = - ]]; do
		[[ $base = "vzdump-qemu-$vmid-"* ]] || fail "base of $name: '$base'"
		generation=$((generation + 1))
		base=$(awk -v name="$base" '$2 == name { print $4 }' "$EVENTS")
	done
	"$VMA" list "$1" > "$VZ_TMP/list"
	grep -q "^CHAIN: .* generation: $generation\$" "$VZ_TMP/list" ||
		fail "$name should be generation $generation: $(< "$VZ_TMP/list")"
}

@test "after a month of nights each archive that is left is its guest, and they share what has not changed" {
	chain_place xfs 2G
	local archives used need alone NIGHT archive
	used=$(place_used)
	guests
	RANDOM=13
	KILLED=0
	for ((NIGHT = 0; NIGHT < 30; NIGHT++)); do
		day "$NIGHT"
		night
	done
	echo "# numbers: $KILLED nights were killed, $(wc -l < "$EVENTS") archives, $(grep -c -- '-$' "$EVENTS") chains" >&3
	((KILLED > 4))
	archives=("$DUMP"/*.vma.zst)
	# of each guest five days and two weeks
	[[ ${#archives[@]} = 42 ]]
	for archive in "${archives[@]}"; do
		left "$archive"
	done
	local vmid
	for vmid in 201 202 203 204 205 206; do
		nothing_left "$vmid"
	done
	used=$(($(place_used) - used))
	read -r need alone <<< "$(python3 "$FAULTS/month.py" space "$EVENTS" "$NIGHTS" "${archives[@]##*/}")"
	echo "# numbers: $((used >> 20)) MiB on disk; frames that changed: $((need >> 20)) MiB; without sharing $((alone >> 20)) MiB" >&3
	((used < need * 104 / 100))
	((used * 3 < alone * 2))
}

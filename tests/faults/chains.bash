# shellcheck shell=bash
# What the fault tests of incremental backups share.  After a fault:
#
#	archive_next 123 ...		# the next one is right, whatever has happened
#	bitmaps_published 123		# and what stays in QEMU is of archives that there are

load faults
load ../lib/incremental

# guest_of_two [style]: two disks of 16 MiB of noise and 1 MiB of zeroes
guest_of_two() {
	local key
	disk_add 123 scsi0 throttle 17M
	disk_add 123 virtio1 "${1:-blockdev}" 17M
	for key in scsi0 virtio1; do
		disk_fill "$(disk_path 123 "$key")" 16M "$key"
		truncate -s 17M "$(disk_path 123 "$key")"
	done
	qemu_start 123 running
	before 123
}

# guest_changes <n>: the guest writes to each disk, each time elsewhere within the first 2 MiB
guest_changes() {
	guest_io 123 scsi0 "write -P $(($1 % 250 + 1)) $(($1 * 5 % 32 * 64))k 8k" || return 1
	guest_io 123 virtio1 "write -P $(($1 % 250 + 1)) $(($1 * 3 % 32 * 64 + 60))k 8k"
}

# restarted: QEMU has crashed and is there again, without dirty bitmaps; so the next backup reads everything
restarted() {
	qemu_kill 123
	qemu_start 123 running
	# some nodes have other names
	before 123
}

# gens_note: remembers the generations of all archives that there are
gens_note() {
	local archive
	for archive in "$STORE"/backup/dump/*.vma.zst; do
		[[ ! -e $archive ]] || gen_of "$archive" >> "$VZ_TMP/gens"
	done
}

gen_of() {
	# nothing of one that is damaged
	python3 "$VZ_LIB/vma_reader.py" chain "$1" 2> /dev/null | sed -n 's/^gen=//p'
}

# bitmaps_published <vmid>: each base bitmap is of an archive that was published
bitmaps_published() {
	local name
	gens_note
	while read -r name; do
		grep -qxF "${name:44:32}" "$VZ_TMP/gens" || fail "of no archive: $name" || return 1
	done < <(base_bitmaps_all "$1")
}

# archive_next <vmid> <argument>...: the next backup is right, leaves nothing, and each disk has its bitmap.  Older
# archives are removed then
archive_next() {
	local gen key old
	backup_next "$@" || return 1
	archive_right scsi0 virtio1 > "$VZ_TMP/right" 2>&1 || fail "$(< "$VZ_TMP/right") $output" || return 1
	undone "$1" || fail "$output" || return 1
	bitmaps_published "$1" || return 1
	gen=$(gen_of "$ARCHIVE")
	for key in scsi0 virtio1; do
		base_bitmaps "$1" | grep -q -- "-$gen-$key\$" || fail "no bitmap for $key: $(base_bitmaps "$1")" || return 1
	done
	for old in "$STORE"/backup/dump/*; do
		[[ $old = "${ARCHIVE%.vma.zst}"* ]] || rm "$old"
	done
}

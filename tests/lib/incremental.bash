# shellcheck shell=bash
# Chains of incremental backups on the tree of qemu.bash.

VMA=${BUILD:-$VZ_TOP/build}/bin/vma

# chain_place <xfs|btrfs|ext4> <size>: storage "backup" on a file system of that kind, on a loop device; skips the
# test where there is none.  chain_place_end takes it away again: in teardown, before vz_teardown.  What a failed
# test has left running there does not keep it.
chain_place() {
	local kind=$1 size=$2
	rm -f "$VZ_TMP/place.img"
	truncate -s "$size" "$VZ_TMP/place.img"
	case $kind in
	xfs) mkfs.xfs -q "$VZ_TMP/place.img" ;;
	btrfs) mkfs.btrfs -q "$VZ_TMP/place.img" ;;
	ext4) mkfs.ext4 -q "$VZ_TMP/place.img" ;;
	esac
	mount -o loop "$VZ_TMP/place.img" "$STORE/backup" 2> "$VZ_TMP/mount.err" ||
		skip "no $kind on a loop device here: $(< "$VZ_TMP/mount.err")"
	PLACE=$STORE/backup
	mkdir -p "$PLACE/dump"
}

chain_place_end() {
	[[ -z ${PLACE:-} ]] || umount "$PLACE" || umount -l "$PLACE"
	PLACE=
}

# place_used: bytes that the file system of storage "backup" has in use, all written out
place_used() {
	sync -f "$STORE/backup"
	df --output=used -B1 "$STORE/backup" | tail -n 1
}

# backup_next <vmid> <argument>...: an incremental backup with fleecing, of which the disks are kept as they were
# at its instant (nobody writes during it)
backup_next() {
	local vmid=$1 path
	shift
	for path in "$VZ_TMP/$vmid".*.path; do
		path=$(basename "$path" .path)
		cp --sparse=always "$(disk_path "$vmid" "${path#*.}")" "$VZ_TMP/instant-${path#*.}"
	done
	vzdump_ok "$vmid" --incremental 1 "$@"
}

# archive_right <key>...: the newest archive passes vma verify, and its disks are those of the last backup_next
archive_right() {
	local key
	"$VMA" verify "$ARCHIVE"
	archive_read
	for key; do
		same_disk "drive-$key" "$VZ_TMP/instant-$key"
	done
}

# base_bitmaps <vmid>: the names of bitmaps that stay in its QEMU; base_bitmaps_all: and of their sentinels
base_bitmaps() {
	base_bitmaps_all "$1" | grep -v -- '-end$' || true
}

base_bitmaps_all() {
	qmp "$1" query-named-block-nodes '{"flat":true}' dirty-bitmaps.name | tr -s ', ' '\n' | grep '^vzbase-' || true
}

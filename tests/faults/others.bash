# shellcheck shell=bash
# Guests for the tests of what others do to a guest's disks while a backup runs.

load faults

# backup_right: it ended well, its archive has the disks as they were
backup_right() {
	local disk key
	ends_with 0 60 || return 1
	log_has_not 'WARN|ERROR' || return 1
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	archive_read
	for disk; do
		key=${disk%%=*}
		same_disk "drive-$key" "$VZ_TMP/$key.instant" || return 1
	done
	rm -f "$STORE"/backup/dump/*
}

# starts_again: the guest's disks are right on the host, and it starts from them
starts_again() {
	local disk key
	qemu_quit 123
	for disk in "${STYLES[@]}"; do
		key=${disk%%=*}
		cmp "$(disk_path 123 "$key")" "$VZ_TMP/$key.expected" || return 1
	done
	qemu_start 123 running
}

# one <key> <style> [options]: a guest with one disk of 2 MiB, its copy in <key>.instant; with discard=on the
# guest's TRIMs get to it
one() {
	local DISCARD=$DISCARD
	local key=$1 style=$2 options=${3:-}
	[[ $options != discard=on ]] || DISCARD=unmap
	STYLES=("$key=$style")
	disk_add 123 "$key" "$style" 2M "$options"
	disk_fill "$(disk_path 123 "$key")" 2M "$key"
	cp "$(disk_path 123 "$key")" "$VZ_TMP/$key.instant"
	cp "$(disk_path 123 "$key")" "$VZ_TMP/$key.expected"
	qemu_start 123 running
	before 123
}

# again: the next guest of a test
again() {
	qemu_kill 123
	rm -rf "$(conf_file 123)" "$VZ_TMP"/123.* "$VZ_TMP"/over*.qcow2 "$STORE"/local/images/123
}

# guest_puts <key> <offset>: 64 KiB of 0x77, as all_well does too; the disk is expected to have it
guest_puts() {
	guest_write 123 "$1" "$2" 64k > /dev/null
	head -c 65536 /dev/zero | tr '\0' w |
		dd of="$VZ_TMP/$1.expected" bs=64k seek="$(($2 / 65536))" conv=notrunc status=none
}

no_nodes() {
	! qmp 123 query-named-block-nodes '{"flat":true}' node-name | grep vzdump- || return 1
	nothing_left 123
}

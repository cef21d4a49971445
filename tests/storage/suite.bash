# shellcheck shell=bash
# The end of each <type>.test: runs the suite, here or in the virtual machine (tests/storage/run);
# VZ_FILTER="<words of a test's name>" runs only that.  When suite.bats sources the file, it only defines.
#
# A type's file defines
#	TOOL		the program that tells its space; unset: none
#	SYNC		a command after which space is counted; unset: sync
#	SNAPSHOT, CHAIN	commands that make snapshots, see conformance.c; unset: none
#	TRAITS		words: thin (space as it is written), unfillable (full, it does not answer), brief (another
#			type's file has seen what crashes and restores do)
#	storage_up	makes the storage from $VZ_DEVICE; prints its section of storage.cfg, of the storage
#			"real"; what it puts into the folder $VZ_UP/pve comes beside storage.cfg.  $VZ_UP is
#			empty and for it alone
#	storage_ready	makes a volume, $1, usable by its path; without: it is from the start
#	storage_down	undoes that, where not the machine goes with it
#	WHERE=here	it needs no virtual machine, and no $VZ_DEVICE
#	FILESYSTEM	it needs none where this kernel has that file system; $VZ_DEVICE is a loop device then
# or SUITE, another file of tests

[[ ! ${VZ_TYPE_FILE:-} ]] || return 0

VZ_TYPE_FILE=$(cd "$(dirname "$0")" && pwd)/${0##*/}
export VZ_TYPE_FILE VZ_DISK=${VZ_DISK:-256M}
suite=(bats --tap --timing ${VZ_FILTER:+--filter "$VZ_FILTER"} "${VZ_TYPE_FILE%/*}/${SUITE:-suite.bats}")
kernel_has() {
	grep -qw "$1" /proc/filesystems && losetup -f > /dev/null 2>&1
}

[[ ! ${FILESYSTEM:-} ]] || ! kernel_has "$FILESYSTEM" || WHERE=here
[[ ${WHERE:-} == here ]] || suite=("${VZ_TYPE_FILE%/*}/run" "${suite[@]}")
exec "${suite[@]}"

# shellcheck shell=bash
# The end of each <type>.test: runs the suite, here or in the virtual machine (tests/storage/run);
# VZ_FILTER="<words of a test's name>" runs only that.  When suite.bats sources the file, it only defines.
#
# A type's file defines
#	TOOL		the program that tells its space; unset: none
#	SYNC		a command after which space is counted; unset: sync
#	SNAPSHOT, CHAIN	commands that make snapshots, see conformance.c; unset: none
#	TRAITS		words: thin (space as it is written), unfillable (full, it does not answer), brief (another
#			type's file has seen what crashes and restores do, and what becomes of a thin storage that
#			fills up), slow (to tell its space takes seconds, and another type's file has waited for it)
#	storage_up	makes the storage from $VZ_DEVICE; prints its section of storage.cfg, of the storage
#			"real"; what it puts into the folder $VZ_UP/pve comes beside storage.cfg.  $VZ_UP is
#			empty and for it alone
#	storage_ready	makes a volume, $1, usable by its path; without: it is from the start
#	storage_down	undoes that, where not the machine goes with it
#	BACKUPS		lines "<storage> <folder> <how>": storages of its section that hold backups, and how an incremental one
#			takes over what has not changed there: shared (blocks), copied, or remote (if it is asked to: copied
#			by a server that shares blocks)
#	backups_used	bytes in use by the storage whose folder is $1; without: what df tells
#	WHERE=here	it needs no virtual machine, and no $VZ_DEVICE
#	FILESYSTEM	it needs none where this kernel has that file system; $VZ_DEVICE is a loop device then
# or SUITE, another file of tests
#	WITH="<types>"	whose tests run in the same virtual machine, after its own, when VZ_WITH says so: starting one
#			takes as long as some tests.  Each type has a disk of its own, all else is theirs together

[[ ! ${VZ_TYPE_FILE:-} ]] || return 0

: "${BUILD:?must name the build directory}"
here=$(cd "$(dirname "$0")" && pwd)

kernel_has() {
	grep -qw "$1" /proc/filesystems && losetup -f > /dev/null 2>&1
}

# suite_of <type> [<device>]: prints the file of its tests, whose names say the type
suite_of() {
	local type=$1 device=${2:-} suite
	# shellcheck source=/dev/null
	suite=$(unset SUITE && VZ_TYPE_FILE=$here/$type.test && . "$VZ_TYPE_FILE" && echo "$here/${SUITE:-suite.bats}")
	sed -e "1s|.*|export VZ_TYPE_FILE='$here/$type.test' ${device:+VZ_DEVICE=$device}|" \
		-e "s/^@test \"/&$type: /" "$suite" > "$BUILD/storage/$type.bats"
	echo "$BUILD/storage/$type.bats"
}

[[ ! ${FILESYSTEM:-} ]] || ! kernel_has "$FILESYSTEM" || WHERE=here
export VZ_DISK=${VZ_DISK:-256M}
type=$(basename "$0" .test)
suites=(bats --tap --timing ${VZ_FILTER:+--filter "$VZ_FILTER"})
if [[ ${WHERE:-} == here ]]; then
	exec "${suites[@]}" "$(suite_of "$type")"
fi
disks=(a b c d)
export VZ_DISKS=0
for type in "$type" ${VZ_WITH:+${WITH:-}}; do
	suites+=("$(suite_of "$type" "/dev/vd${disks[VZ_DISKS]}")")
	VZ_DISKS=$((VZ_DISKS + 1))
done
exec "$here/run" "${suites[@]}"

# shellcheck shell=bash
# The end of each <type>.test: runs the suite, in the virtual machine (tests/storage/run) unless the type
# says WHERE=here; VZ_FILTER="<words of a test's name>" runs only that.  When suite.bats sources the
# file, it only defines.
#
# A type's file defines
#	TOOL		the program that tells its space; unset: none
#	SYNC		a command after which space is counted; unset: sync
#	TRAITS		words: thin (space as it is written), unfillable (full, it does not answer), brief (another
#			type's file has seen what crashes and restores do)
#	storage_up	makes the storage from /dev/vda; prints its section of storage.cfg, of the storage
#			"real"; what it puts into the folder $1/pve comes beside storage.cfg
#	storage_down	if processes must be ended
# or SUITE, another file of tests

[[ ! ${VZ_TYPE_FILE:-} ]] || return 0

VZ_TYPE_FILE=$(cd "$(dirname "$0")" && pwd)/${0##*/}
export VZ_TYPE_FILE VZ_DISK=${VZ_DISK:-256M}
suite=(bats --tap --timing ${VZ_FILTER:+--filter "$VZ_FILTER"} "${VZ_TYPE_FILE%/*}/${SUITE:-suite.bats}")
[[ ${WHERE:-} == here ]] || suite=("${VZ_TYPE_FILE%/*}/run" "${suite[@]}")
exec "${suite[@]}"

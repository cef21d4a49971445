#!/usr/bin/env bats
# Storages on a network, each with a real server: NFS and SMB in a user-mode Linux (tests/uml), since
# few kernels that tests run on have these file systems; CephFS on a cluster of our own.  What is asked
# of each is in tests/unit/test-storage-<type>.c.

bats_require_minimum_version 1.5.0

load ../lib/ceph

# One start of that kernel for both.
setup_file() {
	cat > "$BATS_FILE_TMPDIR/both" <<-END
		for type in nfs cifs; do
			"$BUILD/unit/test-storage-\$type" > "$BATS_FILE_TMPDIR/\$type" 2>&1
			echo \$? > "$BATS_FILE_TMPDIR/\$type.status"
		done
	END
	"$BATS_TEST_DIRNAME/../uml/run" bash "$BATS_FILE_TMPDIR/both" > /dev/null
}

setup() {
	VZ_TMP=$(mktemp -d)
}

teardown() {
	ceph_down "$VZ_TMP/ceph"
	rm -rf "$VZ_TMP"
}

# The test ran in full, on the real thing, and nothing failed.
passed_for_real() {
	grep -v '^ok' <<< "$output"	# shown if it fails
	[[ $status == 0 ]]
	[[ $output == *$'\n1..'* ]]
	run ! grep -E '^not ok|# SKIP' <<< "$output"
}

@test "nfs: mounted, used, gone with its server for ten seconds and not for ever" {
	status=$(< "$BATS_FILE_TMPDIR/nfs.status") output=$(< "$BATS_FILE_TMPDIR/nfs")
	passed_for_real
}

@test "cifs: mounted with a password and as a guest, used, also by QEMU with its locks" {
	status=$(< "$BATS_FILE_TMPDIR/cifs.status") output=$(< "$BATS_FILE_TMPDIR/cifs")
	passed_for_real
}

@test "cephfs: mounted by ceph-fuse, whole and a directory of it" {
	ceph_up "$VZ_TMP/ceph" 13300 mds > "$VZ_TMP/log" 2>&1 3>&- 4>&- || { cat "$VZ_TMP/log"; false; }
	VZ_CEPH="$VZ_TMP/ceph/ceph.conf" run "$BUILD/unit/test-storage-cephfs"
	passed_for_real
}

#!/usr/bin/env bats
# CephFS on a cluster of our own.  What is asked of it is in tests/unit/test-storage-cephfs.c; NFS and SMB, which need
# another kernel, are asked in tests/storage/network.test.

bats_require_minimum_version 1.5.0

load ../lib/ceph
load ../lib/real

setup() {
	VZ_TMP=$(mktemp -d)
}

teardown() {
	ceph_down "$VZ_TMP/ceph"
	rm -rf "$VZ_TMP"
}

@test "cephfs: mounted by ceph-fuse, whole and a directory of it" {
	ceph_up "$VZ_TMP/ceph" 13300 mds > "$VZ_TMP/log" 2>&1 3>&- 4>&- || { cat "$VZ_TMP/log"; false; }
	VZ_CEPH="$VZ_TMP/ceph/ceph.conf" run "$BUILD/unit/test-storage-cephfs"
	passed_for_real
}

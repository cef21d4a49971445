#!/usr/bin/env bats
# Storages on a network, each with a real server: NFS and SMB in a user-mode Linux (tests/uml), since
# few kernels that tests run on have these file systems; CephFS on a cluster of our own.  What is asked
# of each is in tests/unit/test-storage-<type>.c.

bats_require_minimum_version 1.5.0

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
	local file pid
	for file in "$VZ_TMP"/ceph/run/*.pid; do
		[[ -e $file ]] || continue
		pid=$(< "$file")
		kill "$pid"
		# what waits for its parent to ask is gone, too
		while [[ $(tr -d '\0' 2> /dev/null < "/proc/$pid/cmdline") ]]; do sleep 0.1; done
	done
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

ceph_conf() {
	cat <<-END
		[global]
		fsid = $1
		mon_host = [v2:127.0.0.1:13300,v1:127.0.0.1:16789]
		auth_cluster_required = none
		auth_service_required = none
		auth_client_required = none
		run_dir = $VZ_TMP/ceph/run
		log_file = $VZ_TMP/ceph/\$name.log
		admin_socket = $VZ_TMP/ceph/run/\$name.\$pid.asok
		mon_data = $VZ_TMP/ceph/mon
		osd_data = $VZ_TMP/ceph/osd
		mds_data = $VZ_TMP/ceph/mds
		osd_objectstore = memstore
		memstore_device_bytes = 268435456
		osd_pool_default_size = 1
		osd_pool_default_min_size = 1
		mon_allow_pool_size_one = true
		osd_crush_chooseleaf_type = 0
		mon_data_avail_crit = 1
		public_network = 127.0.0.0/8
		[mon]
		pid_file = $VZ_TMP/ceph/run/mon.pid
		[osd]
		pid_file = $VZ_TMP/ceph/run/osd.pid
		[mds]
		pid_file = $VZ_TMP/ceph/run/mds.pid
	END
}

# A monitor, one disk in memory, a server of metadata; a file system "cephfs".
ceph_start() {
	local fsid uuid i
	fsid=$(uuidgen) uuid=$(uuidgen)
	mkdir -p "$VZ_TMP"/ceph/{run,mon,osd,mds}
	ceph_conf "$fsid" > "$VZ_TMP/ceph/ceph.conf"
	export CEPH_ARGS="-c $VZ_TMP/ceph/ceph.conf"
	monmaptool --create --fsid "$fsid" --addv a '[v2:127.0.0.1:13300,v1:127.0.0.1:16789]' "$VZ_TMP/ceph/monmap"
	ceph-mon -i a --mkfs --monmap "$VZ_TMP/ceph/monmap"
	ceph-mon -i a
	[[ $(ceph osd new "$uuid") == 0 ]]
	ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
	ceph-osd -i 0
	ceph osd pool create data 8
	ceph osd pool create meta 8
	ceph fs new cephfs meta data
	ceph-mds -i a
	for i in {1..60}; do
		[[ $(ceph mds stat) != *up:active* ]] || break
		sleep 0.5
	done
	unset CEPH_ARGS
}

@test "cephfs: mounted by ceph-fuse, whole and a directory of it" {
	ceph_start > "$VZ_TMP/log" 2>&1 3>&- 4>&- || { cat "$VZ_TMP/log"; false; }
	VZ_CEPH="$VZ_TMP/ceph/ceph.conf" run "$BUILD/unit/test-storage-cephfs"
	passed_for_real
}

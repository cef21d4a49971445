# shellcheck shell=bash
# A Ceph cluster at CEPH_HOST (default 127.0.0.1): a monitor, one disk in memory, and what else is asked
# for.
#
#	ceph_up <folder> <port> [mgr] [mds]	<folder>/ceph.conf is its configuration; the monitor has
#						this port and the next.  Sets CEPH_ARGS.
#	ceph_pool <name>
#	ceph_down <folder>

ceph_conf() {
	local dir=$1 port=$2
	cat <<-END
		[global]
		fsid = $(uuidgen)
		mon_host = $(ceph_monitor "$port")
		auth_cluster_required = none
		auth_service_required = none
		auth_client_required = none
		run_dir = $dir/run
		log_file = $dir/\$name.log
		admin_socket = $dir/run/\$name.\$pid.asok
		mon_data = $dir/mon
		mgr_data = $dir/mgr
		mds_data = $dir/mds
		osd_data = $dir/osd
		osd_objectstore = memstore
		memstore_device_bytes = 536870912
		osd_pool_default_size = 1
		osd_pool_default_min_size = 1
		mon_allow_pool_size_one = true
		osd_crush_chooseleaf_type = 0
		osd_pool_default_pg_autoscale_mode = off
		osd_snap_trim_sleep = 0.01
		mon_data_avail_crit = 1
		public_network = ${CEPH_HOST:-127.0.0.1}/32
		mgr_initial_modules =
		mgr_stats_period = 1
		[mon]
		pid_file = $dir/run/mon.pid
		[mgr]
		pid_file = $dir/run/mgr.pid
		[osd]
		pid_file = $dir/run/osd.pid
		[mds]
		pid_file = $dir/run/mds.pid
	END
}

ceph_monitor() {
	local host=${CEPH_HOST:-127.0.0.1}
	echo "[v2:$host:$1,v1:$host:$(($1 + 1))]"
}

ceph_up() {
	local dir=$1 port=$2 uuid fsid name
	shift 2
	uuid=$(uuidgen)
	mkdir -p "$dir"/{run,mon,osd,mgr,mds}
	ceph_conf "$dir" "$port" > "$dir/ceph.conf"
	export CEPH_ARGS="-c $dir/ceph.conf"
	fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
	monmaptool --create --fsid "$fsid" --addv a "$(ceph_monitor "$port")" "$dir/monmap"
	ceph-mon -i a --mkfs --monmap "$dir/monmap"
	ceph-mon -i a
	for name; do
		[[ $name != mgr ]] || ceph-mgr -i a
	done
	[[ $(ceph osd new "$uuid") == 0 ]]
	ceph-osd -i 0 --mkfs --osd-uuid "$uuid"
	ceph-osd -i 0
	for name; do
		[[ $name != mds ]] || ceph_file_system
	done
}

# for images; with the manager, which counts its space
ceph_pool() {
	local pool=$1 _
	ceph osd pool create "$pool" 8
	rbd pool init "$pool"
	for _ in {1..60}; do
		[[ $(ceph df --format json) != *"\"name\":\"$pool\""*'"max_avail":'[1-9]* ]] || break
		sleep 1
	done
}

ceph_file_system() {
	local _
	ceph osd pool create data 8
	ceph osd pool create meta 8
	ceph fs new cephfs meta data
	ceph-mds -i a
	for _ in {1..60}; do
		[[ $(ceph mds stat) != *up:active* ]] || break
		sleep 0.5
	done
}

ceph_down() {
	local file pid
	for file in "$1"/run/*.pid; do
		[[ -e $file ]] || continue
		pid=$(< "$file")
		kill "$pid"
		# what waits for its parent to ask is gone, too
		while [[ $(tr -d '\0' 2> /dev/null < "/proc/$pid/cmdline") ]]; do sleep 0.1; done
	done
}

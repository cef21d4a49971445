#!/usr/bin/env bats
# A live restore whose monitor goes away while its QEMU lives (proxy.py simulates that): the guest goes on, and the
# restore ends as it should.

load faults

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
	T=$BATS_TEST_TMPDIR
	RUN=$VZDUMP_ROOT/run/qemu-server
	disk_fill "$T/virtio0.raw" 1M
	printf '%s\n' "name: x" "virtio0: old:1/vm-1-virtio0.raw" "#qmdump#map:virtio0:drive-virtio0:local::" \
		> "$T/qemu-server.conf"
	"${BUILD:-$VZ_TOP/build}/bin/vma" create "$T/a.vma.zst" -c "$T/qemu-server.conf" -d "drive-virtio0=$T/virtio0.raw"
	start_with_proxy
}

teardown() {
	[[ ! -e $VZ_TMP/proxy-pid ]] || kill -KILL "$(< "$VZ_TMP/proxy-pid")"
	faults_teardown
}

# The guest's monitor is behind the proxy from its start on; $VZ_TMP/cut says where it ends.
start_with_proxy() {
	cat > "$VZ_TMP/start" <<- END
		#!/bin/bash
		"$VZ_LIB/start-guest" "$VZ_TMP" "\$1" || exit
		mv "$RUN/\$1.qmp" "$VZ_TMP/real.qmp"
		setsid /usr/bin/python3 "$FAULTS/proxy.py" "$RUN/\$1.qmp" "$VZ_TMP/real.qmp" "$VZ_TMP/commands" \
			\$(cat "$VZ_TMP/cut") > /dev/null 2>&1 &
		echo \$! > "$VZ_TMP/proxy-pid"
		until [[ -S $RUN/\$1.qmp ]]; do sleep 0.02; done
	END
	chmod +x "$VZ_TMP/start"
	echo "start-command: $VZ_TMP/start {vmid}" > "$VZDUMP_ROOT/etc/vzdump.conf"
}

restore() {
	"${BUILD:-$VZ_TOP/build}/bin/qmrestore" "$T/a.vma.zst" "$1" --live-restore 1 > "$LOG" 2>&1 3>&-
}

end_guest() {
	qemu_kill "$1"
	kill -KILL "$(< "$VZ_TMP/proxy-pid")"
	rm -f "$RUN/$1.qmp" "$VZ_TMP/proxy-pid" "$(args_file "$1")"
}

# cut_at <before|after> <command> <vmid>: a restore; its guest runs, on its own volume, with all its data
cut_at() {
	local vmid=$3
	echo "$1 $2" > "$VZ_TMP/cut"
	restore "$vmid" || fail "it failed" || return 1
	log_has "WARN: .* closed the connection: trying again as long as QEMU runs" || return 1
	[[ $(qmp "$vmid" query-status) = *'"running"'* ]] || fail "the guest does not run" || return 1
	[[ $(qmp "$vmid" query-named-block-nodes '{"flat":true}' node-name) != *qmrestore* ]] ||
		fail "nodes are left" || return 1
	guest_io "$vmid" virtio0 "write -P 0x11 64k 4k" flush || return 1
	end_guest "$vmid"
	qemu-io -f raw -c "read -P 0x11 64k 4k" "$STORE/local/images/$vmid/vm-$vmid-disk-0.raw" > /dev/null
	cmp -n 65536 "$T/virtio0.raw" "$STORE/local/images/$vmid/vm-$vmid-disk-0.raw"
	[[ -z $(find "$STORE" -name '*overlay*') ]]
}

@test "The connection ends before or after each command that moves a guest to its volume: it moves, and runs on" {
	local how command vmid=150
	# the first ones of some put the guest on the archive, and let it run
	for command in stop#1 job-complete#1 job-dismiss#2 qom-set#2 blockdev-del#1 blockdev-del#3 cont#2; do
		for how in before after; do
			cut_at "$how" "$command" "$vmid" || fail "cut $how $command" || return 1
			vmid=$((vmid + 1))
		done
	done
}

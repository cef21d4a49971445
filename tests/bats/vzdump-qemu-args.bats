#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# vzdump-qemu-args: guests by their configuration alone, in a real QEMU.

load ../lib/qemu
load ../lib/vzdump

QEMU_ARGS=$BUILD/bin/vzdump-qemu-args

setup() {
	vz_setup
	RUN=$VZDUMP_ROOT/run/qemu-server
}

# Those that --exec has started end by their pid files, which only they have locked.
teardown() {
	local file
	for file in "$RUN"/*.pid; do
		[[ ! -e $file ]] || guest_end "$(basename "$file" .pid)"
	done
	vz_teardown
}

# A process without words has ended, though nobody may have heard of it yet.
is_over() {
	local words
	words=$(tr '\0' ' ' 2> /dev/null < "/proc/$1/cmdline") || true
	[[ $words != *"$VZ_TMP/"* ]]
}

guest_end() {
	local pid i
	pid=$(cat "$RUN/$1.pid")
	is_over "$pid" || kill "$pid"
	for ((i = 0; i < 600; i++)); do
		! is_over "$pid" || return 0
		sleep 0.05
	done
	return 1
}

# disk_lines <vmid> <key>[:<options>]...: images of 4 MiB that differ, and their lines
disk_lines() {
	local vmid=$1 disk n=0
	shift
	mkdir -p "$STORE/local/images/$vmid"
	for disk; do
		head -c 4M /dev/zero | tr '\0' "$((n % 10))" > "$STORE/local/images/$vmid/vm-$vmid-disk-$n.raw"
		conf_add "$vmid" "${disk%%:*}: local:$vmid/vm-$vmid-disk-$n.raw$(sed -nE 's/^[^:]*:/,/p' <<< "$disk")"
		n=$((n + 1))
	done
}

# guest_add <vmid> <line>...: without KVM, with vCPUs that do not run
guest_add() {
	conf_add "$1" 'kvm: 0' 'memory: 64' 'freeze: 1' "${@:2}"
}

# starts_and_is_saved <vmid>: and its archive has each image, byte for byte
starts_and_is_saved() {
	local vmid=$1 key file device
	"$QEMU_ARGS" "$vmid" --exec --daemonize 2> "$VZ_TMP/warnings" 3>&- || {
		cat "$VZ_TMP/warnings" "$(conf_file "$vmid")"
		return 1
	}
	vzdump_ok "$vmid" --fleecing enabled=1,storage=fast
	has_line '^INFO: status = running$'
	has_no_line '^WARN'
	archive_read
	while IFS=': ,' read -r key _ file _; do
		device=drive-$key
		same_disk "$device" "$STORE/local/images/$file"
	done < <(grep -E '^[a-z]+[0-9]+: local:' "$(conf_file "$vmid")")
	guest_end "$vmid"
}

@test "a guest starts with each controller, and a backup finds every disk of it" {
	local vmid=200 hw machine
	for hw in virtio-scsi-pci virtio-scsi-single lsi lsi53c810 megasas pvscsi; do
		machine=$([[ $hw == virtio* ]] && echo q35 || echo pc)
		guest_add "$vmid" "scsihw: $hw" "machine: $machine"
		disk_lines "$vmid" scsi0:ssd=1 scsi1:iothread=1,discard=on scsi9 virtio0 virtio7:iothread=1 \
			sata0 sata5:ssd=1 ide0 ide3
		starts_and_is_saved "$vmid"
		vmid=$((vmid + 1))
	done
}

@test "disks with limits, formats and caches of all kinds are found by a backup, with OVMF's variables" {
	guest_add 300 'bios: ovmf' 'machine: q35' 'scsihw: virtio-scsi-single'
	disk_lines 300 scsi0:mbps=10.5,iops_rd=100,iops_rd_max=200,iops_rd_max_length=3 \
		scsi1:cache=writeback,aio=threads scsi2:cache=unsafe,discard=on,detect_zeroes=0 \
		scsi3:cache=directsync,aio=native,iothread=1,queues=2 scsi4:cache=writethrough,aio=native \
		virtio0:iops_wr=500,serial=a%2Cb%20c scsi5:serial=x%22y,wwn=0x5000c50015ea71ac,product=Disk,vendor=V
	head -c 540672 /dev/urandom > "$STORE/local/images/300/vm-300-disk-9.raw"
	conf_add 300 'efidisk0: local:300/vm-300-disk-9.raw,efitype=4m,pre-enrolled-keys=1'
	starts_and_is_saved 300
	[[ ! -s $VZ_TMP/warnings || $(< "$VZ_TMP/warnings") = *iothread* ]]
}

# The words, one in each element of WORDS.
words_of() {
	mapfile -d '' -t WORDS < <("$QEMU_ARGS" "$@" --format json | jq -j '.[] + "\u0000"')
}

@test "what --format shell prints is what a shell reads, whatever is in the configuration" {
	local odd="$VZ_TMP/o d\"d\$'x'; {}"
	mkdir -p "$odd"
	truncate -s 1M "$odd/disk.raw"
	guest_add 123 "name: it's,id=x \$(touch $VZ_TMP/ran)" "scsi0: $odd/disk.raw,serial=%2C%27%24" \
		'smbios1: base64=1,serial=YSxiIGMnCmQ=,uuid=3dd750ce-d910-44d0-9493-525c0be4e687' \
		'args: -global "a b.c=d"'
	words_of 123 --own-args
	eval "shell=($("$QEMU_ARGS" 123 --own-args --format shell))"
	[ "${shell[*]@Q}" = "${WORDS[*]@Q}" ]
	[ ! -e "$VZ_TMP/ran" ]
	[[ " ${WORDS[*]} " == *" type=1,serial=a,,b c'"$'\n'"d,uuid="* ]]
	[ "${WORDS[-1]}" = 'a b.c=d' ]
	# a line cannot hold it
	run --separate-stderr "$QEMU_ARGS" 123
	[ "$status" = 255 ]
	[ "${stderr##*$'\n'}" = "an option has a newline in it: use --format shell or json" ]
	# QEMU takes it all
	sed -i '/^args/d' "$(conf_file 123)"
	"$QEMU_ARGS" 123 --exec --daemonize 3>&-
	vzdump_ok 123
	guest_end 123
}

@test "a guest that runs, is locked, or is a template does not start" {
	guest_add 123
	disk_lines 123 scsi0
	"$QEMU_ARGS" 123 --exec --daemonize 3>&-
	run "$QEMU_ARGS" 123 --exec
	[[ $status = 255 && $output = "VM 123 already running" ]]
	"$BUILD/tests/qmp" "$RUN/123.qmp" query-status '{}' > /dev/null
	guest_end 123
	conf_add 123 'lock: migrate'
	run "$QEMU_ARGS" 123 --exec
	[[ $status = 255 && $output = "VM is locked (migrate)"* ]]
	sed -i 's/^lock.*/template: 1/' "$(conf_file 123)"
	run "$QEMU_ARGS" 123 --exec
	[[ $status = 255 && $output = "VM 123 is a template, which does not start" ]]
}

@test "a card gets onto an interface that was made for it, and onto a bridge otherwise" {
	guest_add 123 'net0: virtio=BC:24:11:00:00:01,bridge=br0,tag=5' 'net1: e1000=BC:24:11:00:00:02,bridge=br0'
	unshare --net --mount true || skip "needs namespaces"
	run unshare --net --mount bash -euc '
		mount -t sysfs sysfs /sys
		# any interface does for the name of the bridge
		ip tuntap add dev br0 mode tap && ip tuntap add dev tap123i0 mode tap || { echo "no tap"; exit 0; }
		"$0" 123 --format shell
		sed -i /^net1/d "$1"
		"$0" 123 --exec --daemonize
		ip link set tap123i0 up
		! ip -br link show dev tap123i0 | grep NO-CARRIER
	' "$QEMU_ARGS" "$(conf_file 123)"
	[[ $output != *"no tap"* ]] || skip "no tap interfaces here"
	[ "$status" = 0 ] || { echo "$output"; return 1; }
	has_line "-netdev tap,id=net0,ifname=tap123i0,script=no,downscript=no "
	has_line "-netdev bridge,id=net1,br=br0 "
	has_line '^WARN: VM 123: net0: tag: without effect here; an interface tap123i0'
	guest_end 123
}

@test "--stop shuts the guest down and waits until it is off" {
	local KERNEL INITRD pid
	eval "$("$VZ_TOP/tests/guest/build")"
	conf_add 123 'kvm: 0' 'cpu: max' 'memory: 192' 'agent: 1' 'vga: none' \
		"args: -kernel $KERNEL -initrd $INITRD -append 'console=ttyS0 quiet panic=-1' -serial file:$VZ_TMP/123.serial"
	disk_lines 123 virtio0
	"$QEMU_ARGS" 123 --exec --daemonize --own-args 3>&-
	pid=$(< "$RUN/123.pid")
	guest_wait 123 "guest: ready" 600
	"$QEMU_ARGS" 123 --stop
	is_over "$pid"
	# one that is off stays so
	"$QEMU_ARGS" 123 --stop
}

@test "the examples of a plain host's files are read without a warning" {
	local file
	for file in storage.cfg jobs.cfg; do
		sed "s, /srv/, $STORE/," "$VZ_TOP/examples/$file" > "$VZDUMP_ROOT/etc/pve/$file"
	done
	mkdir -p "$STORE/vm/images/123"
	cp "$VZ_TOP/examples/vzdump.conf" "$VZDUMP_ROOT/etc/"
	cp "$VZ_TOP/examples/123.conf" "$(conf_file 123)"
	truncate -s 8M "$STORE/vm/images/123/vm-123-disk-0.raw"
	run --separate-stderr "$QEMU_ARGS" 123
	[[ $status = 0 && ! $stderr && $output = *drive-scsi0* ]]
	run --separate-stderr "$BUILD/bin/pvesm" status
	[[ $status = 0 && ! $stderr && $output = *vm*active* ]]
	run --separate-stderr "$BUILD/bin/vzdump-scheduler" --list
	[[ $status = 0 && ! $stderr && $output = *nightly* ]]
	run --separate-stderr "$BUILD/bin/vzdump" --job nightly --dry-run
	[[ $status = 0 && ! $stderr ]]
	has_no_line '^(WARN|ERROR)'
	has_line '123'
}

@test "systemd finds nothing wrong with the units" {
	local unit units=()
	for unit in "$VZ_TOP"/systemd/*.{service,timer} ; do
		sed "s,@BINDIR@,$BUILD/bin," "$unit" > "$VZ_TMP/${unit##*/}"
		units+=("$VZ_TMP/${unit##*/}")
	done
	run systemd-analyze verify --man=no "${units[@]}"
	[[ $status = 0 && ! $output ]]
	# with a user of its own, as in the example
	mkdir "$VZ_TMP/guest@.service.d"
	sed 's/^User=.*/User=games/' "$VZ_TOP/examples/guest-user.conf" > "$VZ_TMP/guest@.service.d/user.conf"
	run systemd-analyze verify --man=no "$VZ_TMP/guest@.service"
	[[ $status = 0 && ! $output ]]
}

# shellcheck shell=bash
# A tree that VZDUMP_ROOT can point at, and stock QEMUs in it, for the command tests.
#
#	load ../lib/qemu
#	setup()    { vz_setup; }
#	teardown() { vz_teardown; }
#
#	@test "..." {
#		disk_add 123 scsi0 throttle 64M
#		qemu_start 123 running
#		run_vzdump...
#		guest_io 123 scsi0 "write -P 0x55 0 8M"
#	}
#
# After vz_setup:
#	VZDUMP_ROOT	the tree: etc/pve, run/qemu-server, ...
#	STORE		folder of the storages: $STORE/{local,fast,backup}
#
# QEMU_DIR=<folder> (see scripts/fetch-qemu) picks another QEMU with its tools; QEMU_BIN=<program> only
# another qemu-system-x86_64.  Nothing here needs KVM.

VZ_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VZ_TOP=$(cd "$VZ_LIB/../.." && pwd)

# Where python3 is a script that looks for one, each call takes longer than most of what it does here.  (In the
# background say "command python3": $! would be that of the function.)
if [[ -x /usr/bin/python3 ]]; then
	python3() {
		/usr/bin/python3 "$@"
	}
fi

vz_setup() {
	VZ_TMP=$(mktemp -d "${TMPDIR:-/tmp}/vzdump-test.XXXXXX")
	export VZDUMP_ROOT=$VZ_TMP/root
	STORE=$VZ_TMP/store
	[[ -z ${QEMU_DIR:-} ]] || PATH=$QEMU_DIR/bin:$PATH
	mkdir -p "$VZDUMP_ROOT"/etc/pve/{qemu-server,firewall,lxc} "$VZDUMP_ROOT"/run/qemu-server \
		"$VZDUMP_ROOT"/var/log "$VZDUMP_ROOT"/var/lib "$STORE"/{local,fast,backup}/{images,dump}
	# a mail to root, the default, would reach whoever runs the tests where there is a sendmail
	printf 'matcher: default-matcher\n\ttarget mail-to-root\n\tdisable true\n' > "$VZDUMP_ROOT/etc/pve/notifications.cfg"
	storage_add local images
	storage_add fast images
	storage_add backup backup
}

# storage_add <id> <content> [line]...: a dir storage in $STORE/<id>
storage_add() {
	local id=$1 content=$2
	shift 2
	mkdir -p "$STORE/$id"
	{
		printf 'dir: %s\n\tpath %s\n\tcontent %s\n' "$id" "$STORE/$id" "$content"
		local line
		for line in "$@"; do
			printf '\t%s\n' "$line"
		done
		echo
	} >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
}

vz_teardown() {
	local file
	for file in "$VZ_TMP"/*.qemu-pid; do
		[[ -e $file ]] && qemu_kill "$(basename "$file" .qemu-pid)"
	done
	# What a killed QEMU exported over FUSE is a mount without a server.
	for file in "$VZ_TMP"/*.fuse; do
		umount -l "$file" 2> /dev/null || true
	done
	rm -rf "$VZ_TMP"
}

conf_file() {
	echo "$VZDUMP_ROOT/etc/pve/qemu-server/$1.conf"
}

# conf_add <vmid> <line>...
conf_add() {
	local vmid=$1
	shift
	printf '%s\n' "$@" >> "$(conf_file "$vmid")"
}

args_file() {
	echo "$VZ_TMP/$1.args"
}

# qemu_args <vmid> <argument>...: more arguments for qemu_start
qemu_args() {
	local vmid=$1
	shift
	printf '%s\0' "$@" >> "$(args_file "$vmid")"
}

# Path of a guest's disk image.
disk_path() {
	cat "$VZ_TMP/$1.$2.path"
}

# disk_fill <file> <size> [seed]: repeatable data that does not compress well, no block alike
disk_fill() {
	local file=$1 bytes
	bytes=$(numfmt --from=iec "$2")
	openssl enc -aes-128-ctr -nosalt -pass "pass:${3:-seed}" -pbkdf2 -iter 1 < /dev/zero 2> /dev/null |
		head -c "$bytes" > "$file"
}

# disk_add <vmid> <key> <style> <size> [options]
#
# Makes an image on storage "local", a line for it in the guest's configuration (with options, e.g.
# "backup=0") and what QEMU needs.  The image is empty: fill it before qemu_start.  Styles:
#	blockdev	-blockdev + virtio-blk
#	iothread	the same with an iothread
#	scsi		-blockdev + virtio-scsi
#	scsi-iothread	its controller with an iothread
#	throttle	a throttle filter on top (PVE 9), virtio-scsi
#	throttle-iothread  the same with an iothread
#	drive-ide	-drive if=none + ide-hd
#	drive-scsi	-drive if=none + scsi-hd
#	pflash		efidisk0 in the second flash; key must be efidisk0
disk_add() {
	local vmid=$1 key=$2 style=$3 size=$4 options=${5:-}
	local n image
	n=$(find "$VZ_TMP" -maxdepth 1 -name "$vmid.*.path" | wc -l)
	image=$STORE/local/images/$vmid/vm-$vmid-disk-$n.raw
	mkdir -p "${image%/*}"
	truncate -s "$size" "$image"
	echo "$image" > "$VZ_TMP/$vmid.$key.path"
	conf_add "$vmid" "$key: local:$vmid/${image##*/}${options:+,$options},size=$size"
	disk_args "$vmid" "$key" "$style" "$image"
}

# disk_args <vmid> <key> <style> <image> [format]: what QEMU needs for an image that is there; with
# style "throttle" the image may be a block device, or the options of a node as JSON.  With DISCARD=ignore
# the guest's TRIMs do not get to it
disk_args() {
	local vmid=$1 key=$2 style=$3 image=$4 driver=${5:-raw} id=$2 protocol=file discard=${DISCARD:-unmap}
	local raw="driver=$driver,node-name=drive-$id,discard=$discard,file.driver=file,file.discard=unmap"
	raw+=",file.filename=$image"
	[[ ! -b $image ]] || protocol=host_device
	local node="\"driver\":\"$protocol\",\"filename\":\"$image\""
	[[ $image != "{"* ]] || node=${image:1:-1}
	local file="{$node,\"node-name\":\"e-$id\",\"discard\":\"unmap\"}"
	local format="{\"driver\":\"$driver\",\"node-name\":\"f-$id\",\"discard\":\"$discard\",\"file\":$file}"
	local throttle="{\"driver\":\"throttle\",\"node-name\":\"drive-$id\",\"discard\":\"$discard\""
	throttle+=",\"throttle-group\":\"throttle-drive-$id\",\"file\":$format}"
	case $style in
	blockdev)
		qemu_args "$vmid" -blockdev "$raw" -device "virtio-blk-pci,id=$id,drive=drive-$id"
		;;
	iothread)
		qemu_args "$vmid" -object "iothread,id=iothread-$id" -blockdev "$raw" \
			-device "virtio-blk-pci,id=$id,drive=drive-$id,iothread=iothread-$id"
		;;
	scsi)
		qemu_args "$vmid" -blockdev "$raw" -device "virtio-scsi-pci,id=hw-$id" \
			-device "scsi-hd,id=$id,drive=drive-$id,bus=hw-$id.0"
		;;
	scsi-iothread)
		qemu_args "$vmid" -object "iothread,id=iothread-$id" -blockdev "$raw" \
			-device "virtio-scsi-pci,id=hw-$id,iothread=iothread-$id" \
			-device "scsi-hd,id=$id,drive=drive-$id,bus=hw-$id.0"
		;;
	throttle | throttle-iothread)
		local more=
		if [[ $style = throttle-iothread ]]; then
			qemu_args "$vmid" -object "iothread,id=iothread-$id"
			more=",iothread=iothread-$id"
		fi
		qemu_args "$vmid" -object "throttle-group,id=throttle-drive-$id" -blockdev "$throttle" \
			-device "virtio-scsi-pci,id=hw-$id$more" \
			-device "scsi-hd,id=$id,drive=drive-$id,bus=hw-$id.0,share-rw=on"
		;;
	drive-ide)
		qemu_args "$vmid" -drive "if=none,id=drive-$id,file=$image,format=$driver,discard=$discard" \
			-device "ide-hd,id=$id,drive=drive-$id"
		;;
	drive-scsi)
		qemu_args "$vmid" -drive "if=none,id=drive-$id,file=$image,format=$driver,discard=$discard" \
			-device "virtio-scsi-pci,id=hw-$id" \
			-device "scsi-hd,id=$id,drive=drive-$id,bus=hw-$id.0"
		;;
	pflash)
		qemu_args "$vmid" \
			-drive "if=pflash,unit=0,id=pflash0,format=raw,readonly=on,file=/usr/share/seabios/bios-256k.bin" \
			-drive "if=pflash,unit=1,id=drive-$id,format=raw,file=$image"
		;;
	*)
		echo "disk_args: unknown style '$style'" >&2
		return 1
		;;
	esac
}

# guest_linux <vmid> [word]...: let qemu_start boot the Linux guest (tests/guest); words go on its
# kernel command line, e.g. writer.  Its console is $VZ_TMP/<vmid>.serial.
guest_linux() {
	local vmid=$1 KERNEL INITRD
	shift
	eval "$("$VZ_TOP/tests/guest/build")"
	qemu_args "$vmid" -cpu max -m 192 -no-reboot -kernel "$KERNEL" -initrd "$INITRD" \
		-append "console=ttyS0 quiet panic=-1 $*" -serial "file:$VZ_TMP/$vmid.serial" \
		-chardev "socket,id=qga0,path=$VZDUMP_ROOT/run/qemu-server/$vmid.qga,server=on,wait=off" \
		-device virtio-serial-pci \
		-device virtserialport,chardev=qga0,name=org.qemu.guest_agent.0
}

# guest_wait <vmid> <text> [seconds]: until the console shows it
guest_wait() {
	local vmid=$1 text=$2 i
	for ((i = 0; i < ${3:-60} * 10; i++)); do
		grep -qF "$text" "$VZ_TMP/$vmid.serial" 2> /dev/null && return 0
		sleep 0.1
	done
	echo "guest $vmid did not say '$text'" >&2
	return 1
}

# qemu_start <vmid> [running|stopped]: QEMU with the guest's disks; vCPUs stopped unless told
qemu_start() {
	local vmid=$1 state=${2:-stopped} args=() i
	local run=$VZDUMP_ROOT/run/qemu-server/$vmid
	touch "$(conf_file "$vmid")"
	[[ ! -e $(args_file "$vmid") ]] || mapfile -d '' -t args < "$(args_file "$vmid")"
	[[ $state = running ]] || args+=(-S)
	rm -f "$run.qmp" "$run.pid" "$VZ_TMP/$vmid.mon"
	"${QEMU_BIN:-qemu-system-x86_64}" -name "vm$vmid" -M pc -accel tcg,thread=multi -m 64 \
		-nodefaults -display none -pidfile "$run.pid" \
		-qmp "unix:$run.qmp,server=on,wait=off" \
		-qmp "unix:$VZ_TMP/$vmid.mon,server=on,wait=off" \
		"${args[@]}" > "$VZ_TMP/$vmid.log" 2>&1 3>&- &
	echo $! > "$VZ_TMP/$vmid.qemu-pid"
	for ((i = 0; i < 200; i++)); do
		qmp "$vmid" query-status > /dev/null 2>&1 && return 0
		kill -0 "$(qemu_pid "$vmid")" 2> /dev/null || break
		sleep 0.05
	done
	echo "QEMU $vmid does not start:" >&2
	cat "$VZ_TMP/$vmid.log" >&2
	return 1
}

qemu_pid() {
	cat "$VZ_TMP/$1.qemu-pid"
}

# The id of one that has ended may be another's by now: it counts only with the test's folder in its command line,
# or with none while it ends.
qemu_alive() {
	local pid state words
	pid=$(qemu_pid "$1") && state=$(ps -o stat= -p "$pid") && [[ $state != Z* ]] || return 1
	words=$(tr '\0' ' ' 2> /dev/null < "/proc/$pid/cmdline") || return 1
	[[ -z $words || $words == *"$VZ_TMP/"* ]]
}

# qemu_kill <vmid>: at once, as a crash would
qemu_kill() {
	qemu_end "$1" KILL
}

# qemu_quit <vmid>: closes its images before
qemu_quit() {
	qemu_end "$1" TERM
}

qemu_end() {
	local pid i
	pid=$(qemu_pid "$1") || return 0
	! qemu_alive "$1" || kill -s "$2" "$pid" 2> /dev/null || true
	# watched, not waited for: another shell (setup_file) may have started it
	for ((i = 0; i < 500; i++)); do
		qemu_alive "$1" || break
		sleep 0.02
	done
	! qemu_alive "$1" || kill -KILL "$pid" 2> /dev/null || true
	wait "$pid" 2> /dev/null || true
	rm -f "$VZ_TMP/$1.qemu-pid" "$VZDUMP_ROOT/run/qemu-server/$1".{qmp,pid,qga}
}

# qmp <vmid> <command> [json [path...]]: over the tests' own monitor, see qmp.c; the other one is vzdump's
qmp() {
	"${BUILD:-$VZ_TOP/build}/tests/qmp" "$VZ_TMP/$1.mon" "${@:2}"
}

# Path that qemu-io's -d takes for a disk.
guest_device() {
	local key=$2 qdev want="$2|/machine/peripheral/$2|/machine/peripheral/$2/virtio-backend"
	[[ $key != efidisk0 ]] || want+="|/machine/system.flash1"
	qdev=$(qmp "$1" query-block '{}' qdev | grep -xE "$want") || {
		echo "no device $key" >&2
		return 1
	}
	[[ $qdev == /* ]] || qdev=/machine/peripheral/$qdev
	echo "$qdev"
}

# guest_io <vmid> <key> <qemu-io command>...: what the guest would do, through its device.  Whether it failed
# stands in the answer, or in what QEMU itself prints.
guest_io() {
	local vmid=$1 key=$2 device command out log=$VZ_TMP/$1.log said
	shift 2
	device=$(guest_device "$vmid" "$key") || return 1
	for command in "$@"; do
		said=$(stat -c %s "$log")
		out=$(qmp "$vmid" hmp "qemu-io -d $device \"$command\"") || return 1
		# QEMU 11 says so when the target of a backup without fleecing goes, which may be at this moment
		out+=$(tail -c +$((said + 1)) "$log" | grep -v "Failed flush for 'nbd+unix:///sink?") || true
		if [[ $out = *rror* || $out = *failed* ]]; then
			echo "guest_io $key: $command: $out" >&2
			return 1
		fi
	done
}

# guest_fuse <vmid> <key>: prints a file that writes like the guest; for fio and dd.  Needs style
# "throttle": there the export's node stays above the filter that vzdump puts in.
guest_fuse() {
	local vmid=$1 key=$2 file=$VZ_TMP/$1-$2.fuse
	: > "$file"
	qmp "$vmid" block-export-add \
		"{\"type\":\"fuse\",\"id\":\"fuse-$key\",\"node-name\":\"drive-$key\",\"mountpoint\":\"$file\",\"writable\":true}" \
		> /dev/null || return 1
	echo "$file"
}

guest_fuse_end() {
	qmp "$1" block-export-del "{\"id\":\"fuse-$2\",\"mode\":\"hard\"}" > /dev/null
}

# graph_state <vmid>: the graph as text, to be compared before and after
graph_state() {
	qmp "$1" query-named-block-nodes '{"flat":true}' node-name drv file ro detect_zeroes cache \
		dirty-bitmaps.name | sort
	qmp "$1" query-block '{}' qdev inserted.node-name | sort
	qmp "$1" query-block-exports
	qmp "$1" query-status
}

# shellcheck shell=bash
# A libvirtd of the test's own, and domains in it.  Files that load this run in tests/libvirt/private, which
# make run-libvirt sees to: libvirt's well-known folders are empty there, and nobody else's.
#
#	load ../lib/libvirt
#	setup_file()    { libvirt_setup_file; }
#	teardown_file() { libvirt_teardown_file; }
#	setup()         { libvirt_setup; }
#	teardown()      { libvirt_teardown; }
#
#	@test "..." {
#		domain_disk web vda 8M
#		domain_disk web sda 8M qcow2
#		domain_start web
#		vzdump_ok --libvirt web ...
#		domain_write web vda 0 64k 0x55
#	}
#
# A disk's target says its bus: vd* is virtio, sd* scsi, and with bus=sata sata.  Its image is
# $IMAGES/NAME-TARGET.FORMAT.  QEMU runs as nobody, so that what we forget to give away does not work.

load ../lib/qemu
load ../lib/vzdump

export LIBVIRT_DEFAULT_URI=qemu:///system

libvirt_setup_file() {
	[[ ${VZ_PRIVATE:-} ]] || { echo "run me by: make run-libvirt" >&2; return 1; }
	cat > /etc/libvirt/qemu.conf <<- 'END'
		security_driver = "none"
		user = "nobody"
		group = "nogroup"
		namespaces = []
	END
	cat > /etc/libvirt/libvirtd.conf <<- 'END'
		auth_unix_ro = "none"
		auth_unix_rw = "none"
		admin_max_clients = 5
	END
	virtlogd --daemon
	libvirt_up
}

libvirt_teardown_file() {
	libvirt_down TERM
	[[ ! -s /run/virtlogd.pid ]] || kill "$(< /run/virtlogd.pid)"
}

libvirt_pid() {
	cat /run/libvirtd.pid
}

# libvirt_up: and it answers
libvirt_up() {
	local _
	libvirtd --daemon || return 1
	for _ in {1..400}; do
		! virsh version > /dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "libvirtd does not answer" >&2
	return 1
}

# libvirt_down SIGNAL: it has ended; its domains run on
libvirt_down() {
	local pid _
	pid=$(libvirt_pid) || return 0
	kill -s CONT "$pid" 2> /dev/null || true
	kill -s "$1" "$pid" 2> /dev/null || true
	for _ in {1..600}; do
		[[ -e /proc/$pid && ! $(ps -o stat= -p "$pid") = Z* ]] || { rm -f /run/libvirtd.pid; return 0; }
		sleep 0.05
	done
	echo "libvirtd does not end" >&2
	return 1
}

libvirt_setup() {
	vz_setup
	chmod 711 "$VZ_TMP"
	IMAGES=$VZ_TMP/images
	mkdir "$IMAGES"
	LOG=$VZ_TMP/log
	PIDS=()
}

libvirt_teardown() {
	local pid name
	backup_drop
	for pid in "${PIDS[@]}"; do
		# the id of one that has ended may be another's by now
		[[ $(ps -o ppid= -p "$pid") -eq $BASHPID ]] || continue
		kill -KILL "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	# a test may have left it stopped or ended
	kill -s CONT "$(libvirt_pid)" 2> /dev/null || libvirt_up
	while read -r name; do
		[[ $name ]] || continue
		virsh destroy "$name" > /dev/null 2>&1 || true
		virsh undefine "$name" --nvram --snapshots-metadata --checkpoints-metadata > /dev/null 2>&1 || true
	done < <(virsh list --all --name)
	for pid in "$VZ_TMP"/mnt*; do
		umount -l "$pid" 2> /dev/null || true
	done
	vz_teardown
}

# ---- domains ----

image() {
	ls "$IMAGES/$1-$2".*
}

# domain_disk NAME TARGET SIZE [format] [bus] [element]...: a disk with data that does not compress, and its
# contents in $IMAGES/NAME-TARGET-instant; elements are XML within <disk>
domain_disk() {
	local name=$1 target=$2 size=$3 format=${4:-raw} bus=${5:-} file
	shift $(($# < 5 ? $# : 5))
	case ${bus:-$target} in
	vd*) bus=virtio ;;
	sd*) bus=scsi ;;
	esac
	file=$IMAGES/$name-$target.$format
	disk_fill "$IMAGES/$name-$target-instant" "$size" "$name-$target"
	qemu-img convert -O "$format" "$IMAGES/$name-$target-instant" "$file"
	domain_device "$name" "<disk type='file' device='disk'>
		<driver name='qemu' type='$format' discard='unmap'/><source file='$file'/>
		<target dev='$target' bus='$bus'/>$*</disk>"
}

# domain_device NAME XML: within <devices>
domain_device() {
	printf '%s\n' "$2" >> "$VZ_TMP/$1.devices"
}

# domain_element NAME XML: within <domain>; in place of what domain_xml has for <os>, <cpu>, <memory> by default
domain_element() {
	printf '%s\n' "$2" >> "$VZ_TMP/$1.elements"
}

# domain_uefi NAME: with firmware and its variables
domain_uefi() {
	domain_element "$1" "<os><type arch='x86_64' machine='q35'>hvm</type>
		<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
		<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>$IMAGES/$1-nvram.fd</nvram></os>"
}

# domain_linux NAME [word]...: boots the Linux guest of tests/guest, with its agent; its console is
# $IMAGES/NAME.serial
domain_linux() {
	local name=$1 KERNEL INITRD
	shift
	eval "$("$VZ_TOP/tests/guest/build")"
	# where nobody may read them
	cp "$KERNEL" "$IMAGES/vmlinuz"
	cp "$INITRD" "$IMAGES/initrd"
	domain_element "$name" "<os><type arch='x86_64' machine='pc'>hvm</type><kernel>$IMAGES/vmlinuz</kernel>
		<initrd>$IMAGES/initrd</initrd><cmdline>console=ttyS0 quiet panic=-1 $*</cmdline></os>"
	domain_element "$name" "<memory unit='MiB'>192</memory>"
	domain_element "$name" "<cpu mode='maximum'/>"
	domain_element "$name" "<on_reboot>destroy</on_reboot>"
	domain_device "$name" "<serial type='file'><source path='$IMAGES/$name.serial'/></serial>"
	domain_device "$name" "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
}

# domain_wait NAME TEXT [seconds]: until the console shows it
domain_wait() {
	local i
	for ((i = 0; i < ${3:-120} * 10; i++)); do
		! grep -qF "$2" "$IMAGES/$1.serial" 2> /dev/null || return 0
		sleep 0.1
	done
	echo "domain $1 did not say '$2'" >&2
	return 1
}

# domain_agent_wait NAME: until libvirt knows of its agent
domain_agent_wait() {
	local _
	for _ in {1..1200}; do
		! virsh qemu-agent-command "$1" '{"execute":"guest-ping"}' > /dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "the agent of $1 does not answer" >&2
	return 1
}

# domain_xml NAME: prints what domain_start defines
domain_xml() {
	local name=$1 elements
	elements=$(cat "$VZ_TMP/$name.elements" 2> /dev/null || true)
	[[ $elements = *"<os>"* ]] || elements+="<os><type arch='x86_64' machine='pc'>hvm</type></os>"
	[[ $elements = *"<memory"* ]] || elements+="<memory unit='MiB'>64</memory>"
	echo "<domain type='qemu'><name>$name</name><vcpu>1</vcpu><features><acpi/></features>"
	echo "$elements<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
	echo "<controller type='scsi' index='0' model='virtio-scsi'/><controller type='usb' model='none'/>"
	echo "<memballoon model='none'/>"
	cat "$VZ_TMP/$name.devices" 2> /dev/null || true
	echo "</devices></domain>"
}

domain_define() {
	domain_xml "$1" > "$VZ_TMP/$1.xml"
	virsh define "$VZ_TMP/$1.xml"
}

# domain_start NAME [virsh start's option]...: defined, runs
domain_start() {
	domain_define "$1" && virsh start "$@"
}

# domain_create NAME: a transient one
domain_create() {
	domain_xml "$1" > "$VZ_TMP/$1.xml"
	virsh create "$VZ_TMP/$1.xml"
}

# domain_state NAME: "running", "paused", "shut off"
domain_state() {
	virsh domstate "$1" | head -n 1
}

domain_pid() {
	cat "/run/libvirt/qemu/$1.pid"
}

# domain_qmp NAME COMMAND [arguments as JSON]: the answer's "return"
domain_qmp() {
	virsh qemu-monitor-command "$1" "{\"execute\":\"$2\",\"arguments\":${3:-{\}}}" | jq -ce .return
}

# domain_device_path NAME TARGET: what qemu-io's -d takes
domain_device_path() {
	local n
	n=$(($(printf '%d' "'${2:2:1}") - 97))
	case $(virsh domblklist "$1" --details | awk -v t="$2" '$3 == t { print "'"$2"'" }') in
	vd?) echo "/machine/peripheral/virtio-disk$n/virtio-backend" ;;
	sd?) domain_qmp "$1" query-block | jq -r '.[].qdev // empty' | grep -xE "(scsi0-0-0-|sata0-0-)$n" ;;
	esac
}

# domain_io NAME TARGET COMMAND: a command of qemu-io through the device, as the guest's; what it says comes over the
# monitor or, with QEMU 7.2, in the domain's log
domain_io() {
	local path answer said at log=/var/log/libvirt/qemu/$1.log _
	path=$(domain_device_path "$1" "$2") || return 1
	at=$(stat -c %s "$log")
	answer=$(virsh qemu-monitor-command "$1" --hmp "qemu-io -d $path \"$3\"") || return 1
	for _ in {1..600}; do
		said=$answer$(tail -c +$((at + 1)) "$log")
		[[ ! $said =~ ops\;|rror|failed|not\ found ]] || break
		sleep 0.05
	done
	[[ $said != *rror* && $said != *failed* && $said = *" ops; "* ]] || {
		echo "domain_io $*: $said" >&2
		return 1
	}
}

# domain_write NAME TARGET OFFSET LENGTH [pattern]
domain_write() {
	domain_io "$1" "$2" "write -P ${5:-0x55} $3 $4"
}

# domain_reads NAME TARGET OFFSET LENGTH [pattern]: that is what it reads there
domain_reads() {
	domain_io "$1" "$2" "read -P ${5:-0x55} $3 $4"
}

# same_as_instant NAME KEY=TARGET...: the disks in the archive that archive_read has unpacked are as they were made
same_as_instant() {
	local pair
	for pair in "${@:2}"; do
		same_disk "drive-${pair%%=*}" "$IMAGES/$1-${pair#*=}-instant" || return 1
	done
}

# ---- before and after ----

# domain_graph NAME: nodes, devices, exports, jobs and bitmaps, but incremental backups' base bitmaps
domain_graph() {
	domain_qmp "$1" query-named-block-nodes '{"flat":true}' |
		jq -c 'map({n: ."node-name", d: .drv, f: .file, r: .ro, z: .detect_zeroes, c: .cache,
			b: [(."dirty-bitmaps" // [])[].name | select(. // "" | startswith("vzbase-") | not)]}) | sort[]'
	domain_qmp "$1" query-block | jq -c 'map({q: .qdev, n: .inserted."node-name"}) | sort[]'
	domain_qmp "$1" query-block-exports
	domain_qmp "$1" query-block-jobs
}

# domain_before NAME: keeps what a backup must not change
domain_before() {
	domain_graph "$1" > "$VZ_TMP/$1.graph"
	virsh dumpxml "$1" > "$VZ_TMP/$1.xml-before"
	domain_state "$1" > "$VZ_TMP/$1.state-before"
}

# domain_unchanged NAME [TARGET]...: as it was at domain_before, nothing of ours in QEMU, and it can write to its disks
domain_unchanged() {
	local name=$1 target
	shift
	domain_state "$name" | diff "$VZ_TMP/$name.state-before" - || return 1
	virsh dumpxml "$name" | diff "$VZ_TMP/$name.xml-before" - || return 1
	domain_graph "$name" | diff "$VZ_TMP/$name.graph" - || return 1
	no_nodes "$name" || return 1
	for target; do
		domain_write "$name" "$target" 0 64k || return 1
	done
}

# no_nodes NAME: nothing of ours is in its QEMU, and no NBD server runs
no_nodes() {
	local said
	! domain_graph "$1" | grep '"vzdump-' || return 1
	said=$(virsh qemu-monitor-command "$1" '{"execute":"nbd-server-stop"}')
	[[ $said = *"not running"* ]] || { echo "the NBD server still ran: $said"; return 1; }
}

# nothing_of_ours: no image, temporary file, lock or journal of a backup
nothing_of_ours() {
	local left
	left=$(
		find "$STORE" "$IMAGES" -name '*fleece*' -o -name '*.dat' -o -name '*.tmp*'
		find "$VZDUMP_ROOT/var/lib/vzdump" -name '*.journal' 2> /dev/null || true
		find "$VZDUMP_ROOT/run" -name 'vzdump-*' -o -name 'vzdump.pid'
		grep -rH '^lock:' "$VZDUMP_ROOT/etc" || true
	)
	[[ -z $left ]] || {
		echo "left behind: $left"
		return 1
	}
}

# ---- backups in the background ----

# Says why and fails, with the log.
fail() {
	echo "$*"
	[[ ! -s $LOG ]] || sed 's/^/  | /' "$LOG"
	return 1
}

# backup_start ARGUMENT...: up to where it copies (PID, LOG)
backup_start() {
	: > "$LOG"
	"$VZDUMP" "$@" --storage backup --compress zstd > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	log_wait 'started backup task'
}

# log_wait REGEX [seconds]
log_wait() {
	local i
	for ((i = 0; i < ${2:-60} * 20; i++)); do
		! grep -qE -- "$1" "$LOG" || return 0
		sleep 0.05
	done
	fail "not in the log within ${2:-60} s: $1"
}

# ends_with STATUS [seconds]: so ends the backup in the background
ends_with() {
	local i status=0
	for ((i = 0; i < ${2:-60} * 20; i++)); do
		kill -0 "$PID" 2> /dev/null || break
		sleep 0.05
	done
	! kill -0 "$PID" 2> /dev/null || fail "still runs after ${2:-60} s" || return 1
	wait "$PID" 2> /dev/null || status=$?
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	[[ $status = "$1" ]] || fail "ended with $status instead of $1"
}

# ---- a guest whose backup meets a fault ----

FLEECING=(--fleecing "enabled=1,storage=fast")

# guest_start SIZE: one that runs, with two disks
guest_start() {
	domain_disk web vda "$1"
	domain_disk web sda 1M qcow2
	domain_start web
	domain_before web
}

# all_well: as before the fault; its disks can be written, and the next backup is right and leaves nothing either
all_well() {
	no_nodes web || fail "nodes are left" || return 1
	nothing_of_ours || fail "something is left" || return 1
	[[ $(domain_state web) = running ]] || fail "it does not run" || return 1
	domain_write web vda 0 64k || return 1
	domain_write web sda 0 64k || return 1
	vzdump_ok --libvirt web "${FLEECING[@]}" || return 1
	python3 "$VZ_LIB/vma_reader.py" verify "$ARCHIVE" || return 1
	rm -f "$STORE"/backup/dump/*
	no_nodes web && nothing_of_ours
}

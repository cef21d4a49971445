#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# Mistakes of a newcomer on a plain host, and what is said then: one line that names the thing, the value and
# the way out.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	export TZ=UTC
	BIN=$BUILD/bin
	CFG=$VZDUMP_ROOT/etc/pve/storage.cfg
}

teardown() {
	! mountpoint -q "$STORE/backup/dump" || umount "$STORE/backup/dump"
	vz_teardown
}

# says <line> <program> [argument]...: the program fails, and exactly this line is among those that it prints
says() {
	told 255 "$@"
}

# told <status> <line> <program> [argument]...: it ends with that status, and prints that line
told() {
	local wanted=$1 line=$2
	shift 2
	run "$BIN/$1" "${@:2}"
	if [[ $status != "$wanted" ]] || ! grep -qxF -- "$line" <<< "$output"; then
		printf 'not said: %s\nstatus %s:\n%s\n' "$line" "$status" "$output"
		return 1
	fi
}

# guest: 101 with a small disk that is off
guest() {
	disk_add 101 scsi0 blockdev 1M
}

# Whether the kernel tells who is connected to whom: else its answer is an error (2).
has_unix_diag() {
	python3 -c 'import socket, struct, sys
s = socket.socket(16, socket.SOCK_RAW, 4)
s.send(struct.pack("=IHHIIBBHIIIII", 40, 20, 0x301, 0, 0, 1, 0, 0, 0xffffffff, 0, 0, 0, 0))
sys.exit(struct.unpack_from("=IH", s.recv(65536))[1] == 2)'
}

# archive: one of that guest, in $ARCHIVE
archive() {
	guest
	vzdump_ok 101
}

@test "1: there is no storage.cfg" {
	guest
	rm "$CFG"
	says "could not activate storage 'usb': storage 'usb' does not exist (storage.cfg has local)" \
		vzdump 101 --storage usb
}

@test "2: a storage's name is misspelt" {
	guest
	says "could not activate storage 'bakup': storage 'bakup' does not exist (did you mean 'backup'?)" \
		vzdump 101 --storage bakup
}

@test "3: the storage is not one for backups" {
	guest
	says "could not get storage information for 'fast': can't use storage 'fast' for backups - wrong content type: add 'backup' to its content in storage.cfg or name another storage" \
		vzdump 101 --storage fast
}

@test "4: the lines of a section are not indented" {
	guest
	printf 'dir: backup\npath %s\n' "$STORE/backup" > "$CFG"
	says "WARN: file $CFG line 2 (section 'backup') - ignore config line: path $STORE/backup (a line of a section begins with a tab or a blank)" \
		vzdump 101 --storage backup
	[[ ${lines[-1]} = "could not activate storage 'backup': storage 'backup' has no path in storage.cfg: add 'path /some/folder' below its first line, with a tab in front" ]]
	# blanks do as well as a tab
	printf 'dir: backup\n    path %s\n    content backup\n\ndir: local\n  path %s\n' "$STORE/backup" "$STORE/local" > "$CFG"
	vzdump_ok 101
	has_no_line WARN
}

@test "5: a section without its colon" {
	printf 'dir backup\n\tpath /srv\n' > "$CFG"
	told 0 "file $CFG line 1 - ignore config line: dir backup (a section begins with 'type: name')" pvesm status
}

@test "6: a key of storage.cfg is misspelt, or written as in YAML" {
	printf 'dir: backup\n\tpath %s\n\tcontents backup\n' "$STORE/backup" > "$CFG"
	told 0 "file $CFG line 3 (section 'backup') - unable to parse value of 'contents': unexpected property (did you mean 'content'?)" \
		pvesm status
	printf 'dir: backup\n\tpath: %s\n' "$STORE/backup" > "$CFG"
	told 0 "file $CFG line 2 (section 'backup') - unable to parse value of 'path:': unexpected property (did you mean 'path'?)" \
		pvesm status
}

@test "7: a storage's folder is not there" {
	guest
	printf 'dir: usb\n\tpath %s/usb\n\tcontent backup\n\tmkdir 0\n' "$VZ_TMP" >> "$CFG"
	says "could not activate storage 'usb': unable to activate storage 'usb' - directory '$VZ_TMP/usb' does not exist or is unreachable: create or mount it, or correct its path in storage.cfg" \
		vzdump 101 --storage usb
}

@test "8: a guest is called by its name" {
	says "vzdump: argument <vmid>: value 'web' is not a guest id (100 to 999999999)" vzdump web
}

@test "9: there is no such guest" {
	says "ERROR: Backup of VM 105 failed - unable to find VM '105' (no file $VZDUMP_ROOT/etc/pve/qemu-server/105.conf)" \
		vzdump 105 --storage backup
}

@test "10: no guest is named" {
	says "vzdump: no guest given, name guest ids or use --all or --pool (see --help)" vzdump
}

@test "11: a key of fleecing is misspelt, or its storage" {
	guest
	says "vzdump: option --fleecing: unknown key 'enable' (known: enabled, storage, limit, reserve) (did you mean 'enabled'?)" \
		vzdump 101 --storage backup --fleecing enable=1,storage=fast
	says "vzdump: option --fleecing: key 'enabled': value 'local' is not a boolean (use 1 or 0)" \
		vzdump 101 --storage backup --fleecing local
	qemu_start 101 running
	says "ERROR: Backup of VM 101 failed - allocating fleecing image for scsi0: storage 'fsat' does not exist (did you mean 'fast'?)" \
		vzdump 101 --storage backup --fleecing enabled=1,storage=fsat
	# 'true' alone is right: images go to each disk's own storage
	vzdump_ok 101 --fleecing true
}

@test "12: a value that there is not" {
	says "vzdump: option --compress: value 'zst' is not one of 0, 1, gzip, lzo, zstd (did you mean 'zstd'?)" \
		vzdump 101 --compress zst
	says "vzdump: option --mode: value 'live' is not one of snapshot, suspend, stop" vzdump 101 --mode live
	says "vzdump: option --prune-backups: value '3' has no key (write <key>=3)" vzdump 101 --prune-backups 3
}

@test "13: an option that there is not" {
	says "vzdump: unknown option --compression (did you mean --compress?)" vzdump 101 --compression zstd
}

@test "14: the folder of --dumpdir is not there" {
	guest
	says "dumpdir '$VZ_TMP/none' does not exist: create it or name another folder" vzdump 101 --dumpdir "$VZ_TMP/none"
}

@test "15: a setting of vzdump.conf is misspelt, has no such value, or is written with =" {
	local file=$VZDUMP_ROOT/etc/vzdump.conf
	guest
	printf 'compres: zstd\nmode: snap\nstorage = backup\n' > "$file"
	told 0 "WARN: unknown key 'compres' in '$file' is ignored (did you mean 'compress'?)" vzdump 101 --storage backup
	has_line "^WARN: parse error in '$file' - 'mode': value 'snap' is not one of snapshot, suspend, stop \(did you mean 'snapshot'\?\)$"
	has_line "^WARN: ignore config line: storage = backup \(in '$file', whose lines are 'key: value'\)$"
}

@test "16: the path of a disk is misspelt" {
	conf_add 101 "scsi0: local:101/vm-101-dsik-0.raw,size=1M"
	says "ERROR: Backup of VM 101 failed - volume 'local:101/vm-101-dsik-0.raw' does not exist (no file $STORE/local/images/101/vm-101-dsik-0.raw): correct its name, or bring it back" \
		vzdump 101 --storage backup
	printf 'scsi0: /srv/none.raw\n' > "$(conf_file 101)"
	says "ERROR: Backup of VM 101 failed - volume '/srv/none.raw' does not exist (no file /srv/none.raw): correct its name, or bring it back" \
		vzdump 101 --storage backup
}

@test "17: a disk's storage is misspelt" {
	conf_add 101 "scsi0: locale:101/vm-101-disk-0.raw"
	says "ERROR: Backup of VM 101 failed - disk 'scsi0': volume 'locale:101/vm-101-disk-0.raw': storage 'locale' does not exist (did you mean 'local'?)" \
		vzdump 101 --storage backup
}

@test "18: the guest runs, and its QEMU has no monitor where it is looked for" {
	local run=$VZDUMP_ROOT/run/qemu-server/101
	guest
	qemu_start 101 running
	mv "$run.qmp" "$run.sock"
	says "ERROR: Backup of VM 101 failed - VM 101 runs (pid $(qemu_pid 101)) but nothing answers at its QMP socket '$run.qmp': give QEMU '-qmp unix:$run.qmp,server=on,wait=off'" \
		vzdump 101 --storage backup
	# nor has it a pid file: only its disk tells
	rm "$run.pid"
	says "ERROR: Backup of VM 101 failed - disk 'scsi0': QEMU (pid $(qemu_pid 101)) has '$(disk_path 101 scsi0)' open for writing, but VM 101 has no QMP socket '$run.qmp': if that QEMU is this VM, start it with '-qmp unix:$run.qmp,server=on,wait=off'; if not, take the disk out of it" \
		vzdump 101 --storage backup
}

@test "19: another program sits at the guest's monitor" {
	has_unix_diag || skip "this kernel does not tell who is connected (unix_diag)"
	guest
	qemu_start 101 running
	command python3 -c 'import signal, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.recv(1)
open(sys.argv[2], "w")
signal.pause()' "$VZDUMP_ROOT/run/qemu-server/101.qmp" "$VZ_TMP/connected" 3>&- &
	local client=$!
	until [[ -e $VZ_TMP/connected ]]; do
		kill -0 "$client"
		sleep 0.05
	done
	says "fault    VM 101: its monitor does not answer, since another program is connected to it: $(< "/proc/$client/comm") (pid $client): end that, or give it a monitor of its own: QEMU takes several '-qmp'" \
		vzdump check 101
	kill "$client"
	wait "$client" || true
}

@test "20: there is no room for the archive" {
	mount -t tmpfs -o size=256k none "$STORE/backup/dump" 2> /dev/null || skip "needs to mount a tmpfs"
	guest
	disk_fill "$(disk_path 101 scsi0)" 1M
	run "$BIN/vzdump" 101 --storage backup
	[[ $status = 255 ]]
	has_line "^ERROR: Backup of VM 101 failed - (writing archive )?'$STORE/backup/dump/vzdump-qemu-101-.*': cannot write the archive: No space left on device, after [0-9.]+ KiB; free some space there or choose another storage$"
}

@test "21: the caller is not root" {
	[[ $(id -u) = 0 ]] || skip "needs root"
	guest
	chmod 755 "$VZ_TMP"
	mkdir -p "$VZDUMP_ROOT/run"
	touch "$VZDUMP_ROOT/run/vzdump.lock"
	chmod 600 "$VZDUMP_ROOT/run/vzdump.lock"
	run setpriv --reuid 65534 --clear-groups "$BIN/vzdump" 101 --storage backup
	[[ $status = 255 ]]
	has_line "^can't open lock on file '$VZDUMP_ROOT/run/vzdump.lock': only root may: call vzdump as root, or keep a host of your own under VZDUMP_ROOT$"
}

@test "22: what is restored is no archive" {
	echo hello > "$VZ_TMP/x.vma.zst"
	says "cannot read archive '$VZ_TMP/x.vma.zst': not a VMA archive: it does not begin with 'VMA', as those of vzdump do" \
		qmrestore "$VZ_TMP/x.vma.zst" 200
	says "cannot read archive '$VZ_TMP/x.vma.zst': not a VMA archive: it does not begin with 'VMA', as those of vzdump do" \
		vma list "$VZ_TMP/x.vma.zst"
}

@test "23: an archive is named without its folder or storage" {
	local name
	archive
	name=${ARCHIVE##*/}
	says "there is no archive '$name' in this folder: one on a storage is named <storage>:backup/<file>, as 'pvesm list <storage> --content backup' shows it" \
		qmrestore "$name" 200
	says "volume 'backup:$name' is no image: a backup is named 'backup:backup/$name'" qmrestore "backup:$name" 200
	run "$BIN/qmrestore" "backup:backup/$name" 200 --storage fast
	[[ $status = 0 ]]
}

@test "24: a restore onto a guest that is there, or to a storage that is not for disks" {
	archive
	says "unable to restore VM 101 - VM 101 already exists (--force replaces it, --disk restores single disks)" \
		qmrestore "$ARCHIVE" 101
	says "scsi0: can't use storage 'backup' for images - wrong content type (it has 'backup' in storage.cfg): add 'images' to its content there or name another storage" \
		qmrestore "$ARCHIVE" 200 --storage backup
	says "qmrestore: argument <vmid> is missing (see --help); --libvirt <name> restores to libvirt instead" qmrestore "$ARCHIVE"
}

@test "25: a job's event, key or id is misspelt" {
	local file=$VZDUMP_ROOT/etc/pve/jobs.cfg
	printf 'vzdump: nightly\n\tschedule 22:00\n\tvm 101\n\tstorage backup\n' > "$file"
	told 0 "WARN: file $file line 3 (section 'nightly') - unable to parse value of 'vm': unexpected property" \
		vzdump-scheduler --list
	says "vzdump: option --job: there is no backup job 'nightli' in '$file' (did you mean 'nightly'?) ('vzdump-scheduler --list' shows all)" \
		vzdump --job nightli
	says "invalid calendar event 'every day' - 'every' is not a day of the week, such as mon or monday" \
		vzdump-scheduler --next 'every day'
}

@test "26: a folder to extract to that is there, and a command that there is not" {
	archive
	says "target directory '$VZ_TMP' exists: name one that is made for it" vma extract "$ARCHIVE" "$VZ_TMP"
	says "vma: unknown command 'liste' (did you mean 'list'?)" vma liste "$ARCHIVE"
	says "pvesm list: argument <storage> is missing (see --help)" pvesm list
}

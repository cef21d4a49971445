#!/usr/bin/env bats
# What strangers write (archives, names of files, configurations), and what becomes of it on this host.

load ../lib/qemu
load ../lib/vzdump

VMA=$BUILD/bin/vma
PVESM=$BUILD/bin/pvesm
QMRESTORE=$BUILD/bin/qmrestore
# an escape sequence, a C1 control in UTF-8, an override of the direction
EVIL=$'\e]0;x\a\xc2\x9b31m\xe2\x80\xae'

setup() {
	vz_setup
	T=$BATS_TEST_TMPDIR
}

teardown() {
	vz_teardown
}

# write_archive <file> <conf text> [<argument of vma_writer.py>...]
write_archive() {
	local file=$1
	printf '%s\n' "$2" > "$T/conf"
	shift 2
	python3 "$VZ_LIB/vma_writer.py" "$file" "qemu-server.conf=$T/conf" drive-scsi0:65536 "$@"
}

# harmless <text>: nothing in it that a terminal obeys
harmless() {
	! LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' \
		<<< "$1" | cat -v | grep .
}

# terminal_gets <command>...: what it writes to a terminal
terminal_gets() {
	script -qec "$(printf '%q ' "$@")" /dev/null < /dev/null | tr -d '\r'
}

@test "names and configurations of an archive reach no terminal with an escape sequence in them" {
	write_archive "$T/a$EVIL.vma" $'name: '"$EVIL"$'\nargs: '"$EVIL"$'\nscsi1: /x'"$EVIL"$'\nide2: /x'"$EVIL"$',media=cdrom\nscsi0: local:1/x.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:' \
		"c${EVIL/$'\e]0;x\a'/}=/dev/null"
	run "$VMA" list "$T/a$EVIL.vma"
	[ "$status" = 0 ]
	harmless "$output"
	has_line 'CFG: size: 0 name: c\?31m\?$'
	run "$QMRESTORE" "$T/a$EVIL.vma" 200 --storage local
	[ "$status" = 0 ]
	harmless "$output"
	has_line 'args: \?\]0;x\?\?31m\?'
	vzdump 200
	harmless "$output"
	run terminal_gets "$VMA" config "$T/a$EVIL.vma"
	harmless "$output"
	has_line '^name: \?\]0;x\?\?31m\?$'
	run terminal_gets "$VMA" list "$T/a$EVIL.vma" --output-format json
	harmless "$output"
	python3 -c 'import json, sys; assert json.load(sys.stdin)["configs"][1]["name"] == "c\x9b31m\u202e"' \
		<<< "$output"
}

@test "a configuration that goes into a file is the archive's, byte for byte" {
	write_archive "$T/a.vma" "name: $EVIL"
	"$VMA" config "$T/a.vma" > "$T/got"
	cmp "$T/got" "$T/conf"
	"$PVESM" extractconfig "$T/a.vma" > "$T/got"
	cmp <(cat "$T/conf"; echo) "$T/got"
	run terminal_gets "$PVESM" extractconfig "$T/a.vma"
	harmless "$output"
}

@test "names of files are listed harmless, and as JSON with all their characters" {
	mkdir -p "$STORE/backup/dump" "$STORE/local/images/601"
	: > "$STORE/backup/dump/vzdump-qemu-600-x$EVIL.vma.zst"
	: > "$STORE/local/images/601/vm-601-$EVIL.raw"
	for command in "list backup" "list local" "prune-backups backup --keep-last 1 --dry-run"; do
		# shellcheck disable=SC2086
		run "$PVESM" $command
		[ "$status" = 0 ]
		[[ $output = *'?]0;x??31m?'* ]]
		harmless "$output"
		# shellcheck disable=SC2086
		run "$PVESM" $command --output-format json
		harmless "$output"
		python3 -c 'import json, sys; assert "\x1b]0;x\x07\x9b31m\u202e" in json.load(sys.stdin)[0]["volid"]' \
			<<< "$output"
	done
}

@test "an archive of the future is told, and costs neither the new backup nor itself" {
	local future=vzdump-qemu-200-2099_01_01-00_00_00.vma.zst
	mkdir -p "$STORE/backup/dump"
	: > "$STORE/backup/dump/$future"
	write_archive "$T/a.vma" "scsi0: local:1/x.raw"
	"$QMRESTORE" "$T/a.vma" 200 --storage local
	vzdump_ok 200 --prune-backups keep-last=1
	has_line "^WARN: archive '.*/$future' is dated in the future \(2099-01-01 00:00:00\)"
	[[ -s $ARCHIVE && -e $STORE/backup/dump/$future ]]
	run "$PVESM" prune-backups backup --keep-last 1 --dry-run
	has_line "^archive '.*/$future' is dated in the future"
	has_line "backup/$future +qemu/200 +keep$"
	has_line "backup/${ARCHIVE##*/} +qemu/200 +keep$"
	run "$PVESM" prune-backups backup --keep-last 1
	[ "$status" = 0 ] && [ -s "$ARCHIVE" ] && [ -e "$STORE/backup/dump/$future" ]
}

# expect <line>...: the new configuration of guest 201 has exactly these lines, but for the disk's
expect() {
	diff <(printf '%s\n' "$@") <(grep -v '^scsi0:' "$(conf_file 201)")
}

@test "only what is known to stay within the guest is taken over from an archive, all else is commented out and told" {
	local line hostile=(
		"args: -drive file=/etc/shadow" "hookscript: local:snippets/x.sh" "hostpci0: 0000:01:00.0"
		"rng0: source=/dev/hwrng" "virtiofs0: hostdata,cache=always" "ivshmem: size=32,name=other"
		"cicustom: user=local:snippets/secret.yml" "serial0: /dev/ttyS0" "usb0: host=1-2"
		"usb1: mapping=stick" "parallel0: /dev/parport0" "vmstate: local:999/vm-999-state-x.raw"
		"ide0: cdrom,media=cdrom" "ide1: /etc/shadow,media=cdrom" "ide3: local:iso/../../shadow,media=cdrom"
		"sata0: nbd:unix:/run/x.sock,media=cdrom" "sata1: local:999/vm-999-disk-0.raw,media=cdrom"
		"sata2: json:{\"driver\":\"nbd\"},media=cdrom" "SCSI4: /etc/shadow" " scsi5: /etc/shadow"
		"scsi6 : /etc/shadow" "audio0: device=AC97,driver=/dev/dsp" "newkey: 1" "no key at all")
	write_archive "$T/a.vma" "$(printf '%s\n' "${hostile[@]}" "scsi0: local:1/x.raw,import-from=/etc/shadow,ssd=1")"
	run "$QMRESTORE" "$T/a.vma" 201 --storage local
	[ "$status" = 0 ]
	expect "${hostile[@]/#/#}"
	for line in "${hostile[@]}"; do
		[[ $output = *"WARN: the configuration has '$line', which "*": it is commented out"* ]]
	done
	has_line "^WARN: disk 'scsi0' is restored without its option 'import-from=/etc/shadow'"
	grep -qx 'scsi0: local:201/vm-201-disk-0.raw,ssd=1,size=64K' "$(conf_file 201)"
}

@test "a usual configuration is taken over as it is, without a word" {
	local usual=(
		"#a note" "acpi: 1" "affinity: 0,2-3" "agent: 1,fstrim_cloned_disks=1" "audio0: device=ich9-intel-hda,driver=spice"
		"balloon: 512" "bios: ovmf" "boot: order=scsi0;ide2;net0" "cipassword: \$5\$x/y" "ciuser: admin" "cores: 4"
		"cpu: host,flags=+aes;-pcid" "cpulimit: 1.5" "cpuunits: 100" "description: a /dev/null%0Ab"
		"hotplug: disk,network" "hugepages: 2" "ide0: none,media=cdrom" "ide2: local:iso/debian-12.iso,media=cdrom,size=600M"
		"ipconfig0: ip=10.0.0.2/24,gw=10.0.0.1" "kvm: 0" "localtime: 1" "machine: pc-q35-8.1+pve0,viommu=intel"
		"memory: 2048" "meta: creation-qemu=8.1.2,ctime=1700000000" "name: web"
		"net0: virtio=AA:BB:CC:DD:EE:FF,bridge=vmbr0,firewall=1,trunks=2;3" "numa: 1"
		"numa0: cpus=0-1,hostnodes=0,memory=1024,policy=bind" "onboot: 1" "ostype: l26" "protection: 1"
		"rng0: source=/dev/urandom,max_bytes=1024" "scsihw: virtio-scsi-single" "searchdomain: example.org"
		"serial0: socket" "smbios1: uuid=b3247ab1-0b2a-4f0e-9e0e-000000000001,manufacturer=L2Rldi94,base64=1"
		"sockets: 1" "sshkeys: ssh-ed25519%20AAAA" "startup: order=1,up=30" "tablet: 0" "tags: a;b" "usb0: spice,usb3=1"
		"vcpus: 2" "vga: qxl,memory=32" "vmgenid: 0" "watchdog: model=i6300esb,action=reset")
	write_archive "$T/a.vma" "$(printf '%s\n' "${usual[@]}" "scsi0: local:1/x.raw")"
	run "$QMRESTORE" "$T/a.vma" 201 --storage local
	[ "$status" = 0 ]
	expect "${usual[@]}"
	has_no_line WARN
}

@test "--keep-host-lines takes over what reaches out of the guest, and says so" {
	local kept=("args: -S" "hostpci0: 0000:01:00.0,pcie=1" "ide2: /dev/sr0,media=cdrom" "serial0: /dev/ttyS0")
	write_archive "$T/a.vma" "$(printf '%s\n' "${kept[@]}" "scsi0: local:1/x.raw")"
	run "$QMRESTORE" "$T/a.vma" 201 --storage local --keep-host-lines
	[ "$status" = 0 ]
	expect "${kept[@]}"
	has_line "WARN: the configuration has 'args: -S', .* look at it before you start the guest"
	has_line "WARN: the configuration has 'ide2: /dev/sr0,media=cdrom', .* look at it before you start the guest"
}

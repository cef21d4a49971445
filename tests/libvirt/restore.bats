#!/usr/bin/env bats
# qmrestore --libvirt: guests of libvirt out of archives, of libvirt's guests and of others.

bats_require_minimum_version 1.5.0

load ../lib/libvirt

QMRESTORE=$BUILD/bin/qmrestore

setup_file() {
	libvirt_setup_file
}

teardown_file() {
	libvirt_teardown_file
}

setup() {
	libvirt_setup
	NEW=$VZ_TMP/new
	mkdir "$NEW"
}

teardown() {
	libvirt_teardown
}

# restore ARGUMENT...: of the newest archive, into $NEW
restore() {
	run "$QMRESTORE" "$ARCHIVE" --directory "$NEW" "$@"
}

restore_ok() {
	restore "$@"
	[[ $status = 0 ]] || { echo "$output"; return 1; }
}

# xml NAME XPATH: a value of the domain's XML
xml() {
	virsh dumpxml "$1" --inactive | xmllint --xpath "string($2)" -
}

# nothing_new: no file, no domain but those named
nothing_new() {
	[[ -z $(ls -A "$NEW") ]] || { ls -A "$NEW"; return 1; }
	[[ $(virsh list --all --name | xargs) = "$*" ]]
}

@test "a running guest with two disks and UEFI is restored under a new name, and runs beside the old one" {
	domain_uefi web
	domain_disk web vda 8M qcow2
	domain_disk web sda 4M
	domain_device web "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>"
	domain_device web "<disk type='file' device='cdrom'><target dev='hdc' bus='sata'/></disk>"
	domain_start web
	vzdump_ok --libvirt web --storage backup --compress zstd
	domain_write web vda 0 64k
	restore_ok --libvirt copy
	[[ $output = *"guest 'copy' is defined in libvirt; it starts with: virsh start copy" ]]
	cmp "$NEW/copy-vda.raw" "$IMAGES/web-vda-instant"
	cmp "$NEW/copy-sda.raw" "$IMAGES/web-sda-instant"
	archive_read
	cmp "$NEW/copy-nvram.raw" "$VZ_TMP/out/disk-drive-efidisk0.raw"
	[[ $(stat -c %a "$NEW"/* | sort -u) = 600 ]]
	virsh start copy
	[[ $(domain_state web) = running && $(domain_state copy) = running ]]
	[[ $(xml copy /domain/uuid) != "$(xml web /domain/uuid)" ]]
	[[ $(xml copy //interface/mac/@address) = 52:54:00:* ]]
	[[ $(xml copy //interface/mac/@address) != 52:54:00:00:00:01 ]]
	[[ $(xml copy //nvram) = "$NEW/copy-nvram.raw" ]]
	domain_write copy vda 1M 64k 0x77
	domain_reads copy vda 1M 64k 0x77
	run ! domain_reads web vda 1M 64k 0x77
}

# boot_sector FILE: a disk that a BIOS boots from; it copies its first sector to its second one
boot_sector() {
	truncate -s 4M "$1"
	printf '\xfa\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c\xfb\xbb\x00\x7c\xb8\x01\x03\xb9\x02\x00\x30\xf6\xcd\x13\xf4\xeb\xfd' |
		dd of="$1" conv=notrunc status=none
	printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

# has_booted FILE
has_booted() {
	local _
	for _ in {1..1200}; do
		! cmp -s -n 512 "$1" "$1" 0 512 || return 0
		sleep 0.1
	done
	echo "$1: nothing has booted from it" >&2
	return 1
}

@test "the archive of a guest that is not libvirt's becomes a guest of libvirt, which boots from its disk" {
	conf_add 100 "name: old"
	conf_add 100 "memory: 64"
	conf_add 100 "scsihw: virtio-scsi-single"
	conf_add 100 "boot: order=scsi1"
	conf_add 100 "net0: virtio=BC:24:11:00:00:01"
	conf_add 100 "agent: 1"
	conf_add 100 "args: -device evil"
	disk_add 100 scsi0 scsi 4M
	disk_add 100 scsi1 scsi 4M
	boot_sector "$(disk_path 100 scsi1)"
	vzdump_ok 100
	restore_ok --libvirt moved --start --unique 0
	[[ $output = *"WARN: the configuration has 'args: -device evil', which is left out"* ]]
	has_booted "$NEW/moved-scsi1.raw"
	[[ $(domain_state moved) = running ]]
	[[ $(xml moved //interface/mac/@address) = bc:24:11:00:00:01 ]]
	[[ $(xml moved //memory) = 65536 ]]
}

# restore_conf NAME LINES: of an archive with that configuration and a disk for each of its disks' lines; runs
restore_conf() {
	local key disks=()
	printf '%s\n' "$2" > "$VZ_TMP/qemu-server.conf"
	disk_fill "$VZ_TMP/disk" 64K
	truncate -s 540672 "$VZ_TMP/vars"
	for key in $(sed -nE 's/^([a-z]+[0-9]+): local:.*/\1/p' <<< "$2"); do
		disks+=(-d "drive-$key=$VZ_TMP/$([[ $key = efi* ]] && echo vars || echo disk)")
	done
	ARCHIVE=$VZ_TMP/$1.vma.zst
	"$BUILD/bin/vma" create "$ARCHIVE" -c "$VZ_TMP/qemu-server.conf" "${disks[@]}"
	restore_ok --libvirt "$1"
	virsh start "$1" --paused || { virsh dumpxml "$1"; return 1; }
	virsh domblklist "$1" --details
	virsh destroy "$1"
}

@test "of Proxmox VE's machines, controllers and firmware, libvirt takes the definition and QEMU starts" {
	restore_conf lsi $'memory: 64\nscsi0: local:1\nscsi6: local:2\nide2: none,media=cdrom\nvga: std'
	restore_conf ide $'memory: 64\nide0: local:1\nide3: local:2\nide2: none,media=cdrom\nostype: win10\nvga: qxl'
	restore_conf q35 $'memory: 64\nmachine: q35\nide0: local:1\nide2: none,media=cdrom\nsata0: local:2\nsata5: local:3\nserial0: socket\nvga: serial0\nrng0: source=/dev/urandom'
	restore_conf efi $'memory: 64\nmachine: q35\nbios: ovmf\nefidisk0: local:1,efitype=4m\nscsihw: virtio-scsi-single\nscsi0: local:2,discard=on,ssd=1\nscsi30: local:3\nvirtio15: local:4,iothread=1\nagent: 1\nsockets: 2\ncores: 2\nvcpus: 3\nballoon: 32\nvmgenid: 1'
	[[ $(xml efi //nvram) = "$NEW/efi-nvram.raw" ]]
	restore_conf pv $'memory: 64\nscsihw: pvscsi\nscsi0: local:1\nvga: virtio\nnet0: e1000=BC:24:11:00:00:01'
	restore_conf mega $'memory: 64\nscsihw: megasas\nscsi0: local:1\nscsi1: local:2'
}

@test "nothing of an archive that anybody made reaches out of the guest" {
	cp "$VZ_TOP/tests/fuzz/corpus/domain/hostile.xml" "$VZ_TMP/libvirt.xml"
	# without KVM libvirt would refuse it
	sed -i "s/type='kvm'/type='qemu'/; s/<interface type='bridge'>/<interface type='user'>/; /<source bridge=/d" \
		"$VZ_TMP/libvirt.xml"
	disk_fill "$VZ_TMP/disk" 1M
	echo "virtio0: /x.raw" > "$VZ_TMP/qemu-server.conf"
	ARCHIVE=$VZ_TMP/a.vma.zst
	"$BUILD/bin/vma" create "$ARCHIVE" -c "$VZ_TMP/libvirt.xml" -c "$VZ_TMP/qemu-server.conf" \
		-d "drive-virtio0=$VZ_TMP/disk"
	restore_ok --libvirt tame
	virsh dumpxml tame | tee "$VZ_TMP/defined.xml"
	run ! grep -E 'hostile|/etc/|/tmp/[^v]' "$VZ_TMP/defined.xml"
	cmp "$NEW/tame-vda.raw" "$VZ_TMP/disk"
	virsh start tame
}

@test "what exists is left alone, and a restore that fails leaves nothing" {
	domain_disk web vda 4M
	domain_define web
	vzdump_ok --libvirt web --mode stop

	restore --libvirt web
	[[ $status = 255 && $output = *"libvirt has a guest 'web' already: give another name"* ]]
	nothing_new web

	restore --libvirt copy --unique 0
	[[ $status = 255 && $output = *"cannot define guest 'copy': libvirt: "*"already defined with uuid"* ]]
	nothing_new web

	echo keep > "$NEW/copy-vda.raw"
	restore --libvirt copy
	[[ $status = 255 && $output = *"copy-vda.raw' exists, and nothing is overwritten"* ]]
	[[ $(ls -A "$NEW") = copy-vda.raw && $(< "$NEW/copy-vda.raw") = keep ]]
	rm "$NEW/copy-vda.raw"

	restore --libvirt copy --connect qemu+ssh://host/system
	[[ $status = 255 && $output = *"is another host's libvirt"* ]]
	nothing_new web

	truncate -s -64K "$ARCHIVE"
	restore --libvirt copy
	[[ $status = 255 && $output = *"cannot read archive"* ]]
	nothing_new web
}

@test "with --keep-host-lines a Linux guest boots by the host's kernel from what its agent had frozen" {
	domain_disk linux vda 32M
	domain_linux linux mkfs
	domain_start linux
	domain_wait linux 'guest: ready'
	domain_agent_wait linux
	vzdump_ok --libvirt linux --storage backup
	virsh destroy linux
	rm "$IMAGES/linux.serial"
	restore_ok --libvirt again
	[[ $output = *"WARN: the XML has <kernel> in <os>, which reaches out of the guest or is not known: it is left"* ]]
	[[ -z $(xml again //kernel) ]]
	virsh undefine again
	rm "$NEW"/*
	restore_ok --libvirt again --keep-host-lines 1 --start
	[[ $output = *"WARN: the XML has <kernel> in <os>, which reaches out of the guest or is not known: look at"* ]]
	domain_wait linux 'guest: ready'
	domain_agent_wait again
	[[ $(domain_state again) = running ]]
}

# restore_slowly: into the background, up to where it fills the disk
restore_slowly() {
	"$QMRESTORE" "$ARCHIVE" --libvirt copy --directory "$NEW" --bwlimit 100 > "$LOG" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	local _
	for _ in {1..600}; do
		! compgen -G "$NEW/copy-vda.raw.tmp.*" > /dev/null || return 0
		sleep 0.1
	done
	fail "no file is made"
}

@test "a restore that is interrupted leaves nothing" {
	domain_disk web vda 16M
	domain_define web
	vzdump_ok --libvirt web --mode stop
	restore_slowly
	kill -TERM "$PID"
	ends_with 255
	nothing_new web
}

@test "what a killed restore has left is removed by the next one" {
	domain_disk web vda 16M
	domain_define web
	vzdump_ok --libvirt web --mode stop
	restore_slowly
	kill -KILL "$PID"
	wait "$PID" || true
	[[ $(ls -A "$NEW") = copy-vda.raw.tmp.* ]]
	restore_ok --libvirt copy
	[[ $(ls -A "$NEW") = copy-vda.raw ]]
	cmp "$NEW/copy-vda.raw" "$IMAGES/web-vda-instant"
}

@test "a hostile name, a folder that is not there, and a libvirt that does not run: errors with the way out" {
	domain_disk web vda 4M
	domain_define web
	vzdump_ok --libvirt web --mode stop
	restore --libvirt ../copy
	[[ $status = 255 && $output = *"'../copy' cannot be a guest's name"* ]]
	run "$QMRESTORE" "$ARCHIVE" --libvirt copy --directory "$VZ_TMP/none"
	[[ $status = 255 && $output = *"cannot use folder '$VZ_TMP/none': No such file or directory; make it, or name"* ]]
	libvirt_down TERM
	restore --libvirt copy
	[[ $status = 255 && $output = *"cannot connect to libvirt"* ]]
	libvirt_up
	nothing_new web
}

@test "a guest that is gone comes back as it was, with its uuid, addresses and our id" {
	domain_disk web vda 4M
	domain_element web "<metadata><g:guest xmlns:g='urn:vzdump:guest' vmid='201'/></metadata>"
	domain_device web "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>"
	domain_define web
	vzdump_ok --libvirt web --mode stop
	local uuid
	uuid=$(xml web /domain/uuid)
	virsh undefine web
	restore_ok --libvirt web --unique 0 --start
	[[ $(xml web /domain/uuid) = "$uuid" ]]
	[[ $(xml web //interface/mac/@address) = 52:54:00:00:00:01 ]]
	virsh dumpxml web | grep 'vmid="201"\|vmid=.201.'
	domain_write web vda 0 64k
	# and it is backed up like before
	vzdump_ok --libvirt web
	[[ $ARCHIVE = *vzdump-qemu-201-* ]]
}

# shellcheck shell=bash
# Guests that start from their own disks: the Linux of tests/guest on a FAT file system with syslinux, made without
# root and without a loop device.
#
#	boot_guest 100			# configuration and disk of a guest that starts, with an agent
#	boot_archive 100		# ARCHIVE: its backup
#	boot 60 --expect "guest: ready"	# vma boot: sets status and output

VMA=${BUILD:-$VZ_TOP/build}/bin/vma

# boot_guest <vmid> [word]...: words go on the kernel's command line.  DISK is the image.
boot_guest() {
	local vmid=$1 KERNEL INITRD
	shift
	eval "$("$VZ_TOP/tests/guest/build")"
	DISK=$STORE/local/images/$vmid/vm-$vmid-disk-0.raw
	mkdir -p "${DISK%/*}"
	rm -f "$DISK"
	truncate -s 48M "$DISK"
	mformat -i "$DISK" -h 16 -s 63 -T 98304 ::
	mcopy -i "$DISK" "$KERNEL" ::vmlinuz
	mcopy -i "$DISK" "$INITRD" ::initrd
	boot_loader "initrd=initrd console=ttyS0 panic=-1 $*"
	syslinux --install "$DISK"
	conf_add "$vmid" 'name: tiny' 'memory: 256' 'agent: 1' 'boot: order=virtio0' \
		"virtio0: local:$vmid/${DISK##*/},size=48M" 'net0: virtio=AA:BB:CC:DD:EE:FF,bridge=vmbr0'
}

# boot_loader <command line of the kernel>: on DISK
boot_loader() {
	printf 'SERIAL 0 115200\nDEFAULT linux\nLABEL linux\nKERNEL vmlinuz\nAPPEND %s\n' "$1" > "$VZ_TMP/syslinux.cfg"
	mcopy -o -i "$DISK" "$VZ_TMP/syslinux.cfg" ::syslinux.cfg
}

boot_archive() {
	vzdump_ok "$1"
}

# boot <seconds> <argument>...: under TCG, since what a KVM runs here is not known
boot() {
	local seconds=$1
	shift
	run "$VMA" boot "$ARCHIVE" --accel tcg --timeout "$seconds" "$@"
}

# nothing_of_boot: no folder, and no process that has one of this test's archives or folders on its command line
nothing_of_boot() {
	[[ -z $(find "$TMPDIR" -maxdepth 1 -name 'vzdump-boot.*') ]] || { ls -la "$TMPDIR"; return 1; }
	! grep -lz "$VZ_TMP/" /proc/[0-9]*/cmdline 2> /dev/null | while read -r file; do
		tr '\0' ' ' < "$file"
	done | grep -E '^(qemu-system|nbdkit)'
}

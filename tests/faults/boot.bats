#!/usr/bin/env bats
# The ways in which a guest of an archive does not start, and what is left when vma boot ends early.  Each boot takes
# some seconds under TCG.

load ../lib/qemu
load ../lib/vzdump
load ../lib/boot

# long enough for any machine: what a test waits for comes much earlier
LONG=900

setup() {
	vz_setup
	export TMPDIR=$VZ_TMP/t
	mkdir "$TMPDIR"
	boot_guest 100
}

teardown() {
	vz_teardown
}

# place_in_disk <text>: offset of a text in the image
place_in_disk() {
	grep -abo -m 1 "$1" "$DISK" | head -n 1 | cut -d: -f1
}

@test "a text on the serial console proves a start, as a regular expression too" {
	boot_archive 100
	boot $LONG --agent 0 --expect '/^guest: [a-z]+ady$/' --memory 200
	echo "$output"
	[[ $status = 0 ]]
	has_line "^started: the expected text '/.guest: .a-z.\\+ady./' came after [0-9]+ s"
	nothing_of_boot
}

@test "the answer of an agent on a serial port proves a start" {
	boot_loader "initrd=initrd console=ttyS0 panic=-1 isa-agent"
	sed -i 's/^agent: 1$/agent: 1,type=isa/' "$(conf_file 100)"
	boot_archive 100
	boot $LONG
	echo "$output"
	[[ $status = 0 ]]
	has_line '^started: the guest agent answered after [0-9]+ s$'
}

@test "a damaged kernel file does not start" {
	dd if=/dev/urandom of="$DISK" bs=1 seek=$(($(place_in_disk HdrS) + 4000000)) count=4096 conv=notrunc status=none
	boot_archive 100
	boot $LONG
	echo "$output"
	[[ $status = 1 ]]
	has_line "^does not start: the kernel's file is damaged: its console shows '-- System halted'"
}

@test "a missing root file system is a start that fails" {
	boot_loader "console=ttyS0 root=/dev/vda7 panic=-1"
	boot_archive 100
	boot $LONG
	echo "$output"
	[[ $status = 1 ]]
	has_line "^does not start: the system does not find its root file system"
	has_line "^console: .*---\[ end Kernel panic|^console: .*Kernel Offset|^console: .*mount_block_root"
}

@test "a damaged frame of the archive is told as that" {
	boot_archive 100
	local size
	size=$(stat -c %s "$ARCHIVE")
	dd if=/dev/urandom of="$ARCHIVE" bs=1 seek=$((size / 2)) count=2000 conv=notrunc status=none
	boot $LONG
	echo "$output"
	[[ $status = 1 ]]
	has_line "^does not start: the archive cannot be read where the guest needs it .*: .*drive-virtio0 at byte [0-9]+: frame"
	nothing_of_boot
}

@test "a guest that restarts again and again does not start" {
	# its kernel panics and restarts at once; nothing is shown
	boot_loader "root=/dev/vda7 panic=-1 quiet console=tty9"
	boot_archive 100
	boot $LONG
	echo "$output"
	[[ $status = 1 ]]
	has_line "^does not start: the guest restarts again and again: ([5-9]|[1-9][0-9]) times in"
}

@test "without agent and text nothing is proven" {
	boot_archive 100
	boot 45 --agent 0
	echo "$output"
	[[ $status = 2 || $output = *"had read only"* ]]
	has_line "^not proven: no sign of a failure for 45 s, but nothing that proves a start|had read only"
}

@test "vzdump --verify-boot prunes when the guest has started, and a signal ends it" {
	vzdump_ok 100
	vzdump_ok 100 --prune-backups keep-last=1 --verify-boot "enabled=1,accel=tcg,timeout=$LONG"
	has_line 'INFO: verify-boot: started - the guest agent answered after'
	[[ $(find "$STORE/backup/dump" -name '*.vma.zst' | wc -l) = 1 ]]
	nothing_left 100
	run "$VZDUMP" status --output-format json
	[[ $(jq -r '.guests[0]."last-backup".boot' <<< "$output") = started ]]

	"$VZDUMP" 100 --storage backup --compress zstd \
		--verify-boot "1,accel=tcg,agent=0,expect=never to be seen,timeout=$LONG" > "$VZ_TMP/log" 2>&1 3>&- &
	local pid=$! _
	for _ in {1..1200}; do
		grep -q 'verify-boot: trying' "$VZ_TMP/log" && break
		sleep 0.1
	done
	kill -TERM "$pid"
	local ended=0
	wait "$pid" || ended=$?
	[[ $ended = 255 ]]
	cat "$VZ_TMP/log"
	grep -q 'interrupted by signal' "$VZ_TMP/log"
	nothing_left 100
	nothing_of_boot
}

@test "kill -9 of vma boot takes QEMU and nbdkit along, and the next one removes its folder" {
	boot_archive 100
	"$VMA" boot "$ARCHIVE" --accel tcg --timeout $LONG --expect "never to be seen" --agent 0 3>&- &
	local pid=$! _
	for _ in {1..600}; do
		[[ -n $(find "$TMPDIR" -name qmp.sock) ]] && break
		sleep 0.1
	done
	[[ -n $(find "$TMPDIR" -name qmp.sock) ]]
	kill -KILL "$pid"
	wait "$pid" || true
	for _ in {1..300}; do
		grep -qz "$TMPDIR/" /proc/[0-9]*/cmdline 2> /dev/null || break
		sleep 0.1
	done
	[[ -n $(find "$TMPDIR" -maxdepth 1 -name 'vzdump-boot.*') ]]
	run "$VZDUMP" --cleanup
	[[ $status = 0 ]]
	has_line 'which a killed boot has left'
	nothing_of_boot
}

@test "a QEMU that is killed while the guest starts is told" {
	boot_archive 100
	"$VMA" boot "$ARCHIVE" --accel tcg --timeout $LONG --expect "never to be seen" --agent 0 > "$VZ_TMP/said" 3>&- &
	local pid=$! ended=0 _
	for _ in {1..600}; do
		[[ -n $(find "$TMPDIR" -name screen) ]] && break
		sleep 0.1
	done
	pkill -KILL -P "$pid" qemu-system
	wait "$pid" || ended=$?
	cat "$VZ_TMP/said"
	[[ $ended = 1 ]]
	grep -q '^does not start: QEMU ended after .* (exit status 137)' "$VZ_TMP/said"
	nothing_of_boot
}

@test "a UEFI guest starts with OVMF and the variables of its archive" {
	local efi=$STORE/local/images/100/vm-100-disk-1.raw KERNEL INITRD
	local loader=/usr/lib/systemd/boot/efi/systemd-bootx64.efi
	[[ -e /usr/share/OVMF/OVMF_CODE_4M.fd && -e $loader ]] || skip "no OVMF, or no boot loader for it"
	eval "$("$VZ_TOP/tests/guest/build")"
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$efi"
	mformat -i "$DISK" -h 16 -s 63 -T 98304 ::
	mmd -i "$DISK" ::EFI ::EFI/BOOT ::loader ::loader/entries
	mcopy -i "$DISK" "$loader" ::EFI/BOOT/BOOTX64.EFI
	mcopy -i "$DISK" "$KERNEL" ::vmlinuz
	mcopy -i "$DISK" "$INITRD" ::initrd
	printf 'title tiny\nlinux /vmlinuz\ninitrd /initrd\noptions console=ttyS0 panic=-1\n' > "$VZ_TMP/tiny.conf"
	mcopy -i "$DISK" "$VZ_TMP/tiny.conf" ::loader/entries/tiny.conf
	conf_add 100 'bios: ovmf' "efidisk0: local:100/${efi##*/},efitype=4m,size=4M"
	boot_archive 100
	boot $LONG
	echo "$output"
	[[ $status = 0 ]]
	has_line '^started: the guest agent answered'
}

#!/usr/bin/env bats
# The packages' life in a clean Debian: they come, work, are upgraded and go, beside Proxmox VE and without.

load packages

setup_file() {
	make_root "$BATS_FILE_TMPDIR/root"
	files_of "$BATS_FILE_TMPDIR/root" > "$BATS_FILE_TMPDIR/before"
}

setup() {
	T=$BATS_TEST_TMPDIR
	R=$T/root
	copy_root "$BATS_FILE_TMPDIR/root" "$R"
}

teardown() {
	rm -rf "$R"
}

# nothing_left: the host's files are those from before the packages came
nothing_left() {
	diff "$BATS_FILE_TMPDIR/before" <(files_of "$R")
}

# pve_package: what stands for Proxmox VE's packages: files at places that are theirs, in $T/pve.deb
pve_package() {
	local file
	for file in usr/bin/vzdump usr/sbin/qmrestore usr/share/bash-completion/completions/vzdump \
		usr/share/zsh/vendor-completions/_vzdump usr/share/man/man1/vzdump.1.gz; do
		mkdir -p "$T/pve/${file%/*}"
		printf '#!/bin/sh\necho of Proxmox VE\n' > "$T/pve/$file"
		chmod 755 "$T/pve/$file"
	done
	make_deb "$T/pve" "$T/pve.deb" pve-pretended 1
}

# The names vzdump and qmrestore with all that belongs to them are Proxmox VE's; the others are ours.
names_are_shared() {
	script_in_root "$R" <<- 'EOF'
		dpkg --verify pve-pretended
		test "$(vzdump)" = "of Proxmox VE"
		test "$(qmrestore)" = "of Proxmox VE"
		test ! -e /usr/bin/qmrestore
		for name in vzdump qmrestore; do
			test ! -L /usr/share/fish/vendor_completions.d/$name.fish
			test -z "$(update-alternatives --query $name 2> /dev/null)"
		done
		vzdump-qemu --version | grep -q '^vzdump '
		qmrestore-qemu --help > /dev/null
		vma --version
		test -e /usr/share/fish/vendor_completions.d/vma.fish
		test "$(readlink -f /usr/bin/pvesm)" = /usr/libexec/vzdump-qemu/pvesm
	EOF
}

names_are_ours() {
	script_in_root "$R" <<- 'EOF'
		while read -r name slave link file; do
			test "$(readlink -f "$link")" = "$file"
			test -s "$file"
		done < /usr/share/vzdump-qemu/names
		vzdump --version | grep -q '^vzdump '
	EOF
}

@test "the packages install, every program says its version and help, and everything of theirs is in place" {
	install_ours "$R"
	names_are_ours
	script_in_root "$R" <<- 'EOF'
		for program in /usr/libexec/vzdump-qemu/*; do
			name=${program##*/}
			"$name" --help > /dev/null
			test -z "$(ldd "$program" | grep 'not found')"
		done
		dpkg --verify vzdump-qemu nbdkit-vma-plugin
		# units name programs that are there, by their own path
		for unit in $(dpkg -L vzdump-qemu | grep '/systemd/system/.*service$'); do
			program=$(sed -nE 's/^ExecStart=-?([^ ]*).*/\1/p' "$unit")
			test -x "$program"
		done
		test -z "$(dpkg -L vzdump-qemu | grep -vE '/(doc|man)/' | while read -r file; do
			[ ! -f "$file" ] || grep -lI '@[A-Z]*@' "$file" || :
		done)"
		nbdkit vma --dump-plugin | grep -q '^name=vma'
		test ! -e /etc/vzdump.conf
		test ! -e /etc/pve
		# nothing is enabled
		test -z "$(find /etc/systemd -name '*vzdump*')"
	EOF
}

@test "in a clean Debian an archive is made, listed and verified, and a disk comes out of it" {
	install_ours "$R"
	script_in_root "$R" <<- 'EOF'
		cd /root
		head -c 3M /dev/urandom > disk.raw
		echo 'name: test' > 7.conf
		vma create a.vma -c 7.conf drive-scsi0=disk.raw
		vma list a.vma | grep -q scsi0
		vma verify a.vma
		vma extract a.vma out
		cmp disk.raw out/disk-drive-scsi0.raw
	EOF
}

@test "in a clean Debian a guest that does not run and one that runs are saved and restored" {
	install_ours "$R"
	script_in_root "$R" <<- 'EOF'
		mkdir -p /etc/pve/qemu-server /run/qemu-server /var/lib/vz/images/100 /srv/stopped /srv/running
		head -c 8M /dev/urandom > /var/lib/vz/images/100/vm-100-disk-0.raw
		printf 'name: test\nscsi0: local:100/vm-100-disk-0.raw,size=8M\n' > /etc/pve/qemu-server/100.conf
		vzdump 100 --dumpdir /srv/stopped --compress zstd
		qemu-system-x86_64 -M pc -m 64 -nodefaults -display none -S -daemonize \
			-qmp unix:/run/qemu-server/100.qmp,server=on,wait=off -pidfile /run/qemu-server/100.pid \
			-blockdev driver=raw,node-name=disk0,file.driver=file,file.filename=/var/lib/vz/images/100/vm-100-disk-0.raw \
			-device virtio-scsi-pci,id=scsihw0 -device scsi-hd,id=scsi0,drive=disk0,bus=scsihw0.0
		vzdump 100 --dumpdir /srv/running --compress zstd --mode snapshot
		kill "$(cat /run/qemu-server/100.pid)"
		id=200
		for archive in /srv/stopped/*.vma.zst /srv/running/*.vma.zst; do
			vma verify "$archive"
			qmrestore "$archive" $id --storage local
			cmp /var/lib/vz/images/100/vm-100-disk-0.raw /var/lib/vz/images/$id/vm-$id-disk-0.raw
			id=$((id + 1))
		done
	EOF
}

@test "an upgrade replaces an older version's files and keeps names, records and settings" {
	local deb
	# the older one: the same, but for a file that has gone since
	mkdir "$T/older"
	for deb in "$DEBS"/*.deb; do
		dpkg-deb -R "$deb" "$T/tree"
		sed -i -e 's/^Version: .*/Version: 0.0.1-1/' -e 's/(= [^)]*)/(= 0.0.1-1)/' "$T/tree/DEBIAN/control"
		[[ $deb != */vzdump-qemu_* ]] || echo old > "$T/tree/usr/share/vzdump-qemu/gone"
		dpkg-deb --root-owner-group -b "$T/tree" "$T/older/$(basename "$deb")" > /dev/null
		rm -r "$T/tree"
	done
	install_ours "$R" "$T/older"
	[ -e "$R/usr/share/vzdump-qemu/gone" ]
	mkdir -p "$R/var/log/vzdump/guests"
	echo '{}' > "$R/var/log/vzdump/guests/1.json"
	echo 'storage: local' > "$R/etc/vzdump.conf"
	install_ours "$R"
	[ ! -e "$R/usr/share/vzdump-qemu/gone" ]
	grep -qx '{}' "$R/var/log/vzdump/guests/1.json"
	grep -qx 'storage: local' "$R/etc/vzdump.conf"
	names_are_ours
	in_root "$R" dpkg-query -W -f '${Version}\n' vzdump-qemu | grep -qx "$VERSION-1"
}

@test "removed, the packages leave records and logs; purged, nothing but archives and settings" {
	install_ours "$R"
	mkdir -p "$R/var/lib/vzdump/jobs" "$R/var/log/vzdump/guests" "$R/srv/dump"
	touch "$R/var/lib/vzdump/jobs/vzdump-nightly.json" "$R/var/log/vzdump/guests/1.json" "$R/var/log/vzdump/qemu-1.log"
	echo archive > "$R/srv/dump/vzdump-qemu-1-2026_11_22-20_15_00.vma"
	echo 'storage: local' > "$R/etc/vzdump.conf"
	in_root "$R" dpkg --remove vzdump-qemu nbdkit-vma-plugin
	[ -e "$R/var/log/vzdump/qemu-1.log" ]
	[ -e "$R/var/lib/vzdump/jobs/vzdump-nightly.json" ]
	[ "$(find "$R"/{usr,etc} -name '*vzdump*' -o -name 'qmrestore*' -o -name 'pvesm*')" = "$R/etc/vzdump.conf" ]
	in_root "$R" dpkg --purge vzdump-qemu nbdkit-vma-plugin
	rm "$R/srv/dump/vzdump-qemu-1-2026_11_22-20_15_00.vma" "$R/etc/vzdump.conf"
	rmdir "$R/srv/dump"
	nothing_left
}

@test "what a killed run has left keeps a purge from removing what puts its guest in order" {
	install_ours "$R"
	mkdir -p "$R/var/lib/vzdump/jobs"
	echo journal > "$R/var/lib/vzdump/123.journal"
	run in_root "$R" dpkg --purge vzdump-qemu
	[ "$status" = 0 ]
	[[ $output == *"/var/lib/vzdump/123.journal"* ]]
	[[ $output == *"vzdump-qemu --cleanup"* ]]
	grep -qx journal "$R/var/lib/vzdump/123.journal"
	[ -d "$R/var/lib/vzdump/jobs" ]
}

@test "where Proxmox VE is, its programs keep their names, until it goes" {
	pve_package
	cp "$T/pve.deb" "$R/tmp"
	in_root "$R" dpkg -i /tmp/pve.deb
	run install_ours "$R"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"The name vzdump is another package's on this host; ours is vzdump-qemu."* ]]
	[[ $output != *"warning"* ]]
	names_are_shared
	in_root "$R" dpkg --purge pve-pretended
	names_are_ours
	in_root "$R" dpkg --purge vzdump-qemu nbdkit-vma-plugin
	nothing_left
}

@test "where Proxmox VE comes later, its programs get their names, and keep them when ours go" {
	pve_package
	install_ours "$R"
	cp "$T/pve.deb" "$R/tmp"
	in_root "$R" dpkg -i /tmp/pve.deb
	names_are_shared
	in_root "$R" dpkg --purge vzdump-qemu nbdkit-vma-plugin
	in_root "$R" dpkg --verify pve-pretended
	[ "$(in_root "$R" vzdump)" = "of Proxmox VE" ]
	in_root "$R" dpkg --purge pve-pretended
	nothing_left
}

@test "on a host of Proxmox VE a purge leaves the logs of its own backups" {
	install_ours "$R"
	touch "$R/usr/bin/pvescheduler"
	mkdir -p "$R/var/log/vzdump/guests"
	touch "$R/var/log/vzdump/qemu-1.log" "$R/var/log/vzdump/job-nightly.log" "$R/var/log/vzdump/guests/1.json"
	in_root "$R" dpkg --purge vzdump-qemu
	[ "$(ls "$R/var/log/vzdump")" = qemu-1.log ]
}

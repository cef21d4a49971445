#!/usr/bin/env bats
# The libvirtd of these tests, and that it is nobody else's.

load ../lib/libvirt

setup_file() {
	libvirt_setup_file
}

teardown_file() {
	libvirt_teardown_file
}

setup() {
	libvirt_setup
}

teardown() {
	libvirt_teardown
}

@test "domains with each bus, raw and qcow2, with and without UEFI, run as nobody and write to their disks" {
	domain_disk web vda 4M
	domain_disk web vdb 4M qcow2
	domain_disk web sda 4M
	domain_disk web sdb 4M qcow2 sata
	domain_start web
	domain_uefi efi
	domain_disk efi vda 4M
	domain_start efi
	[[ $(ps -o user= -p "$(domain_pid web)") = nobody ]]
	local target
	for target in vda vdb sda sdb; do
		domain_write web "$target" 1M 64k
		domain_reads web "$target" 1M 64k
		run ! domain_reads web "$target" 2M 64k
		run ! domain_write web "$target" 4M 64k
	done
	domain_write efi vda 0 64k
	domain_before web
	domain_unchanged web vda vdb sda sdb
	[[ -s $IMAGES/efi-nvram.fd ]]
	virsh suspend efi
	[[ $(domain_state efi) = paused ]]
}

@test "a domain with the Linux guest boots, and its agent answers through libvirt" {
	domain_disk linux vda 32M
	domain_linux linux mkfs
	domain_start linux
	domain_wait linux 'guest: ready'
	domain_agent_wait linux
	virsh domfsfreeze linux
	virsh domfsthaw linux
}

@test "domains run on while libvirtd is killed, comes back and is restarted" {
	domain_disk web vda 4M
	domain_start web
	local pid
	pid=$(domain_pid web)
	libvirt_down KILL
	kill -0 "$pid"
	libvirt_up
	libvirt_down TERM
	kill -0 "$pid"
	libvirt_up
	[[ $(domain_state web) = running ]]
	domain_write web vda 0 64k
}

@test "a libvirt that runs on the machine is not seen from within, nor disturbed" {
	domain_disk web vda 4M
	domain_start web
	run "$VZ_TOP/tests/libvirt/private" bash -c 'virsh list --name; ls /etc/libvirt /run /sys/fs/cgroup; ps -A'
	[[ $output = *"failed to connect"* && $output != *web* && $output != *libvirtd$'\n'* && $output != *qemu* ]]
	[[ $(virsh list --name) = web* ]]
	domain_write web vda 0 64k
}

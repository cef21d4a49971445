#!/usr/bin/env bats
# Backups of a real Linux guest of libvirt, whose agent is reached through libvirt.

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

# number DISK: what the guest has written last there, see "alternate" of tests/guest/init
number() {
	head -c 511 "$VZ_TMP/out/disk-drive-$1.raw" | tr -d ' \0\n'
}

# one_instant: both disks in the archive are of one instant
one_instant() {
	archive_read || return 1
	local first second
	first=$(number virtio0) second=$(number virtio1)
	echo "$first $second"
	[[ $first -gt 0 && ($first = "$second" || $first = $((second + 1))) ]]
}

# alternating NAME: a guest that writes to two disks in turn, with its agent
alternating() {
	domain_disk "$1" vda 1M
	domain_disk "$1" vdb 1M
	domain_linux "$1" alternate
	domain_start "$1"
	domain_wait "$1" 'guest: ready'
	domain_agent_wait "$1"
}

@test "a guest is frozen and thawed through libvirt, and its two disks are of one instant" {
	alternating web
	local arguments
	for arguments in "${FLEECING[*]}" ""; do
		# shellcheck disable=SC2086 # words
		vzdump_ok --libvirt web $arguments
		has_line "^INFO: issuing guest-agent 'fs-freeze' command$"
		has_line "^INFO: issuing guest-agent 'fs-thaw' command$"
		has_no_line '^(WARN|ERROR)'
		one_instant
		[[ $(virsh qemu-agent-command web '{"execute":"guest-fsfreeze-status"}') = *thawed* ]]
	done
	no_nodes web
	nothing_of_ours

	vzdump_ok --libvirt web --mode suspend
	one_instant
	[[ $(domain_state web) = running ]]

	# a guest that is paused cannot be frozen
	virsh suspend web
	vzdump_ok --libvirt web "${FLEECING[@]}"
	has_no_line 'fs-freeze.* command$'
	one_instant
	[[ $(domain_state web) = paused ]]
	virsh resume web
}

@test "domfsfreeze and domfsthaw work during a backup, and a guest that is frozen already stays so" {
	domain_disk web vda 48M
	mkfs.ext4 -q -F -E nodiscard "$IMAGES/web-vda.raw"
	domain_linux web
	domain_start web
	domain_wait web 'guest: ready'
	domain_agent_wait web
	backup_begin --libvirt web "${FLEECING[@]}"
	[[ $(virsh domfsfreeze web) = "Froze 1 "* ]]
	[[ $(virsh domfsthaw web) = "Thawed 1 "* ]]
	backup_end
	[[ $status = 0 ]]
	archive_read
	e2fsck -fn "$VZ_TMP/out/disk-drive-virtio0.raw"
	# who froze it before thaws it
	virsh domfsfreeze web
	vzdump_ok --libvirt web
	has_line 'skipping guest filesystem freeze - already frozen'
	[[ $(virsh qemu-agent-command web '{"execute":"guest-fsfreeze-status"}') = *frozen* ]]
	virsh domfsthaw web
	no_nodes web
}

@test "mode stop shuts a guest down by its agent, saves it and lets libvirt start it again" {
	alternating web
	local pid
	pid=$(domain_pid web)
	vzdump_ok --libvirt web --mode stop
	has_no_line '^(WARN|ERROR)'
	one_instant
	[[ $(domain_state web) = running && $(domain_pid web) != "$pid" ]]
	no_nodes web
	nothing_of_ours
}

@test "an agent that does not answer does not keep a guest from being saved" {
	alternating web
	virsh qemu-agent-command web '{"execute":"guest-exec","arguments":{"path":"/bin/busybox","arg":["killall","-STOP","qemu-ga"]}}'
	vzdump_ok --libvirt web
	has_line 'skipping guest filesystem freeze - agent configured but not running\?'
	one_instant
	no_nodes web
	nothing_of_ours
}

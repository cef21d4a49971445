#!/usr/bin/env bats
# What the administrator is told: on a terminal, in a mail of cron's, in a log, of a mistake.

bats_require_minimum_version 1.5.0

load ../lib/qemu
load ../lib/vzdump
load ../lib/terminal

setup() {
	vz_setup
	disk_add 123 scsi0 scsi 64M
}

teardown() {
	vz_teardown
}

hook() {
	printf '#!/bin/bash\n%s\n' "$1" > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
}

# only_lines <pattern> <file>: each line of the file matches
only_lines() {
	if grep -vE -- "$1" "$2"; then
		return 1
	fi
}

# traced <pattern>: a line of VZDUMP_TRACE, after its time
traced() {
	cut -d' ' -f3- "$VZ_TMP/trace" | grep -qE -- "$1" || {
		echo "no line matches: $1"
		head -n 100 "$VZ_TMP/trace"
		return 1
	}
}

@test "--quiet prints errors and warnings, each with its guest, on standard error and nothing else" {
	conf_add 124 "name: off"
	hook '[[ $1 != log-end ]]'
	run --separate-stderr "$VZDUMP" 124 132 --storage backup --quiet --script "$VZ_TMP/hook"
	[[ $status = 255 && -z $output ]]
	[[ ${stderr_lines[0]} = "WARN: VM 124: "*"log-end"* ]]
	[[ ${stderr_lines[1]} = "ERROR: Backup of VM 132 failed - unable to find VM '132' (no file $(conf_file 132))" ]]
	[[ ${stderr_lines[2]} = "WARN: VM 132: "*"log-end"* ]]
	[[ ${stderr_lines[3]} = "job errors" && ${#stderr_lines[@]} = 4 ]]
	run "$VZDUMP" 124 --storage backup --quiet
	[[ $status = 0 && -z $output ]]
}

@test "percent, amounts and rates count what is read, not zeroes, and tell the time that is left" {
	disk_fill "$(disk_path 123 scsi0)" 6M
	truncate -s 64M "$(disk_path 123 scsi0)"
	vzdump_ok 123 --bwlimit 2000
	has_line '^INFO: +[1-9][0-9]% \([3-6]\.[0-9] MiB of 6\.0 MiB\) in [0-9]+s, read: [12]\.[0-9] MiB/s, write: [12]\.[0-9] MiB/s, left: [0-9]+s$'
	has_line '^INFO: 100% \(6\.0 MiB of 6\.0 MiB\) in [0-9]+s, read: '
	has_line '^INFO: backup is sparse: 58\.00 MiB \(90%\) total zero data$'
	has_line '^INFO: transferred 64\.0 MiB in '
}

@test "SIGUSR1 prints what is done of each disk on standard error, and the backup goes on" {
	local pid _
	disk_fill "$(disk_path 123 scsi0)" 12M
	"$VZDUMP" 123 --storage backup --bwlimit 4000 > "$VZ_TMP/log" 2> "$VZ_TMP/state" 3>&- &
	pid=$!
	wait_for_task "$pid"
	kill -USR1 "$pid"
	for _ in {1..100}; do
		! grep -q '^disk drive-scsi0: ' "$VZ_TMP/state" || break
		sleep 0.05
	done
	wait "$pid"
	[[ $(grep -c '^disk drive-scsi0: ' "$VZ_TMP/state") = 1 ]]
	grep -q ' clusters: [0-9]* done, ' "$VZ_TMP/state"
	grep -q '^INFO: Backup job finished successfully$' "$VZ_TMP/log"
	[[ $(grep -c 'drive-scsi0: ' "$VZ_TMP/log") = 0 ]]
}

@test "VZDUMP_TRACE writes what is said to QEMU, what is copied and the journal on standard error" {
	local disk=drive-scsi0 topic
	disk_fill "$(disk_path 123 scsi0)" 1M
	truncate -s 64M "$(disk_path 123 scsi0)"
	qemu_start 123
	VZDUMP_TRACE=qmp,copy,journal "$VZDUMP" 123 --storage backup --fleecing 1,storage=fast \
		> "$VZ_TMP/log" 2> "$VZ_TMP/trace"
	traced '^qmp: 123\.qmp > {"execute": *"qmp_capabilities"'
	traced '^qmp: 123\.qmp < {"QMP": '
	traced "^copy: $disk > status bytes 0\+67108864$"
	traced "^copy: $disk < status bytes [0-9]+\+[0-9]+: zero$"
	traced "^copy: $disk < status end$"
	traced "^copy: $disk > dirty bytes 0\+67108864$"
	traced "^copy: $disk < dirty end$"
	traced "^copy: $disk > read clusters 0\+[1-8]: (linear|drain)$"
	traced "^copy: $disk < read clusters 0\+[1-8]$"
	traced "^copy: $disk > trim clusters 0\+[0-9]+$"
	traced '^journal: 123: \+image fast:'
	traced '^journal: 123: undo image fast:'
	traced '^journal: 123: -image fast:'
	# nothing but lines of these topics, nor any of them in the log
	only_lines '^[0-9-]{10} [0-9:]{8}\.[0-9]{6} (qmp|copy|journal): .' "$VZ_TMP/trace"
	only_lines '^INFO: ' "$VZ_TMP/log"

	for topic in qmp copy journal; do
		VZDUMP_TRACE=$topic "$VZDUMP" 123 --storage backup > "$VZ_TMP/log" 2> "$VZ_TMP/trace"
		traced "^$topic: "
		only_lines "^[^ ]+ [^ ]+ $topic: " "$VZ_TMP/trace"
	done
	VZDUMP_TRACE='' "$VZDUMP" 123 --storage backup > "$VZ_TMP/log" 2> "$VZ_TMP/trace"
	[[ ! -s $VZ_TMP/trace ]]
}

@test "a terminal shows progress and fleecing images in lines that never wrap, and its log stays clean" {
	local columns
	disk_fill "$(disk_path 123 scsi0)" 1M
	truncate -s 64M "$(disk_path 123 scsi0)"
	qemu_start 123
	for columns in 80 60 20; do
		on_terminal $columns "$VZDUMP" 123 --storage backup --fleecing 1,storage=fast
		[[ $status = 0 ]]
		[[ $(widest "$VZ_TMP/in-place") -lt $columns ]]
		grep -q '^all  *[0-9]*%' "$VZ_TMP/in-place"
		grep -q '^drive-scsi0  *[0-9]*%' "$VZ_TMP/in-place"
		grep -q '^INFO: Finished Backup' "$VZ_TMP/lines"
		if grep -E '^(INFO: +[0-9]+%|all|drive)' "$VZ_TMP/lines"; then
			return 1
		fi
		[[ $columns = 20 ]] || grep -Eq '^drive-scsi0 .* of [0-9.]+ MiB, fleecing [0-9.]+ ' "$VZ_TMP/in-place"
		[[ $columns != 80 ]] || grep -Eq ', fleecing [0-9.]+ [KM]?i?B \(peak [0-9.]+ [KM]?i?B\)$' "$VZ_TMP/in-place"
	done
	# the log file has the lines that the terminal did without
	grep -Eq ' INFO: 100% \(' "$VZDUMP_ROOT/var/log/vzdump/qemu-123.log"
	nothing_left 123
}

@test "an archive is not sent to a terminal" {
	on_terminal 80 "$VZDUMP" 123 --stdout
	[[ $status = 255 && $(wc -l < "$VZ_TMP/lines") -le 2 ]]
	grep -q '^vzdump: option --stdout: standard output is a terminal' "$VZ_TMP/lines"
	on_terminal 80 "${VZDUMP%/*}/vma" create - "drive-scsi0=$(disk_path 123 scsi0)"
	[[ $status = 255 ]]
	grep -q '^vma create: standard output is a terminal' "$VZ_TMP/lines"
}

@test "vma and qmrestore show their progress in place on a terminal, and only there" {
	local command vma=${VZDUMP%/*}/vma
	cp "$(conf_file 123)" "$VZ_TMP/qemu-server.conf"
	"$vma" create "$VZ_TMP/a.vma" -c "$VZ_TMP/qemu-server.conf" "drive-scsi0=$(disk_path 123 scsi0)"
	for command in "vma verify $VZ_TMP/a.vma" "vma verify -v $VZ_TMP/a.vma" "vma extract $VZ_TMP/a.vma $VZ_TMP/x" \
		"vma create $VZ_TMP/b.vma drive-scsi0=$(disk_path 123 scsi0)" \
		"qmrestore $VZ_TMP/a.vma 200 --storage local"; do
		# shellcheck disable=SC2086
		on_terminal 60 "${VZDUMP%/*}"/$command
		[[ $status = 0 ]]
		grep -Eq '^progress [0-9]+% \([0-9.]+ .* of [0-9.]+ .*\) in [0-9]+s' "$VZ_TMP/in-place"
		[[ $(widest "$VZ_TMP/in-place") -lt 60 ]]
		if grep '^progress' "$VZ_TMP/lines"; then
			return 1
		fi
	done
	run "$vma" verify "$VZ_TMP/a.vma"
	[[ $status = 0 && ${#lines[@]} = 1 ]]
}

@test "a misspelt storage, key or option is answered with the one that was meant" {
	printf 'storage: backup\nfleecng: 1\nscript:\ntmpdir:\nprune-backups: keep-last=1,keep-all=1\n' > "$VZDUMP_ROOT/etc/vzdump.conf"
	vzdump_ok 123
	has_line "^WARN: unknown key 'fleecng' in '$VZDUMP_ROOT/etc/vzdump.conf' is ignored \(did you mean 'fleecing'\?\)$"
	has_line "^WARN: parse error in '$VZDUMP_ROOT/etc/vzdump.conf' - 'prune-backups': keep-all cannot be set together"
	has_no_line 'prune older backups'
	vzdump 123 --storage bakcup
	[[ $status = 255 && $output = *"storage 'bakcup' does not exist (did you mean 'backup'?)"* ]]
	vzdump 123 --fleecng 1
	[[ $status = 255 && $output = "vzdump: unknown option --fleecng (did you mean --fleecing?)" ]]
	vzdump_ok 123 --fleecing storage=fast
	has_line "^WARN: fleecing is off, though storage 'fast' is given for it: enabled=1,storage=fast turns it on$"
	printf 'dir: more\n\tpath /srv\ndir: glued\n\tpath /srv2\n' >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	vzdump 123 --storage glued
	[[ $status = 255 ]]
	has_line "^WARN: .*section 'more'\) - ignore config line: dir: glued \(a new section needs an empty line before it"
}

@test "from cron's PATH the tools in the sbin folders are found" {
	printf 'lvm: vg\n\tvgname vg-that-is-not-there\n\tcontent images\n\n' >> "$VZDUMP_ROOT/etc/pve/storage.cfg"
	conf_add 124 "scsi0: vg:vm-124-disk-0,size=1M"
	run env -i "VZDUMP_ROOT=$VZDUMP_ROOT" PATH=/usr/bin:/bin "$VZDUMP" 124 --storage backup
	[[ $status = 255 ]]
	has_line "no such volume group 'vg-that-is-not-there'"
	vzdump 124
	has_line "no such volume group 'vg-that-is-not-there'"
}

@test "a disk whose key Proxmox VE has not is told with its value wherever it is left out" {
	local key told archive
	printf '%s: images:123/vm-123-disk-9.raw\n' scsi31 virtio16 ide4 sata6 >> "$(conf_file 123)"
	for key in scsi31 virtio16 ide4 sata6; do
		told+="vm 123 - unable to parse value of '$key' - unknown setting: 'images:123/vm-123-disk-9.raw' is not saved"$'\n'
	done
	vzdump_ok 123
	archive=$ARCHIVE
	[[ $(grep -o "vm 123 - unable .* is not saved" <<< "$output") = "${told%?}" ]]
	has_line "^WARN: .* 'scsi31' .*, since scsi0 to scsi30 are all there are; give it the key of a disk that is free$"
	vzdump_ok 123 --dry-run
	[[ $(grep -o "vm 123 - unable .* is not saved" <<< "$output") = "${told%?}" ]]
	run "$VZDUMP" check 123
	[[ $(grep -c "unknown setting: 'images:123/vm-123-disk-9.raw'" <<< "$output") = 4 ]]
	run "$BUILD/bin/qmrestore" "$archive" 124 --storage local
	[[ $status = 0 ]]
	has_line "'sata6: images:123/vm-123-disk-9.raw', which has the key of no disk"
	[[ $(grep -c '^#[a-z]*[0-9]*: images:123/vm-123-disk-9.raw$' "$(conf_file 124)") = 4 ]]
}

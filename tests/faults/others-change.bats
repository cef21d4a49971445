#!/usr/bin/env bats
# What others change on a disk while a backup runs, since QEMU lets it through: snapshot, unplug, migration.

load others

setup_file() {
	faults_setup_file
}

setup() {
	faults_setup
}

teardown() {
	faults_teardown
}

@test "an external snapshot of a disk's own node, which QEMU lets through, harms neither archive nor guest" {
	local style key own fleecing
	while read -r style key own fleecing; do
		one "$key" "$style"
		# shellcheck disable=SC2086
		backup_start 123 --bwlimit 800 $fleecing
		guest_puts "$key" 0
		qmp 123 blockdev-snapshot-sync "{\"node-name\":\"$own\",\"snapshot-node-name\":\"over\",
			\"snapshot-file\":\"$VZ_TMP/over.qcow2\"}" > /dev/null
		guest_puts "$key" 1048576
		backup_right "$key"
		no_nodes
		guest_puts "$key" 131072
		vzdump_ok 123
		archive_read
		same_disk "drive-$key" "$VZ_TMP/$key.expected"
		qemu_quit 123
		qemu-img convert -O raw "$VZ_TMP/over.qcow2" "$VZ_TMP/now"
		cmp "$VZ_TMP/now" "$VZ_TMP/$key.expected"
		again
	done <<- END
		throttle scsi0 f-scsi0 ${FLEECING[*]}
		throttle scsi0 f-scsi0
		blockdev virtio0 drive-virtio0 ${FLEECING[*]}
	END
}

@test "a disk that is unplugged during a backup: the backup has it or says so, nothing is left in QEMU" {
	local style fleecing
	while read -r style fleecing; do
		one scsi0 "$style"
		# shellcheck disable=SC2086
		backup_start 123 --bwlimit 800 $fleecing
		guest_puts scsi0 1048576
		qmp 123 device_del '{"id":"scsi0"}' > /dev/null
		backup_right scsi0
		no_nodes
		starts_again
		before 123
		all_well 123
		again
	done <<- END
		scsi ${FLEECING[*]}
		scsi
		drive-scsi ${FLEECING[*]}
		throttle
	END
}

@test "a migration during a backup fails, the guest and the backup go on, and its disk is right" {
	local style key fleecing
	while read -r style key fleecing; do
		one "$key" "$style"
		# shellcheck disable=SC2086
		backup_start 123 --bwlimit 800 $fleecing
		guest_puts "$key" 1048576
		qmp 123 migrate '{"uri":"exec:cat > /dev/null"}' > /dev/null
		until qmp 123 query-migrate | grep -q '"status": "failed"'; do
			kill -0 "$PID" || fail "$(qmp 123 query-migrate)" || return 1
			sleep 0.1
		done
		[[ $(qmp 123 query-status) = *'"running": true'* ]]
		guest_puts "$key" 131072
		backup_right "$key"
		undone 123
		guest_puts "$key" 0
		starts_again
		before 123
		all_well 123
		again
	done <<- END
		throttle scsi0 ${FLEECING[*]}
		drive-scsi scsi0
		blockdev virtio0 ${FLEECING[*]}
		iothread virtio0
	END
}

# allocated <file>: KiB on the host
allocated() {
	du -k "$1" | cut -f1
}

@test "the guest's TRIMs reach its disk while a backup runs, where the configuration or QEMU's options let them" {
	local style key options
	while read -r style key options; do
		DISCARD=unmap one "$key" "$style" "$options"
		backup_start 123 --bwlimit 800 "${FLEECING[@]}"
		guest_io 123 "$key" "discard 1M 1M"
		[[ $(allocated "$(disk_path 123 "$key")") -lt 1500 ]] || fail "$style: the disk did not shrink" || return 1
		backup_right "$key"
		undone 123
		again
	done <<- END
		throttle scsi0 discard=on
		drive-scsi scsi0 discard=on
		drive-scsi scsi0
		blockdev virtio0
	END
}

@test "who holds a filter so that it must stay is named, also by the next backup; a restart sets it right" {
	one scsi0 drive-scsi discard=on
	backup_start 123 --bwlimit 800 "${FLEECING[@]}"
	# QEMU refuses it and keeps a reference (7.2.22 to 11.1.3)
	run qmp 123 block-stream '{"device":"drive-scsi0","job-id":"s"}'
	[[ $status = 1 && $output = *"Permission conflict"* ]]
	guest_puts scsi0 1048576
	ends_with 0 60
	log_has "^WARN: .*QEMU holds the backup's filter 'vzdump-scsi0-cbw' for a block job that it has refused.*shut the guest down and start it again$"
	guest_puts scsi0 0
	vzdump 123
	[[ $status = 255 ]]
	has_line "^WARN: .*QEMU holds the backup's filter 'vzdump-scsi0-cbw'"
	has_line "^ERROR: Backup of VM 123 failed - an earlier backup could not be cleaned up .*QEMU holds the backup's filter 'vzdump-scsi0-cbw'.*shut the guest down and start it again$"
	starts_again
	before 123
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	all_well 123
}

@test "another backup job that began meanwhile holds the filter, is named, and when it has ended all is well" {
	one scsi0 drive-scsi discard=on
	backup_start 123 --bwlimit 800 "${FLEECING[@]}"
	qmp 123 drive-backup "{\"device\":\"drive-scsi0\",\"job-id\":\"theirs\",\"sync\":\"full\",\"format\":\"raw\",
		\"target\":\"$VZ_TMP/theirs\",\"speed\":1000}" > /dev/null
	ends_with 0 60
	log_has "^WARN: .*vzdump-scsi0-cbw.*backup 'theirs'.*when it has ended, 'vzdump --cleanup' takes the filter out$"
	vzdump 123
	[[ $status = 255 ]]
	qmp 123 block-job-cancel '{"device":"theirs"}' > /dev/null
	until [[ $(qmp 123 query-jobs) = "[ ]" ]]; do
		sleep 0.05
	done
	run "$VZDUMP" --cleanup 123
	[[ $status = 0 ]]
	all_well 123
}

@test "a guest whose disk has a block job already is not begun with, and the job is named" {
	one scsi0 scsi
	truncate -s 2M "$VZ_TMP/theirs"
	qmp 123 drive-mirror "{\"device\":\"drive-scsi0\",\"job-id\":\"theirs\",\"sync\":\"full\",\"format\":\"raw\",
		\"mode\":\"existing\",\"target\":\"$VZ_TMP/theirs\"}" > /dev/null
	vzdump 123
	[[ $status = 255 ]]
	has_line "ERROR: Backup of VM 123 failed - a block job is running in the QEMU \(mirror 'theirs'\)"
	qmp 123 block-job-cancel '{"device":"theirs"}' > /dev/null
	until [[ $(qmp 123 query-jobs) = "[ ]" ]]; do
		sleep 0.05
	done
	undone 123
	all_well 123
}

@test "savevm and snapshot-save of a qcow2 disk during a backup are refused or harmless" {
	local image=$STORE/local/images/123/vm-123-disk-0.qcow2 style
	for style in drive-scsi throttle; do
		mkdir -p "${image%/*}"
		disk_fill "$VZ_TMP/scsi0.instant" 2M x
		qemu-img convert -O qcow2 "$VZ_TMP/scsi0.instant" "$image"
		cp "$VZ_TMP/scsi0.instant" "$VZ_TMP/scsi0.expected"
		conf_add 123 "scsi0: local:123/${image##*/},size=2M"
		disk_args 123 scsi0 "$style" "$image" qcow2
		qemu_start 123 running
		before 123
		backup_start 123 --bwlimit 800 "${FLEECING[@]}"
		qmp 123 hmp "savevm s" > /dev/null || true
		local own
		own=$(qmp 123 x-debug-query-block-graph | jq -r '(.nodes | map({(.id|tostring): .name}) | add) as $n |
			.edges[] | select($n[.parent|tostring] == "vzdump-scsi0-cbw" and .name == "file") | $n[.child|tostring]')
		qmp 123 snapshot-save "{\"job-id\":\"s\",\"tag\":\"s\",\"vmstate\":\"$own\",\"devices\":[\"$own\"]}" > /dev/null || true
		guest_puts scsi0 1048576
		backup_right scsi0
		no_nodes
		[[ $(qmp 123 query-status) = *'"running": true'* ]]
		qemu_quit 123
		qemu-img convert -O raw "$image" "$VZ_TMP/now"
		cmp "$VZ_TMP/now" "$VZ_TMP/scsi0.expected"
		qemu_start 123 running
		good_backup 123
		again
	done
}

#!/usr/bin/env bats
# The moment a restore replaces a guest, and what comes after a kill: nobody loses what is his.

load ../lib/qemu
load ../lib/vzdump

QMRESTORE=$BUILD/bin/qmrestore
VMA=$BUILD/bin/vma
PVESM=$BUILD/bin/pvesm

setup() {
	vz_setup
	T=$BATS_TEST_TMPDIR
	disk_fill "$T/scsi0.raw" 8M archive
	printf 'name: archived\nscsi0: old:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local::\n' > "$T/qemu-server.conf"
	printf '[OPTIONS]\nenable: 1\n' > "$T/qemu-server.fw"
	"$VMA" create "$T/a.vma.zst" -c "$T/qemu-server.conf" -c "$T/qemu-server.fw" -d "drive-scsi0=$T/scsi0.raw"
}

teardown() {
	umount "$VZDUMP_ROOT/etc/pve/qemu-server" 2> /dev/null || true
	vz_teardown
}

# restore_begin <vmid> [argument]...: in the background, until its volume is there
restore_begin() {
	: > "$T/out" # an earlier one's
	"$QMRESTORE" "$T/a.vma.zst" "$@" > "$T/out" 2>&1 3>&- &
	PID=$!
	until grep -q "^map 'drive-scsi0'" "$T/out"; do
		kill -0 "$PID" || { cat "$T/out"; return 1; }
		sleep 0.05
	done
}

restore_end() {
	local status=0
	wait "$PID" || status=$?
	cat "$T/out"
	[ "$status" = "$1" ]
}

# old_guest <vmid>: a guest with scsi0 that holds something else, and firewall rules
old_guest() {
	disk_add "$1" scsi0 blockdev 8M
	printf '[OPTIONS]\nenable: 0\n' > "$VZDUMP_ROOT/etc/pve/firewall/$1.fw"
}

tree() {
	(cd "$VZ_TMP" && find "$STORE" "$VZDUMP_ROOT/etc" "$VZDUMP_ROOT/var/lib/vzdump" -type f -exec md5sum {} + | sort -k2)
}

@test "a restore that was killed costs the guest nothing that was made in its place since" {
	restore_begin 213 --bwlimit 1000
	kill -KILL "$PID"
	restore_end 137
	# the administrator cleans up by hand and makes a new guest, whose disk gets the same name
	"$PVESM" free local:213/vm-213-disk-0.raw
	rm "$(conf_file 213)"
	disk_add 213 scsi0 blockdev 4M
	tree > "$T/before"
	vzdump_ok 213
	has_line "image 'local:213/vm-213-disk-0.raw' belongs to VM 213 now: it stays"
	diff <(grep -v journal "$T/before") <(tree | grep -v /dump/)
	[ ! -e "$VZDUMP_ROOT/var/lib/vzdump/213.journal" ]
}

@test "a guest that is started while it is being replaced keeps its disk" {
	old_guest 230
	restore_begin 230 --force --bwlimit 4000
	kill -STOP "$PID"
	qemu_start 230
	kill -CONT "$PID"
	restore_end 255
	grep -q "unable to restore VM 230 - VM is running; stop it first" "$T/out"
	guest_io 230 scsi0 "write -P 0x33 1M 64k" flush
	qemu_quit 230
	qemu-io -f raw -c "write -P 0x33 1M 64k" "$(disk_path 230 scsi0)" > /dev/null
	[ -e "$(disk_path 230 scsi0)" ]
	[ "$(find "$STORE/local/images/230" -type f | wc -l)" = 1 ]
	[ "$(grep -c '^lock' "$(conf_file 230)")" = 0 ]
	grep -q 'enable: 0' "$VZDUMP_ROOT/etc/pve/firewall/230.fw"
	[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
}

@test "a configuration that cannot be replaced leaves the old guest as it was, and a new one undone" {
	old_guest 240
	mkdir "$VZDUMP_ROOT/var/lib/vzdump"
	tree > "$T/before"
	for vmid in 240 241; do
		restore_begin "$vmid" --force --bwlimit 4000
		# somebody holds PVE's lock of the configuration, for good
		exec {lock}> "$VZDUMP_ROOT/run/lock/qemu-server/lock-$vmid.conf"
		flock "$lock"
		wait_for "got timeout"
		exec {lock}>&-
		restore_end 255
		# nor could the lock be taken out of the old one while it was held; that is told
		"$VZDUMP" --cleanup "$vmid"
	done
	diff "$T/before" <(tree)
}

# wait_for <text>: until the restore has said it
wait_for() {
	until grep -q "$1" "$T/out"; do
		kill -0 "$PID" 2> /dev/null || return 0
		sleep 0.1
	done
}

@test "killed right behind the new configuration, the next run removes the old volumes and keeps the new" {
	old_guest 250
	old=$(disk_path 250 scsi0)
	cp "$(conf_file 250)" "$T/old.conf"
	restore_begin 250 --force --bwlimit 4000
	kill -KILL "$PID"
	restore_end 137
	# what it would have written next
	new=$(find "$STORE/local/images/250" -type f ! -path "$old")
	printf 'name: archived\nscsi0: local:250/%s,size=8M\n' "$(basename "$new")" > "$(conf_file 250)"
	printf '+replaced local:250/%s\n+commit \n' "$(basename "$old")" >> "$VZDUMP_ROOT/var/lib/vzdump/250.journal"
	run "$VZDUMP" --cleanup 250
	echo "$output"
	[ "$status" = 0 ]
	[ ! -e "$old" ]
	[ -e "$new" ]
	grep -q '^name: archived' "$(conf_file 250)"
	[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
}

@test "while /etc/pve is away nothing of a restore is removed" {
	restore_begin 260 --bwlimit 1000
	kill -KILL "$PID"
	restore_end 137
	mv "$VZDUMP_ROOT/etc/pve/qemu-server" "$T/away"
	run "$VZDUMP" --cleanup 260
	echo "$output"
	[ "$status" = 255 ]
	[ -e "$STORE/local/images/260/vm-260-disk-0.raw" ]
	mv "$T/away" "$VZDUMP_ROOT/etc/pve/qemu-server"
	"$VZDUMP" --cleanup 260
	[ ! -e "$STORE/local/images/260" ]
	[ ! -e "$(conf_file 260)" ]
}

@test "what is restored is put in place with its firewall rules, and one after the other is told" {
	old_guest 270
	restore_begin 270 --force --bwlimit 4000
	kill -STOP "$PID"
	run "$QMRESTORE" "$T/a.vma.zst" 270 --force
	kill -CONT "$PID"
	echo "$output"
	[ "$status" = 255 ]
	[[ $output == *"another process works on VM 270"* ]]
	restore_end 0
	grep -q 'enable: 1' "$VZDUMP_ROOT/etc/pve/firewall/270.fw"
	[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
}

@test "--pool puts the restored guest into its pool, which must be there" {
	printf 'pool:web:comment:100,280:local:\npool:other::281::\n' > "$VZDUMP_ROOT/etc/pve/user.cfg"
	run "$QMRESTORE" "$T/a.vma.zst" 281 --pool none
	[[ $status = 255 && $output == *"pool 'none' does not exist"* ]]
	[ ! -e "$(conf_file 281)" ]
	"$QMRESTORE" "$T/a.vma.zst" 281 --pool web
	grep -qx 'pool:web:comment:100,280,281:local:' "$VZDUMP_ROOT/etc/pve/user.cfg"
	grep -qx 'pool:other::::' "$VZDUMP_ROOT/etc/pve/user.cfg"
	# the guests of the pool that are here are saved
	run "$VZDUMP" --pool web --storage backup
	[ "$status" = 0 ]
	[[ $(find "$STORE/backup/dump" -name '*.vma' -printf '%f\n') == vzdump-qemu-281-*.vma ]]
}

@test "a guest that has lost its disk is not given a half-filled one by a restore that is interrupted" {
	local signal how
	for how in "--force" "--disk scsi0"; do
		for signal in TERM KILL; do
			old_guest 270
			rm "$(disk_path 270 scsi0)"
			cp "$(conf_file 270)" "$T/old.conf"
			# shellcheck disable=SC2086
			restore_begin 270 $how --bwlimit 1000
			kill -"$signal" "$PID"
			wait "$PID" || true
			"$VZDUMP" --cleanup 270
			diff "$T/old.conf" "$(conf_file 270)"
			[ -z "$(find "$STORE/local/images/270" -type f)" ]
			rm "$(conf_file 270)"
		done
	done
}

@test "a lost disk that is restored alone gets a new volume, and the guest names none twice" {
	old_guest 271
	disk_add 271 scsi1 blockdev 8M
	rm "$(disk_path 271 scsi0)" "$(disk_path 271 scsi1)"
	"$QMRESTORE" "$T/a.vma.zst" 271 --disk scsi0
	cat "$(conf_file 271)"
	[ -z "$(grep -o 'local:271/[^, ]*' "$(conf_file 271)" | sort | uniq -d)" ]
}

@test "a new guest whose restore was killed needs no --force to be restored again" {
	restore_begin 272 --bwlimit 1000
	kill -KILL "$PID"
	restore_end 137
	"$QMRESTORE" "$T/a.vma.zst" 272
	grep -q '^name: archived' "$(conf_file 272)"
	[ "$(find "$STORE/local/images/272" -type f | wc -l)" = 1 ]
	[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
}

@test "after a live restore that was killed, the next restore replaces the old guest, not what was to replace it" {
	local state=$VZDUMP_ROOT/var/lib/vzdump
	old_guest 273
	disk_add 273 scsi1 blockdev 4M
	mkdir -p "$state"
	cp "$(conf_file 273)" "$state/273.conf"
	cp "$(disk_path 273 scsi0)" "$STORE/local/images/273/vm-273-disk-9.raw"
	printf 'freeze: 1\nlock: create\nscsi0: local:273/vm-273-disk-9.raw\n' > "$(conf_file 273)"
	printf '+pid 999999\n+lock create\n+image local:273/vm-273-disk-9.raw\n+config %s\n' "$state/273.conf" > "$state/273.journal"
	"$QMRESTORE" "$T/a.vma.zst" 273 --force
	cat "$(conf_file 273)"
	[ "$(find "$STORE/local/images/273" -type f | wc -l)" = 2 ]
	[ "$(grep -o 'local:273/[^, ]*' "$(conf_file 273)" | sort -u | wc -l)" = 2 ]
	[ -z "$(find "$state" -type f)" ]
}

@test "a guest that is changed before it is locked is not replaced" {
	old_guest 274
	mkdir -p "$VZDUMP_ROOT/run/lock/qemu-server"
	exec {lock}> "$VZDUMP_ROOT/run/lock/qemu-server/lock-274.conf"
	flock "$lock"
	"$QMRESTORE" "$T/a.vma.zst" 274 --force > "$T/out" 2>&1 3>&- {lock}>&- &
	PID=$!
	until grep -q '^+lock' "$VZDUMP_ROOT/var/lib/vzdump/274.journal"; do sleep 0.05; done
	conf_add 274 "protection: 1"
	cp "$(conf_file 274)" "$T/changed.conf"
	exec {lock}>&-
	restore_end 255
	grep -q "unable to restore VM 274 - its configuration was changed at this moment" "$T/out"
	diff "$T/changed.conf" "$(conf_file 274)"
	[ "$(find "$STORE/local/images/274" -type f | wc -l)" = 1 ]
	[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
}

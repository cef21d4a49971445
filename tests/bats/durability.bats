#!/usr/bin/env bats
# Folders that cannot be synced, or are somebody else's; locks, modes and owners; what no archive can hold.

load ../lib/qemu
load ../lib/vzdump

QMRESTORE=$BUILD/bin/qmrestore
VMA=$BUILD/bin/vma
FIXTURES=$VZ_TOP/tests/fixtures

setup() {
	vz_setup
	T=$BATS_TEST_TMPDIR
	# the leak sanitizer cannot work while strace does
	export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
	disk_add 123 scsi0 scsi 2M
	disk_fill "$(disk_path 123 scsi0)" 2M
}

teardown() {
	vz_teardown
}

# not_synced <folder> <command>...: every sync of that folder fails
not_synced() {
	local folder=$1
	shift
	run strace -f -qq -P "$folder" -e trace=fsync -e inject=fsync:error=EIO -o "$T/trace" "$@"
	grep -q INJECTED "$T/trace"
}

# make_archive [name] [file]
make_archive() {
	printf 'name: archived\nscsi0: old:1/x.raw\n#qmdump#map:scsi0:drive-scsi0:local::\n' > "$T/qemu-server.conf"
	printf '[OPTIONS]\nenable: 1\n' > "$T/qemu-server.fw"
	"$VMA" create "$T/${1:-a.vma.zst}" -c "$T/qemu-server.conf" -c "$T/qemu-server.fw" \
		-d "drive-scsi0=${2:-$(disk_path 123 scsi0)}"
}

mode() {
	stat -c %a "$1"
}

# ---- done, but not synced ----

@test "a folder of configurations that cannot be synced fails no backup, and the lock goes in the end" {
	not_synced "$VZDUMP_ROOT/etc/pve/qemu-server" "$VZDUMP" 123 --storage backup --compress zstd
	echo "$output"
	[ "$status" = 0 ]
	has_line "^WARN: .*cannot sync folder '$VZDUMP_ROOT/etc/pve/qemu-server': Input/output error"
	[ "$(grep -c ^lock "$(conf_file 123)")" = 0 ]
	# whether the lock is out for certain is asked again
	grep -q '^+lock' "$VZDUMP_ROOT/var/lib/vzdump/123.journal"
	"$VZDUMP" --cleanup 123
	nothing_left 123
}

@test "retention leaves an archive alone if it cannot be told whether that is protected" {
	local first
	vzdump_ok 123
	first=$ARCHIVE
	touch "$first.protected"
	run strace -f -qq -P "$first.protected" -e trace=/access -e inject=/access:error=EIO -o "$T/trace" \
		"$VZDUMP" 123 --storage backup --compress zstd --prune-backups keep-last=1
	echo "$output"
	grep -q INJECTED "$T/trace"
	[ "$status" = 0 ]
	[ -e "$first" ]
}

@test "--stdout into a file that cannot be synced is an error: the data may be nowhere" {
	local backup='exec "$1" 123 --stdout --compress zstd > "$2"'
	: > "$T/a.zst"
	not_synced "$T/a.zst" bash -c "$backup" - "$VZDUMP" "$T/a.zst"
	echo "$output"
	[ "$status" = 255 ]
	has_line "^ERROR: Backup of VM 123 failed - writing archive '-': cannot sync standard output: fsync: Input/output error$"
	nothing_left 123
}

@test "without descriptors to spare a backup fails, but leaves no lock" {
	local n
	for n in 8 10 12 14; do
		(ulimit -n "$n" && exec "$VZDUMP" 123 --storage backup --compress zstd) > "$T/out" 2>&1 3>&- || true
		[ "$(grep -c ^lock "$(conf_file 123)")" = 0 ] || { cat "$T/out"; return 1; }
	done
	"$VZDUMP" --cleanup
	nothing_left 123
}

@test "while an archive may be lost in a power cut no older one is removed for it" {
	vzdump_ok 123
	old=$ARCHIVE
	not_synced "$STORE/backup/dump" "$VZDUMP" 123 --storage backup --compress zstd --prune-backups keep-last=1 \
		--notes-template a-note
	echo "$output"
	[ "$status" = 0 ]
	has_line "^WARN: the archive is complete, but a power cut may still take it away: cannot sync folder '$STORE/backup/dump'"
	has_line "^WARN: '.*[.]notes' is written, but may be lost in a power cut"
	[ -e "$old" ]
	[ "$(find "$STORE/backup/dump" -name '*.vma.zst' | wc -l)" = 2 ]
	nothing_left 123
	vzdump_ok 123 --prune-backups keep-last=1
	[ "$(find "$STORE/backup/dump" -name '*.vma.zst' | wc -l)" = 1 ]
}

@test "a restore that is in place, but not for certain, succeeds and removes nothing old before it is" {
	make_archive
	old=$(disk_path 123 scsi0)
	not_synced "$VZDUMP_ROOT/etc/pve/qemu-server" "$QMRESTORE" "$T/a.vma.zst" 123 --storage local --force 1
	echo "$output"
	[ "$status" = 0 ]
	has_line "^WARN: VM 123 is restored, but a power cut may still bring back what was there: cannot sync folder"
	has_line "'vzdump --cleanup 123' tries again"
	grep -qx 'name: archived' "$(conf_file 123)"
	[ -e "$old" ]
	not_synced "$VZDUMP_ROOT/etc/pve/qemu-server" "$VZDUMP" --cleanup 123
	[ "$status" = 255 ]
	[ -e "$old" ]
	"$VZDUMP" --cleanup 123
	[ ! -e "$old" ]
	[ "$(find "$STORE/local/images" -type f | wc -l)" = 1 ]
	[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
}

# ---- another one at work ----

# in_two_parts <file>: the second comes when $T/go is there, or not if the reader has ended
in_two_parts() {
	head -c 8M "$1"
	until [[ -e $T/go ]]; do
		[[ ! -e $T/over ]] || return 0
		sleep 0.05
	done
	tail -c +8388609 "$1"
}

# take_away <journal|lock|volume>: what a stranger does to guest 123 while its restore waits
take_away() {
	case $1 in
	journal) rm "$VZDUMP_ROOT/var/lib/vzdump/123.journal" ;;
	lock) sed -i /^lock/d "$(conf_file 123)" ;;
	volume) rm "$STORE/local/images/123/vm-123-disk-1.raw" ;;
	esac
}

@test "a restore whose journal, lock or volume somebody took away meanwhile changes nothing" {
	# readers take up to 4 MiB at once
	disk_fill "$T/big" 12M
	make_archive a.vma "$T/big"
	local what pid status_
	local -A says=([journal]="journal '.*' of this process was removed by somebody else"
		[lock]="the lock 'create' of this restore is not in the configuration of VM 123 any more"
		[volume]="volume 'local:123/vm-123-disk-1.raw' of this restore is gone")
	cp "$(conf_file 123)" "$T/before"
	for what in journal lock volume; do
		rm -f "$T/go" "$T/over"
		: > "$T/out"
		"$QMRESTORE" - 123 --storage local --force 1 < <(in_two_parts "$T/a.vma") >> "$T/out" 2>&1 3>&- &
		pid=$!
		until grep -q "^map 'drive-scsi0'" "$T/out"; do
			kill -0 "$pid" || { touch "$T/over"; cat "$T/out"; return 1; }
			sleep 0.05
		done
		take_away "$what"
		touch "$T/go"
		status_=0
		wait "$pid" || status_=$?
		cat "$T/out"
		[ "$status_" = 255 ]
		grep -q "${says[$what]}" "$T/out"
		diff "$T/before" "$(conf_file 123)"
		[ ! -e "$VZDUMP_ROOT/etc/pve/firewall/123.fw" ]
		[ "$(find "$STORE/local/images" -type f)" = "$(disk_path 123 scsi0)" ]
	done
	[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
}

# ---- a new guest ----

@test "a new guest's configuration has its lock from the first moment, whatever happens at that" {
	make_archive
	local conf how
	conf=$(conf_file 300)
	# as on pmxcfs, which has no rename that replaces nothing
	strace -f -qq -e trace=renameat2 -e inject=renameat2:error=EINVAL -o "$T/trace" \
		"$QMRESTORE" "$T/a.vma.zst" 300 --storage local
	grep -q INJECTED "$T/trace"
	grep -qx 'name: archived' "$conf"
	for how in renameat2:signal=KILL:error=EIO renameat2:error=ENOSPC; do
		rm -f "$conf"
		rm -rf "$STORE/local/images/300"
		run strace -f -qq -e trace=renameat2 -e "inject=$how" -o "$T/trace" \
			"$QMRESTORE" "$T/a.vma.zst" 300 --storage local
		[ "$status" != 0 ]
		[ ! -e "$conf" ]
		"$VZDUMP" --cleanup
		[ "$(ls -A "$(dirname "$conf")")" = 123.conf ]
		[ -z "$(find "$VZDUMP_ROOT/var/lib/vzdump" -type f)" ]
	done
	"$QMRESTORE" "$T/a.vma.zst" 300 --storage local
}

# ---- what no archive can hold ----

@test "firewall rules that do not fit an archive fail a backup before anything is done, and can be replaced" {
	local rules=$VZDUMP_ROOT/etc/pve/firewall/123.fw
	make_archive
	yes 'IN ACCEPT -p tcp -dport 22 # a comment' 2> /dev/null | head -c 70000 > "$rules"
	vzdump 123
	[ "$status" = 255 ]
	has_line "^ERROR: .*firewall rules '$rules' have 70000 bytes, an archive holds 65535 at most"
	has_no_line "include disk"
	nothing_left 123
	"$QMRESTORE" "$T/a.vma.zst" 123 --storage local --force 1
	grep -q 'enable: 1' "$rules"
	truncate -s 5M "$rules"
	run "$QMRESTORE" "$T/a.vma.zst" 123 --storage local --force 1
	[ "$status" = 255 ]
	has_line "'$rules' is larger than 4194304 bytes"
	has_no_line "new volume ID"
}

@test "a disk of 0 bytes is refused with words" {
	truncate -s 0 "$(disk_path 123 scsi0)"
	vzdump 123
	[ "$status" = 255 ]
	has_line "^ERROR: .*disk 'scsi0': 'local:123/vm-123-disk-0.raw' has 0 bytes, which no archive can hold.*backup=0"
	nothing_left 123
	qemu-img create -q -f qcow2 "$STORE/local/images/123/vm-123-disk-1.qcow2" 0
	sed -i 's/disk-0.raw/disk-1.qcow2/' "$(conf_file 123)"
	vzdump 123
	[ "$status" = 255 ]
	has_line "^ERROR: .*disk 'scsi0': 'local:123/vm-123-disk-1.qcow2' has 0 bytes"
	nothing_left 123
}

# ---- folders, locks and descriptors of others ----

@test "in a dump folder of somebody else no link is followed and no file written into" {
	local second stem dump=$STORE/backup/dump
	echo "root's" > "$T/victim"
	for second in {0..40}; do
		stem=$dump/vzdump-qemu-123-$(date -d "+$second seconds" +%Y_%m_%d-%H_%M_%S)
		ln -s "$T/victim" "$stem.log"
		ln -s "$T/made" "$stem.vma.zst.protected"
		ln -s "$T/victim" "$stem.vma.zst.notes"
		ln -s "$T/victim" "$stem.vma.dat"
	done
	vzdump_ok 123 --protected 1 --notes-template a-note
	[ "$(< "$T/victim")" = "root's" ]
	[ ! -e "$T/made" ]
	[[ -f $ARCHIVE.protected && ! -L $ARCHIVE.protected ]]
	[[ -f $ARCHIVE.notes && ! -L $ARCHIVE.notes ]]
	[ "$(< "$ARCHIVE.notes")" = a-note ]
	grep -q 'INFO: Finished Backup' "${ARCHIVE%.vma.zst}.log"
}

@test "notes that a kill left half-written go with the next cleanup" {
	local n
	for ((n = 1;; n++)); do
		status=0
		{
			strace -f -qq -e trace=rename -e "inject=rename:signal=KILL:error=EIO:when=$n" -o "$T/trace" \
				"$VZDUMP" 123 --storage backup --compress zstd --notes-template a-note > "$T/out" 2>&1 || status=$?
		} 2> /dev/null
		[[ $status != 0 ]] || break
		! compgen -G "$STORE/backup/dump/*.notes.tmp.*" > /dev/null || touch "$T/seen"
		"$VZDUMP" --cleanup
		nothing_left 123
		[[ -z $(find "$STORE" -name '*.tmp*') ]]
	done
	[ -e "$T/seen" ]
}

@test "a configuration keeps its owner, group and mode through a backup and a restore" {
	[[ $EUID = 0 ]] || skip "giving files away needs root"
	local conf
	conf=$(conf_file 123)
	make_archive
	chown 1:2 "$conf"
	chmod 604 "$conf"
	vzdump_ok 123
	[ "$(stat -c %u:%g:%a "$conf")" = 1:2:604 ]
	"$QMRESTORE" "$T/a.vma.zst" 123 --storage local --disk scsi0
	[ "$(stat -c %u:%g:%a "$conf")" = 1:2:604 ]
	"$QMRESTORE" "$T/a.vma.zst" 123 --storage local --force 1
	grep -qx 'name: archived' "$conf"
	[ "$(stat -c %u:%g:%a "$conf")" = 1:2:604 ]
}

@test "nobody else can hold our locks, and PVE's keep the mode that PVE gave them" {
	mkdir -p "$VZDUMP_ROOT/run/lock/qemu-server"
	install -m 644 /dev/null "$VZDUMP_ROOT/run/vzdump.lock"
	vzdump_ok 123
	[ "$(mode "$VZDUMP_ROOT/run/vzdump.lock")" = 600 ]
	[ "$(mode "$VZDUMP_ROOT/run/lock/qemu-server/lock-123.conf")" = 600 ]
	chmod 644 "$VZDUMP_ROOT/run/lock/qemu-server/lock-123.conf"
	vzdump_ok 123
	[ "$(mode "$VZDUMP_ROOT/run/lock/qemu-server/lock-123.conf")" = 644 ]
}

@test "with standard descriptors closed no line ends up in a file" {
	local a=$FIXTURES/two-disks.vma how
	"$VZDUMP" 123 --storage backup 0<&- 1>&-
	[ ! -s "$VZDUMP_ROOT/run/vzdump.lock" ]
	"$VMA" extract "$a" "$T/want" > /dev/null
	for how in '0<&- 1>&-' '1>&-' '0<&- 2>&-' '0<&- 1>&- 2>&-'; do
		rm -rf "$T/got" "$T/disk"
		eval '"$VMA" extract "$a" "$T/got" --verbose 1 '"$how" || true
		eval '"$VMA" extract "$a" --to "drive-scsi0=$T/disk" --verbose 1 '"$how" || true
		diff -r "$T/want" "$T/got"
		cmp "$T/want/disk-drive-scsi0.raw" "$T/disk"
	done
	# an archive that nobody gets is no backup
	run bash -c '"$1" 123 --stdout 1 --compress zstd >&-' - "$VZDUMP"
	[ "$status" = 255 ]
}

# ---- who may read what ----

@test "what vma makes is no more readable than what it is made of" {
	umask 022
	install -m 600 "$FIXTURES/two-disks.vma" "$T/secret.vma"
	install -m 644 "$FIXTURES/two-disks.vma" "$T/open.vma"
	"$VMA" extract "$T/secret.vma" "$T/a" > /dev/null
	[ "$(stat -c %a "$T"/a/* | sort -u)" = 600 ]
	"$VMA" extract "$T/open.vma" "$T/b" > /dev/null
	[ "$(stat -c %a "$T"/b/* | sort -u)" = 644 ]
	"$VMA" extract - "$T/c" < "$T/open.vma" > /dev/null
	[ "$(stat -c %a "$T"/c/* | sort -u)" = 644 ]
	# shellcheck disable=SC2002
	cat "$T/open.vma" | "$VMA" extract - "$T/d" > /dev/null
	[ "$(stat -c %a "$T"/d/* | sort -u)" = 600 ]
	"$VMA" extract "$T/secret.vma" --to "drive-scsi0=$T/disk"
	[ "$(mode "$T/disk")" = 600 ]
	(umask 077 && "$VMA" create "$T/own.vma" -d "drive-scsi0=$T/disk")
	[ "$(mode "$T/own.vma")" = 600 ]
}

#!/usr/bin/env bats
# What strangers write (archives, names of files, configurations), and what becomes of it on this host.

load ../lib/qemu
load ../lib/vzdump

VMA=$BUILD/bin/vma
PVESM=$BUILD/bin/pvesm
QMRESTORE=$BUILD/bin/qmrestore
# an escape sequence, a C1 control in UTF-8, an override of the direction
EVIL=$'\e]0;x\a\xc2\x9b31m\xe2\x80\xae'

setup() {
	vz_setup
	T=$BATS_TEST_TMPDIR
}

teardown() {
	vz_teardown
}

# write_archive <file> <conf text> [<argument of vma_writer.py>...]
write_archive() {
	local file=$1
	printf '%s\n' "$2" > "$T/conf"
	shift 2
	python3 "$VZ_LIB/vma_writer.py" "$file" "qemu-server.conf=$T/conf" drive-scsi0:65536 "$@"
}

# harmless <text>: nothing in it that a terminal obeys
harmless() {
	! LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]' \
		<<< "$1" | cat -v | grep .
}

# on_terminal <command>...: what it writes to a terminal
on_terminal() {
	script -qec "$(printf '%q ' "$@")" /dev/null < /dev/null | tr -d '\r'
}

@test "names and configurations of an archive reach no terminal with an escape sequence in them" {
	write_archive "$T/a$EVIL.vma" $'name: '"$EVIL"$'\nargs: '"$EVIL"$'\nscsi1: /x'"$EVIL"$'\nide2: /x'"$EVIL"$',media=cdrom\nscsi0: local:1/x.raw\n#qmdump#map:scsi0:drive-scsi0:local:raw:' \
		"c${EVIL/$'\e]0;x\a'/}=/dev/null"
	run "$VMA" list "$T/a$EVIL.vma"
	[ "$status" = 0 ]
	harmless "$output"
	has_line 'CFG: size: 0 name: c\?31m\?$'
	run "$QMRESTORE" "$T/a$EVIL.vma" 200 --storage local
	[ "$status" = 0 ]
	harmless "$output"
	has_line 'args: \?\]0;x\?\?31m\?'
	vzdump 200
	harmless "$output"
	run on_terminal "$VMA" config "$T/a$EVIL.vma"
	harmless "$output"
	has_line '^name: \?\]0;x\?\?31m\?$'
	run on_terminal "$VMA" list "$T/a$EVIL.vma" --output-format json
	harmless "$output"
	python3 -c 'import json, sys; assert json.load(sys.stdin)["configs"][1]["name"] == "c\x9b31m\u202e"' \
		<<< "$output"
}

@test "a configuration that goes into a file is the archive's, byte for byte" {
	write_archive "$T/a.vma" "name: $EVIL"
	"$VMA" config "$T/a.vma" > "$T/got"
	cmp "$T/got" "$T/conf"
	"$PVESM" extractconfig "$T/a.vma" > "$T/got"
	cmp <(cat "$T/conf"; echo) "$T/got"
	run on_terminal "$PVESM" extractconfig "$T/a.vma"
	harmless "$output"
}

@test "names of files are listed harmless, and as JSON with all their characters" {
	mkdir -p "$STORE/backup/dump" "$STORE/local/images/601"
	: > "$STORE/backup/dump/vzdump-qemu-600-x$EVIL.vma.zst"
	: > "$STORE/local/images/601/vm-601-$EVIL.raw"
	for command in "list backup" "list local" "prune-backups backup --keep-last 1 --dry-run"; do
		# shellcheck disable=SC2086
		run "$PVESM" $command
		[ "$status" = 0 ]
		[[ $output = *'?]0;x??31m?'* ]]
		harmless "$output"
		# shellcheck disable=SC2086
		run "$PVESM" $command --output-format json
		harmless "$output"
		python3 -c 'import json, sys; assert "\x1b]0;x\x07\x9b31m\u202e" in json.load(sys.stdin)[0]["volid"]' \
			<<< "$output"
	done
}

@test "an archive of the future is told, and costs neither the new backup nor itself" {
	local future=vzdump-qemu-200-2099_01_01-00_00_00.vma.zst
	mkdir -p "$STORE/backup/dump"
	: > "$STORE/backup/dump/$future"
	write_archive "$T/a.vma" "scsi0: local:1/x.raw"
	"$QMRESTORE" "$T/a.vma" 200 --storage local
	vzdump_ok 200 --prune-backups keep-last=1
	has_line "^WARN: archive '.*/$future' is dated in the future \(2099-01-01 00:00:00\)"
	[ -s "$ARCHIVE" ] && [ -e "$STORE/backup/dump/$future" ]
	run "$PVESM" prune-backups backup --keep-last 1 --dry-run
	has_line "^archive '.*/$future' is dated in the future"
	has_line "backup/$future +qemu/200 +keep$"
	has_line "backup/${ARCHIVE##*/} +qemu/200 +keep$"
	run "$PVESM" prune-backups backup --keep-last 1
	[ "$status" = 0 ] && [ -s "$ARCHIVE" ] && [ -e "$STORE/backup/dump/$future" ]
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# A job around its guests: which they are, what is said of it, how it ends.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	PVE=$VZDUMP_ROOT/etc/pve
	echo here > "$VZDUMP_ROOT/etc/hostname"
	mkdir -p "$PVE"/nodes/pve2/{qemu-server,lxc}
	conf_add 101 "name: a"
	conf_add 102 "name: b"
}

teardown() {
	vz_teardown
}

# saved: the guests of the last run, in the order of their backups
saved() {
	sed -nE 's/^INFO: Finished Backup of VM ([0-9]+) .*/\1/p' <<< "$output" | xargs
}

# hooked: the hook script that writes its phases to $VZ_TMP/phases
hooked() {
	printf '#!/bin/sh\necho "$*" >> "%s/phases"\n' "$VZ_TMP" > "$VZ_TMP/hook"
	chmod +x "$VZ_TMP/hook"
	rm -f "$VZ_TMP/phases"
}

@test "guests of other nodes are left to them, and the log says so" {
	touch "$PVE/nodes/pve2/qemu-server/201.conf" "$PVE/nodes/pve2/lxc/202.conf"
	vzdump_ok --all
	[[ $(saved) = "101 102" ]]
	has_line '^INFO: skip external VMs: 201, 202$'
	vzdump_ok 202 101
	[[ $(saved) = 101 && ${lines[-1]} = "INFO: Backup job finished successfully" ]]
	has_line '^INFO: skip external VMs: 202$'
}

@test "a job without guests here ends at once, well and without a word" {
	local args
	touch "$PVE/nodes/pve2/qemu-server/201.conf"
	printf 'pool:away::201,999:::\npool:empty:::::\n' > "$PVE/user.cfg"
	hooked
	echo "nonsense" > "$VZDUMP_ROOT/etc/vzdump.conf"
	for args in 201 "--pool away" "--pool empty" --stop "--stop --pool away" "--node pve2 101"; do
		# shellcheck disable=SC2086
		vzdump $args --script "$VZ_TMP/hook"
		[[ $status = 0 && -z $output && ! -e $VZ_TMP/phases ]] || { echo "$args: $output"; return 1; }
	done
	vzdump --pool nope
	[[ $status = 255 && $output = "pool 'nope' does not exist"* ]]
}

@test "a pool is saved whole: --exclude says nothing beside it" {
	printf 'pool:mine:my own:102,101,999:local:\n' > "$PVE/user.cfg"
	vzdump_ok --pool mine --exclude 101
	[[ $(saved) = "101 102" ]]
}

@test "a container of this node is never left out in silence" {
	printf 'hostname: ct\n' > "$PVE/lxc/105.conf"
	vzdump --all
	[[ $status = 255 && $(saved) = "101 102" && ${lines[-1]} = "job errors" ]]
	has_line '^WARN: 105 is a container \(.*/lxc/105.conf\): only VMs can be saved so far'
	has_line '^ERROR: not saved: 105 \(container\)$'
	vzdump 105
	[[ $status = 255 ]]
	has_line '^ERROR: Backup of VM 105 failed - it is a container'
	vzdump_ok --exclude 105
	[[ $(saved) = "101 102" ]]
}

@test "an id that nobody has fails, and is told apart from one that others have" {
	touch "$PVE/nodes/pve2/qemu-server/201.conf"
	vzdump 201 999 101
	[[ $status = 255 && $(saved) = 101 ]]
	has_line "^ERROR: Backup of VM 999 failed - unable to find VM '999'"
	has_no_line '^ERROR.*201'
}

@test "--stdout takes one guest of this node" {
	touch "$PVE/nodes/pve2/qemu-server/201.conf"
	"$VZDUMP" 101 201 --stdout > "$VZ_TMP/a.vma" 2> "$VZ_TMP/log"
	grep -q '^INFO: skip external VMs: 201$' "$VZ_TMP/log"
	python3 "$VZ_LIB/vma_reader.py" extract "$VZ_TMP/a.vma" "$VZ_TMP/out"
	run -255 "$VZDUMP" --all --stdout
	[[ $output = *"you can only backup a single VM with option --stdout"* ]]
}

@test "one run tells all that is wrong with where the backup goes" {
	vzdump 101 --script /nonexistent --storage fast --tmpdir /none
	[[ $status = 255 && ${#lines[@]} = 1 ]]
	[[ $output = *"/nonexistent"*"for 'fast': can't use storage 'fast' for backups"*"tmpdir '/none' does not exist" ]]
}

@test "the hook script's job-init may make the storage that the job is for" {
	cat > "$VZ_TMP/hook" <<- END
		#!/bin/sh
		[ "\$1" = job-init ] || exit 0
		mkdir -p "$STORE/late"
		printf 'dir: late\n\tpath %s\n\tcontent backup\n' "$STORE/late" >> "$PVE/storage.cfg"
	END
	chmod +x "$VZ_TMP/hook"
	vzdump_ok 101 --script "$VZ_TMP/hook" --storage late
	[[ -n $(newest_archive "$STORE/late/dump") ]]
}

@test "--dumpdir is taken as it is written, without slashes at its end" {
	mkdir "$VZ_TMP/real"
	ln -s real "$VZ_TMP/link"
	vzdump_ok 101 --dumpdir "$VZ_TMP/link//"
	has_line "^INFO: creating vzdump archive '$VZ_TMP/link/vzdump-qemu-101-"
	cd "$VZ_TMP"
	vzdump_ok 101 --dumpdir link
	has_line "^INFO: creating vzdump archive '$VZ_TMP/link/vzdump-qemu-101-"
}

@test "warnings are counted in the last line on standard error, with exit status 0" {
	printf 'notes-template: {{foo}}\nno pair\n' > "$VZDUMP_ROOT/etc/vzdump.conf"
	run --separate-stderr "$VZDUMP" 101 --storage backup
	[[ $status = 0 && $stderr = "Task finished with 2 warning(s)!" ]]
	has_line "^WARN: unable to add notes - found unknown: variable 'foo' at char 2"
	vzdump 999
	[[ $status = 255 && ${lines[-1]} = "job errors" ]]
}

@test "notes of an unknown variable, escape or a second line are refused at once" {
	local notes
	hooked
	for notes in 'of {{host}}' 'a\tb' $'a\nb'; do
		vzdump 101 --notes-template "$notes" --storage backup --script "$VZ_TMP/hook"
		[[ $status = 255 && ${#lines[@]} = 1 && ! -e $VZ_TMP/phases ]]
		[[ $output = "vzdump: option --notes-template: "* ]]
	done
}

@test "what chooses guests has no effect in vzdump.conf, and neither has quiet" {
	printf '%s\n' "vmid: 102" "all: 1" "exclude: 101" "pool: nope" "node: pve2" "stop: 1" "quiet: 1" \
		"protected: 1" > "$VZDUMP_ROOT/etc/vzdump.conf"
	vzdump_ok 101
	[[ $(saved) = 101 && -e $ARCHIVE.protected ]]
	# without a storage it does not count
	vzdump_ok 101 --dumpdir "$VZ_TMP"
	run ! ls "$VZ_TMP"/*.protected
	vzdump
	[[ $status = 255 && $output = *"no guest given"* ]]
}

@test "a guest that the HA manager keeps running is not stopped for its backup" {
	mkdir "$PVE/ha"
	printf 'vm: 101\n\tstate started\n\nvm: 102\n\tstate stopped\n' > "$PVE/ha/resources.cfg"
	vzdump 101 102 --mode stop
	[[ $status = 255 && $(saved) = 102 ]]
	has_line '^ERROR: Backup of VM 101 failed - .*stop mode.*HA managed and enabled service'
	vzdump_ok 101 --mode suspend
}

@test "help is a command of each tool, and tells of one command" {
	local tool
	for tool in vzdump qmrestore vma pvesm; do
		run "$BUILD/bin/$tool" help
		[[ $status = 0 && ${output,,} = *"usage: $tool "* ]]
	done
	run "$BUILD/bin/pvesm" help alloc
	[[ $status = 0 && $output = "USAGE: pvesm alloc "* ]]
	run "$BUILD/bin/vma" help nope
	[[ $status = 255 && $output = "vma: unknown command 'nope'"* ]]
}

@test "--job runs a job of jobs.cfg with its options; what it cannot read is a warning" {
	printf 'vzdump: nightly\n\tschedule 02:30\n\tenabled 0\n\tvmid 101,102\n\tstorage backup\n\tcompress zstd\n\tzstd-level 99\n\nvzdump: other\n\tschedule nonsense\n\tall 1\n' \
		> "$PVE/jobs.cfg"
	run --separate-stderr "$VZDUMP" --job nightly --output-format json
	[[ $status = 0 && $(jq -r '.["job-id"]' <<< "$output") = nightly ]]
	[[ $(jq -r '[.guests[].state] | join(" ")' <<< "$output") = "ok ok" && $(jq -r '.guests[0].archive' <<< "$output") = *.vma.zst ]]
	[[ $(jq -r '.warnings[0]' <<< "$output") = *"line 7"*"unable to parse value of 'zstd-level'"* ]]
	# other jobs have their own
	[[ ${stderr_lines[0]} = "WARN: "* && ${stderr_lines[-1]} = "Task finished with 1 warning(s)!" ]]
	# the log has the options as if they had been given
	[[ $stderr = *"INFO: starting new backup job: vzdump 101 102 --compress zstd --storage backup"* ]]
	vzdump --job nigtly
	[[ $status = 255 && $output = "vzdump: option --job: there is no backup job 'nigtly' in "*"(did you mean 'nightly'?)"* ]]
}

@test "a job for another node does nothing here, without a word" {
	printf 'vzdump: nightly\n\tschedule 02:30\n\tnode pve2\n\tall 1\n' > "$PVE/jobs.cfg"
	run "$VZDUMP" --job nightly
	[[ $status = 0 && -z $output ]]
}

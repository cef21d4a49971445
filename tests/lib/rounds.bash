# shellcheck shell=bash
# Random rounds of incremental backups of guest 123: between them its disks are written to, and what can go wrong
# does.  Every archive is compared with what the disks were at its instant, at once and again at the end.
#
#	load ../lib/qemu; load ../lib/vzdump; load ../lib/incremental; load ../lib/rounds
#	setup_file()	{ rounds_setup_file; }
#	setup()		{ rounds_setup; }
#
#	rounds_guest "scsi0 throttle 8M" "efidisk0 pflash 528K"
#	rounds <seed>...	for each seed every event of EVENTS once, in an order of its own
#
# All dice are thrown by the shell's RANDOM, which the seed starts: never in a subshell, which has its own.

KILL_AT=$VZ_TOP/tests/faults/kill-at.c
EVENTS=(success success success success "vzdump dies at a step" "vzdump dies at a step" "vzdump dies while it copies"
	"QEMU dies" "QEMU dies during the backup" "QEMU ends" "a backup while it is off" grow shrink
	"another job" "not incremental" "other disks" "other disks")

rounds_setup_file() {
	export KILL_LIB=$BATS_FILE_TMPDIR/kill-at.so
	"${CC:-cc}" -D_GNU_SOURCE -O1 -Wall -shared -fPIC -o "$KILL_LIB" "$KILL_AT" -ldl
}

rounds_setup() {
	vz_setup
	storage_add other backup
	mkdir -p "$STORE/other/dump" "$VZ_TMP/instant" "$VZ_TMP/expected"
	LOG=$VZ_TMP/log
	KEYS=() INCREMENTAL=0 ARCHIVES=0
	declare -gA STYLE=() IMAGE=() WITHOUT=()
}

# ---- dice ----

# pick <n>: REPLY is a number below n
pick() {
	REPLY=$(((RANDOM << 15 | RANDOM) % $1))
}

# chance <percent>
chance() {
	pick 100
	((REPLY < $1))
}

# one_of <word>...: REPLY is one of them
one_of() {
	pick $#
	REPLY=${*:REPLY+1:1}
}

# ---- the guest ----

# rounds_guest "<key> <style> <size>"...: with noise on three quarters of each disk
rounds_guest() {
	local disk key style size
	for disk; do
		read -r key style size <<< "$disk"
		disk_new "$key" "$style" "$size"
		[[ $key != efidisk0 ]] || conf_add 123 "bios: ovmf"
	done
	guest_start
}

disk_new() {
	local key=$1 style=$2 size=$3
	disk_add 123 "$key" "$style" "$size"
	IMAGE[$key]=$(disk_path 123 "$key") STYLE[$key]=$style
	KEYS+=("$key")
	size=$(stat -c %s "${IMAGE[$key]}")
	disk_fill "${IMAGE[$key]}" $((size * 3 / 4)) "$key"
	truncate -s "$size" "${IMAGE[$key]}"
}

guest_start() {
	local key
	rm -f "$(args_file 123)"
	for key in "${KEYS[@]}"; do
		disk_args 123 "$key" "${STYLE[$key]}" "${IMAGE[$key]}"
	done
	qemu_start 123
	graph_plain > "$VZ_TMP/graph"
}

guest_on() {
	[[ -e $VZ_TMP/123.qemu-pid ]]
}

# graph_plain: the graph without base bitmaps, which are the only thing that may stay
graph_plain() {
	graph_state 123 | sed -E 's/ ?vzbase-[^ ]*//g; s/( null)? *$//' | sort
}

# place <key>: AT and LENGTH lie within the disk, at any byte; mostly where there are always changes
place() {
	local size
	size=$(stat -c %s "${IMAGE[$1]}")
	one_of 1 512 777 4096 8192 65536 100000
	LENGTH=$REPLY
	pick 4
	pick $((REPLY ? size / 16 : size))
	AT=$REPLY
	pick 3
	((REPLY)) || AT=$((AT & ~65535))
	((AT + LENGTH <= size)) || LENGTH=$((size - AT))
}

# guest_changes <n>: the guest, or if it is off somebody else, writes n times
guest_changes() {
	local i key
	for ((i = 0; i < $1; i++)); do
		one_of "${KEYS[@]}"
		key=$REPLY
		place "$key"
		one_of noise noise zero unmap discard end
		if guest_on; then
			change_online "$key" "$REPLY" || return 1
		else
			change_offline "${IMAGE[$key]}" "$REPLY"
		fi
	done
}

change_online() {
	local pattern=$((RANDOM % 255 + 1))
	case $2 in
	noise) guest_io 123 "$1" "write -P $pattern $AT $LENGTH" ;;
	zero) guest_io 123 "$1" "write -z $AT $LENGTH" ;;
	unmap) guest_io 123 "$1" "write -z -u $AT $LENGTH" ;;
	discard) guest_io 123 "$1" "discard $AT $LENGTH" ;;
	end) guest_io 123 "$1" "write -P $pattern $(($(stat -c %s "${IMAGE[$1]}") - 600)) 600" ;;
	esac
}

change_offline() {
	local size
	size=$(stat -c %s "$1")
	case $2 in
	noise | end)
		[[ $2 = noise ]] || AT=$((size - 600)) LENGTH=600
		disk_fill "$VZ_TMP/noise" "$LENGTH" "$RANDOM"
		dd if="$VZ_TMP/noise" of="$1" bs=64K oflag=seek_bytes seek="$AT" conv=notrunc status=none
		;;
	*) fallocate -p -o "$AT" -l "$LENGTH" "$1" ;;
	esac
}

# resize <key> <size>: while it runs or is off.  What a backup left behind in QEMU may refuse it.
resize() {
	local id=node-name
	if ! guest_on; then
		truncate -s "$2" "${IMAGE[$1]}"
		return
	fi
	[[ ${STYLE[$1]} != drive-* ]] || id=device
	qmp 123 block_resize "{\"$id\":\"drive-$1\",\"size\":$2}" > "$VZ_TMP/resized" 2>&1 ||
		echo "refused: $(< "$VZ_TMP/resized")"
}

# ---- backups ----

# keys_saved: those of which the next backup has a disk
keys_saved() {
	local key
	for key in "${KEYS[@]}"; do
		[[ ${WITHOUT[$key]:-} ]] || echo "$key"
	done
}

keep_instants() {
	local key
	rm -f "$VZ_TMP"/instant/*
	for key in $(keys_saved); do
		cp --sparse=always "${IMAGE[$key]}" "$VZ_TMP/instant/disk-drive-$key.raw"
	done
	find "$STORE"/{backup,other}/dump -name '*.vma.zst' > "$VZ_TMP/archives"
}

# new_archive <storage>: ARCHIVE is what was published since keep_instants, if there is one
new_archive() {
	ARCHIVE=$(find "$STORE/$1/dump" -name '*.vma.zst' | grep -vxFf "$VZ_TMP/archives" || true)
	[[ $ARCHIVE ]] || return 1
	(cd "$VZ_TMP/instant" && sha256sum ./*) > "$VZ_TMP/expected/$1-${ARCHIVE##*/}"
}

# archive_expected <storage>: ARCHIVE is good and has those disks that its guest had at its instant
archive_expected() {
	local expected="$VZ_TMP/expected/$1-${ARCHIVE##*/}"
	"$VMA" verify "$ARCHIVE" > "$VZ_TMP/verified" || { cat "$VZ_TMP/verified" && return 1; }
	archive_read > "$VZ_TMP/verified" || { cat "$VZ_TMP/verified" && return 1; }
	(cd "$VZ_TMP/out" && sha256sum -c --quiet "$expected") || return 1
	[ "$(find "$VZ_TMP/out" -name 'disk-*' | wc -l)" = "$(wc -l < "$expected")" ]
}

# more_arguments: ARGUMENTS are drawn
more_arguments() {
	ARGUMENTS=(--compress zstd)
	one_of "" "--fleecing enabled=1,storage=fast" "--fleecing 1"
	# shellcheck disable=SC2206
	ARGUMENTS+=($REPLY)
	! chance 20 || ARGUMENTS+=(--prune-backups keep-last=4)
}

# backup_success <storage> [argument]...: with guest writes during it, often
backup_success() {
	local storage=$1 status=0
	shift
	more_arguments
	keep_instants
	: > "$LOG"
	if ! guest_on || chance 40; then
		"$VZDUMP" 123 --storage "$storage" "${ARGUMENTS[@]}" "$@" > "$LOG" 2>&1 || status=$?
	elif [[ ${STYLE[scsi0]:-} = throttle ]] && chance 60; then
		writer_beside "$storage" "$@" || status=$?
	else
		changes_beside "$storage" "$@" || status=$?
	fi
	[[ $status = 0 ]] || { echo "vzdump ended with $status" && cat "$LOG" && return 1; }
	new_archive "$storage" || { echo "no archive" && cat "$LOG" && return 1; }
	grep -E '^INFO: (full backup|incremental to)' "$LOG" || true
	! grep -q '^INFO: incremental to .* changed$' "$LOG" || INCREMENTAL=$((INCREMENTAL + 1))
	ARCHIVES=$((ARCHIVES + 1))
	archive_expected "$storage" || { cat "$LOG" && return 1; }
	nothing_left 123
	! guest_on || only_bitmaps_left "$@"
}

# backup_behind <storage> [argument]...: in the background at limited speed, up to its instant; BACKUP is its process
backup_behind() {
	"$VZDUMP" 123 --storage "$@" "${ARGUMENTS[@]}" --bwlimit 16000 > "$LOG" 2>&1 3>&- &
	BACKUP=$!
	wait_for_task "$BACKUP"
}

changes_beside() {
	backup_behind "$@"
	guest_changes 6 || return 1
	wait "$BACKUP"
}

# writer_beside: 200 writes a second to the first MiB of scsi0, through a FUSE export
writer_beside() {
	local storage=$1
	shift
	while_writing 123 1 --storage "$storage" "${ARGUMENTS[@]}" --bwlimit 16000 "$@"
}

# only_bitmaps_left <argument>...: QEMU's graph is as after its start; the newest archive of the chain has a bitmap
# and its sentinel on each disk, and no older one has any
only_bitmaps_left() {
	local chain gen
	graph_plain | diff "$VZ_TMP/graph" -
	[[ " $* " = *" --incremental 1 "* ]] || return 0
	read -r chain gen < <("$VMA" list "$ARCHIVE" --output-format json |
		jq -r '"\(.uuid | gsub("-"; "") | [.[0:8], .[8:12], .[12:16], .[16:20], .[20:]] | join("-")) \(.chain.gen)"')
	base_bitmaps_all 123 | tr -d '"[]' | tr ',' '\n' | grep -F "vzbase-$chain-" | sort > "$VZ_TMP/bitmaps"
	for key in $(keys_saved); do
		printf '%s\n' "vzbase-$chain-$gen-$key" "vzbase-$chain-$gen-$key-end"
	done | sort | diff - "$VZ_TMP/bitmaps"
}

# ---- events ----

# came_to <storage>: a backup ended somehow; if it has published an archive, that is as good as any
came_to() {
	! new_archive "$1" || archive_expected "$1"
}

vzdump_dies_at_a_step() {
	local kind most when n
	one_of "message 60" "message 60" "file 9" "journal 9"
	read -r kind most <<< "$REPLY"
	pick "$most"
	n=$((REPLY + 1))
	one_of before after
	when=$REPLY
	echo "  $when $kind $n"
	more_arguments
	keep_instants
	{
		LD_PRELOAD=$KILL_LIB KILL_AT=$kind:$when:$n ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
			"$VZDUMP" 123 --storage backup --incremental 1 "${ARGUMENTS[@]}" > "$LOG" 2>&1 3>&- || true
	} 2> /dev/null # "Killed"
	came_to backup
}

vzdump_dies_while_it_copies() {
	more_arguments
	keep_instants
	backup_behind backup --incremental 1
	chance 50 || guest_changes 3
	kill -KILL "$BACKUP" 2> /dev/null || true
	wait "$BACKUP" 2> /dev/null || true
	came_to backup
}

QEMU_dies_during_the_backup() {
	guest_on || guest_start
	more_arguments
	keep_instants
	backup_behind backup --incremental 1
	chance 50 || guest_changes 3
	qemu_kill 123
	wait "$BACKUP" || true
	came_to backup
	guest_changes 1
	guest_start
}

# restart <qemu_kill|qemu_quit>: with writes while it is off
restart() {
	! guest_on || "$1" 123
	guest_changes 2
	! chance 30 || grow
	guest_start
}

grow() {
	local key
	one_resizable
	key=$REPLY
	one_of 4096 65536 1048576
	echo "  $key by $REPLY"
	resize "$key" $(($(stat -c %s "${IMAGE[$key]}") + REPLY))
}

# shrink: and back; what was there is zero then
shrink() {
	local key size
	one_resizable
	key=$REPLY
	size=$(stat -c %s "${IMAGE[$key]}")
	pick $((size / 4096))
	resize "$key" $((REPLY * 4096 + 512))
	resize "$key" "$size"
}

# one_resizable: REPLY is a disk other than the EFI disk
one_resizable() {
	local keys
	mapfile -t keys < <(printf '%s\n' "${KEYS[@]}" | grep -v efidisk)
	one_of "${keys[@]}"
}

# other_disks: one more, one less, another key, or one that is not saved for a while (without a restart)
other_disks() {
	local key=${KEYS[-1]}
	one_of more fewer renamed without without
	[[ $REPLY != fewer || ${#KEYS[@]} -gt 1 ]] || REPLY="more"
	echo "  $REPLY"
	case $REPLY in
	without)
		if [[ ${WITHOUT[$key]:-} ]]; then
			sed -i "/^$key:/s/,backup=0//" "$(conf_file 123)"
			WITHOUT[$key]=
		elif [[ ${#KEYS[@]} -gt 1 ]]; then
			sed -i "/^$key:/s/,size=/,backup=0,size=/" "$(conf_file 123)"
			WITHOUT[$key]=1
		fi
		return
		;;
	esac
	! guest_on || qemu_quit 123
	case $REPLY in
	more) disk_new "scsi$((5 + ${#IMAGE[@]}))" throttle 2M ;;
	fewer)
		sed -i "/^$key:/d" "$(conf_file 123)"
		unset 'KEYS[-1]'
		WITHOUT[$key]=
		;;
	renamed)
		local new=${key%%[0-9]*}$((20 - ${key##*[a-z]}))
		[[ $key != efidisk0 && $key != ide* ]] || new=$key
		sed -i "s/^$key:/$new:/" "$(conf_file 123)"
		IMAGE[$new]=${IMAGE[$key]} STYLE[$new]=${STYLE[$key]} WITHOUT[$new]=${WITHOUT[$key]:-}
		KEYS[-1]=$new
		;;
	esac
	guest_start
}

# event <name>: one of EVENTS
event() {
	case $1 in
	success) backup_success backup --incremental 1 ;;
	"vzdump dies at a step") vzdump_dies_at_a_step ;;
	"vzdump dies while it copies") vzdump_dies_while_it_copies ;;
	"QEMU dies") restart qemu_kill ;;
	"QEMU dies during the backup") QEMU_dies_during_the_backup ;;
	"QEMU ends") restart qemu_quit ;;
	"a backup while it is off")
		! guest_on || qemu_quit 123
		backup_success backup --incremental 1
		guest_start
		;;
	grow) grow ;;
	shrink) shrink ;;
	"another job") backup_success other --incremental 1 ;;
	"not incremental") backup_success backup --incremental 0 ;;
	"other disks") other_disks ;;
	esac
}

# shuffle <word>...: SHUFFLED
shuffle() {
	local i
	SHUFFLED=("$@")
	for ((i = $# - 1; i > 0; i--)); do
		pick $((i + 1))
		set -- "${SHUFFLED[REPLY]}"
		SHUFFLED[REPLY]=${SHUFFLED[i]}
		SHUFFLED[i]=$1
	done
}

# rounds <seed>...
rounds() {
	local seed event deck
	for seed; do
		echo "seed $seed"
		RANDOM=$seed
		for event in first second third; do
			event success
			guest_changes 3
		done
		shuffle "${EVENTS[@]}"
		deck=("${SHUFFLED[@]}")
		for event in "${deck[@]}"; do
			echo "$event"
			guest_changes 4
			event "$event"
			if [[ $event != success ]] && chance 50; then
				guest_changes 2
				event success
			fi
		done
		event success
	done
	archives_still_right
	echo "# numbers: $ARCHIVES archives, $INCREMENTAL by a bitmap" >&3
	((INCREMENTAL > 0))
}

# archives_still_right: whatever was taken over, pruned and overwritten since
archives_still_right() {
	local storage
	for storage in backup other; do
		for ARCHIVE in "$STORE/$storage"/dump/*.vma.zst; do
			[[ ! -e $ARCHIVE ]] || archive_expected "$storage"
		done
	done
}

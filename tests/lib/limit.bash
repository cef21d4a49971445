# shellcheck shell=bash
# Guests that rewrite their disks while the fleecing images are under a limit; see rewriter.py.
#
#	limit_guest throttle 64 scsi0 scsi1
#	limited limit=16M disks=scsi0:seq,scsi1:random mib=64 rate=20000000
#	(($(figure written) > 4 << 20))

# limit_guest <style> <MiB> <key>...: a running guest with such disks, a copy of each in $VZ_TMP/<key>.instant
limit_guest() {
	local style=$1 mib=$2 key
	shift 2
	for key; do
		disk_add 123 "$key" "$style" "${mib}M"
		disk_fill "$(disk_path 123 "$key")" "${mib}M" "$key"
		cp "$(disk_path 123 "$key")" "$VZ_TMP/$key.instant"
	done
	KEYS=("$@")
	qemu_start 123 running
	graph_state 123 > "$VZ_TMP/graph"
	qmp 123 qom-list '{"path":"/objects"}' name > "$VZ_TMP/objects"
}

# limited <fleecing option> <rewriter option>...: a backup to $VZ_TMP/archive.zst while the guest writes.  Sets output
# and FIGURES, and fails unless the images stayed within limit=<N>M and 8 MiB more
limited() {
	local fleecing=$1
	shift
	FIGURES=$(python3 "$VZ_LIB/rewriter.py" "$VZ_TMP/123.mon" "$STORE/fast" "$VZ_TMP/archive.zst" "$@" -- \
		"$VZDUMP" 123 --stdout --compress zstd --fleecing "enabled=1,storage=fast,$fleecing") || return 1
	output=$(< "$VZ_TMP/archive.zst.log")
	# for the files in build/test-logs
	echo "$fleecing $*: $FIGURES"
	[[ $fleecing =~ limit=([0-9]+)M ]] || return 0
	(($(figure peak) <= (BASH_REMATCH[1] + 8) << 20)) || {
		echo "the images took $(figure peak) bytes"
		echo "$output"
		return 1
	}
}

figure() {
	python3 -c 'import json, sys; f = json.loads(sys.argv[1])[sys.argv[2]]; print(f + 0)' "$FIGURES" "$1"
}

# limit_right: the backup ended well, its archive has the disks as they were
limit_right() {
	local key
	[[ $(figure status) = 0 ]] || { echo "$output"; return 1; }
	has_no_line 'WARN|ERROR' || return 1
	ARCHIVE=$VZ_TMP/archive.zst
	archive_read
	for key in "${KEYS[@]}"; do
		same_disk "drive-$key" "$VZ_TMP/$key.instant" || return 1
	done
}

# limit_gone: QEMU and the storage are as they were
limit_gone() {
	graph_state 123 | diff "$VZ_TMP/graph" - || return 1
	qmp 123 qom-list '{"path":"/objects"}' name | diff "$VZ_TMP/objects" - || return 1
	nothing_left 123
}

# shellcheck shell=bash
# Running vzdump on the tree of qemu.bash, and looking at what came out.

VZDUMP=${BUILD:-$VZ_TOP/build}/bin/vzdump

# vzdump <argument>...: with the archive on storage "backup", packed by zstd, unless told otherwise.
# Sets status, output and lines, as bats' run does; ARCHIVE is the newest archive.
vzdump() {
	local arguments=("$@")
	[[ " $* " = *" --storage "* || " $* " = *" --stdout"* || " $* " = *" --dumpdir "* ]] ||
		arguments+=(--storage backup)
	[[ " $* " = *" --compress "* ]] || arguments+=(--compress zstd)
	run "$VZDUMP" "${arguments[@]}"
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
}

newest_archive() {
	find "$1" -maxdepth 1 -name 'vzdump-qemu-*.vma*' ! -name '*.notes' ! -name '*.protected' \
		-printf '%T@ %p\n' 2> /dev/null | sort -n | tail -n 1 | cut -d' ' -f2-
}

# vzdump_ok <argument>...: and it must succeed
vzdump_ok() {
	vzdump "$@"
	if [[ $status != 0 ]]; then
		echo "vzdump $* ended with $status:"
		echo "$output"
		return 1
	fi
}

# archive_read: the newest archive, read by the tests' own reader into $VZ_TMP/out
archive_read() {
	rm -rf "$VZ_TMP/out"
	python3 "$VZ_LIB/vma_reader.py" extract "$ARCHIVE" "$VZ_TMP/out"
}

# same_disk <device> <file>: the disk in the archive is that file, byte for byte
same_disk() {
	cmp "$VZ_TMP/out/disk-$1.raw" "$2"
}

has_line() {
	grep -qE -- "$1" <<< "$output" || {
		echo "no line matches: $1"
		echo "$output"
		return 1
	}
}

has_no_line() {
	! grep -E -- "$1" <<< "$output"
}

# nothing_left <vmid>: no image, temporary file, folder, lock or journal of a backup
nothing_left() {
	local left
	left=$(
		find "$STORE" -name '*fleece*' -o -name '*.dat' -o -name '*.tmp*'
		find "$VZDUMP_ROOT/var/lib/vzdump" -name '*.journal' 2> /dev/null || true
		find "$VZDUMP_ROOT/run" -name 'vzdump-*' -o -name 'vzdump.pid'
		grep -H '^lock:' "$(conf_file "$1")" || true
	)
	[[ -z $left ]] || {
		echo "left behind: $left"
		return 1
	}
}

# guest_writer <file> <MiB>: below <MiB> of <file> (see guest_fuse), 200 times a second, writes 64 KiB
# of fresh data at a random place or discards 256 KiB, while $VZ_TMP/go exists; says how often in
# $VZ_TMP/writes.  $VZ_TMP/ready is there while it waits for that.
guest_writer() {
	python3 - "$@" "$VZ_TMP" <<- 'END'
		import ctypes, os, random, sys, time
		file, mib, tmp = sys.argv[1], int(sys.argv[2]), sys.argv[3]
		fallocate = ctypes.CDLL(None, use_errno=True).fallocate
		fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
		KEEP_SIZE_PUNCH_HOLE = 3
		fd = os.open(file, os.O_RDWR)
		n = 0
		open(tmp + "/ready", "w")
		while not os.path.exists(tmp + "/go"):
		    if not os.path.exists(tmp + "/ready"):
		        sys.exit("the test is over")
		    time.sleep(0.05)
		os.unlink(tmp + "/ready")
		while os.path.exists(tmp + "/go"):
		    if n % 4 == 3:
		        at = random.randrange(mib * 4) * 262144
		        if fallocate(fd, KEEP_SIZE_PUNCH_HOLE, at, 262144):
		            raise OSError(ctypes.get_errno(), "the guest's discard failed")
		    else:
		        os.pwrite(fd, os.urandom(65536), random.randrange(mib * 16) * 65536)
		    n += 1
		    time.sleep(0.005)
		open(tmp + "/writes", "w").write(str(n))
	END
}

# wait_for_task <pid>: until vzdump copies, or has ended
wait_for_task() {
	local _
	for _ in {1..1000}; do
		if ! kill -0 "$1" 2> /dev/null || grep -q 'started backup task' "$VZ_TMP/log"; then
			return
		fi
		sleep 0.05
	done
}

# backup_begin <vmid> <argument>...: a backup that stands still amid the disk (64 MiB of noise are more than
# fit into the pipeline) until backup_end, since nobody takes its archive
backup_begin() {
	rm -f "$VZ_TMP/log" "$VZ_TMP/archive.fifo"
	mkfifo "$VZ_TMP/archive.fifo"
	sleep 1000 <> "$VZ_TMP/archive.fifo" 3>&- &
	HOLDER=$!
	"$VZDUMP" "$@" --stdout --compress zstd > "$VZ_TMP/archive.fifo" 2> "$VZ_TMP/log" 3>&- &
	BACKUP=$!
	wait_for_task "$BACKUP"
	grep -q 'started backup task' "$VZ_TMP/log" || { cat "$VZ_TMP/log"; return 1; }
}

# backup_end: sets status, output and ARCHIVE
backup_end() {
	local reader
	exec {reader}< "$VZ_TMP/archive.fifo"
	backup_drop
	cat <&"$reader" > "$VZ_TMP/archive.zst"
	exec {reader}<&-
	status=0
	wait "$BACKUP" || status=$?
	output=$(< "$VZ_TMP/log")
	ARCHIVE=$VZ_TMP/archive.zst
}

# backup_drop: whoever holds the archive's pipe open lets go, if there is one; for teardown
backup_drop() {
	[[ ${HOLDER:-} ]] || return 0
	kill "$HOLDER" 2> /dev/null || true
	wait "$HOLDER" 2> /dev/null || true
	HOLDER=
}

# while_writing <vmid> <MiB> <argument>...: a backup while the guest writes and discards all over its disk
while_writing() {
	local vmid=$1 mib=$2 pid writer file r=0
	shift 2
	file=$(guest_fuse "$vmid" scsi0)
	rm -f "$VZ_TMP"/{ready,go}
	# ready before: a backup may be over sooner than a python begins
	guest_writer "$file" "$mib" 3>&- &
	writer=$!
	until [[ -e $VZ_TMP/ready ]]; do
		kill -0 "$writer" || return 1
		sleep 0.05
	done
	: > "$VZ_TMP/log" # an earlier one's
	"$VZDUMP" "$vmid" --storage backup --compress zstd "$@" > "$VZ_TMP/log" 2>&1 3>&- &
	pid=$!
	wait_for_task "$pid"
	touch "$VZ_TMP/go"
	wait "$pid" || r=$?
	# a backup may be over before the writer has looked
	while [[ -e $VZ_TMP/ready ]] && kill -0 "$writer"; do sleep 0.02; done
	rm "$VZ_TMP/go"
	wait "$writer"
	guest_fuse_end "$vmid" scsi0
	output=$(< "$VZ_TMP/log")
	ARCHIVE=$(newest_archive "$STORE/backup/dump")
	return "$r"
}

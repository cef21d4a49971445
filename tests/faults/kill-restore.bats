#!/usr/bin/env bats
# kill -9 of a restore: after --cleanup there is the guest that was, or the one that is restored, whole.

load faults

QMRESTORE=$BUILD/bin/qmrestore

setup_file() {
	faults_setup_file
	build_kill_at
}

setup() {
	faults_setup
	T=$BATS_TEST_TMPDIR
	disk_fill "$T/scsi0.raw" 2M archive
	printf 'name: archived\nscsi0: old:1/vm-1-disk-0.raw\n#qmdump#map:scsi0:drive-scsi0:local:%s:\n' "${FORMAT:-}" > "$T/qemu-server.conf"
	echo '# archived' > "$T/qemu-server.fw"
	"$BUILD/bin/vma" create "$T/a.vma.zst" -c "$T/qemu-server.conf" -c "$T/qemu-server.fw" -d "drive-scsi0=$T/scsi0.raw"
	FIREWALL=$VZDUMP_ROOT/etc/pve/firewall/123.fw
	CONF=$(conf_file 123)
}

teardown() {
	faults_teardown
}

# restore_killed <kind> <moment> <n>: true if it was killed
restore_killed() {
	local status=0
	{
		LD_PRELOAD=$KILL_LIB KILL_AT=$1:$2:$3 ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
			"$QMRESTORE" "$T/a.vma.zst" 123 --force > "$T/log" 2>&1 3>&- || status=$?
	} 2> /dev/null # "Killed"
	[[ $status = 0 || $status = 137 ]] || { cat "$T/log"; fail "ended with $status" || exit 1; }
	[[ $status = 137 ]]
}

images() {
	find "$STORE/local/images" -type f 2> /dev/null
}

# the guest is the restored one, with nothing of another
is_restored() {
	grep -qx 'name: archived' "$CONF" && ! grep -q '^lock' "$CONF" && [[ $(images | wc -l) = 1 ]] &&
		cmp "$(images)" "$T/scsi0.raw" && [[ $(cat "$FIREWALL") = '# archived' ]]
}

is_old() {
	cmp "$CONF" "$T/old.conf" && [[ $(images) = "$OLD" ]] && cmp "$OLD" "$T/old.raw" &&
		[[ $(cat "$FIREWALL") = '# old' ]]
}

is_none() {
	[[ ! -e $CONF && ! -e $FIREWALL && -z $(images) ]]
}

nothing_else() {
	[[ -z $(find "$VZDUMP_ROOT/var/lib/vzdump" "$VZDUMP_ROOT/run" -path '*lock*' -prune -o -type f -print) ]] &&
		[[ -z $(find "$VZDUMP_ROOT" "$STORE" -name '*.tmp.*') ]]
}

make_old() {
	rm -rf "$STORE/local/images" "$CONF" "$FIREWALL"
	disk_add 123 scsi0 throttle 2M
	OLD=$(disk_path 123 scsi0)
	disk_fill "$OLD" 2M old
	cp "$OLD" "$T/old.raw"
	cp "$CONF" "$T/old.conf"
	echo '# old' > "$FIREWALL"
}

make_none() {
	rm -rf "$STORE/local/images" "$CONF" "$FIREWALL"
}

# restore_kill_at_each <kind> <least number of steps> <old|none>
restore_kill_at_each() {
	local kind=$1 least=$2 before=$3 when n undone done_
	for when in before after; do
		undone=0 done_=0
		for ((n = 1;; n++)); do
			"make_$before"
			restore_killed "$kind" "$when" "$n" || break
			"$VZDUMP" --cleanup > "$T/cleanup" 2>&1 || { cat "$T/cleanup"; fail "cleanup" || return 1; }
			if is_restored 2> /dev/null; then
				((done_ += 1))
			elif "is_$before"; then
				((undone += 1))
			else
				cat "$T/log" "$T/cleanup" "$CONF" "$FIREWALL"
				images
				fail "neither the old nor the new: $kind $when $n" || return 1
			fi
			nothing_else || fail "left: $kind $when $n" || return 1
		done
		is_restored || fail "a whole run" || return 1
		# the journal's last line is written before the configuration is replaced
		[[ $kind = journal ]] || ((done_ > 0)) || fail "none completed" || return 1
		((n > least && undone > 0)) || fail "$((n - 1)) steps, $undone undone" || return 1
		echo "# $when: $undone undone, $done_ completed"
	done
}

@test "kill -9 at each step of the journal, a guest is replaced" {
	restore_kill_at_each journal 6 old
}

@test "kill -9 at each change of a file's name, a guest is replaced" {
	restore_kill_at_each file 6 old
}

@test "kill -9 at each change of a file's name, a new guest" {
	restore_kill_at_each file 5 none
}

@test "an I/O error of each sync, rename and removal: what is said to be restored is, else all is as it was" {
	local n before status undone done_
	for before in old none; do
		undone=0 done_=0
		for ((n = 1;; n++)); do
			"make_$before"
			status=0
			LD_PRELOAD=$KILL_LIB KILL_AT=file:fails:$n ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 \
				"$QMRESTORE" "$T/a.vma.zst" 123 --force > "$T/log" 2>&1 3>&- || status=$?
			grep -q "^failed file $n:" "$T/log" || break
			"$VZDUMP" --cleanup > "$T/cleanup" 2>&1 || { cat "$T/cleanup"; fail "cleanup" || return 1; }
			if [[ $status = 0 ]] && grep -q "stays, as unused0" "$T/log"; then
				grep -qx "unused0: local:123/$(basename "$OLD")" "$CONF"
			elif [[ $status = 0 ]]; then
				is_restored || { cat "$T/log" "$T/cleanup"; images; fail "step $n: not restored" || return 1; }
				((done_ += 1))
			else
				"is_$before" || { cat "$T/log" "$T/cleanup"; images; fail "step $n: not undone" || return 1; }
				((undone += 1))
			fi
			nothing_else || fail "left: step $n" || return 1
		done
		((n > 6 && undone > 0 && done_ > 0)) || fail "$((n - 1)) steps, $undone undone, $done_ done" || return 1
		echo "# $before: $undone undone, $done_ completed"
	done
}

#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What a run keeps for later: --metrics, read by Prometheus' own library, and records of what was verified.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	FIGURES=$VZ_TMP/vzdump.prom
	conf_add 101 "name: web"
	conf_add 102 'name: a "quoted" \ name'
}

teardown() {
	vz_teardown
}

# figure NAME [LABEL=VALUE]...: the value of the only sample of that name with these labels
figure() {
	/usr/bin/python3 - "$FIGURES" "$@" << 'EOF'
import sys
from prometheus_client.parser import text_fd_to_metric_families
file, name, *labels = sys.argv[1:]
want = dict(label.split("=", 1) for label in labels)
families = list(text_fd_to_metric_families(open(file)))
assert len({f.name for f in families}) == len(families), "a name comes twice"
assert all(f.type == "gauge" and f.documentation and f.samples for f in families), families
found = [s.value for f in families for s in f.samples if s.name == name and want.items() <= s.labels.items()]
assert len(found) == 1, (name, want, found)
print(format(found[0], ".15g"))
EOF
}

@test "the figures are what report and archive say" {
	run --separate-stderr "$VZDUMP" 101 --storage backup --compress zstd --metrics "$FIGURES" --output-format json
	[[ $status = 0 ]]
	local report=$output
	[[ $(figure vzdump_guest_last_run_success vmid=101) = 1 ]]
	[[ $(figure vzdump_guest_last_run_timestamp_seconds vmid=101) = "$(jq '.guests[0].start' <<< "$report")" ]]
	[[ $(figure vzdump_guest_last_run_duration_seconds vmid=101) = "$(jq '.guests[0].seconds' <<< "$report")" ]]
	[[ $(figure vzdump_guest_last_success_archive_bytes vmid=101) = \
		"$(stat -c %s "$(jq -r '.guests[0].archive' <<< "$report")")" ]]
	[[ $(figure vzdump_last_run_timestamp_seconds) = "$(jq .start <<< "$report")" ]]
	[[ $(figure vzdump_last_run_info storage=backup) = 1 ]]
	[[ $(figure vzdump_last_run_guests state=ok) = 1 ]]
}

@test "a failed run changes the last run, but not the last success" {
	local before
	vzdump_ok 101 102 --metrics "$FIGURES"
	before=$(figure vzdump_guest_last_success_timestamp_seconds vmid=101)
	printf 'lock: migrate\n' >> "$(conf_file 101)"
	vzdump 101 --metrics "$FIGURES"
	[[ $status = 255 ]]
	[[ $(figure vzdump_guest_last_run_success vmid=101) = 0 ]]
	[[ $(figure vzdump_guest_info vmid=101 state=failed name=web) = 1 ]]
	[[ $(figure vzdump_guest_last_success_timestamp_seconds vmid=101) = "$before" ]]
	[[ $(figure vzdump_last_run_success) = 0 ]]
	# the other guest is still there, with its name
	[[ $(figure vzdump_guest_info vmid=102 'name=a "quoted" \ name') = 1 ]]
}

@test "vzdump.conf may name the file, and an empty name on the command line takes it back" {
	echo "metrics: $FIGURES" > "$VZDUMP_ROOT/etc/vzdump.conf"
	vzdump_ok 101 --metrics ''
	[[ ! -e $FIGURES ]]
	vzdump_ok 102
	[[ $(figure vzdump_guest_last_run_success vmid=102) = 1 ]]
}

@test "figures that cannot be written are an error in the log and change nothing else" {
	vzdump_ok 101 --metrics "$VZ_TMP/nowhere/vzdump.prom"
	has_line "^ERROR: metrics: cannot write '$VZ_TMP/nowhere/vzdump.prom': No such file"
	[[ -f $ARCHIVE ]]
}

@test "a run that does not get the lock is a failed run, of no guest" {
	exec 8> "$VZDUMP_ROOT/run/vzdump.lock"
	flock 8
	vzdump 101 --lockwait 0 --metrics "$FIGURES"
	[[ $status = 255 && $(figure vzdump_last_run_success) = 0 ]]
	[[ $(figure vzdump_last_run_guests state=todo) = 1 ]]
	run ! grep -q vzdump_guest_ "$FIGURES"
}

@test "vma verify keeps that a backup is whole" {
	vzdump_ok 101
	run "$BUILD/bin/vma" verify "$ARCHIVE"
	[[ $status = 0 ]]
	[[ $(jq -r '.archives[0].name' "$VZDUMP_ROOT/var/log/vzdump/guests/101.verified.json") = "${ARCHIVE##*/}" ]]
}

@test "vma verify of a damaged backup keeps nothing" {
	vzdump_ok 101
	truncate -s -9 "$ARCHIVE"
	run "$BUILD/bin/vma" verify "$ARCHIVE"
	[[ $status != 0 && ! -e $VZDUMP_ROOT/var/log/vzdump/guests/101.verified.json ]]
}

@test "vma verify by a user who is not root says nothing of our records" {
	[[ $(id -u) = 0 ]] || skip "needs root"
	vzdump_ok 101
	chmod 755 "$VZ_TMP"
	chmod 644 "$ARCHIVE"
	run --separate-stderr setpriv --reuid 65534 --clear-groups "$BUILD/bin/vma" verify "$ARCHIVE"
	[[ $status = 0 && $stderr = "" && $output = *" is good: "* ]]
}

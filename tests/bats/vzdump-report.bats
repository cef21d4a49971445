#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
# What programs read of a run: --output-format, --strict, the system log.

load ../lib/qemu
load ../lib/vzdump

setup() {
	vz_setup
	SCHEMA=$BATS_TEST_DIRNAME/../../doc/vzdump-report.schema.json
	conf_add 101 "name: web"
}

teardown() {
	vz_teardown
}

# reported ARGS...: runs vzdump; the report in $report, checked against the schema; the log in $log
reported() {
	run --separate-stderr "$VZDUMP" "$@"
	report=$output log=$stderr
	/usr/bin/python3 - "$SCHEMA" <<< "$report" <(printf %s "$report") << 'EOF' || { echo "$report"; return 1; }
import json, sys
import jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))
EOF
}

# got FILTER: what jq makes of the report
got() {
	jq -r "$1" <<< "$report"
}

@test "a report fits its schema and names the archive and its size" {
	reported 101 --storage backup --compress zstd --output-format json
	[[ $status = 0 && $(got .state) = ok && $(got '.guests[0].name') = web ]]
	[[ $(stat -c %s "$(got '.guests[0].archive')") = "$(got '.guests[0]["archive-size"]')" ]]
	[[ $(got '.guests[0].volid') = "backup:backup/$(basename "$(got '.guests[0].archive')")" ]]
	[[ $log = *"INFO: Finished Backup of VM 101"* ]]
}

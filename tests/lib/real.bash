# shellcheck shell=bash
# Unit tests that skip what needs a real server unless they are told where one is.

# passed_for_real: the test that was run printed its plan, skipped nothing, and nothing failed
passed_for_real() {
	grep -v '^ok' <<< "$output"	# shown if it fails
	[[ $status == 0 ]]
	[[ $output == *$'\n1..'* ]]
	run ! grep -E '^not ok|# SKIP' <<< "$output"
}

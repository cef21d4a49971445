#!/usr/bin/env bats
# The bench itself: what it makes of what it measures.  How fast anything is does not matter here.

load ../lib/qemu
load ../lib/vzdump

BENCH=$VZ_TOP/scripts/bench
FIXTURES=$BATS_TEST_DIRNAME/../fixtures

setup() {
	T=$BATS_TEST_TMPDIR
}

# in_bench <python>: with the bench's modules
in_bench() {
	PYTHONPATH=$VZ_TOP/scripts python3 -B -c "$1"
}

@test "a short run compares backups with other tools, and keeps each figure, its goal and all rounds as JSON" {
	export BENCH_DIR=$T
	python3 "$BENCH" --quick --size 16 --json "$T/results.json" speed > "$T/out"
	grep -q 'files: CPU of vzdump and QEMU .* goal <= 0.80: ' "$T/out"
	grep -q 'the machine: .* busy with other work, ' "$T/out"
	jq -e '.format == 1 and .machine.cores > 0 and (.subjects | keys == ["speed"])' "$T/results.json"
	jq -e '.subjects.speed | .seconds > 0 and .versions.qemu != null and .options.size_mib == 16
		and ([.figures[] | select(.goal) | .reached == (.value <= .goal)] | all)
		and ([.figures[].key] | contains(["speed.files.cpu", "speed.plain.vzdump.wall", "speed.zeroes.cpu",
			"speed.random.cpu", "speed.thread.qemu"]))' "$T/results.json"
	jq -e '[.subjects.speed.rounds[] | select(.group == "files") | .name]
		== ["zstd", "vzdump", "vzdump, no fleecing"]' "$T/results.json"
	jq -e '.subjects.speed.rounds | all(.wall > 0 and .cpu >= .own_cpu and .load.others >= 0)
		and all(.group != "files" or .size > 0)' "$T/results.json"
	jq -e '.subjects.speed.rounds[] | select(.name == "vzdump") | .threads.QEMU.main >= 0' "$T/results.json"
	[[ $(ls "$T") == $'out\nresults.json' ]]
}

@test "a subject that there is not is named, with those that there are" {
	run python3 "$BENCH" speeed
	[[ $status == 2 && $output == *"no subject 'speeed': use speed, empty, memory, restore, random, guest, limit, "* ]]
}

@test "README's table is made of the results alone, between its marks, the same each time" {
	printf '%s\n' '# Before' '' '<!-- bench: begin -->' 'old' '<!-- bench: end -->' '' > "$T/readme"
	printf 'After, without a newline at the end' >> "$T/readme"
	python3 "$BENCH" --json "$FIXTURES/bench-results.json" --readme "$T/readme"
	diff "$T/readme" "$FIXTURES/bench-readme.md"
	python3 "$BENCH" --json "$FIXTURES/bench-results.json" --readme "$T/readme"
	diff "$T/readme" "$FIXTURES/bench-readme.md"
}

@test "without marks or results README stays as it is" {
	echo 'nothing' > "$T/readme"
	run python3 "$BENCH" --json "$FIXTURES/bench-results.json" --readme "$T/readme"
	[[ $status == 1 && $output == *"has no lines '<!-- bench: begin -->'"* && $(< "$T/readme") == nothing ]]
	run python3 "$BENCH" --json "$T/none.json" --readme "$T/readme"
	[[ $status == 1 && $output == *"has no results"* ]]
}

@test "a subject that is run again takes the place of its old results, others stay" {
	jq --argjson here "$(in_bench 'import json; from benchlib import machine; print(json.dumps(machine.description()))')" \
		'.machine = $here' "$FIXTURES/bench-results.json" > "$T/results.json"
	in_bench "from benchlib import results
s = results.Subject('random', {}, {})
s.figure('random.4.p99', 'new', 1, 'ms', goal=2)
results.store('$T/results.json', s)"
	jq -e '(.subjects | keys == ["random", "speed"]) and .subjects.random.figures == [{"key": "random.4.p99",
		"text": "new", "value": 1, "unit": "ms", "brief": false, "goal": 2, "at_least": false, "reached": true}]
		and (.subjects.speed.figures | length) == 3' "$T/results.json"
	jq '.machine.cores += 1' "$T/results.json" > "$T/elsewhere.json"
	in_bench "from benchlib import results
results.store('$T/elsewhere.json', results.Subject('empty', {}, {}))"
	jq -e '.subjects | keys == ["empty"]' "$T/elsewhere.json"
}

@test "programs run in turn, the median of the rounds' ratios counts, and a reference that moves is measured again" {
	in_bench "from benchlib.runner import Run, compare
order, said = [], []
def program(name, walls):
    def run():
        order.append(name)
        return Run(walls.pop(0), 1.0)
    return run
# the first three rounds move by half, the next ones by a tenth
a = program('a', [10, 15, 10, 10, 11, 10])
b = program('b', [1, 1, 1, 5, 11, 8])
made = compare({'a': a, 'b': b}, 'a', 3, 2, said.append)
assert order == ['a', 'b'] * 6, order
assert said == ['  (a moved by 50% between rounds: again)'], said
assert len(made) == 2 and made[0].ratio('b') == 0.8 and made[1].ratio('b') == 0.1
assert abs(made[0].moved() - 0.1) < 1e-9 and made[0].moved('cpu') == 0
# it never holds still: the calmest rounds count, and the number of attempts is bounded
made = compare({'a': program('a', [1, 2, 2, 3, 4, 8])}, 'a', 2, 2, said.append)
assert len(made) == 3 and made[0].table['a'][0].wall == 2, made[0].table
assert said[-1] == '  (a moved by 100% between rounds)', said"
}

@test "how long QEMU took for each command is read from the trace of vzdump's monitor" {
	in_bench "from benchlib.qmp import pauses, traced_commands
lines = '''2026-11-28 00:00:00.000000 qmp: 123.qmp < {\"QMP\": {}}
2026-11-28 00:00:01.000000 qmp: 123.qmp > {\"execute\":\"stop\",\"id\":1}
INFO: a line of the log
2026-11-28 00:00:01.001000 qmp: 123.qmp < {\"timestamp\": {}, \"event\": \"STOP\"}
2026-11-28 00:00:01.002000 qmp: 123.qmp > {\"execute\":\"query-block\"}
2026-11-28 00:00:01.003000 qmp: 123.qga > {\"execute\":\"guest-ping\"}
2026-11-28 00:00:01.004000 qmp: 123.qmp < {\"return\": {}, \"id\": 1}
2026-11-28 00:00:01.010000 qmp: 123.qmp < {\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}'''
found = [(c.name, round(c.ms, 3)) for c in traced_commands(lines, '123.qmp')]
assert found == [('stop', 4.0), ('query-block', 6.0)], found
assert pauses([(1.0, 'RESUME'), (2.0, 'STOP'), (2.5, 'RESUME'), (3.0, 'STOP')]) == [(2.0, 0.5)]"
}

@test "what a guest may overwrite under a limit is counted once for each cluster, from the backup's instant" {
	in_bench "from benchlib.subjects.limit import CLUSTER, _first_writes, _speed
times, places = [1.0, 2.0, 3.0, 3.5, 4.0, 5.0], [0, 0, 1, 1, 2, 3]
assert _first_writes(times, places, 1.5, 9.0, 3 * CLUSTER) == [2.0, 3.0, 4.0]
assert _first_writes(times, places, 1.5, 3.7, 3 * CLUSTER) == [2.0, 3.0]
taken = [(1.0, 10), (2.0, CLUSTER), (3.5, 4 * CLUSTER), (5.0, 5 * CLUSTER)]
assert _speed([2.0, 3.0, 4.0], taken, 2.5) == 2 / 3
assert _speed([2.0, 3.0], taken, 2.5) is None and _speed([2.0, 3.0], taken, None) is None"
}

#!/usr/bin/env bats
# What the manual and the documents say is what the program does, and what the code is.

top=$BATS_TEST_DIRNAME/../..
table=$top/lib/config/vzdump-options.c
man=$top/man/vzdump.1

# "name default" of each option in --help; the guests' ids are an argument.
options_of_help() {
	"$BUILD/bin/vzdump" --help | sed -nE 's/^  --([a-z-]+).*\(default: (.*)\)$/\1 \2/p; t
		s/^  --([a-z-]+).*/\1/p' | sort
}

# The same of the manual's list of options.
options_of_man() {
	sed -nE '/^\.Ss /q; s/^\.It Fl -([a-z-]+) .*Pq default: (.*)$/\1 \2/p; t
		s/^\.It Fl -([a-z-]+).*/\1/p' "$man" | sort
}

names_of_table() {
	sed -nE '/^static const struct option rows/,/^};/ s/^\t\t\.name = "(.*)",$/\1/p' "$table" | sort
}

@test "the manual has every option of --help with its default, and no other" {
	diff <(options_of_help) <(options_of_man)
}

@test "the manual has every setting that only vzdump.conf takes" {
	diff <(names_of_table | grep -vx vmid) \
		<({ options_of_man | cut -d' ' -f1 | grep -vxE 'help|version'
		sed -nE 's/^\.It Ic ([a-z-]+) :.*/\1/p' "$man"; } | sort)
}

@test "the manual lists options in alphabetical order, ours after PVE's" {
	sed -nE '/^\.Ss /q; s/^\.It Fl -([a-z-]+).*/\1/p' "$man" | grep -vxE 'help|version|zstd-level' |
		LC_ALL=C sort -c
}

@test "the manual of qmrestore has every option of --help, and no other" {
	diff <("$BUILD/bin/qmrestore" --help | sed -nE 's/^  --([a-z-]+).*/\1/p' | grep -vxE 'help|version' | sort) \
		<(sed -nE 's/^\.It Fl -([a-z-]+).*/\1/p' "$top/man/qmrestore.1" | sort)
}

@test "the manual of vzdump status has every option of --help with its default, and every problem" {
	local name
	diff <("$BUILD/bin/vzdump" status --help | sed -nE 's/^  --([a-z-]+).*\(default: (.*)\)$/\1 \2/p; t
		s/^  --([a-z-]+).*/\1/p' | sort) \
		<(sed -nE 's/^\.It Fl -([a-z-]+) .*Pq default: (.*)$/\1 \2/p; t
			s/^\.It Fl -([a-z-]+).*/\1/p' "$top/man/vzdump-status.1" | sort)
	for name in $(sed -nE 's/^\t*return "([a-z-]+)";$/\1/p' "$top/lib/status/status.c"); do
		grep -qE "^\.Cm .*\b$name\b" "$top/man/vzdump-status.1" || {
			echo "not in the manual: problem $name"
			return 1
		}
	done
}

@test "the manual of vzdump check has every option of --help with its default, and every level and group" {
	local name
	diff <("$BUILD/bin/vzdump" check --help | sed -nE 's/^  --([a-z-]+).*\(default: (.*)\)$/\1 \2/p; t
		s/^  --([a-z-]+).*/\1/p' | sort) \
		<(sed -nE 's/^\.It Fl -([a-z-]+) .*Pq default: (.*)$/\1 \2/p; t
			s/^\.It Fl -([a-z-]+).*/\1/p' "$top/man/vzdump-check.1" | sort)
	for name in $(sed -nE 's/^\t\{ "([a-z]+)", +check_.*/\1/p; s/^\t\[FINDING_[A-Z]+\] = "([a-z]+)",$/\1/p' \
		"$top/lib/check/check.c"); do
		grep -qx "\.It Cm $name" "$top/man/vzdump-check.1" && grep -qF "\"$name\"" "$top/doc/vzdump-check.schema.json" || {
			echo "not in the manual or the schema: $name"
			return 1
		}
	done
	[ -n "$name" ]
}

@test "the manual names every figure of --metrics" {
	local name
	for name in $(grep -ohE '"(guest|job|last)_[a-z_]+"' "$top/lib/status/metrics.c" | tr -d '"' | grep -vx job_id |
		sort -u); do
		grep -qE "^\.It Ic .*\bvzdump_$name\b" "$man" || {
			echo "not in the manual: vzdump_$name"
			return 1
		}
	done
}

@test "--version tells what the file VERSION tells" {
	[ "$("$BUILD/bin/vzdump" --version)" = "vzdump $(cat "$top/VERSION")" ]
}

@test "the manual of vzdump-scheduler has every option of --help, and no other" {
	diff <("$BUILD/bin/vzdump-scheduler" --help | sed -nE 's/^  --([a-z-]+).*/\1/p' | grep -vxE 'help|version' | sort) \
		<(sed -nE 's/^\.It Fl -([a-z-]+).*/\1/p' "$top/man/vzdump-scheduler.8" | sort)
}

@test "the manual of vzdump-qemu-args has every option of --help, and no other" {
	diff <("$BUILD/bin/vzdump-qemu-args" --help | sed -nE 's/^  --([a-z-]+).*/\1/p' | grep -vxE 'help|version' | sort) \
		<(sed -nE 's/^\.It Fl -([a-z-]+).*/\1/p' "$top/man/vzdump-qemu-args.1" | sort)
}

@test "the manuals name every file that the programs know under their root" {
	local path
	for path in $(grep -rhoE 'paths_get\([^;]*"/[^"]*"' "$top/lib" "$top/cli" |
		sed -E 's/.*"(.*)"/\1/; s/%u|%" PRIu32 "/<vmid>/g' | grep -vxE '/run|/etc/pve|/etc/hostname' | sort -u); do
		grep -qF "$path" "$top"/man/*.[1-8] || grep -qF "${path%/*}" "$top"/man/*.[1-8] || {
			echo "not in a manual: $path"
			return 1
		}
	done
}

@test "README names every target of the Makefile's index" {
	local target
	for target in $(sed -nE '/^# Targets/,/^#$/ s/^#   ([a-z-]+) .*/\1/p' "$top/Makefile"); do
		[ "$target" = all ] || [ "$target" = clean ] || grep -q "make $target" "$top/README.md" || {
			echo "not in README.md: make $target"
			return 1
		}
	done
}

@test "doc/hacking.md shows the smallest storage type as it is" {
	diff <(sed -n '/^const struct storage_ops/,/^};/p' "$top/lib/storage/types/dir.c" | expand) \
		<(sed -nE '/^    const struct storage_ops/,/^    \};/ s/^    //p' "$top/doc/hacking.md")
}

@test "the manual has a section for each storage type" {
	diff <(sed -nE 's/^\t&storage_(.*)_ops,$/\1/p' "$top/lib/storage/registry.c" | sort) \
		<(sed -nE '/^\.Sh TYPES/,/^\.Sh SEE/ s/^\.Ss (.*)/\1/p' "$top/man/vzdump-storage.5" | sort)
}

@test "the manual of notifications.cfg has every key, and every helper of templates" {
	local name names
	names=$(sed -nE '/^static const struct config_key (group|filter)_keys/,/^}/d
		s/^\t\{ "([a-z-]+)", .*/\1/p' "$top/lib/notify/config-keys.c" | grep -vx filter
		sed -nE 's/^\t\t\{ "([a-z-]+)", +TPL_.*/\1/p' "$top/lib/notify/template-helpers.c" | grep -vx log)
	[ "$(wc -l <<< "$names")" -gt 50 ]
	for name in $(sort -u <<< "$names"); do
		grep -qE "(Cm [a-z, -]*|\{\{#)\b$name\b" "$top/man/notifications.cfg.5" || {
			echo "not in the manual of notifications.cfg: $name"
			return 1
		}
	done
}

@test "the manual of the format names every magic number and text of the headers" {
	local name names
	names=$(cd "$top/lib" && grep -hoE '0x184D2A5[A-F]|0x8F92EAB1' stream/frame.h stream/seektable.h
		cd vma && sed -nE 's/^#define VMA_[A-Z_]* +"(VMA[A-Z]*)".*/"\1"/p' index.h chain.h trailer.h format-internal.h)
	[ "$(sort -u <<< "$names" | wc -l)" -ge 10 ]
	for name in $(sort -u <<< "$names"); do
		grep -qF "$name" "$top/man/vma.5" || {
			echo "not in the manual of the format: $name"
			return 1
		}
	done
	for name in gen base_gen generation align started new_bytes kept_frames kept_clusters secret base_name; do
		sed -n '/^struct vma_chain {/,/^};/p' "$top/lib/vma/chain.h" | grep -qE "\b$name(\[.*\])?;"
		grep -qE "^\.It Li .*\b$name\b" "$top/man/vma.5"
	done
}

# Files of the repository that documents name, with their folder; not those that stand for others.
named_in() {
	{
		grep -ohE '`(lib|cli|plugin|scripts|tests|man)/[^` ]*`' "$@" | tr -d '`'
		grep -ohP '(?<![\w/])(lib|cli|plugin)/[A-Za-z0-9_/-]+\.[ch]\b' "$@"
	} | grep -vE '[<*]|NAME' | sort -u
}

@test "the documents name only files that exist" {
	local name
	cd "$top"
	[ "$(named_in doc/*.md | wc -l)" -gt 100 ]
	for name in $(named_in ./*.md doc/*.md); do
		[ -e "$name" ] || {
			echo "named, but not there: $name"
			return 1
		}
	done
}

@test "doc/architecture.md has every folder of the code, as the layers that make lint checks" {
	local name status=0
	cd "$top"
	for name in lib/*/ lib/*/*/ cli/ plugin/; do
		grep -qF "| \`$name\` |" doc/architecture.md || {
			echo "not among the layers of doc/architecture.md: $name"
			status=1
		}
	done
	diff <(sed -nE '/^layers=\(/,/\)/ s/^layers=\(|\)$|\t//gp' scripts/lint-structure | tr -s ' ' '\n' | tac) \
		<(sed -nE '/^## Layers/,/^## One/ s/^\| `([a-z/]+)\/` \|.*/\1/p' doc/architecture.md |
			grep -vx lib/storage/types) || status=1
	[ "$status" = 0 ]
}

@test "doc/architecture.md has every kind of journal entry with its rank" {
	local name rank
	cd "$top"
	while read -r name rank; do
		grep -qE "^\| *$rank *\| \`$name\` \|" doc/architecture.md || {
			echo "not in doc/architecture.md: $name${rank:+, rank $rank}"
			return 1
		}
	done < <(tr -d '\n' < <(cat lib/*/*.c) | grep -oE 'journal_kind_[a-z]+ = \{[^}]*\}' |
		sed -E 's/^journal_kind_([a-z]+) = \{(.*\.rank = ([0-9]+))?.*/\1 \3/')
}

@test "the sections that documents link to are there" {
	local file target anchor
	cd "$top"
	while IFS=: read -r file target; do
		anchor=${target#*#}
		[[ $target == *'#'* ]] || anchor=
		target=${target%%#*}
		[[ $target ]] && target=$(dirname "$file")/$target || target=$file
		[[ -e $target ]] || { echo "$file: no such file: $target"; return 1; }
		[[ ! $anchor ]] || grep -E '^#+ ' "$target" | sed -E 's/^#+ //' | tr -d ',:`' | tr 'A-Z ' 'a-z-' |
			grep -qx -- "$anchor" || { echo "$file: no such section: $target#$anchor"; return 1; }
	done < <(grep -oE '\]\([^)]+\)' ./*.md doc/*.md | grep -v '://' | sed -E 's/\]\(|\)$//g')
}

@test "the manual has every signal and environment variable that the program heeds, and every topic of tracing" {
	local name status=0
	for name in $(grep -ohE '\bSIG(INT|TERM|QUIT|HUP|USR1|TSTP)\b' "$top/cli/signals.c" | sort -u); do
		sed -n '/^\.Sh SIGNALS/,/^\.Sh ENV/p' "$man" | grep -qE "^\.It Dv .*\b$name\b" || {
			echo "not among the manual's signals: $name"
			status=1
		}
	done
	for name in $(grep -ohE 'getenv\("[A-Z_]+"\)' "$top"/cli/*.c | grep -oE '[A-Z_]{2,}' | grep -vx HOME | sort -u); do
		sed -sn '/^\.Sh ENVIRONMENT/,/^\.Sh FILES/p' "$top"/man/*.[1-8] | grep -qE "^\.It Ev .*\b$name\b" || {
			echo "not among a manual's environment: $name"
			status=1
		}
	done
	for name in $(sed -nE 's/^\t\[TRACE_[A-Z]+\] = "([a-z]+)",$/\1/p' "$top/lib/base/trace.c"); do
		grep -qx "\.It Cm $name" "$man" && grep -q "^  | \`$name\` |" "$top/doc/hacking.md" || {
			echo "not in the manual or in doc/hacking.md: topic $name"
			status=1
		}
	done
	[ "$status" = 0 ]
}

@test "functions that the architecture names exist" {
	local name
	for name in $(grep -oE '`[a-z_]+\(\)`' "$top/doc/architecture.md" | tr -d '`()' | sort -u); do
		grep -rqE --include='*.[ch]' "\b$name\(" "$top/lib" "$top/cli" || {
			echo "doc/architecture.md: there is no $name()"
			return 1
		}
	done
}

#!/usr/bin/env bats
# The option table is what the program does; everything that tells about it must agree.

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

@test "--version tells what the file VERSION tells" {
	[ "$("$BUILD/bin/vzdump" --version)" = "vzdump $(cat "$top/VERSION")" ]
}

@test "the manual names every file that the program knows under its root" {
	local path
	for path in $(grep -rhoE 'paths_get\([^;]*"/[^"]*"' "$top/lib" "$top/cli" |
		sed -E 's/.*"(.*)"/\1/; s/%u|%" PRIu32 "/<vmid>/g' | grep -vxE '/run|/etc/pve|/etc/hostname' | sort -u); do
		grep -qF "$path" "$man" || grep -qF "${path%/*}" "$man" || {
			echo "not in the manual: $path"
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

@test "CONTRIBUTING shows the smallest storage type as it is" {
	diff <(sed -n '/^const struct storage_ops/,/^};/p' "$top/lib/storage/types/dir.c" | expand) \
		<(sed -nE '/^    const struct storage_ops/,/^    \};/ s/^    //p' "$top/CONTRIBUTING.md")
}

@test "the manual has a section for each storage type" {
	diff <(sed -nE 's/^\t&storage_(.*)_ops,$/\1/p' "$top/lib/storage/registry.c" | sort) \
		<(sed -nE '/^\.Sh TYPES/,/^\.Sh SEE/ s/^\.Ss (.*)/\1/p' "$top/man/vzdump-storage.5" | sort)
}

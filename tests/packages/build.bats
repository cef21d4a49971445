#!/usr/bin/env bats
# The tarball and the packages as files: the same bytes whoever builds them, what is in them, and that each shell
# finds its completions.

load packages

setup() {
	T=$BATS_TEST_TMPDIR
}

# in_place_of <folder> <other folder> <command>...: while the first one is seen where the other is
in_place_of() {
	unshare --mount bash -c 'mount --make-rprivate / && mount --bind "$1" "$2" && shift 2 && "$@"' _ "$@"
}

# unpacked <package>: its files, once for this test
unpacked() {
	[ -d "$T/files" ] || dpkg-deb -x "$DEBS/$1_$VERSION-1"_*.deb "$T/files"
	echo "$T/files"
}

@test "an unpacked tarball makes the same tarball and the same packages, elsewhere and with another umask" {
	local file
	umask 077
	tar -xf "$BUILD/vzdump-$VERSION.tar.gz" -C "$T" --no-same-permissions
	find "$T" -exec touch -d '2001-02-03 04:05:06' {} +
	cd "$T/vzdump-$VERSION"
	env -u BUILD -u MAKEFLAGS LC_ALL=C TZ=Asia/Tokyo CFLAGS=-O1 make -s deb BUILD=elsewhere > "$T/log" 2>&1 || { cat "$T/log" && return 1; }
	cmp "elsewhere/vzdump-$VERSION.tar.gz" "$BUILD/vzdump-$VERSION.tar.gz"
	for file in "$DEBS"/*.deb "$DEBS"/dbgsym/*.deb; do
		cmp "$file" "elsewhere/deb/${file#"$DEBS/"}"
	done
}

@test "an unpacked tarball says why it cannot be linted, and what is no tarball why it cannot be packed" {
	tar -xf "$BUILD/vzdump-$VERSION.tar.gz" -C "$T"
	cd "$T/vzdump-$VERSION"
	run scripts/lint
	[ "$status" = 1 ]
	[[ $output == "lint: works in a git clone only"* ]]
	rm .dist
	run scripts/dist "$T/x.tar.gz"
	[ "$status" = 1 ]
	[[ $output == "dist: this is neither a git clone nor an unpacked tarball"* ]]
}

@test "what make install installs make uninstall takes out again, and folders with blanks are refused" {
	cd "$TOP"
	env -u MAKEFLAGS make -s BUILD="$T/b" BINS= PLUGIN= install DESTDIR="$T/inst" > /dev/null
	[ -e "$T/inst/usr/local/share/man/man1/vzdump.1" ]
	env -u MAKEFLAGS make -s BUILD="$T/b" BINS= PLUGIN= uninstall DESTDIR="$T/inst" > /dev/null
	[ -z "$(find "$T/inst" -type f -o -name vzdump)" ]
	run make install DESTDIR="$T/a b"
	[ "$status" = 2 ]
	[[ $output == *"must have no blanks"* ]]
}

@test "lintian has no error and no warning" {
	run lintian --fail-on error,warning "$DEBS"/*.deb "$DEBS"/dbgsym/*.deb
	echo "$output"
	[ "$status" = 0 ]
}

@test "rpmbuild makes packages with all that make install installs" {
	OPTFLAGS=-O0 "$TOP/packaging/rpm" "$BUILD/vzdump-$VERSION.tar.gz" "$T/rpm"
	cd "$T/rpm"
	[ "$(rpm -qlp nbdkit-vma-plugin-*.rpm | grep -c '/nbdkit/plugins/nbdkit-vma-plugin.so$')" = 1 ]
	rpm -qlp "vzdump-qemu-$VERSION"-*.rpm > "$T/list"
	# every program of the other packages, by its own name, with page and completions
	for program in "$(unpacked vzdump-qemu)"/usr/libexec/vzdump-qemu/*; do
		name=${program##*/}
		grep -qx "/usr/bin/$name" "$T/list"
		grep -qE "^/usr/share/man/man[18]/$name\.[18]" "$T/list"
		grep -qx "/usr/share/bash-completion/completions/$name" "$T/list"
		grep -qx "/usr/share/fish/vendor_completions.d/$name.fish" "$T/list"
		grep -qx "/usr/share/zsh/site-functions/_$name" "$T/list"
	done
	grep -qx /usr/lib/systemd/system/vzdump-scheduler.service "$T/list"
}

@test "bash, zsh and fish find the packages' completions by every name of a program" {
	local files names
	files=$(unpacked vzdump-qemu)
	mapfile -t names < <(ls "$files/usr/bin")
	HOME=$T in_place_of "$files/usr/share/zsh/vendor-completions" /usr/share/zsh/vendor-completions zsh -f -c \
		"autoload -U compinit; compinit -u -d '$T/dump'; print -l \$_comps" > "$T/zsh"
	for name in "${names[@]}"; do
		# shellcheck disable=SC2016 # the inner shell's
		PATH=$files/usr/bin:$PATH in_place_of "$files/usr/share/bash-completion/completions" \
			/usr/share/bash-completion/completions bash --norc -c \
			'. /usr/share/bash-completion/bash_completion; _completion_loader "$1"; complete -p "$1"' _ "$name" |
			grep -q -- "-F _${name}_complete"
		grep -qx "_$name" "$T/zsh"
		PATH=$files/usr/bin:$PATH HOME=$T in_place_of "$files/usr/share/fish/vendor_completions.d" \
			/usr/share/fish/vendor_completions.d fish -c "complete -C '$name --'" | grep -q -- '^--help'
	done
}

@test "fish finds the completions that make install puts beside PREFIX=/usr/local" {
	cd "$TOP"
	env -u MAKEFLAGS make -s BUILD="$BUILD" install DESTDIR="$T/inst" PLUGIN= > /dev/null
	mkdir -p /etc/fish/completions
	PATH=$T/inst/usr/local/bin:$PATH HOME=$T in_place_of "$T/inst/etc/fish/completions" /etc/fish/completions \
		env -u XDG_DATA_DIRS fish -c "complete -C 'vzdump --mod'" | grep -q -- '^--mode'
}

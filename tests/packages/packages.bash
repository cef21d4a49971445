# shellcheck shell=bash
# A clean Debian in a folder, and the packages of $BUILD/deb in it.  What runs there is in namespaces of its own, so
# that no mount and no process stays.

: "${BUILD:?must name the build directory}"
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
VERSION=$(< "$TOP/VERSION")
DEBS=$BUILD/deb

# in_root <folder> <command> [argument]...: as root in it, with what it gets from apt kept in .cache
in_root() {
	mkdir -p "$TOP/.cache/debs/partial"
	# shellcheck disable=SC2016 # the inner shell's
	DEBS_KEPT=$TOP/.cache/debs unshare --mount --pid --fork --kill-child bash -c '
		root=$1
		shift
		mount --make-rprivate /
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/run"
		mkdir -p "$root/run/lock"
		mount --bind "$DEBS_KEPT" "$root/var/cache/apt/archives"
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"' _ "$@" 3>&- < /dev/null
}

# script_in_root <folder>: what is read, as a script
script_in_root() {
	cat > "$1/tmp/script"
	in_root "$1" bash -euo pipefail /tmp/script
	rm "$1/tmp/script"
}

# apt_in_root <folder> <argument>...
apt_in_root() {
	local root=$1
	shift
	in_root "$root" apt-get -qq -y --no-install-recommends -o APT::Sandbox::User=root "$@"
}

# A Debian that has what our packages depend on, and a QEMU for guests, but not our packages.
make_root() {
	local deb depends=()
	mkdir "$1"
	tar -xf "$TOP/.cache/debian.tar" -C "$1"
	cp /etc/resolv.conf "$1/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
	chmod +x "$1/usr/sbin/policy-rc.d"
	for deb in "$DEBS"/*.deb; do
		depends+=("$(dpkg-deb -f "$deb" Depends)")
	done
	apt_in_root "$1" update
	apt_in_root "$1" satisfy "${depends[@]}" qemu-system-x86 zstd
}

copy_root() {
	cp -a --reflink=auto "$1" "$2"
}

# every file of it but what apt and dpkg write about themselves, with what links point to
files_of() {
	(cd "$1" && find . -xdev \( -path ./tmp -o -path ./var/cache -o -path ./var/lib/dpkg -o -path ./var/lib/apt \
		-o -path ./var/log/apt -o -path ./var/log/dpkg.log -o -path ./var/log/alternatives.log \) -prune \
		-o -printf '%M %p %l\n') | sort
}

# install_ours <folder> [<folder with packages>]
install_ours() {
	mkdir -p "$1/tmp/debs"
	cp "${2:-$DEBS}"/*.deb "$1/tmp/debs"
	# shellcheck disable=SC2016 # the inner shell's
	in_root "$1" sh -c 'apt-get -qq -y --no-install-recommends install /tmp/debs/*.deb' || return 1
	rm -r "$1/tmp/debs"
}

# make_deb <folder> <out.deb> <name> <version>: of what is in the folder
make_deb() {
	mkdir -p "$1/DEBIAN"
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a test\n' \
		"$3" "$4" > "$1/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$1" "$2" > /dev/null
}

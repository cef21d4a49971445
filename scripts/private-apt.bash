# shellcheck shell=bash
# apt with sources, lists and cache of its own, for packages that are unpacked and not installed.  The
# machine's sources, lists and packages stay as they are.
#
#	work=$(mktemp -d)
#	private_apt_open "$work" backports main
#	private_apt apt-get download qemu-utils

# private_apt_open <work folder> <suite> <components>: that suite of the Debian this machine already
# uses, backports for <codename>-backports, "" for the release itself and its security suite.
private_apt_open() {
	local suite=$2 components=$3 site codename
	private_apt_init "$1"
	while IFS='|' read -r site codename; do
		if [[ $suite ]]; then
			[[ $codename != *-* ]] || continue
			codename=$codename-$suite
		fi
		private_apt_source "$site" "$codename" "$components"
	done < <(debian_sources)
	private_apt_update
}

# private_apt_open_release <work folder> <codename> <suite> <components>: another release, with its suite
# (backports) beside it, from where this machine has its own.  It is taken for a machine on which nothing is
# installed, so that all that a package needs can be had: see private_apt_unpack_all.
private_apt_open_release() {
	local codename=$2 suite=$3 components=$4 site own
	private_apt_init "$1"
	: > "$PRIVATE_APT/apt/status"
	PRIVATE_APT_OPTIONS=(-o "Dir::State::status=$PRIVATE_APT/apt/status" -t "$codename-$suite")
	while IFS='|' read -r site own; do
		[[ $own != *-* ]] || continue
		private_apt_source "$site" "$codename $codename-$suite" "$components"
	done < <(debian_sources)
	private_apt_update
}

private_apt_init() {
	PRIVATE_APT=$1 PRIVATE_APT_OPTIONS=()
	mkdir -p "$PRIVATE_APT"/apt/{sources,lists/partial,cache/archives/partial}
	rm -f "$PRIVATE_APT/apt/sources/debian.sources"
}

# private_apt_source <site> <suites> <components>
private_apt_source() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[[ -e $keyring ]] || keyring=
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n%s\n\n' "$1" "$2" "$3" \
		"${keyring:+Signed-By: $keyring}" >> "$PRIVATE_APT/apt/sources/debian.sources"
}

private_apt_update() {
	[[ -s $PRIVATE_APT/apt/sources/debian.sources ]] || return 1
	private_apt apt-get update >&2
}

# <site>|<codename> of Debian's suites that this machine has configured.
debian_sources() {
	apt-get indextargets --format '$(SITE)|$(CODENAME)' \
		'Created-By: Packages' 'Component: main' 'Origin: Debian' | sort -u
}

private_apt() {
	local command=$1
	shift
	"$command" -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$PRIVATE_APT/apt/sources" \
		-o Dir::State::lists="$PRIVATE_APT/apt/lists" -o Dir::Cache="$PRIVATE_APT/apt/cache" \
		-o APT::Sandbox::User=root "${PRIVATE_APT_OPTIONS[@]}" -qq "$@"
}

# private_apt_unpack <folder> <package>...: downloads them and unpacks them there
private_apt_unpack() {
	local folder=$1 debs=$PRIVATE_APT/apt/debs
	shift
	rm -rf "$debs"
	mkdir -p "$debs"
	(cd "$debs" && private_apt apt-get download "$@" >&2) || return 1
	unpack_debs "$folder" "$debs"
}

# private_apt_unpack_all <folder> <package>...: with all that they need
private_apt_unpack_all() {
	local folder=$1
	shift
	private_apt apt-get -y --download-only --no-install-recommends install "$@" >&2 || return 1
	unpack_debs "$folder" "$PRIVATE_APT/apt/cache/archives"
}

# unpack_debs <folder> <folder of packages>
unpack_debs() {
	local deb
	mkdir -p "$1"
	for deb in "$2"/*.deb; do
		dpkg -x "$deb" "$1" || return 1
	done
}

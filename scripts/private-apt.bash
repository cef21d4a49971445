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
	local suite=$2 components=$3 site codename keyring
	PRIVATE_APT=$1
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[[ -e $keyring ]] || keyring=
	mkdir -p "$PRIVATE_APT"/apt/{sources,lists/partial,cache/archives/partial}
	while IFS='|' read -r site codename; do
		if [[ $suite ]]; then
			[[ $codename != *-* ]] || continue
			codename=$codename-$suite
		fi
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\n%s\n\n' "$site" "$codename" \
			"$components" "${keyring:+Signed-By: $keyring}"
	done < <(debian_sources) > "$PRIVATE_APT/apt/sources/debian.sources"
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
		-o APT::Sandbox::User=root -qq "$@"
}

# private_apt_unpack <folder> <package>...: downloads them and unpacks them there
private_apt_unpack() {
	local folder=$1 debs=$PRIVATE_APT/apt/debs deb
	shift
	rm -rf "$debs"
	mkdir -p "$debs" "$folder"
	(cd "$debs" && private_apt apt-get download "$@" >&2) || return 1
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$folder" || return 1
	done
}

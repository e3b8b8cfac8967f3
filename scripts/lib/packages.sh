# Sourced by the scripts: installs the Debian packages of the groups of scripts/packages.txt that are missing.
#   need_packages GROUP...   ends the script when they cannot be installed
#   want_packages GROUP...   goes on without them

packages_list=${0%/*}/packages.txt

packages_missing() {
	for group in "$@"; do
		sed -n "s/^$group[[:space:]]\{1,\}//p" "$packages_list"
	done | tr -s ' ' '\n' | sed '/^$/d' | while read -r package; do
		case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
		ii*) ;;
		*) printf ' %s' "$package" ;;
		esac
	done
}

packages_python() {
	[ -x /usr/bin/python3 ] || printf ' python3'
}

packages_install() {
	if [ "$(id -u)" = 0 ]; then
		root=
	elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
		root=sudo
	else
		return 1
	fi
	$root apt-get update -q >/dev/null 2>&1 || true
	$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 || return 1
	# The scripts start their own servers: a service that came with a package is not left running.
	for package in "$@"; do
		case $package in
		etcd-server)
			if [ -d /run/systemd/system ]; then
				$root systemctl disable --now etcd >/dev/null 2>&1 || true
			else
				$root service etcd stop >/dev/null 2>&1 || true
			fi
			;;
		esac
	done
}

need_packages() {
	if ! command -v dpkg-query >/dev/null; then
		echo "This is not a Debian system: install by hand what $packages_list lists." >&2
		return 0
	fi
	missing=$(packages_python; packages_missing "$@")
	[ -n "$missing" ] || return 0
	echo "Installing Debian packages:$missing" >&2
	# shellcheck disable=SC2086 # a list of words
	packages_install $missing && return 0
	printf 'Missing packages could not be installed. As root, run:\n  apt-get install -y --no-install-recommends%s\n' \
		"$missing" >&2
	exit 1
}

want_packages() {
	command -v dpkg-query >/dev/null || return 0
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	echo "Installing Debian packages that some tests use:$missing" >&2
	# shellcheck disable=SC2086 # a list of words
	packages_install $missing || echo "Going on without them." >&2
}

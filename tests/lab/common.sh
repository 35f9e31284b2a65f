# common.sh - what the start-... scripts of this folder share.  Sourced, not run.
#
# The sourcing script has set ME (its name), KIND (openldap, 389ds, samba-ad) and
# SERVER (the name of the server's binary), and defines answers(), which succeeds
# when the server answers a question.
# shellcheck shell=sh

say() { echo "$ME: $*" >&2; }
die() { say "$*"; exit 1; }

# need PROGRAM...: says what is missing instead of failing half way
need() {
	missing=
	for program in "$@"; do
		command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
	done
	[ -z "$missing" ] || die "missing:$missing (scripts/install-dependencies test)"
}

# enter DIR: makes the folder and sets D to its real path.  Only an empty folder, or
# one of ours, is accepted: what is in it may be removed.
enter() {
	mkdir -p "$1"
	D=$(cd "$1" && pwd -P)
	[ -e "$D/.lab-$KIND" ] || [ -z "$(ls -A "$D")" ] || die "$D: not empty, and not made by this script"
	: > "$D/.lab-$KIND"
}

# the process named in DIR/pid exists and is no zombie
alive() {
	[ -s "$D/pid" ] && p=$(cat "$D/pid") && [ -e "/proc/$p/status" ] &&
		! grep -q '^State:[[:space:]]*[ZX]' "/proc/$p/status" 2>/dev/null
}

# ... and is a server, not another process that was given the same number
running() {
	alive || return 1
	case $(readlink "/proc/$p/exe" 2>/dev/null) in */"$SERVER") ;; *) return 1 ;; esac
}

# Prints the environment and leaves if the server of this folder is up already;
# waits for one that is on its way up or down.
leave_if_running() {
	n=0
	while running; do
		if answers; then
			say "already up, pid $(cat "$D/pid")"
			cat "$D/env"
			exit 0
		fi
		n=$((n + 1))
		[ $n -lt 300 ] || die "pid $(cat "$D/pid") runs but does not answer"
		sleep 0.1
	done
	! answers || die "its address is taken by another server"
}

# wait_up LOG: until the server that was just started answers
wait_up() {
	n=0
	until answers; do
		alive || { tail -n 20 "$1" >&2; die "$SERVER did not stay up (address taken? see $1)"; }
		n=$((n + 1))
		[ $n -lt 600 ] || die "$SERVER does not answer"
		sleep 0.05
	done
	running || die "another server answers at this address"
}

# make_tls FOLDER NAME SUBJECTALTNAME: a CA, and a server certificate signed by it
make_tls() {
	mkdir -p "$1"
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -sha256 -subj "/CN=rosterd lab CA" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
		-keyout "$1/ca.key" -out "$1/ca.pem" 2>/dev/null
	{
		echo "subjectAltName=$3"
		echo "basicConstraints=CA:FALSE"
		echo "extendedKeyUsage=serverAuth,clientAuth"
	} > "$1/server.ext"
	make_cert "$1" server "/CN=$2" "$1/server.ext"
}

# make_cert FOLDER FILE SUBJECT EXTENSIONS: FILE.key and FILE.pem, signed by the folder's CA
make_cert() {
	openssl req -newkey rsa:2048 -nodes -sha256 -subj "$3" \
		-keyout "$1/$2.key" -out "$1/$2.csr" 2>/dev/null
	openssl x509 -req -sha256 -days 3650 -in "$1/$2.csr" -CA "$1/ca.pem" \
		-CAkey "$1/ca.key" -CAcreateserial -extfile "$4" -out "$1/$2.pem" 2>/dev/null
	chmod 600 "$1/$2.key" # samba and rosterd refuse a key that others can read
}

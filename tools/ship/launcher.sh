#!/bin/sh
# @NAME@ @VERSION@: this launcher, and behind it the runtime and the program that it starts in its sandbox (docs/sandbox.md).
# Arguments reach the program only, and it sees no variables but those named here: neither can widen the sandbox.
unset LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT TAR_OPTIONS GZIP TMPDIR CDPATH IFS
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
set -efu

fail() {
  printf '%s: %s\n' '@NAME@' "$1" >&2
  exit 126
}

cache_folder() {
  if [ -n "${CACHE_DIRECTORY-}" ]; then printf '%s' "${CACHE_DIRECTORY%%:*}" # of systemd
  elif [ -n "${XDG_CACHE_HOME-}" ]; then printf '%s' "$XDG_CACHE_HOME/tallystick"
  elif [ -n "${HOME-}" ] && [ "$HOME" != / ]; then printf '%s' "$HOME/.cache/tallystick"
  else printf '%s' /var/cache/tallystick; fi
}

sums='@SUMS@'
matches() { (cd "$1" && printf '%s\n' "$sums" | grep -E "$2" | sha256sum -c >/dev/null 2>&1); }

# The runtime was checked when it was unpacked; since then only its own user could change it.
is_whole() { [ -f "$1/deno" ] && [ "$(wc -c <"$1/deno")" -eq @RUNTIME_BYTES@ ] && matches "$1" '\.js$'; }

unpack() {
  temporary=$(mktemp -d "$cache/.unpack-XXXXXX") || fail "cannot write to $cache"
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 130' HUP INT TERM
  tail -n +@PAYLOAD_LINE@ "$0" | gzip -dc | tar -xf - -C "$temporary" && matches "$temporary" . ||
    fail "cannot unpack into $cache: the file is damaged, or the disk is full"
  chmod 700 "$temporary/deno"
  # shellcheck disable=SC2015 # a folder that cannot be moved away is as good as one that is not there
  [ -e "$folder" ] && ! is_whole "$folder" && mkdir "$temporary/old" && mv -T "$folder" "$temporary/old" || :
  mv -T "$temporary" "$folder" 2>/dev/null || is_whole "$folder" || fail "cannot write to $cache" # or another start was faster
  rm -rf "$temporary" "$folder/old"
  trap - EXIT HUP INT TERM
  # shellcheck disable=SC2012 # by the time of the last start, and all names are ours
  ls -1t "$cache" | grep '^@NAME@-[0-9a-f]*$' | tail -n +3 | while read -r old; do rm -rf "${cache:?}/$old"; done
}

cache=$(cache_folder)
case $cache in *[,:]* | [!/]*) fail "the cache folder $cache must be an absolute path without commas and colons" ;; esac
mkdir -p -m 700 "$cache" || fail "cannot make the cache folder $cache"
case $(ls -ld "$cache") in d????-??-*) ;; *) fail "others may write to the cache folder $cache" ;; esac
[ -O "$cache" ] || fail "the cache folder $cache belongs to somebody else"
folder=$cache/@NAME@-@ID@
if [ -e "$folder" ] || [ -L "$folder" ]; then
  case $(ls -ld "$folder") in drwx------*) ;; *) fail "$folder must be a folder that is closed to others" ;; esac
  [ -O "$folder" ] || fail "$folder belongs to somebody else"
fi
is_new=
is_whole "$folder" || { unpack && is_new=new:; }

@DEFAULTS@
sealed() { /usr/bin/env -i DENO_DIR="$folder/cache" @RUNTIME_VARIABLES@ "$@"; }
@COLLECT@
set -- DENO_DIR="$folder/cache" @RUNTIME_VARIABLES@ "$folder/deno" run @FLAGS@ "$folder/main.js" "$@"
# What is not named here is taken away, rather than what is named put into arguments: those everybody can read.
names=$(/usr/bin/env -0 | tr '\n\0' ' \n' | cut -d= -f1)
IFS='
'
for name in $names; do
  case ' @VARIABLES@ ' in *" $name "*) ;; *) set -- -u "$name" "$@" ;; esac
done
exec /usr/bin/env "$@"

#!/bin/sh
# Installs a shipped file as a service of this machine, or takes it away again; may be repeated. Run as root:
#   install.sh dist/tally-device-aarch64     program, unit, user, folder of settings; a running service starts anew
#   install.sh --uninstall device|origin     the same backwards; what the service has stored stays, and so does its user
# With DESTDIR=FOLDER everything goes below that folder, and nothing is started.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR-}
usage() { sed -n '3,4s/^# *//p' "$0" >&2; exit 2; }
live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

case ${1-} in
  --uninstall) program=${2-} ;;
  -* | '') usage ;;
  *) program=$(basename "$1" | sed -n 's/^tally-\([a-z]*\)-[a-z0-9_]*$/\1/p') ;;
esac
case $program in
  device) user=tallystick ;;
  origin) user=tallystick-origin ;;
  *) usage ;;
esac
unit=tallystick-$program.service
installed=$root/usr/local/lib/tallystick/tally-$program
command=$root/usr/local/bin/tally-$program
unit_file=$root/etc/systemd/system/$unit

if [ "$1" = --uninstall ]; then
  if live; then systemctl disable --quiet --now "$unit" || :; fi
  rm -f "$unit_file" "$command" "$installed" "$installed.previous"
  if live; then systemctl daemon-reload; fi
  echo "Removed $unit. Kept: user $user, /etc/tallystick, /var/lib/$user, /var/cache/$user"
  exit 0
fi

# The sums of compile.sh lie beside the file: a damaged or exchanged one is not installed.
(cd "$(dirname "$1")" && grep "  $(basename "$1")\$" SHA256SUMS | sha256sum --check --quiet --strict) || {
  echo "install.sh: $1 is not what SHA256SUMS beside it says" >&2
  exit 1
}
if ! grep -q "^$user:" "$root/etc/passwd"; then
  useradd --prefix "${root:-/}" --system --user-group --no-create-home --home-dir "/var/lib/$user" \
    --shell /usr/sbin/nologin "$user"
fi
# The engine's socket belongs to this group, and whoever may use it rules the machine: only the device needs it.
if [ "$program" = device ] && grep -q '^docker:' "$root/etc/group"; then
  usermod --prefix "${root:-/}" --append --groups docker "$user"
fi
install -d "$root/etc/tallystick" "$(dirname "$installed")" "$(dirname "$command")" "$(dirname "$unit_file")"
install -m 0755 "$1" "$installed.new"
mv -f "$installed.new" "$installed"
ln -sfn "/usr/local/lib/tallystick/tally-$program" "$command"
install -m 0644 "$here/$unit" "$unit_file"
if live; then
  systemctl daemon-reload
  systemctl enable --quiet "$unit"
  systemctl restart "$unit"
fi
echo "Installed $unit"

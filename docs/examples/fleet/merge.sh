#!/bin/sh
# Merges the archives of two recorders of the same feeds while they record; a timer runs it again
# and again:
#   merge.sh EAST WEST MERGED
# EAST and WEST are folders, MERGED is a link to the newest merged archive, packed and verified.
# The link is replaced in one step and only after success, so it is right whenever this script is
# killed. The archive before the newest is kept for readers that have it open.
set -eu
east=$1 west=$2 merged=$3
new=$merged.new
exec 9>"$merged.lock"
flock --nonblock 9 || { echo "another process merges into $merged" >&2; exit 4; }
rm -rf "$new"
mkdir -p "$new"

# Copies an archive that is being recorded: the journal first, so that it lists no segment that the
# copy lacks. If a segment is finished meanwhile, and so renamed, the second run copies it.
copy() {
  mkdir "$2"
  cp -a "$1/journal.mcap.open" "$2/"
  cp -a "$1/capture" "$2/" || cp -a "$1/capture" "$2/"
  tapedeck recover -q "$2" >&2
}
copy "$east" "$new/east"
copy "$west" "$new/west"
tapedeck merge -q "$new/east" "$new/west" --out "$new/merged"
tapedeck pack -q "$new/merged" --older 0s
tapedeck verify -q "$new/merged"

name=$merged.$(date -u +%Y%m%dT%H%M%SZ)-$$
before=$(readlink "$merged" || true)
mv -T "$new/merged" "$name"
ln -s "$(basename "$name")" "$new/link"
mv -T "$new/link" "$merged"
for old in "$merged".[0-9]*Z-*; do
  case $(basename "$old") in
  "$(basename "$name")" | "$before") ;;
  *) rm -rf "$old" ;;
  esac
done
rm -rf "$new"

#!/usr/bin/env bash
# The main job end to end: a simulated exchange over TLS, two feeds of v5 recorded, replayed at 10 times the pace
# and at full speed, compared with the exchange's own account. Half a minute. Called by `make demo`:
#
#   docs/examples/demo.sh BIN_DIR OUT_DIR
#
# The archive stays in OUT_DIR/tape, for you to look at.
set -euo pipefail
bin=$(cd -P "$1" && pwd)
out=$2
compare=$(cd -P "$bin/../tests/truth" && pwd)/compare
PATH=$bin:$PATH
seconds=${DEMO_SECONDS:-10}

rm -rf "$out"
mkdir -p "$out"
cd "$out"
say() { printf '\n== %s\n' "$*"; }
show() {
    printf '$ %s\n' "$*" >&2
    "$@"
}

say "A simulated exchange: v5-linear and v5-spot, three symbols each, real order matching, TLS"
tapedeck sim --listen 127.0.0.1:0 --ready-file sim.json --families v5-linear,v5-spot --symbols 3 --rate 1000 --seed 7 \
    --truth truth.jsonl &
sim=$!
trap 'kill $sim 2>/dev/null || true' EXIT
for _ in $(seq 500); do
    [ -s sim.json ] && break
    sleep 0.02
done
url=$(sed 's/.*"url":"\([^"]*\)".*/\1/' sim.json)

cat >feeds.yaml <<Y
feeds:
  - family: v5-linear
    url: $url/v5/public/linear
    ca_file: sim.json.pem
    topics: [orderbook.50, orderbook.200, publicTrade, kline.1, tickers]
    symbols: [BTCUSDT, ETHUSDT, EOSUSDT]
  - family: v5-spot
    url: $url/v5/public/spot
    ca_file: sim.json.pem
    topics: [orderbook.50, orderbook.200, publicTrade, kline.1, tickers]
    symbols: [BTCUSDT, ETHUSDT, EOSUSDT]
Y
say "Recording both feeds for $seconds seconds, as feeds.yaml says"
show tapedeck record -a tape -c feeds.yaml --duration "${seconds}s"
kill "$sim"
wait "$sim" 2>/dev/null || true

say "What is in the archive"
show tapedeck info tape

say "Is it sound? Every checksum, every ordinal, the chain from first byte to last"
show tapedeck verify tape

say "Replayed at 10 times the recorded pace"
show tapedeck replay tape --speed 10 --json >replay-10.json
digest() { sed 's/.*"digest":{\([^}]*\)}.*/\1/' "$1" | tr ',' '\n' | sed 's/"//g; s/^/  /'; }
digest replay-10.json

say "Replayed as fast as this machine can"
show tapedeck replay tape --speed max
show tapedeck replay tape --speed max --json >replay-max.json

say "Compared with the exchange's own account"
show "$compare" tape truth.jsonl

say "The same at both speeds?"
if [ "$(digest replay-10.json)" = "$(digest replay-max.json)" ]; then
    echo "yes: all four digests are equal"
else
    echo "NO: the digests differ"
    exit 1
fi
say "The archive is in $out/tape. Look at it: build/bin/tapedeck view $out/tape"

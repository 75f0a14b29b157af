"""The volume-weighted price of a symbol's trades in an archive, and its gaps.

    python3 vwap.py tape BTCUSDT
"""

import sys
from decimal import Decimal

import tapedeck


def vwap(archive: tapedeck.Archive, symbol: str) -> Decimal:
    turnover, volume = Decimal(0), Decimal(0)
    for bar in archive.bars(symbol, "1m"):
        if bar.suspect or bar.vwap is None:
            continue
        turnover += bar.vwap * bar.volume
        volume += bar.volume
    if volume == 0:
        raise tapedeck.Error(f"no whole minute of {symbol}")
    return turnover / volume


def main() -> int:
    try:
        with tapedeck.open(sys.argv[1]) as archive:
            for gap in archive.gaps(symbol=sys.argv[2]):
                print(f"gap: {gap.feed} {gap.reason}", file=sys.stderr)
            trades = archive.trades(symbol=sys.argv[2])
            print(f"{len(trades)} trades, {vwap(archive, sys.argv[2]):.4f}")
    except tapedeck.Error as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""A user's decoder for tapedeck, with the standard library only:

    tapedeck regress check ARCHIVE --decoder-cmd 'python3 decoder.py'

Order books and trades of the inverse, linear and public v5 families, v5's candles, and tickers of
v5-linear and v5-inverse; everything else is refused as unknown_topic, like a topic that tapedeck
does not know.
docs/decoders.md explains the protocol: a line of JSON for each frame, a line for each answer.
"""
import json
import sys

US, MS = 1000, 1000000  # ns


def number(value):
    """The value; None if the exchange wrote nothing."""
    return None if value in (None, "", "None") else value


def whole(value):
    return None if number(value) is None else int(value)


def time_ns(value, unit_ns):
    return None if number(value) is None else int(value) * unit_ns


def present(value, path):
    """The value, which the exchange never leaves out."""
    if value is None:
        raise KeyError(path)
    return value


def entries(frame):
    """The frame's list, which is never empty."""
    return present(frame["data"] or None, "data")


def text(value):
    return None if number(value) is None else str(value)


# ---- order books and trades of the older families ----

def old_level(action, entry):
    level = {"action": action, "side": entry["side"], "price": entry["price"],
             "symbol": entry.get("symbol"), "id": text(entry.get("id"))}
    if action != "delete":
        level["size"] = entry["size"]
    return level


def old_book(frame):
    data, kind = present(frame["data"], "data"), frame["type"]
    levels = []
    if kind == "snapshot":
        whole_book = data["order_book"] if isinstance(data, dict) else data
        levels = [old_level("set", entry) for entry in whole_book]
    else:
        present(data.get("update"), "data.update")
        for action in ("delete", "update", "insert"):
            levels += [old_level(action, entry) for entry in data.get(action) or ()]
    answer = {"kind": kind, "cross_seq": whole(frame.get("cross_seq")),
              "exchange_ns": time_ns(frame.get("timestamp_e6"), US), "levels": levels}
    if isinstance(data, dict) and "transactTimeE6" in data:
        answer["transact_ns"] = time_ns(data["transactTimeE6"], US)
    return answer


def old_trades(frame):
    trades = [{"symbol": entry["symbol"], "side": entry["side"], "price": entry["price"],
               "size": entry["size"], "exchange_ns": time_ns(entry["trade_time_ms"], MS),
               "trade_id": entry["trade_id"], "tick_direction": entry["tick_direction"],
               "cross_seq": whole(entry.get("cross_seq")),
               "is_block_trade": number(entry.get("is_block_trade"))}
              for entry in entries(frame)]
    answer = {"trades": trades}
    if trades:
        answer["exchange_ns"] = trades[0]["exchange_ns"]
        answer["cross_seq"] = trades[0]["cross_seq"]
    return answer


# ---- v5 ----

def v5_book(frame):
    data, kind = present(frame["data"], "data"), frame["type"]
    levels = []
    for side, key in (("Buy", "b"), ("Sell", "a")):
        for price, size in data[key]:
            # A size of 0 removes the level.
            is_gone = float(size) == 0
            levels.append({"action": "delete" if is_gone else "set", "side": side, "price": price,
                           "size": None if is_gone else size})
    return {"kind": kind, "exchange_ns": time_ns(frame["ts"], MS), "u": whole(data.get("u")),
            "seq": whole(data.get("seq")), "match_ns": time_ns(frame.get("cts"), MS),
            "levels": levels}


def v5_trades(frame):
    trades = [{"symbol": entry["s"], "side": entry["S"], "price": entry["p"], "size": entry["v"],
               "exchange_ns": time_ns(entry["T"], MS), "trade_id": entry["i"],
               "tick_direction": entry.get("L"), "seq": whole(entry.get("seq")),
               "is_block_trade": entry.get("BT"), "is_rpi_trade": entry.get("RPI")}
              for entry in entries(frame)]
    answer = {"kind": frame["type"], "send_ns": time_ns(frame["ts"], MS), "trades": trades}
    if trades:
        answer["exchange_ns"] = trades[0]["exchange_ns"]
        answer["seq"] = trades[0]["seq"]
    return answer


TICKER = {"price24hPcnt": "price_24h_pcnt", "lastPrice": "last_price",
          "prevPrice24h": "prev_price_24h", "highPrice24h": "high_price_24h",
          "lowPrice24h": "low_price_24h", "prevPrice1h": "prev_price_1h",
          "markPrice": "mark_price", "indexPrice": "index_price",
          "openInterest": "open_interest", "openInterestValue": "open_value",
          "turnover24h": "turnover_24h", "volume24h": "volume_24h",
          "fundingIntervalHour": "funding_rate_interval_hours", "fundingCap": "funding_cap",
          "singleOpenInterest": "single_open_interest",
          "singleOpenInterestValue": "single_open_value", "fundingRate": "funding_rate",
          "bid1Price": "bid1_price", "bid1Size": "bid1_size", "ask1Price": "ask1_price",
          "ask1Size": "ask1_size", "preOpenPrice": "pre_open_price", "preQty": "pre_open_size",
          "curPreListingPhase": "pre_listing_phase", "tickDirection": "tick_direction",
          "symbol": "symbol"}


def v5_ticker(frame):
    data, kind = present(frame["data"], "data"), frame["type"]
    item = {"action": "set" if kind == "snapshot" else "update",
            "next_funding_ns": time_ns(data.get("nextFundingTime"), MS)}
    for key, name in TICKER.items():
        item[name] = number(data.get(key))
    return {"kind": kind, "exchange_ns": time_ns(frame["ts"], MS), "seq": whole(frame.get("cs")),
            "items": [item]}


def v5_candles(frame):
    items = [{"start_ns": time_ns(entry["start"], MS), "end_ns": time_ns(entry["end"], MS),
              "interval": entry["interval"], "open": entry["open"], "close": entry["close"],
              "high": entry["high"], "low": entry["low"], "volume": entry["volume"],
              "turnover": entry["turnover"], "is_confirmed": entry["confirm"],
              "last_trade_ns": time_ns(entry["timestamp"], MS)}
             for entry in entries(frame)]
    return {"kind": frame["type"], "exchange_ns": time_ns(frame["ts"], MS), "items": items}


# A topic's members differ between families.
OLD = {"orderBookL2_25": old_book, "orderBook_200": old_book, "trade": old_trades}
V5 = {"orderbook": v5_book, "publicTrade": v5_trades, "kline": v5_candles}
V5_FUTURES = {**V5, "tickers": v5_ticker}
FAMILIES = {"inverse": OLD, "linear": OLD, "v5-linear": V5_FUTURES, "v5-inverse": V5_FUTURES,
            "v5-spot": V5, "v5-option": V5, "v5-spread": V5}


# ---- the protocol ----

def decode(request):
    found = FAMILIES.get(request["family"], {}).get(request["topic"].split(".")[0])
    is_rpi = request["topic"] == "orderbook.rpi"  # its levels have a third member
    if found is None or is_rpi or request["type"] is None:
        return {"error": "unknown_topic"}
    try:
        # Numbers stay texts: floating point would lose digits.
        is_text = "frame" in request
        source = request["frame"] if is_text else bytes.fromhex(request["frame_hex"])
        frame = json.loads(source, parse_float=str)
    except ValueError as error:
        return {"error": f"not_json: {error}"}
    try:
        return found(frame)
    except KeyError as error:
        return {"error": f"missing_field: {error.args[0]}"}
    except (TypeError, ValueError, AttributeError) as error:
        return {"error": f"wrong_type: {error}"}


def main():
    """Answer each line with a line, flushed at once: the next frame is sent after the answer."""
    sys.stdin.buffer.readline()
    print('{"tapedeck":1}', flush=True)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        answer = decode(request)
        answer["n"] = request["n"]
        print(json.dumps(answer, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()

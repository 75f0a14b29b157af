/* Messages as JSON, the same in `tapedeck decode` and the JSON lines of replay: normalised names,
 * decimals as strings in shortest form, times in ns since 1970, absent values null or omitted. Each
 * function writes members into the caller's open object, which may have other members (feed,
 * recv_ns). "type" is always first. */
#ifndef TD_SCHEMA_MESSAGE_JSON_H
#define TD_SCHEMA_MESSAGE_JSON_H

#include "base/bytes.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "base/json/json_write.h"
#include "schema/message.h"
#include "schema/topic.h"

/* A decoded message:
 *    type, kind ("snapshot", "delta" or null), topic, symbol (or null), exchange_ns (or null),
 *    cross_seq, u, seq (omitted if absent), unknown_fields (omitted if 0), and one of
 *    levels (of book_change): [{action, side, price, size, rpi_size?}], size null in a delete
 *    trades (of trade): [{symbol (if not the topic's), side, price, size, exchange_ns, …}]
 *    items (of other types): [{action?, member: value …}] in the order of the row
 * If a book or trade frame was decoded whole, its other members follow. After the members of an
 * item, assumed_scale lists the values that come from a scaled integer alone, of a field whose
 * scale varies by symbol. */
void message_json_members(json_writer *writer, const message *m);

/* Only the entries (levels, trades or items), with the envelope's own values before them. */
void message_json_entries(json_writer *writer, const message *m);

/* A frame without a topic. type is "control" or "request"; a control frame then has control ("ack",
 * "pong" …) and success (true, false or null). The last member is frame, the frame's text. */
void message_json_control(json_writer *writer, const classification *what, td_bytes frame);

/* A frame that could not be decoded: type "raw", topic and symbol (null if no row matches), error
 * {reason, topic (as the exchange writes it, or null), offset, field (or null)}. */
void message_json_raw(json_writer *writer, const topic_match *topic, td_bytes exchange_topic,
                      const decode_error *why);

/* One row of `tapedeck topics`: family, topic, pattern, type, title, speaks (or null), valid_from
 * and valid_until (dates or null), seen (a date or null), book_depth (or null), grouped, checksum
 * {levels, order} (or null), symbol_path, parameter_path and frame_topic (or null), entries [{path,
 * action, kind, side}], fields [{in, member, key, type, unit, scale_e10, required}], rules [{rule,
 * strength, member (or null)}]. */
void topic_json_members(json_writer *writer, const family *of, const topic_row *row);

#endif

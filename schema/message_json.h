/* Messages as JSON, alike in `tapedeck decode` and the JSON lines of replay: normalised names,
 * decimals as strings in shortest form, times in ns since 1970, absent values null or left out.
 * Each function writes members into an object that the caller has open, so that others (feed,
 * recv_ns) can stand beside them. "type" is always the first. */
#ifndef TD_SCHEMA_MESSAGE_JSON_H
#define TD_SCHEMA_MESSAGE_JSON_H

#include "base/bytes.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "base/json/json_write.h"
#include "schema/message.h"
#include "schema/topic.h"

/* A decoded message:
 *   type, kind ("snapshot", "delta" or null), topic, symbol (null if none), exchange_ns (or null),
 *   cross_seq, u, seq (left out if the frame has none), unknown_fields (left out if 0), and
 *   book_change  levels: [{action, side, price, size, rpi_size?}], size null in a delete
 *   trade        trades: [{symbol (if not the topic's), side, price, size, exchange_ns, …}]
 *                of both, a frame that was decoded whole shows its other members after these
 *   others       items: [{action?, member: value …}] in the order of the row, absent ones left out,
 *                and after them assumed_scale: the names of values that come from a scaled integer
 *                alone, where some symbols have another scale than its key says
 */
void message_json_members(json_writer *writer, const message *m);

/* The last part of that alone: what the frame says besides its head, which is levels, trades or
 * items (with the envelope's own values before them). */
void message_json_entries(json_writer *writer, const message *m);

/* A frame without a topic: type "control" (with control: "ack", "pong" …, success or null) or
 * "request", and frame: its text. */
void message_json_control(json_writer *writer, const classification *what, td_bytes frame);

/* A frame that could not be decoded: type "raw", topic and symbol (null if no row of the family
 * fits), error {reason, topic (as the exchange writes it, or null), offset, field (or null)}. */
void message_json_raw(json_writer *writer, const topic_match *topic, td_bytes exchange_topic,
                      const decode_error *why);

/* One row of `tapedeck topics`: family, topic, pattern, type, title, valid_from and valid_until
 * (dates or null), book_depth (or null), fields [{member, key, type, unit, scale_e10, required}],
 * rules
 * [{rule, strength, member (or null)}]. */
void topic_json_members(json_writer *writer, const family *of, const topic_row *row);

#endif

/* Every bound of the project: what it bounds, in which unit, and why that number. Meeting one is a
 * named result and a counter, never a silent drop. */
#ifndef TD_BASE_LIMITS_H
#define TD_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Largest WebSocket message that is accepted: some eighty times the largest documented frame
 * (1,024 trades, 180 KB), yet one bad length cannot take the ring. */
#define LIMIT_FRAME_BYTES ((size_t)16 << 20)

/* Ring between the network and the encoder thread: at 560 bytes a frame some 115,000 frames, about
 * a minute of all topics of a family at their busiest. */
#define LIMIT_RING_BYTES ((size_t)64 << 20)
_Static_assert(LIMIT_FRAME_BYTES < LIMIT_RING_BYTES / 2, "a frame must never fill the ring");

/* What a feed's compressed frames may cost the recorder's encoder, and the compressed messages of a
 * connection, or of all clients of a server, their network thread: a quarter of the time, and what
 * they did not use of the last second. One of 4 KiB takes 0.04 ms, one of 16 KiB that inflates to
 * LIMIT_FRAME_BYTES 50 ms. Beyond that frames are discarded for so long, which bounds the rows in
 * the ledger; such a connection is closed; such a client waits. */
#define LIMIT_INFLATE_SHARE    4u
#define LIMIT_INFLATE_PAUSE_NS UINT64_C(10000000000)

/* A chunk closes once it holds this many uncompressed bytes: larger ones compress less than 1 %
 * better (zstd 1), smaller ones cost index. */
#define LIMIT_CHUNK_TARGET_BYTES ((size_t)1 << 20)

/* Largest uncompressed chunk that is written or read: one frame of the largest size on top of a
 * chunk that was about to close, and its channel records. */
#define LIMIT_CHUNK_BYTES ((size_t)40 << 20)

/* Largest MCAP record outside a chunk that a reader accepts (attachments are skipped unread). */
#define LIMIT_RECORD_BYTES ((size_t)64 << 20)

/* Channels of one segment; MCAP's ids are 16 bit, and a catalog bitmap of a chunk stays at 2 KiB.
 */
#define LIMIT_SEGMENT_CHANNELS 16384u

/* Of these, a quarter is kept for the feed's own channels, so that they always have a place however
 * many topics a server sends: for each connection _control in both directions and _unknown, each
 * as text and binary, JSON and not; _unknown of HTTP replies; _events. The rest are topics' (with
 * their symbols), HTTP replies', and those of compressed or fragmented messages; frames of further
 * ones go to _unknown or lose their form, counted, until the segment ends. */
#define LIMIT_OWN_CHANNELS   (LIMIT_SEGMENT_CHANNELS / 4)
#define LIMIT_TOPIC_CHANNELS (LIMIT_SEGMENT_CHANNELS - LIMIT_OWN_CHANNELS)

/* Rotation of a capture segment, besides the UTC hour: bytes; chunks; and entries of its chunk
 * indexes, one per chunk and channel, 10 bytes each. The last two bound the summary, which is in
 * memory until the segment ends: it stays below the 64 MiB that readers take (LIMIT_RECORD_BYTES)
 * however many channels the chunks have. */
#define LIMIT_SEGMENT_BYTES         ((uint64_t)1 << 30)
#define LIMIT_SEGMENT_CHUNKS        4096u
#define LIMIT_SEGMENT_INDEX_ENTRIES ((uint64_t)4 << 20)

/* A checkpoint's table, and its states as they are stored: those of 5,000 options take some 5 MB.
 * Further states are left out and counted. */
#define LIMIT_CHECKPOINT_BYTES ((size_t)16 << 20)

/* Connections (slots) that one feed may hold at once, and feeds of one configuration. */
#define LIMIT_FEED_SLOTS 256u
#define LIMIT_FEEDS      64u

/* Connections tracked for one topic and symbol: all of a feed's own, and as many of sessions that
 * overlap it. At the limit, the connection that was silent for longest is dropped. */
#define LIMIT_CHOICE_CONNECTIONS 512u
_Static_assert(LIMIT_OWN_CHANNELS >= 12 * LIMIT_FEED_SLOTS + 4 + 2,
               "every connection's own channels fit");

/* Connections to one host that are remembered, to keep the exchange's limit on them: one that is
 * known allows 500 in five minutes. */
#define LIMIT_HOST_CONNECTS 1024u

/* Values that are hidden in frames: of a feed its key, secret and those in its URLs; of a capture
 * that is imported, a signature for each of a thousand connections. And one value's bytes: a key is
 * 18 to 64, a signed token may have 2,000. */
#define LIMIT_SECRETS      1024u
#define LIMIT_SECRET_BYTES 4096u

/* HTTP beside a feed's frames: kinds of requests of one feed, bytes of one reply (all instruments
 * of a category are about 1 MB), and how far apart a feed's requests are at least. The exchange
 * allows hundreds in 5 s; a recorder needs a few a day. */
#define LIMIT_FEED_HTTP        16u
#define LIMIT_HTTP_REPLY_BYTES ((size_t)8 << 20)
#define LIMIT_HTTP_SPACING_NS  UINT64_C(1000000000)
_Static_assert(LIMIT_HTTP_REPLY_BYTES < LIMIT_FRAME_BYTES, "a reply is kept as a frame is");

/* Longest wait that a peer may ask for by Retry-After: an exchange's ban lasts ten minutes, and a
 * wrong header must not stop a feed for a day. */
#define LIMIT_RETRY_AFTER_NS UINT64_C(900000000000)

/* Look-ups of names: threads, of which one whose name server does not answer takes one; and names
 * at once, which is every host that a configuration can name. */
#define LIMIT_RESOLVE_THREADS 64u
#define LIMIT_RESOLVE_NAMES   (LIMIT_FEEDS * (1 + LIMIT_FEED_HTTP))

/* Symbols of one feed, and the file that lists them: twice what the largest family has. */
#define LIMIT_FEED_TOPICS       16384u
#define LIMIT_SYMBOL_FILE_BYTES ((size_t)1 << 20)

/* Names: a feed or family, a topic as the exchange writes it, a symbol, a URL, a path, in bytes
 * with the NUL. The longest topics known have about 60. */
#define LIMIT_NAME_BYTES   64u
#define LIMIT_TOPIC_BYTES  256u
#define LIMIT_SYMBOL_BYTES 128u
#define LIMIT_URL_BYTES    2048u
#define LIMIT_PATH_BYTES   4096u

/* Levels of one side of a book: the deepest topic has 10,000 (a REST snapshot of orderbook.full).
 */
#define LIMIT_BOOK_LEVELS 16384u

/* Entries (levels, trades, updates) of one frame: a 10,000-level snapshot has 20,000. */
#define LIMIT_FRAME_ITEMS 65536u

/* Ids of entries that a topic remembers to notice one that comes twice: four of the largest trade
 * frames (1,024), and up to as many before them. A repeat from further back is not noticed. */
#define LIMIT_TRACK_IDS 4096u

/* The newest of these that a saved state has (book/symbol_state.h): a fourth of the largest trade
 * frame. */
#define LIMIT_STATE_IDS 256u

/* Frames that a topic remembers (as hashes) to notice one that comes twice. Repeats follow each
 * other closely; a ticker has its share for each of some thousand symbols. */
#define LIMIT_TRACK_FRAMES 64u

/* Books and tickers that a replay server follows for one client, to have a snapshot for a late
 * subscription. Above the some 3,600 of a feed with 600 symbols and five depths. Further ones are
 * served without one, and counted. */
#define LIMIT_SERVE_BOOKS 4096u

/* Symbols that one topic of several (a coin's options, an account) is followed by; some 1,500
 * options of a coin are traded at once. Entries of further symbols are not judged, and counted. */
#define LIMIT_TRACK_SYMBOLS 4096u

/* Audits across the topics of a symbol (book/audit.h). Members: topics and lines of one symbol; v5
 * has four depths, a ticker, trades and some candles, each on two lines. States of a book that are
 * remembered: 1.3 s of the fastest topic, when the slowest shows a state after 0.1 to 0.3 s.
 * Trades: several times what a second of the busiest symbol has; a candle is read each second or
 * so. */
#define LIMIT_AUDIT_MEMBERS 32u
#define LIMIT_AUDIT_STATES  64u
#define LIMIT_AUDIT_TRADES  16384u

/* Memory of a recorder's live check: all channels, books and audits that it follows. 250 channels
 * of all families take some 20 MiB; a book at its bound has 512 KiB, so hostile ones would take
 * gigabytes. */
#define LIMIT_LIVE_CHECK_BYTES ((size_t)256 << 20)

/* A saved state of one symbol of a feed (book/symbol_state.h). A v5 symbol with four books takes
 * some 100 KB, and two books and two lists of trades at their bounds 2.6 MB. */
#define LIMIT_STATE_BYTES ((size_t)16 << 20)

/* Frames that a ticker's values come from (book/ticker_frames.h). A v5 contract has some ten, of
 * 4 KB; at most one for each of 60 fields, of which real ones have at most 1.4 KB. Beyond that the
 * ticker is unknown until its next snapshot. */
#define LIMIT_TICKER_BYTES ((size_t)64 << 10)

/* Gaps that replay lists for one topic and symbol; further ones are counted by rule. */
#define LIMIT_STREAM_GAPS 1024u

/* Different members of one frame that a survey of it lists though its row does not name them;
 * further ones are counted. A topic's changes come a few members at a time; only a frame that is
 * made up has more. */
#define LIMIT_SURVEY_UNEXPECTED 64u

/* Drift (schema/drift.h). Findings of one table: an exchange changes some tens of members in a
 * year; a thousand and more only come from a schema that does not fit at all. Texts of members
 * whose documented values are incomplete, beside these: all such members have some tens. Findings
 * of one kind in one topic, so that a flood hides no change elsewhere. Notes of one frame. Bytes of
 * an example, whole for nearly all frames: with all findings at their bound 64 MiB. Bytes of a path
 * and of a detail, with the NUL; longer texts are cut. */
#define LIMIT_DRIFT_FINDINGS      4096u
#define LIMIT_DRIFT_LEARNT        1024u
#define LIMIT_DRIFT_SHARE         256u
#define LIMIT_DRIFT_NOTES         64u
#define LIMIT_DRIFT_EXAMPLE_BYTES ((size_t)16 << 10)
#define LIMIT_DRIFT_PATH_BYTES    160u
#define LIMIT_DRIFT_DETAIL_BYTES  96u

/* Nesting of a frame's JSON. Real frames have 5. */
#define LIMIT_JSON_DEPTH 64u

/* Digits of a decimal; 19 fit in 64 bits. */
#define LIMIT_DECIMAL_DIGITS 19u

/* Digits of a decimal that is kept as text because 64 bits do not hold it; the longest known have
 * 23 (net values of leveraged tokens). */
#define LIMIT_BIG_DECIMAL_DIGITS 38u

/* Chunks that a merge holds decompressed at once, over all segments that overlap in time. */
#define LIMIT_MERGE_CHUNKS 256u

/* The wall clock under a recorder (recorder/pipeline/session_clock.h). A step of up to the first is
 * trusted at once, and receive times may stay ahead by as much; a leap second is one. A larger one
 * must have lasted for the second: a clock that jumps by mistake (a time server's bad answer, a
 * wrong `date`) is usually right again by then. New sessions because of a clock that went back are
 * at least the third apart, so that an oscillating clock cannot stop the recording. */
#define LIMIT_CLOCK_TRUST_NS   (UINT64_C(1000) * 1000 * 1000)
#define LIMIT_CLOCK_CONFIRM_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define LIMIT_CLOCK_SESSION_NS (UINT64_C(300) * 1000 * 1000 * 1000)

/* Longest pause of a recorder's loop that is not an event: frames that arrive during a pause get
 * receive times that are late by up to its length. The loop runs every 10 ms; a loaded machine
 * rarely delays it by half a second. */
#define LIMIT_PAUSE_NS (UINT64_C(500) * 1000 * 1000)

/* Longest time without any frame between what prune removes by age and what it keeps, if the age
 * itself is not longer: a day, for feeds without data at weekends. After a longer one the clock may
 * have jumped, so prune refuses. */
#define LIMIT_PRUNE_HOLE_NS (UINT64_C(24) * 3600 * 1000 * 1000 * 1000)

/* Receive times that import accepts: 1990-01-01 to 2100-01-01, UTC. No feed is older, and no later
 * time can be right; so a wrong digit or unit makes the line malformed. */
#define LIMIT_IMPORT_FIRST_NS UINT64_C(631152000000000000)
#define LIMIT_IMPORT_END_NS   UINT64_C(4102444800000000000)

/* A line of a capture file that import reads: a frame of the largest size cannot come in a line,
 * and has never come near it. A longer line is reported and passed over. */
#define LIMIT_IMPORT_LINE_BYTES ((size_t)16 << 20)

/* Records that import holds to put lines of several connections in order of time: the seconds by
 * which programs that write a capture confuse the order, or a small capture whose connections are
 * one after the other. Of a capture in order it holds none. */
#define LIMIT_IMPORT_WINDOW_BYTES ((size_t)64 << 20)

/* Entries of one folder: they are sorted in memory. A day of 64 feeds has some 1,600 segments. */
#define LIMIT_FOLDER_ENTRIES (1u << 20)

/* Files that an export writes at once: a day's symbols times types. Each takes some 400 KiB, nearly
 * all of it the compressor's. */
#define LIMIT_EXPORT_FILES 2048u

/* Files that one export may know of by exchange, type and symbol, whatever the days: their names
 * are in memory. An options feed lists some thousand new symbols a month. */
#define LIMIT_EXPORT_SERIES 65536u

/* Changed instruments that an export has in memory for a day and an HTTP request. A full list has
 * 700 KiB and changes in a few entries a day. */
#define LIMIT_EXPORT_INSTRUMENT_BYTES (64u << 20)

/* Symbols that an export lists as left out, because no cell or file name can hold them; those
 * beyond are one row. The exchange has no such symbols: only hostile input reaches the limit. */
#define LIMIT_EXPORT_LEFT_OUT 256u

/* Interruptions of a book that an export's manifest lists for one file; beyond, they are counted.
 */
#define LIMIT_EXPORT_BREAKS 64u

/* diff: frames of both sides, at 24 bytes each (a list grows to twice that). */
#define LIMIT_DIFF_FRAMES (1u << 25)

/* Streams of a baseline: some times the symbols and topics of all families over a year; names that
 * are made up, one with each frame, reach the limit. Streams whose first differing frame is
 * described, in the order of the archive, and bytes of such a frame. */
#define LIMIT_REGRESS_STREAMS     (1u << 20)
#define LIMIT_REGRESS_FRAME_BYTES ((size_t)1 << 20)

/* A user's decoder. An answer of a program: a frame of the largest size as message JSON, four times
 * as long. */
#define LIMIT_DECODER_REPLY_BYTES ((size_t)64 << 20)

/* Output of programs that never wait for its reader (record, serve, sim): queued bytes, some 8,000
 * durable lines, or an hour and a half of one feed's; bytes of one line, which is what a pipe takes
 * at once; how long the end of the program waits for a reader. */
#define LIMIT_OUTPUT_QUEUE_BYTES ((size_t)1 << 20)
#define LIMIT_OUTPUT_LINE_BYTES  4096u
#define LIMIT_OUTPUT_END_NS      UINT64_C(3000000000)

/* Threads of one program (-j). */
#define LIMIT_THREADS 64u

/* Stack of each thread, and of the main one where the process's limit allows it: what systems give
 * by default, because users' decoders run on them. And the least for the main one: some
 * five times what the largest verb needs. */
#define LIMIT_STACK_BYTES     ((size_t)8 << 20)
#define LIMIT_STACK_BYTES_MIN ((size_t)1 << 20)

#endif

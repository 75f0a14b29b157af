/* Every bound of the project, with its unit and its reason. Reaching a bound gives a named result
 * and is counted; nothing is dropped silently. */
#ifndef TD_BASE_LIMITS_H
#define TD_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Largest WebSocket message that is accepted: some 80 times the largest documented frame (1,024
 * trades, 180 KB), but small enough that a wrong length cannot fill the ring. */
#define LIMIT_FRAME_BYTES ((size_t)16 << 20)

/* Ring between network and encoder thread: some 115,000 frames of 560 bytes, about a minute of all
 * topics of a family at their busiest. */
#define LIMIT_RING_BYTES ((size_t)64 << 20)
_Static_assert(LIMIT_FRAME_BYTES < LIMIT_RING_BYTES / 2, "a frame must never fill the ring");

/* Inflating may take one part in LIMIT_INFLATE_SHARE of a thread's time, plus the unused share of
 * the last second. On the encoder thread this limits all compressed frames of a feed; on the
 * network thread, it limits the messages of each connection, and the messages of all clients of a
 * server together. A message of 4 KiB takes 0.04 ms; a message of 16 KiB that inflates to
 * LIMIT_FRAME_BYTES takes 50 ms. If the share is exceeded, the encoder discards frames for
 * LIMIT_INFLATE_PAUSE_NS (so that the ledger gets few gaps); a client closes the connection; a
 * server reads nothing from the peer for a while. */
#define LIMIT_INFLATE_SHARE    4u
#define LIMIT_INFLATE_PAUSE_NS UINT64_C(10000000000)

/* A chunk is sealed once it has this many uncompressed bytes: larger ones compress less than 1 %
 * better (zstd 1), smaller ones need more index. */
#define LIMIT_CHUNK_TARGET_BYTES ((size_t)1 << 20)

/* Largest uncompressed chunk that is written or read: an almost full chunk, one more frame of the
 * largest size, and its channel records. */
#define LIMIT_CHUNK_BYTES ((size_t)40 << 20)

/* Largest MCAP record that a reader accepts outside of a chunk (attachments are not read). */
#define LIMIT_RECORD_BYTES ((size_t)64 << 20)

/* Channels of one segment: MCAP's ids have 16 bits, and a chunk's bitmap in the catalog has 2 KiB
 * at most. */
#define LIMIT_SEGMENT_CHANNELS 16384u

/* A quarter of a segment's channels is reserved for tapedeck's own topics, however many topics a
 * server sends. For each connection these are _control in both directions and _unknown, each of
 * them as text and as binary, as JSON and not. Also reserved: _unknown of HTTP replies, _events.
 * The rest is for topics (with their symbols), HTTP replies, compressed and fragmented messages.
 * When the rest is full, frames of further channels are stored in _unknown or without their form
 * (FORM_*), and are counted, until the segment ends. */
#define LIMIT_OWN_CHANNELS   (LIMIT_SEGMENT_CHANNELS / 4)
#define LIMIT_TOPIC_CHANNELS (LIMIT_SEGMENT_CHANNELS - LIMIT_OWN_CHANNELS)

/* A capture segment ends with the UTC hour, or when it has this many bytes, chunks, or entries of
 * chunk indexes (one per chunk and channel, 10 bytes each). The last two bound the summary, which
 * is in memory until the segment ends: it stays below the 64 MiB that readers accept
 * (LIMIT_RECORD_BYTES). */
#define LIMIT_SEGMENT_BYTES         ((uint64_t)1 << 30)
#define LIMIT_SEGMENT_CHUNKS        4096u
#define LIMIT_SEGMENT_INDEX_ENTRIES ((uint64_t)4 << 20)

/* Size of a checkpoint's table; also the total size of its stored states. The states of 5,000
 * options take some 5 MB. Further states are omitted and counted. */
#define LIMIT_CHECKPOINT_BYTES ((size_t)16 << 20)

/* Slots (configured connections) of one feed, and feeds of one configuration. */
#define LIMIT_FEED_SLOTS 256u

/* Lines of a feed: redundant connections of one subscription. A slot is of one line. */
#define LIMIT_FEED_LINES 2u
/* Numbers of lines: of each of two machines (`merge`) one is free, for connections that take over.
 */
#define LIMIT_FEED_LINE_NUMBERS 6u
_Static_assert(LIMIT_FEED_LINE_NUMBERS == 2 * (LIMIT_FEED_LINES + 1), "a free one for each");
#define LIMIT_FEEDS 64u

/* Connections tracked for one topic and symbol: all connections of a feed, and as many of
 * overlapping sessions. At the limit, the connection that was silent longest is dropped. */
#define LIMIT_CHOICE_CONNECTIONS 512u
_Static_assert(LIMIT_OWN_CHANNELS >= 12 * LIMIT_FEED_SLOTS + 4 + 2,
               "every connection's own channels fit");

/* Remembered times of connections to one host, to stay within the exchange's limit on connections.
 * One known exchange allows 500 in five minutes. */
#define LIMIT_HOST_CONNECTS 1024u

/* Secret values that are hidden in frames: a feed's key, its secret and the secrets in its URLs;
 * in an imported capture, a signature for each of a thousand connections. LIMIT_SECRET_BYTES
 * limits one value: a key has 18 to 64 bytes, a signed token may have 2,000. */
#define LIMIT_SECRETS      1024u
#define LIMIT_SECRET_BYTES 4096u

/* HTTP requests of a feed: kinds of requests, bytes of one reply (all instruments of a category are
 * about 1 MB), and the minimum interval between requests. The exchange allows hundreds in 5 s; a
 * recorder needs a few a day. */
#define LIMIT_FEED_HTTP        16u
#define LIMIT_HTTP_REPLY_BYTES ((size_t)8 << 20)
#define LIMIT_HTTP_SPACING_NS  UINT64_C(1000000000)
_Static_assert(LIMIT_HTTP_REPLY_BYTES < LIMIT_FRAME_BYTES, "a reply is kept as a frame is");

/* Longest wait that is accepted from Retry-After: an exchange's ban lasts ten minutes, and a wrong
 * header must not stop a feed for a day. */
#define LIMIT_RETRY_AFTER_NS UINT64_C(900000000000)

/* Name look-ups. THREADS: a silent name server may occupy a thread for each name. NAMES: names
 * looked up at the same time, as many as the hosts that a configuration can name. */
#define LIMIT_RESOLVE_THREADS 64u
#define LIMIT_RESOLVE_NAMES   (LIMIT_FEEDS * (1 + LIMIT_FEED_HTTP))

/* Topics of one feed, and bytes of its file of symbols: twice as many as the largest family has. */
#define LIMIT_FEED_TOPICS       16384u
#define LIMIT_SYMBOL_FILE_BYTES ((size_t)1 << 20)

/* Names: a feed or family, an exchange's topic, a symbol, a URL, a path, in bytes with the NUL. The
 * longest topics known have about 60. */
#define LIMIT_NAME_BYTES   64u
#define LIMIT_TOPIC_BYTES  256u
#define LIMIT_SYMBOL_BYTES 128u
#define LIMIT_URL_BYTES    2048u
#define LIMIT_PATH_BYTES   4096u

/* Levels of one side of a book: the deepest known has 27,000 (Coinbase's level2 of BTC-USD), and a
 * frame at most LIMIT_FRAME_ITEMS of both sides. */
#define LIMIT_BOOK_LEVELS 65536u

/* Entries (levels, trades, updates) of one frame: a 10,000-level snapshot has 20,000. */
#define LIMIT_FRAME_ITEMS 65536u

/* Orders of one side of a book that has them, and the bytes of an order's id: Kraken's have
 * 19, and its deepest topic has the orders of 1,000 levels a side. */
#define LIMIT_BOOK_ORDERS    65536u
#define LIMIT_ORDER_ID_BYTES 40u

/* Ids of entries that a topic remembers to detect repeats: at least the ids of four of the largest
 * trade frames (1,024 each), at most twice as many. A repeat from further back is not detected. */
#define LIMIT_TRACK_IDS 4096u

/* Number of the newest of these ids in a saved state (book/symbol_state.h): a quarter of the
 * largest trade frame. */
#define LIMIT_STATE_IDS 256u

/* Frames that a topic remembers (as hashes) to detect repeats. A repeat arrives soon after its
 * original. The number is small because a ticker's state is kept for each of some thousand symbols.
 */
#define LIMIT_TRACK_FRAMES 64u

/* Books and tickers that a replay server maintains for one client, for snapshots at late
 * subscriptions. A feed with 600 symbols and five depths has some 3,600 of them. Further books and
 * tickers are served without a snapshot, and counted. */
#define LIMIT_SERVE_BOOKS 4096u

/* What a replay server keeps in memory of a recorded account, to send it after its clients'
 * requests: requests, and frames of private topics. A busy account has 10 orders a second and some
 * 4 KiB of frames for each, so half an hour to two hours. Larger selections are refused. */
#define LIMIT_CAUSES       65536u
#define LIMIT_CAUSED_BYTES ((size_t)64 << 20)

/* Symbols tracked in one topic with several symbols (a coin's options, an account); some 1,500
 * options of a coin are traded at a time. Entries of further symbols are not checked, but counted.
 */
#define LIMIT_TRACK_SYMBOLS 4096u

/* Audits across the topics of a symbol (book/audit.h). LIMIT_AUDIT_MEMBERS: connections times
 * topics of one symbol; v5 has four depths, a ticker, trades and some candles, each on two
 * connections. LIMIT_AUDIT_STATES: remembered states of a book, 1.3 s of the fastest topic; the
 * slowest topic shows the same state 0.1 to 0.3 s later. LIMIT_AUDIT_TRADES: several seconds of
 * the busiest symbol; a candle arrives about every second. */
#define LIMIT_AUDIT_MEMBERS 32u
#define LIMIT_AUDIT_STATES  64u
#define LIMIT_AUDIT_TRADES  16384u

/* Memory of a recorder's live check: all its channels, books and audits. 250 channels of all
 * families take some 20 MiB; a book at its bound has 512 KiB, so hostile input would need
 * gigabytes. */
#define LIMIT_LIVE_CHECK_BYTES ((size_t)256 << 20)

/* A saved state of one symbol of a feed (book/symbol_state.h). A v5 symbol with four books takes
 * some 100 KB; two books and two lists of trades at their bounds take 2.6 MB. */
#define LIMIT_STATE_BYTES ((size_t)16 << 20)

/* Bytes of the frames that a ticker's values come from (book/ticker_frames.h). A v5 contract has
 * some ten such frames, which have 4 KB together. It has at most one frame for each of its 60
 * fields, and a frame has at most 1.4 KB in practice. Beyond the limit the ticker is unknown until
 * its next snapshot. */
#define LIMIT_TICKER_BYTES ((size_t)64 << 10)

/* Gaps that replay lists for one topic and symbol; further ones are only counted, per kind of gap.
 */
#define LIMIT_TOPIC_GAPS 1024u

/* Gaps of a feed that an import finds in its frames and records; after that one gap lasts until its
 * end. A row has 500 bytes in the journal, so these have 32 MiB. */
#define LIMIT_IMPORT_FINDINGS 65536u

/* Members of one frame that a survey lists because the schema does not name them; further ones are
 * counted. A topic changes by a few members at a time; only made-up frames have more. */
#define LIMIT_SURVEY_UNEXPECTED 64u

/* Drift (schema/drift.h). FINDINGS: findings of one table. An exchange changes some tens of members
 * a year; only a wrong schema gives a thousand and more. VALUES: texts of members whose documented
 * values are incomplete; all such members together have some tens of texts. KIND_FINDINGS: findings
 * of one kind in one topic, so that a flood does not hide changes elsewhere. NOTES: differences
 * noted for one frame. EXAMPLE: bytes of an example, enough for nearly all frames; 64 MiB with the
 * maximum of findings. PATH, DETAIL: bytes with the NUL; longer texts are truncated. */
#define LIMIT_DRIFT_FINDINGS      4096u
#define LIMIT_DRIFT_VALUES        1024u
#define LIMIT_DRIFT_KIND_FINDINGS 256u
#define LIMIT_DRIFT_NOTES         64u
#define LIMIT_DRIFT_EXAMPLE_BYTES ((size_t)16 << 10)
#define LIMIT_DRIFT_PATH_BYTES    160u
#define LIMIT_DRIFT_DETAIL_BYTES  96u

/* Nesting of a frame's JSON. Real frames have 5. */
#define LIMIT_JSON_DEPTH 64u

/* Digits of a decimal that is kept as text because it exceeds 64 bits; the longest known have 23
 * (net values of leveraged tokens). */
#define LIMIT_BIG_DECIMAL_DIGITS 38u

/* Decompressed chunks in a merge at a time, over all segments that overlap in time. */
#define LIMIT_MERGE_CHUNKS 256u

/* Steps of a recorder's wall clock (recorder/pipeline/session_clock.h). TRUST: a step of up to this
 * size, such as a leap second, is accepted at once; after a step back, receive times stay ahead of
 * the clock by the step. CONFIRM: a larger step must last this long, because a clock that jumped by
 * mistake (a time server's bad answer, a wrong `date`) is usually corrected earlier. SESSION:
 * minimum time between new sessions that begin because the clock went back, so that an oscillating
 * clock cannot stop the recording. */
#define LIMIT_CLOCK_TRUST_NS   (UINT64_C(1000) * 1000 * 1000)
#define LIMIT_CLOCK_CONFIRM_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define LIMIT_CLOCK_SESSION_NS (UINT64_C(300) * 1000 * 1000 * 1000)

/* Longest pause of a recorder's loop that is not recorded as an event. Frames that arrive during a
 * pause get receive times that are late by up to the pause's length. The loop runs every 10 ms; a
 * loaded machine rarely delays it by half a second. */
#define LIMIT_PAUSE_NS (UINT64_C(500) * 1000 * 1000)

/* Longest time without frames that prune accepts between the newest segment that it removes by age
 * and the oldest segment that it keeps: a day, for feeds without data at weekends. If the age
 * itself is longer, the age is the limit. If the time is longer than the limit, the clock may have
 * jumped, so prune refuses. */
#define LIMIT_PRUNE_HOLE_NS (UINT64_C(24) * 3600 * 1000 * 1000 * 1000)

/* Receive times that import accepts: 1990-01-01 to 2100-01-01 UTC. No feed has times outside this
 * range, so such a time comes from a wrong digit or unit, and makes the line malformed. */
#define LIMIT_IMPORT_FIRST_NS UINT64_C(631152000000000000)
#define LIMIT_IMPORT_END_NS   UINT64_C(4102444800000000000)

/* Longest line of a capture file that import reads: the largest frame would not fit in a line, but
 * no known frame is near that size. A longer line is reported and skipped. */
#define LIMIT_IMPORT_LINE_BYTES ((size_t)16 << 20)

/* Records that import buffers to sort the lines of several connections by time: enough for lines
 * that are out of order by some seconds, or for a small capture whose connections follow one
 * another. A sorted capture needs no buffer. */
#define LIMIT_IMPORT_WINDOW_BYTES ((size_t)64 << 20)

/* Entries of one folder, which are sorted in memory. A day of 64 feeds has some 1,600 segments. */
#define LIMIT_FOLDER_ENTRIES (1u << 20)

/* Files that an export writes in one pass over a day: symbols times types. Each takes some 400 KiB.
 * A day with more files is played several times. */
#define LIMIT_EXPORT_FILES 2048u

/* Combinations of exchange, type and symbol in one export, over all days: their names are in
 * memory. An options feed lists some thousand new symbols a month. */
#define LIMIT_EXPORT_SERIES 65536u

/* Bytes of changed instruments in an export's memory, per day and HTTP request. A full list has 700
 * KiB, of which a few entries change in a day. */
#define LIMIT_EXPORT_INSTRUMENT_BYTES (64u << 20)

/* Symbols that an export lists as omitted because a cell or file name cannot contain them; further
 * ones share one row. The exchange has no such symbols: only hostile input reaches the limit. */
#define LIMIT_EXPORT_LEFT_OUT 256u

/* Interruptions of a book that an export's manifest lists per file; further ones are counted. */
#define LIMIT_EXPORT_BREAKS 64u

/* diff: frames of both archives, at 24 bytes each (a list grows to twice that). */
#define LIMIT_DIFF_FRAMES (1u << 25)

/* Streams of a baseline: several times the symbols and topics of all families over a year; only
 * made-up names reach the limit. LIMIT_REGRESS_FRAME_BYTES: size of a stream's first differing
 * frame, which is described. */
#define LIMIT_REGRESS_TOPICS      (1u << 20)
#define LIMIT_REGRESS_FRAME_BYTES ((size_t)1 << 20)

/* Bytes of an answer of a user's decoder program: message JSON is up to four times as long as the
 * frame, which has at most LIMIT_FRAME_BYTES. */
#define LIMIT_DECODER_REPLY_BYTES ((size_t)64 << 20)

/* Catalog that a push copies to a store, through memory: of segments with some 400 GiB, if
 * it has 0.6 bytes for 1,000 of theirs, as measured. */
#define LIMIT_PUSHED_CATALOG_BYTES ((size_t)256 << 20)

/* Files of the cache of stores' objects on this machine's disk, with their unused part of a block:
 * the chunks of some days. */
#define LIMIT_OBJECT_CACHE_BYTES ((uint64_t)1 << 30)

/* Output of programs that never wait for its reader (record, serve, sim). QUEUE: queued bytes (some
 * 8,000 `durable` lines, or all lines of one feed in an hour and a half). LINE: bytes of one line,
 * which a pipe accepts at once. END: how long an ending program waits for the reader. */
#define LIMIT_OUTPUT_QUEUE_BYTES ((size_t)1 << 20)
#define LIMIT_OUTPUT_LINE_BYTES  4096u
#define LIMIT_OUTPUT_END_NS      UINT64_C(3000000000)

/* Threads of one program (-j). */
#define LIMIT_THREADS 64u

/* LIMIT_STACK_BYTES: stack of each thread, and of the main thread if the process's limit allows it.
 * This is the usual default, because users' decoders run on these threads. LIMIT_STACK_BYTES_MIN:
 * minimum for the main thread, some five times as much as the largest verb needs. */
#define LIMIT_STACK_BYTES     ((size_t)8 << 20)
#define LIMIT_STACK_BYTES_MIN ((size_t)1 << 20)

#endif

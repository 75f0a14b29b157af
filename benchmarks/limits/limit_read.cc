// Limit: how many frames per second can one core read from a segment, decompress, parse with
// simdjson's on-demand interface and apply to order books? Without checksums, continuity, digests
// and report: the minimum for a replay that maintains books.
//
//   limit_read SEGMENT...      prints {"frames","bytes","levels","wall_s","cpu_s"}
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <unordered_map>
#include <vector>

#include <simdjson.h>
#include <zstd.h>

namespace
{

using simdjson::ondemand::array;
using simdjson::ondemand::document;
using simdjson::ondemand::object;
using simdjson::ondemand::parser;
using simdjson::ondemand::value;

constexpr int PRICE_PLACES = 4;
constexpr int SIZE_PLACES = 4;
constexpr size_t LEVELS_MAX = 512;

// One side of a book: prices ascending.
struct Side {
    size_t count = 0;
    int64_t price[LEVELS_MAX];
    int64_t size[LEVELS_MAX];

    size_t place(int64_t wanted) const
    {
        size_t low = 0, left = count;
        while (left > 0) {
            size_t half = left / 2;
            bool is_below = price[low + half] < wanted;
            low = is_below ? low + half + 1 : low;
            left = is_below ? left - half - 1 : half;
        }
        return low;
    }

    void set(int64_t at, int64_t amount)
    {
        size_t i = place(at);
        if (i < count && price[i] == at) {
            size[i] = amount;
            return;
        }
        if (count == LEVELS_MAX)
            return;
        memmove(price + i + 1, price + i, (count - i) * sizeof *price);
        memmove(size + i + 1, size + i, (count - i) * sizeof *size);
        price[i] = at;
        size[i] = amount;
        count++;
    }

    void remove(int64_t at)
    {
        size_t i = place(at);
        if (i == count || price[i] != at)
            return;
        count--;
        memmove(price + i, price + i + 1, (count - i) * sizeof *price);
        memmove(size + i, size + i + 1, (count - i) * sizeof *size);
    }
};

struct Book {
    Side side[2];
};

struct Totals {
    uint64_t frames = 0, bytes = 0, levels = 0;
    int64_t check = 0;
};

[[noreturn]] void die(const char *what)
{
    fprintf(stderr, "limit_read: %s\n", what);
    exit(4);
}

double clock_s(clockid_t id)
{
    timespec now;
    clock_gettime(id, &now);
    return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

// Decimal text to an integer at a fixed number of places.
int64_t fixed(const char *text, int places)
{
    int64_t number = 0;
    unsigned digit;
    for (; (digit = unsigned(*text) - '0') < 10; text++)
        number = number * 10 + digit;
    if (*text == '.') {
        for (text++; (digit = unsigned(*text) - '0') < 10 && places > 0; text++, places--)
            number = number * 10 + digit;
    }
    for (; places > 0; places--)
        number *= 10;
    return number;
}

const char *number_text(value v)
{
    std::string_view token = v.raw_json_token();
    return token.data() + (token[0] == '"');
}

void apply_list(Book &book, array list, bool is_delete, Totals &totals)
{
    for (object level : list) {
        std::string_view price = level.find_field("price");
        std::string_view side = level.find_field("side");
        Side &into = book.side[side[0] == 'S'];
        int64_t at = fixed(price.data(), PRICE_PLACES);
        if (is_delete)
            into.remove(at);
        else
            into.set(at, fixed(number_text(level.find_field("size")), SIZE_PLACES));
        totals.levels++;
    }
}

void apply_book(Book &book, object &frame, Totals &totals)
{
    std::string_view type = frame.find_field("type");
    value data = frame.find_field("data");
    if (type[0] == 's') {
        book.side[0].count = book.side[1].count = 0;
        if (data.type() == simdjson::ondemand::json_type::array)
            apply_list(book, data.get_array(), false, totals);
        else
            apply_list(book, data.get_object().find_field("order_book"), false, totals);
    } else {
        object lists = data.get_object();
        apply_list(book, lists.find_field("delete"), true, totals);
        apply_list(book, lists.find_field("update"), false, totals);
        apply_list(book, lists.find_field("insert"), false, totals);
    }
    totals.check += fixed(number_text(frame.find_field("cross_seq")), 0);
}

void apply_pairs(Side &into, array pairs, Totals &totals)
{
    for (array pair : pairs) {
        int64_t at = 0;
        bool is_price = true;
        for (std::string_view text : pair) {
            int64_t number = fixed(text.data(), is_price ? PRICE_PLACES : SIZE_PLACES);
            if (is_price)
                at = number;
            else if (number == 0)
                into.remove(at);
            else
                into.set(at, number);
            is_price = false;
        }
        totals.levels++;
    }
}

// Books of v3 and v5: pairs of price and size; size 0 removes a level.
void apply_pair_book(Book &book, object &frame, Totals &totals)
{
    std::string_view type = frame.find_field("type");
    if (type[0] == 's')
        book.side[0].count = book.side[1].count = 0;
    object data = frame.find_field("data");
    apply_pairs(book.side[0], data.find_field("b"), totals);
    apply_pairs(book.side[1], data.find_field("a"), totals);
    totals.check += int64_t(uint64_t(data.find_field("u")));
    totals.check += int64_t(uint64_t(data.find_field("seq")));
}

void apply_trades(object &frame, const char *price, const char *size, Totals &totals)
{
    for (object trade : array(frame.find_field("data"))) {
        totals.check += fixed(number_text(trade.find_field_unordered(price)), PRICE_PLACES);
        totals.check += fixed(number_text(trade.find_field_unordered(size)), SIZE_PLACES);
    }
}

using Books = std::unordered_map<std::string, Book>;

void on_frame(parser &json, Books &books, const char *bytes, size_t size, size_t space,
              Totals &totals)
{
    static const std::string_view EVENT = "{\"event\":";
    totals.frames++;
    totals.bytes += size;
    if (std::string_view(bytes, size).substr(0, EVENT.size()) == EVENT)
        return;
    document doc = json.iterate(bytes, size, space);
    object frame = doc.get_object();
    std::string_view topic;
    if (frame.find_field("topic").get(topic))
        return;
    if (topic.substr(0, 9) == "orderBook")
        apply_book(books[std::string(topic)], frame, totals);
    else if (topic.substr(0, 6) == "trade.")
        apply_trades(frame, "price", "size", totals);
    else if (topic.substr(0, 10) == "orderbook.")
        apply_pair_book(books[std::string(topic)], frame, totals);
    else if (topic.substr(0, 12) == "publicTrade.")
        apply_trades(frame, "p", "v", totals);
}

uint64_t le(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    memcpy(&v, p, size_t(bytes));
    return v;
}

// Apply the messages of a decompressed chunk. Events are recognized by their first bytes, and
// answers by their lack of a topic; both are few.
void walk(parser &json, Books &books, const std::vector<uint8_t> &chunk, size_t size,
          Totals &totals)
{
    for (size_t at = 0; at + 9 <= size;) {
        uint8_t opcode = chunk[at];
        size_t length = size_t(le(chunk.data() + at + 1, 8));
        if (opcode == 0x05 && length > 22)
            on_frame(json, books, reinterpret_cast<const char *>(chunk.data() + at + 31),
                     length - 22, chunk.size() - at - 31, totals);
        at += 9 + length;
    }
}

void read_segment(const char *path, parser &json, Books &books, Totals &totals)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die(path);
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    std::vector<uint8_t> packed, chunk;
    uint8_t head[9];
    for (off_t at = 8; pread(fd, head, 9, at) == 9;) {
        uint64_t length = le(head + 1, 8);
        if (head[0] == 0x0f)
            break;
        if (head[0] == 0x06) {
            packed.resize(length);
            if (pread(fd, packed.data(), length, at + 9) != ssize_t(length))
                die("short chunk");
            uint64_t size = le(packed.data() + 16, 8);
            size_t name = size_t(le(packed.data() + 28, 4));
            const uint8_t *records = packed.data() + 32 + name + 8;
            uint64_t packed_bytes = le(records - 8, 8);
            if (chunk.size() < size + simdjson::SIMDJSON_PADDING)
                chunk.resize(size + simdjson::SIMDJSON_PADDING);
            if (ZSTD_decompressDCtx(zstd, chunk.data(), chunk.size(), records, packed_bytes) !=
                size)
                die("bad chunk");
            walk(json, books, chunk, size, totals);
        }
        at += off_t(9 + length);
    }
    ZSTD_freeDCtx(zstd);
    close(fd);
}

} // namespace

int main(int argc, char **argv)
{
    parser json;
    Books books;
    Totals totals;
    double wall = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 1; i < argc; i++)
        read_segment(argv[i], json, books, totals);
    wall = clock_s(CLOCK_MONOTONIC) - wall;
    cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    if (totals.frames == 0 || totals.check == 42)
        die("no frames");
    printf("{\"frames\":%llu,\"bytes\":%llu,\"levels\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f}\n",
           (unsigned long long)totals.frames, (unsigned long long)totals.bytes,
           (unsigned long long)totals.levels, wall, cpu);
    return 0;
}

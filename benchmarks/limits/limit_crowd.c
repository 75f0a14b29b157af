/* Limit: a server that sends the same frames to many clients. An epoll loop answers each request
 * with a fixed text, and writes each frame to each socket when it is due. It parses nothing, and
 * has no queues: frames that a socket does not accept are lost.
 *
 *   limit_crowd LINES TIMES      TIMES: when each line is due, ns, ascending
 *
 * Prints its port, and serves until it is killed. The first frame is sent 300 ms after the first
 * request. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 4096, FRAMES_MAX = 1 << 20, START_MS = 300 };

typedef struct frame {
    uint8_t *bytes;
    size_t size;
    uint64_t due_ns;
} frame;

static frame frames[FRAMES_MAX];
static size_t frame_count;
static int clients[CLIENTS_MAX];
static size_t client_count;

static void die(const char *what)
{
    fprintf(stderr, "limit_crowd: %s\n", what);
    exit(4);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Encode a line once as a server's WebSocket frame. */
static void read_files(const char *lines, const char *times)
{
    FILE *text = fopen(lines, "r"), *when = fopen(times, "r");
    char *line = NULL, due[64];
    size_t capacity = 0;
    ssize_t size;
    if (text == NULL || when == NULL)
        die("cannot open a file");
    while (frame_count < FRAMES_MAX && (size = getline(&line, &capacity, text)) > 1 &&
           fgets(due, sizeof due, when) != NULL) {
        frame *f = &frames[frame_count++];
        size_t payload = (size_t)size - 1, head = payload < 126 ? 2 : 4;
        if (payload > 65535)
            die("a frame is too long");
        f->bytes = malloc(head + payload);
        f->bytes[0] = 0x81;
        f->bytes[1] = (uint8_t)(head == 2 ? payload : 126);
        if (head == 4) {
            f->bytes[2] = (uint8_t)(payload >> 8);
            f->bytes[3] = (uint8_t)payload;
        }
        memcpy(f->bytes + head, line, payload);
        f->size = head + payload;
        f->due_ns = strtoull(due, NULL, 10);
    }
    free(line);
    fclose(text);
    fclose(when);
}

static void answer(int fd)
{
    static const char HEAD[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char request[4096];
    (void)recv(fd, request, sizeof request, 0);
    if (send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) < 0 || client_count == CLIENTS_MAX)
        die("a client");
    clients[client_count++] = fd;
}

static void send_due(size_t *next, uint64_t start_ns)
{
    uint64_t at_ns = now_ns();
    for (; *next < frame_count; ++*next) {
        const frame *f = &frames[*next];
        if (start_ns + f->due_ns - frames[0].due_ns > at_ns)
            return;
        for (size_t i = 0; i < client_count; i++)
            (void)send(clients[i], f->bytes, f->size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t place_size = sizeof place;
    uint64_t start_ns = 0;
    size_t next = 0;
    if (argc < 3)
        die("usage: limit_crowd LINES TIMES");
    read_files(argv[1], argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM, 0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    int epoll = epoll_create1(0);
    if (bind(listener, (struct sockaddr *)&place, sizeof place) != 0 || listen(listener, 512) != 0)
        die("cannot listen");
    getsockname(listener, (struct sockaddr *)&place, &place_size);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = timer;
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    printf("%u\n", ntohs(place.sin_port));
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, &event, 1, -1);
        if (ready > 0 && event.data.fd == listener) {
            answer(accept(listener, NULL, NULL));
            if (start_ns == 0)
                start_ns = now_ns() + START_MS * 1000000ULL;
        } else if (ready > 0) {
            uint64_t count;
            (void)!read(timer, &count, sizeof count);
            send_due(&next, start_ns);
        }
        if (start_ns != 0 && next < frame_count) {
            uint64_t at_ns = start_ns + frames[next].due_ns - frames[0].due_ns;
            struct itimerspec when = {
                .it_value = {(time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000)}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
        }
    }
}

/*
 * Connections: connect() to an IPv4 address makes a pair of sockets, of which one end belongs
 * to a peer of the world. 10.0.0.1 is the directory, 10.0.0.2 the tenant. Who calls the daemon
 * comes through its own, real socket.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "world.h"

#define FD_MAX    1024
#define LINES_MAX 256

static struct line *lines;
static struct sockaddr_in peers[FD_MAX]; /* of the daemon's ends, by descriptor */

static void make_room(unsigned char **data, size_t *room, size_t wanted)
{
    if (wanted <= *room)
        return;
    *room = wanted * 2 + 4096;
    *data = realloc(*data, *room);
    if (!*data)
        abort();
}

size_t lines_held(void)
{
    size_t held = 0;
    for (const struct line *l = lines; l; l = l->next)
        held += sizeof(*l) + l->in_room + l->out_room;
    return held;
}

static bool flush(struct line *l)
{
    if (!l->n_out || l->fd < 0)
        return false;
    ssize_t n = send(l->fd, l->out, l->n_out, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0)
        return false;
    world_stir();
    memmove(l->out, l->out + n, l->n_out - (size_t)n);
    l->n_out -= (size_t)n;
    return true;
}

void line_say(struct line *l, const void *data, size_t size)
{
    if (l->fd < 0)
        return;
    make_room(&l->out, &l->out_room, l->n_out + size);
    memcpy(l->out + l->n_out, data, size);
    l->n_out += size;
    (void)flush(l);
}

void line_eat(struct line *l, size_t size)
{
    memmove(l->in, l->in + size, l->n_in - size);
    l->n_in -= size;
}

struct line *line_ref(struct line *l)
{
    l->n_references++;
    return l;
}

struct line *line_unref(struct line *l)
{
    if (--l->n_references)
        return NULL;
    free(l->in);
    free(l->out);
    free(l);
    return NULL;
}

void line_hang_up(struct line *l)
{
    if (l->fd < 0)
        return;
    world.cut_usec = world.steady_usec;
    world_stir();
    (void)flush(l);
    syscall(SYS_close, l->fd);
    l->fd = -1;
    switch (l->peer) {
    case PEER_DIRECTORY: directory_hung_up(l); break;
    case PEER_TENANT: tenant_hung_up(l); break;
    case PEER_OPERATOR: operator_hung_up(l); break;
    }
}

/* What the daemon said, also right before it hung up. */
static bool hear(struct line *l)
{
    make_room(&l->in, &l->in_room, l->n_in + 65536);
    ssize_t n = recv(l->fd, l->in + l->n_in, l->in_room - l->n_in, MSG_DONTWAIT);
    world_stir();
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        line_hang_up(l);
        return true;
    }
    l->n_in += (size_t)n;
    world.active_usec = world.steady_usec;
    if (world.death) {
        l->n_in = 0;
        return true;
    }
    switch (l->peer) {
    case PEER_DIRECTORY: directory_hear(l); break;
    case PEER_TENANT: tenant_hear(l); break;
    case PEER_OPERATOR: operator_hear(l); break;
    }
    return true;
}

bool sockets_run(void)
{
    struct pollfd fds[LINES_MAX];
    struct line **p = &lines, *l;
    nfds_t n = 0, at = 0;
    bool any = false, waits = false;
    static uint64_t quiet_at;
    for (l = lines; l; l = l->next)
        waits = waits || l->n_out;
    if (!waits && quiet_at == world_stirs())
        return false;
    for (l = lines; l && n < LINES_MAX; l = l->next)
        fds[n++] = (struct pollfd){l->fd, (short)(POLLIN | (l->n_out ? POLLOUT : 0)), 0};
    if (n && syscall(SYS_poll, fds, n, 0) > 0)
        for (l = lines; at < n; l = l->next, at++)
            if (fds[at].revents && l->fd >= 0)
                any = flush(l) || hear(l) || any;
    while ((l = *p)) {
        if (l->fd >= 0) {
            p = &l->next;
            continue;
        }
        *p = l->next;
        line_unref(l);
    }
    if (!any)
        quiet_at = world_stirs();
    return any;
}

void sockets_cut(enum peer_kind peer)
{
    for (struct line *l = lines; l; l = l->next)
        if (l->peer == peer)
            line_hang_up(l);
}

void sockets_end(void)
{
    sockets_cut(PEER_DIRECTORY);
    sockets_cut(PEER_TENANT);
    sockets_cut(PEER_OPERATOR);
    (void)sockets_run();
}

static struct line *line_new(int fd, enum peer_kind peer)
{
    struct line *l = calloc(1, sizeof(*l)), **p = &lines;
    if (!l)
        abort();
    l->fd = fd;
    l->peer = peer;
    l->n_references = 1;
    while (*p)
        p = &(*p)->next;
    *p = l;
    return l;
}

struct line *line_open(const char *path, void *data)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    world_stir();
    if (fd < 0 || syscall(SYS_connect, fd, &to, sizeof(to)) < 0) {
        if (fd >= 0)
            syscall(SYS_close, fd);
        return NULL;
    }
    struct line *l = line_new(fd, PEER_OPERATOR);
    l->data = data;
    return l;
}

static int open_line(int fd, const struct sockaddr_in *address, enum peer_kind peer,
                     bool is_other)
{
    int pair[2];
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    if (fd >= FD_MAX || dup3(pair[0], fd, O_CLOEXEC) < 0)
        abort();
    syscall(SYS_close, pair[0]);
    if (syscall(SYS_fcntl, fd, F_SETFL, flags) < 0)
        abort();
    peers[fd] = *address;
    line_new(pair[1], peer)->is_other = is_other;
    return 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    if (!world.running || address->sa_family != AF_INET)
        return (int)syscall(SYS_connect, fd, address, size);
    enum peer_kind peer =
        in->sin_addr.s_addr == htonl(0x0a000001) ? PEER_DIRECTORY : PEER_TENANT;
    /* 10.0.0.3 is another tenant. */
    bool is_other = in->sin_addr.s_addr == htonl(0x0a000003);
    if (world.death || (peer == PEER_DIRECTORY ? world.directory_away : world.tenant_away)) {
        if (peer == PEER_TENANT && !world.death && !is_other && !world.refused_usec)
            world.refused_usec = world.steady_usec;
        errno = ECONNREFUSED;
        return -1;
    }
    world.active_usec = world.steady_usec;
    world_stir();
    return open_line(fd, in, peer, is_other);
}

/* Nobody asks the network of this machine, be it for the own name. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct addrinfo numbers = hints ? *hints : (struct addrinfo){0};
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    numbers.ai_flags |= AI_NUMERICHOST;
    return real(node, service, world.running ? &numbers : hints, ret);
}

static bool is_ours(int fd)
{
    return world.running && fd >= 0 && fd < FD_MAX && peers[fd].sin_family == AF_INET;
}

void socket_forget(int fd);
void socket_forget(int fd)
{
    if (fd >= 0 && fd < FD_MAX)
        peers[fd].sin_family = 0;
}

static int answer_name(const struct sockaddr_in *name, struct sockaddr *ret,
                       socklen_t *ret_size)
{
    memcpy(ret, name, *ret_size < sizeof(*name) ? *ret_size : sizeof(*name));
    *ret_size = sizeof(*name);
    return 0;
}

int getpeername(int fd, struct sockaddr *restrict ret, socklen_t *restrict ret_size)
{
    if (!is_ours(fd))
        return (int)syscall(SYS_getpeername, fd, ret, ret_size);
    return answer_name(&peers[fd], ret, ret_size);
}

int getsockname(int fd, struct sockaddr *restrict ret, socklen_t *restrict ret_size)
{
    struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = htons(40000), .sin_addr = {htonl(0x0a0000ff)}};
    if (!is_ours(fd))
        return (int)syscall(SYS_getsockname, fd, ret, ret_size);
    return answer_name(&here, ret, ret_size);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    if (is_ours(fd) && level == IPPROTO_TCP)
        return 0;
    return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}

/* What the daemon says to anybody. */
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size)
{
    world_stir();
    return syscall(SYS_sendto, fd, data, size, flags, to, to_size);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return sendto(fd, data, size, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    world_stir();
    return syscall(SYS_sendmsg, fd, message, flags);
}

int shutdown(int fd, int how)
{
    world_stir();
    return (int)syscall(SYS_shutdown, fd, how);
}

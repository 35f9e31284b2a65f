/* The control socket: framing, and a server with clients that behave and that do not. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

/* cmocka.h needs the ones above. */
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "control/control.h"
#include "control/protocol.h"

struct world {
    char folder[64], path[128];
    sd_event *event;
    struct control_server *server;
    struct control_call *waiting; /* of the method "later" */
    unsigned n_requests;
    uid_t peer;
};

static void on_request(struct control_call *call, const char *method, const json_t *parameters,
                       uid_t peer, void *userdata)
{
    struct world *w = userdata;

    w->n_requests++;
    w->peer = peer;
    if (strcmp(method, "echo") == 0) {
        control_reply(call, json_deep_copy(parameters));
    } else if (strcmp(method, "later") == 0) {
        w->waiting = call;
    } else if (strcmp(method, "large") == 0) {
        char *text = malloc(8 * 1024 * 1024);
        assert_non_null(text);
        memset(text, 'x', 8 * 1024 * 1024);
        control_reply(call, json_pack("{s:s#}", "text", text, (size_t)(8 * 1024 * 1024)));
        free(text);
    } else {
        control_fail(call, "failed", "%s is not done here\n", method);
    }
}

static int new_server(struct control_server **ret, struct world *w, const char *path,
                      const char *operators, struct error *e)
{
    struct control_server_options options = {
        .path = path, .operators = operators, .handler = on_request, .userdata = w};

    return control_server_new(ret, w->event, &options, e);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct error e = {""};

    assert_non_null(w);
    strncpy(w->folder, "/tmp/test-control-XXXXXX", sizeof(w->folder) - 1);
    assert_non_null(mkdtemp(w->folder));
    (void)snprintf(w->path, sizeof(w->path), "%s/control.sock", w->folder);
    assert_true(sd_event_new(&w->event) >= 0);
    assert_int_equal(new_server(&w->server, w, w->path, NULL, &e),
                     0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct stat st;

    control_server_free(w->server);
    assert_int_equal(lstat(w->path, &st), -1);
    sd_event_unref(w->event);
    assert_int_equal(rmdir(w->folder), 0);
    free(w);
    return 0;
}

static int raw_connect(const struct world *w)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    memcpy(a.sun_path, w->path, strlen(w->path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void raw_send(int fd, const char *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Runs the loop until the fd has a whole message (returned), or its end (NULL). */
static json_t *raw_receive(struct world *w, int fd)
{
    struct buffer b = {0};
    uint64_t deadline = clock_monotonic_usec() + 10 * USEC_PER_SEC;

    for (;;) {
        char block[65536];
        ssize_t n = recv(fd, block, sizeof(block), MSG_PEEK);
        if (n > 0) {
            const char *end = memchr(block, '\0', (size_t)n);
            size_t size = end ? (size_t)(end - block) + 1 : (size_t)n;
            assert_int_equal(recv(fd, block, size, 0), (ssize_t)size);
            buffer_add(&b, block, size);
            if (!end)
                continue;
            json_t *message = json_loads(b.data, 0, NULL);
            buffer_done(&b);
            assert_non_null(message);
            return message;
        }
        if (n == 0 || errno == ECONNRESET) {
            buffer_done(&b);
            return NULL;
        }
        assert_int_equal(errno, EAGAIN);
        assert_true(clock_monotonic_usec() < deadline);
        assert_true(sd_event_run(w->event, 10000) >= 0);
    }
}

static void run_until(struct world *w, unsigned n_requests)
{
    uint64_t deadline = clock_monotonic_usec() + 10 * USEC_PER_SEC;

    while (w->n_requests < n_requests) {
        assert_true(clock_monotonic_usec() < deadline);
        assert_true(sd_event_run(w->event, 10000) >= 0);
    }
}

static void run_idle(struct world *w)
{
    while (sd_event_run(w->event, 0) > 0)
        ;
}

static const char *text_at(const json_t *message, const char *outer, const char *inner)
{
    return json_string_value(json_object_get(json_object_get(message, outer), inner));
}

static void test_framing(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int r;
        size_t used;
    } rows[] = {
        {"", 0, PROTOCOL_INCOMPLETE, 0},
        {"{}", 2, PROTOCOL_INCOMPLETE, 0},
        {"{}", 3, 0, 3},
        {"{}\0{}", 6, 0, 3},
        {"", 1, -EBADMSG, 1},
        {"[]", 3, -EBADMSG, 3},
        {"{\"a\":1,\"a\":2}", 14, -EBADMSG, 14},
        {"{\"a\":\"\xff\"}", 10, -EBADMSG, 10},
        {"{\"aaaaaaaaaaaaaaaaaaaa\":1", 25, -EMSGSIZE, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        json_auto_t *message = NULL;
        struct error e = {""};
        size_t used = 99;
        assert_int_equal(protocol_next(rows[i].bytes, rows[i].size, 20, &message, &used, &e),
                         rows[i].r);
        assert_int_equal(used, rows[i].used);
        assert_int_equal(rows[i].r < 0, e.message[0] != '\0');
    }
}

static void test_half_messages(void **state)
{
    struct world *w = *state;
    static const char request[] = "{\"method\":\"org.rosterd.Echo\",\"parameters\":{\"a\":\"b\"}}";
    int fd = raw_connect(w);

    for (size_t i = 0; i < sizeof(request); i++) { /* with its NUL */
        run_idle(w);
        assert_int_equal(w->n_requests, 0);
        raw_send(fd, request + i, 1);
    }
    json_auto_t *answer = raw_receive(w, fd);
    assert_string_equal(text_at(answer, "parameters", "a"), "b");
    assert_int_equal(w->peer, getuid());
    (void)close(fd);
}

static void test_several_at_once(void **state)
{
    struct world *w = *state;
    static const char requests[] =
        "{\"method\":\"org.rosterd.Later\"}\0{\"method\":\"org.rosterd.Echo\",\"parameters\":"
        "{\"n\":\"2\"}}\0{\"method\":\"org.rosterd.None\"}";
    int fd = raw_connect(w);

    raw_send(fd, requests, sizeof(requests));
    run_until(w, 1);
    run_idle(w);
    assert_int_equal(w->n_requests, 1); /* the others wait for the first one's answer */
    control_reply(w->waiting, json_pack("{s:s}", "n", "1"));
    json_auto_t *first = raw_receive(w, fd);
    json_auto_t *second = raw_receive(w, fd);
    json_auto_t *third = raw_receive(w, fd);
    assert_string_equal(text_at(first, "parameters", "n"), "1");
    assert_string_equal(text_at(second, "parameters", "n"), "2");
    assert_string_equal(json_string_value(json_object_get(third, "error")),
                        "org.rosterd.Failed");
    assert_null(strchr(text_at(third, "parameters", "message"), '\n'));
    (void)close(fd);
}

static void test_client_gone(void **state)
{
    struct world *w = *state;
    static const char request[] = "{\"method\":\"org.rosterd.Later\"}";
    int fd = raw_connect(w);

    raw_send(fd, request, sizeof(request));
    run_until(w, 1);
    (void)close(fd);
    run_idle(w);
    control_reply(w->waiting, json_object()); /* is dropped */

    fd = raw_connect(w); /* half-closed after its request: it still gets the answer */
    raw_send(fd, request, sizeof(request));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    run_until(w, 2);
    control_fail(w->waiting, "busy", "not now");
    json_auto_t *answer = raw_receive(w, fd);
    assert_string_equal(json_string_value(json_object_get(answer, "error")), "org.rosterd.Busy");
    assert_null(raw_receive(w, fd)); /* and the end */
    (void)close(fd);
}

static void test_names(void **state)
{
    static const char *const rows[][2] = {{"status", "org.rosterd.Status"},
                                          {"not-found", "org.rosterd.NotFound"},
                                          {"nothing-to-approve", "org.rosterd.NothingToApprove"}};
    static const char *const others[] = {"status", "org.rosterd.", "org.rosterd.status",
                                         "org.rosterdX.Status", "org.varlink.service.GetInfo"};
    char space[PROTOCOL_NAME_MAX], long_name[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_string_equal(protocol_name(space, rows[i][0]), rows[i][1]);
        assert_string_equal(protocol_word(space, rows[i][1]), rows[i][0]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_null(protocol_word(space, others[i]));
    memset(long_name, 'A', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    memcpy(long_name, "org.rosterd.", 12);
    assert_null(protocol_word(space, long_name));
}

/* What any Varlink client may ask, and a call that wants no answer. */
static void test_varlink(void **state)
{
    struct world *w = *state;
    static const char requests[] =
        "{\"method\":\"org.rosterd.Echo\",\"oneway\":true}\0"
        "{\"method\":\"org.varlink.service.GetInfo\"}\0"
        "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
        "{\"interface\":\"org.rosterd\"}}\0"
        "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}\0"
        "{\"method\":\"org.example.Nothing\"}\0{\"method\":\"org.rosterd.echo\"}";
    static const char *const errors[] = {"org.varlink.service.InvalidParameter",
                                         "org.varlink.service.InterfaceNotFound",
                                         "org.varlink.service.MethodNotFound"};
    int fd = raw_connect(w);

    raw_send(fd, requests, sizeof(requests));
    json_auto_t *info = raw_receive(w, fd);
    assert_string_equal(text_at(info, "parameters", "product"), "rosterd");
    assert_int_equal(w->n_requests, 1); /* of the oneway call, which nothing answered */
    json_auto_t *description = raw_receive(w, fd);
    assert_non_null(
        strstr(text_at(description, "parameters", "description"), "interface org.rosterd\n"));
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
        json_auto_t *answer = raw_receive(w, fd);
        assert_string_equal(json_string_value(json_object_get(answer, "error")), errors[i]);
    }
    (void)close(fd);
}

static void test_bad_messages(void **state)
{
    struct world *w = *state;
    static const char *const rows[] = {"nonsense", "[1]", "{\"method\":1}",
                                       "{\"method\":\"org.rosterd.Echo\",\"parameters\":[]}"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int fd = raw_connect(w);
        raw_send(fd, rows[i], strlen(rows[i]) + 1);
        json_auto_t *answer = raw_receive(w, fd);
        assert_string_equal(json_string_value(json_object_get(answer, "error")),
                            "org.rosterd.InvalidParameter");
        (void)close(fd);
    }
    assert_int_equal(w->n_requests, 0);
}

static void test_too_large(void **state)
{
    struct world *w = *state;
    static char block[65536];
    size_t sent = 0;
    int fd = raw_connect(w);

    memset(block, ' ', sizeof(block));
    while (sent <= CONTROL_MESSAGE_MAX) {
        ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN)
            break;
        run_idle(w);
    }
    json_auto_t *answer = raw_receive(w, fd);
    assert_non_null(strstr(text_at(answer, "parameters", "message"), "larger than"));
    (void)close(fd);
}

/* A client that never reads costs its buffer, not the others' answers; time drops it. */
static void test_slow_client(void **state)
{
    struct world *w = *state;
    static const char large[] = "{\"method\":\"org.rosterd.Large\"}", echo[] = "{\"method\":\"org.rosterd.Echo\"}";
    int slow = raw_connect(w), quick = raw_connect(w);

    raw_send(slow, large, sizeof(large));
    run_until(w, 1);
    raw_send(quick, echo, sizeof(echo));
    json_auto_t *answer = raw_receive(w, quick);
    assert_non_null(answer);
    json_auto_t *late = raw_receive(w, slow); /* it reads at last: all of it is there */
    assert_int_equal(strlen(text_at(late, "parameters", "text")), 8 * 1024 * 1024);
    (void)close(slow);
    (void)close(quick);
}

struct asking {
    const struct world *world;
    const char *method;
    json_t *parameters;
    unsigned timeout;
    int r;
    json_t *answer;
    char *code;
    struct error e;
    atomic_bool finished;
};

static void *ask(void *userdata)
{
    struct asking *a = userdata;
    struct control_client *c = NULL;

    a->r = control_client_open(&c, a->world->path, &a->e);
    if (a->r == 0)
        a->r = control_client_call(c, a->method, a->parameters, a->timeout, &a->answer,
                                   &a->code, &a->e);
    control_client_free(c);
    atomic_store(&a->finished, true);
    return NULL;
}

static void run_asking(struct world *w, struct asking *a)
{
    pthread_t thread;
    uint64_t deadline = clock_monotonic_usec() + 20 * USEC_PER_SEC;

    a->world = w;
    assert_int_equal(pthread_create(&thread, NULL, ask, a), 0);
    while (!atomic_load(&a->finished)) {
        assert_true(clock_monotonic_usec() < deadline);
        assert_true(sd_event_run(w->event, 10000) >= 0);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_client(void **state)
{
    struct world *w = *state;
    struct asking echo = {
        .method = "echo", .parameters = json_pack("{s:s}", "k", "v"), .timeout = 10};
    struct asking large = {.method = "large", .timeout = 20};
    struct asking none = {.method = "nothing", .timeout = 10};
    struct asking never = {.method = "later", .timeout = 1};

    run_asking(w, &echo);
    assert_int_equal(echo.r, 0);
    assert_string_equal(json_string_value(json_object_get(echo.answer, "k")), "v");
    json_decref(echo.answer);
    run_asking(w, &large);
    assert_int_equal(large.r, 0);
    assert_int_equal(json_string_length(json_object_get(large.answer, "text")),
                     8 * 1024 * 1024);
    json_decref(large.answer);
    run_asking(w, &none);
    assert_int_equal(none.r, CONTROL_REFUSED);
    assert_string_equal(none.code, "failed");
    assert_non_null(strstr(none.e.message, "nothing is not done here"));
    free(none.code);
    run_asking(w, &never);
    assert_int_equal(never.r, -ETIMEDOUT);
    run_idle(w);
    control_reply(w->waiting, json_object());
}

static void test_socket_file(void **state)
{
    struct world *w = *state;
    struct control_server *second = NULL;
    struct control_client *client = NULL;
    struct stat st;
    struct error e = {""};
    char other[160];

    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(new_server(&second, w, w->path, NULL, &e),
                     -EADDRINUSE);
    assert_int_equal(stat(w->path, &st), 0); /* and the first one's socket is still there */

    (void)snprintf(other, sizeof(other), "%s/other.sock", w->folder);
    assert_int_equal(control_client_open(&client, other, &e), -ENOENT);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, other, strlen(other) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    (void)close(fd); /* the socket file of one that was killed */
    assert_int_equal(control_client_open(&client, other, &e), -ECONNREFUSED);
    assert_int_equal(new_server(&second, w, other, NULL, &e), 0);
    control_server_free(second);
    assert_int_equal(
        new_server(&second, w, other, "no-such-group-here", &e),
        -ESRCH);
    FILE *f = fopen(other, "we");
    assert_non_null(f);
    (void)fclose(f);
    assert_int_equal(new_server(&second, w, other, NULL, &e),
                     -EADDRINUSE); /* a file that is no socket is never removed */
    assert_int_equal(unlink(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_varlink, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_socket_file, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * TLS to the tenant: what is said when it cannot be trusted, against real servers.
 */
#include "config.h"

#include "tenant-test.h"

/* -- TLS -- */
static void use_tls_url(struct bed *b, const char *host, unsigned port)
{
    char url[128];
    snprintf(url, sizeof(url), "https://%s:%u", host, port);
    free(b->options.url);
    b->options.url = strdup(url);
    b->options.allow_plain_http = false;
}

static void test_tls_to_a_plain_server(void **state)
{
    struct bed *b = *state;
    unsigned port = (unsigned)strtoul(strrchr(b->options.url, ':') + 1, NULL, 10);
    use_tls_url(b, "127.0.0.1", port);
    b->options.request_timeout_usec = USEC_PER_SEC;
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_int_equal(b->n_requests + b->n_tokens, 0);
}

struct tls_server {
    pid_t pid;
    unsigned port;
    char folder[64], certificate[96], key[96];
};

static int run_openssl(const char *const *arguments, pid_t *ret_background, int *ret_output)
{
    int output[2];
    if (ret_background && pipe(output) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(ret_background ? output[1] : null, 1);
        dup2(null, 2);
        execvp("openssl", (char *const *)arguments);
        _exit(127);
    }
    if (ret_background) {
        close(output[1]);
        *ret_background = pid;
        *ret_output = output[0];
        return 0;
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A server with a certificate of its own making for tenant.example; false: no openssl here. */
static bool tls_server_start(struct tls_server *t)
{
    *t = (struct tls_server){.folder = "/tmp/rosterd-test-tls-XXXXXX"};
    assert_non_null(mkdtemp(t->folder));
    snprintf(t->certificate, sizeof(t->certificate), "%s/c.pem", t->folder);
    snprintf(t->key, sizeof(t->key), "%s/k.pem", t->folder);
    const char *const make[] = {"openssl",
                                "req",
                                "-x509",
                                "-newkey",
                                "ec",
                                "-pkeyopt",
                                "ec_paramgen_curve:P-256",
                                "-nodes",
                                "-subj",
                                "/CN=tenant.example",
                                "-addext",
                                "subjectAltName=DNS:tenant.example",
                                "-days",
                                "2",
                                "-keyout",
                                t->key,
                                "-out",
                                t->certificate,
                                NULL};
    if (run_openssl(make, NULL, NULL) != 0)
        return false;
    const char *const serve_it[] = {
        "openssl",      "s_server", "-accept", "127.0.0.1:0", "-cert",
        t->certificate, "-key",     t->key,    "-www",        NULL};
    int output = -1;
    assert_int_equal(run_openssl(serve_it, &t->pid, &output), 0);
    /* It prints "ACCEPT 127.0.0.1:PORT". */
    char text[256] = "";
    size_t n = 0;
    const char *accepting = NULL;
    while (!(accepting = strstr(text, "ACCEPT 127.0.0.1:")) || !strchr(accepting, '\n')) {
        ssize_t got = read(output, text + n, sizeof(text) - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        text[n] = '\0';
    }
    t->port = (unsigned)strtoul(accepting + strlen("ACCEPT 127.0.0.1:"), NULL, 10);
    close(output);
    return true;
}

static void tls_server_stop(struct tls_server *t)
{
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
    }
    unlink(t->certificate);
    unlink(t->key);
    rmdir(t->folder);
}

static void test_tls_sentences(void **state)
{
    struct bed *b = *state;
    struct tls_server t;
    if (!tls_server_start(&t)) {
        tls_server_stop(&t);
        skip();
    }
    use_tls_url(b, "127.0.0.1", t.port);
    /* not trusted: by the system's CAs */
    connect_client(b);
    struct seen *s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_non_null(strstr(s->hint, "TLS with 127.0.0.1"));
    assert_non_null(strstr(s->hint, "self-signed"));
    assert_non_null(strstr(s->hint, "system's CAs"));
    b->client = tenant_client_free(b->client);
    /* trusted, but it is somebody else's */
    b->options.tls_ca_file = strdup(t.certificate);
    connect_client(b);
    s = create(b, "ada", NULL);
    run_until(b, all_done);
    assert_int_equal(s->class, TENANT_AWAY);
    assert_non_null(strstr(s->hint, "127.0.0.1"));
    assert_non_null(strstr(s->hint, "match"));
    assert_non_null(strstr(s->hint, t.certificate));
    tls_server_stop(&t);
}

int main(void)
{
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_tls_to_a_plain_server),
        TEST(test_tls_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

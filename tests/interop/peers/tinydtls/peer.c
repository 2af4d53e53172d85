/* A peer for Claviger's interop tests, on tinydtls.
 *
 * It takes its task as words key=value; its keys are files of the working folder. What it reads on
 * standard input it sends, a line each, and what it receives it prints. It ends with its input. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dtls.h"
#include "dtls_debug.h"

static int socket_of_ours;
static int open_yet;
static session_t peer;
static unsigned char psk[64];
static size_t psk_length;
static const char *identity;
static dtls_cipher_t suite;
static dtls_ecdsa_key_t own;
static unsigned char theirs[64];

static void fail(const char *what) {
  fprintf(stderr, "failed: %s\n", what);
  exit(1);
}

static int on_write(struct dtls_context_t *context, session_t *to, uint8 *bytes, size_t length) {
  (void)context;
  return sendto(socket_of_ours, bytes, length, 0, &to->addr.sa, to->size);
}

static int on_read(struct dtls_context_t *context, session_t *from, uint8 *bytes, size_t length) {
  (void)context, (void)from;
  printf("%.*s\n", (int)length, bytes);
  return 0;
}

static int on_event(struct dtls_context_t *context, session_t *session, dtls_alert_level_t level,
                    unsigned short code) {
  (void)context, (void)session;
  if (level == 0 && code == DTLS_EVENT_CONNECTED) {
    open_yet = 1;
    puts("open");
  }
  return 0;
}

static void on_parameters(struct dtls_context_t *context, session_t *session,
                          dtls_user_parameters_t *parameters) {
  (void)context, (void)session;
  parameters->cipher_suites[0] = suite;
  parameters->cipher_suites[1] = TLS_NULL_WITH_NULL_NULL;
}

static int on_psk(struct dtls_context_t *context, const session_t *session,
                  dtls_credentials_type_t what, const unsigned char *about, size_t about_length,
                  unsigned char *result, size_t room) {
  (void)context, (void)session;
  const void *answer = psk;
  size_t length = psk_length;
  if (what == DTLS_PSK_HINT)
    return 0;
  if (what == DTLS_PSK_IDENTITY) {
    answer = identity;
    length = strlen(identity);
  } else if (about_length != strlen(identity) || memcmp(about, identity, about_length)) {
    return dtls_alert_fatal_create(DTLS_ALERT_ILLEGAL_PARAMETER);
  }
  if (length > room)
    return dtls_alert_fatal_create(DTLS_ALERT_INTERNAL_ERROR);
  memcpy(result, answer, length);
  return length;
}

static int on_own_key(struct dtls_context_t *context, const session_t *session,
                      const dtls_ecdsa_key_t **result) {
  (void)context, (void)session;
  *result = &own;
  return 0;
}

static int on_their_key(struct dtls_context_t *context, const session_t *session,
                        const unsigned char *x, const unsigned char *y, size_t size) {
  (void)context, (void)session;
  if (size == 32 && !memcmp(x, theirs, 32) && !memcmp(y, theirs + 32, 32))
    return 0;
  return dtls_alert_fatal_create(DTLS_ALERT_CERTIFICATE_UNKNOWN);
}

/* The bytes of a file, which stay for ever. */
static unsigned char *bytes_of(const char *side, const char *ending, size_t *length) {
  char name[64];
  snprintf(name, sizeof name, "%s.%s", side, ending);
  FILE *file = fopen(name, "rb");
  unsigned char *bytes = malloc(4096);
  if (file == NULL || bytes == NULL)
    fail(name);
  *length = fread(bytes, 1, 4096, file);
  fclose(file);
  return bytes;
}

/* In DER both files end with the public point; before the private scalar stands its header. */
static void load_keys(const char *own_side, const char *their_side) {
  static const unsigned char header[] = {2, 1, 1, 4, 32};
  size_t length;
  unsigned char *key = bytes_of(own_side, "key.der", &length);
  unsigned char *scalar = memmem(key, length, header, sizeof header);
  if (scalar == NULL)
    fail("no private key");
  own.curve = DTLS_ECDH_CURVE_SECP256R1;
  own.priv_key = scalar + sizeof header;
  own.pub_key_x = key + length - 64;
  own.pub_key_y = key + length - 32;
  unsigned char *public = bytes_of(their_side, "pub.der", &length);
  memcpy(theirs, public + length - 64, 64);
}

static void read_psk(const char *digits) {
  unsigned byte;
  for (; psk_length < sizeof psk && sscanf(digits, "%2x", &byte) == 1; digits += 2)
    psk[psk_length++] = byte;
}

static dtls_cipher_t suite_of(const char *name) {
  if (!strcmp(name, "TLS_PSK_WITH_AES_128_CCM_8"))
    return TLS_PSK_WITH_AES_128_CCM_8;
  if (!strcmp(name, "TLS_PSK_WITH_AES_128_CCM"))
    return TLS_PSK_WITH_AES_128_CCM;
  if (!strcmp(name, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"))
    return TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8;
  fail(name);
  return TLS_NULL_WITH_NULL_NULL;
}

static void read_address(char *text, session_t *into) {
  char *colon = strrchr(text, ':');
  if (colon == NULL)
    fail(text);
  *colon = 0;
  dtls_session_init(into);
  into->size = sizeof into->addr.sin;
  into->addr.sin.sin_family = AF_INET;
  into->addr.sin.sin_port = htons(atoi(colon + 1));
  inet_pton(AF_INET, text, &into->addr.sin.sin_addr);
}

/* Each whole line of what was told leaves as one record. */
static int send_lines(dtls_context_t *context) {
  static char told[4096];
  static size_t length;
  ssize_t more = read(0, told + length, sizeof told - length);
  if (more <= 0)
    return 0;
  length += more;
  for (char *end; (end = memchr(told, '\n', length)) != NULL;) {
    dtls_write(context, &peer, (uint8 *)told, end - told);
    length -= end + 1 - told;
    memmove(told, end + 1, length);
  }
  return 1;
}

static void run(dtls_context_t *context) {
  for (;;) {
    clock_time_t next = 0;
    dtls_check_retransmit(context, &next);
    struct pollfd sources[] = {{socket_of_ours, POLLIN, 0}, {0, POLLIN, 0}};
    if (poll(sources, open_yet ? 2 : 1, 200) < 0)
      fail("poll");
    if (sources[0].revents) {
      static unsigned char datagram[1 << 14];
      session_t from;
      dtls_session_init(&from);
      from.size = sizeof from.addr;
      ssize_t length = recvfrom(socket_of_ours, datagram, sizeof datagram, 0, &from.addr.sa,
                                &from.size);
      if (length > 0) {
        peer = from;
        dtls_handle_message(context, &from, datagram, length);
      }
    }
    if (open_yet && sources[1].revents && !send_lines(context))
      return;
  }
}

int main(int count, char **words) {
  static dtls_handler_t handlers = {
      .write = on_write, .read = on_read, .event = on_event, .get_user_parameters = on_parameters};
  char *listens = NULL, *connects = NULL;
  int uses_psk = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < count; i++) {
    char *value = strchr(words[i], '=');
    if (value == NULL)
      continue;
    *value++ = 0;
    if (!strcmp(words[i], "listen"))
      listens = value;
    else if (!strcmp(words[i], "connect"))
      connects = value;
    else if (!strcmp(words[i], "keys"))
      uses_psk = !strcmp(value, "psk");
    else if (!strcmp(words[i], "suite"))
      suite = suite_of(value);
    else if (!strcmp(words[i], "identity"))
      identity = value;
    else if (!strcmp(words[i], "psk"))
      read_psk(value);
  }
  if (uses_psk) {
    handlers.get_psk_info = on_psk;
  } else {
    load_keys(listens ? "server" : "client", listens ? "client" : "server");
    handlers.get_ecdsa_key = on_own_key;
    handlers.verify_ecdsa_key = on_their_key;
  }
  dtls_init();
  dtls_set_log_level(DTLS_LOG_WARN);
  socket_of_ours = socket(AF_INET, SOCK_DGRAM, 0);
  dtls_context_t *context = dtls_new_context(NULL);
  if (socket_of_ours < 0 || context == NULL)
    fail("no socket or no context");
  dtls_set_handler(context, &handlers);
  if (listens != NULL) {
    session_t local;
    read_address(listens, &local);
    if (bind(socket_of_ours, &local.addr.sa, local.size) < 0)
      fail("bind");
    puts("listening");
  } else {
    read_address(connects, &peer);
    dtls_connect(context, &peer);
  }
  run(context);
  if (open_yet)
    dtls_close(context, &peer);
  dtls_free_context(context);
  return 0;
}

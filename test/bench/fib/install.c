/*
 * The kernel's own speed at installing routes, without a daemon around it, and the clock that all are
 * measured by. Compiled with cc when the benchmark runs.
 *
 *   install gateway|nexthop COUNT DEVICE GATEWAY   20.0.0.0/24 and up, in 64 KiB batches, the last
 *                                                  message of each acknowledged; prints nothing
 *   install wait COUNT                             prints the monotonic time, in ms, at which the
 *                                                  IPv4 tables hold so many prefixes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch_bytes = 65536, message_bytes_max = 64, nexthop_id = 4711 };
enum { protocol = 180, metric = 2180, poll_us = 5000 };

static char batch[batch_bytes];
static int batch_length, sock;
static unsigned sequence;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void attribute(struct nlmsghdr *message, int type, const void *value, int bytes) {
  struct rtattr *at = (struct rtattr *)((char *)message + NLMSG_ALIGN(message->nlmsg_len));
  at->rta_type = type;
  at->rta_len = RTA_LENGTH(bytes);
  memcpy(RTA_DATA(at), value, bytes);
  message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + RTA_ALIGN(at->rta_len);
}

static struct nlmsghdr *begin(int type, int bytes) {
  struct nlmsghdr *message = (struct nlmsghdr *)(batch + batch_length);
  memset(message, 0, message_bytes_max);
  message->nlmsg_len = NLMSG_LENGTH(bytes);
  message->nlmsg_type = type;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
  message->nlmsg_seq = ++sequence;
  return message;
}

/* Sends the batch and waits for the answer to its last message; any error ends the program. */
static void flush(struct nlmsghdr *last) {
  char answer[8192];
  last->nlmsg_flags |= NLM_F_ACK;
  if (send(sock, batch, batch_length, 0) < 0) fail("send");
  for (;;) {
    int left = recv(sock, answer, sizeof answer, 0);
    if (left < 0) fail("recv");
    struct nlmsghdr *message = (struct nlmsghdr *)answer;
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      errno = -((struct nlmsgerr *)NLMSG_DATA(message))->error;
      if (errno != 0) fail("the kernel refused");
      if (message->nlmsg_seq == sequence) {
        batch_length = 0;
        return;
      }
    }
  }
}

static void make_nexthop(int device, struct in_addr gateway) {
  int id = nexthop_id;
  struct nlmsghdr *message = begin(RTM_NEWNEXTHOP, sizeof(struct nhmsg));
  struct nhmsg *body = NLMSG_DATA(message);
  body->nh_family = AF_INET;
  body->nh_protocol = protocol;
  attribute(message, NHA_ID, &id, 4);
  attribute(message, NHA_OIF, &device, 4);
  attribute(message, NHA_GATEWAY, &gateway, 4);
  batch_length = message->nlmsg_len;
  flush(message);
}

static void install(int by_nexthop, int count, int device, struct in_addr gateway) {
  int size = 2 << 20, id = nexthop_id, priority = metric;
  sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  if (sock < 0) fail("socket");
  setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  if (by_nexthop) make_nexthop(device, gateway);
  for (int route = 0; route < count; route++) {
    unsigned prefix = htonl((20u << 24) + route * 256u);
    struct nlmsghdr *message = begin(RTM_NEWROUTE, sizeof(struct rtmsg));
    struct rtmsg *body = NLMSG_DATA(message);
    body->rtm_family = AF_INET;
    body->rtm_dst_len = 24;
    body->rtm_table = RT_TABLE_MAIN;
    body->rtm_protocol = protocol;
    body->rtm_type = RTN_UNICAST;
    attribute(message, RTA_DST, &prefix, 4);
    attribute(message, RTA_PRIORITY, &priority, 4);
    if (by_nexthop) {
      attribute(message, RTA_NH_ID, &id, 4);
    } else {
      attribute(message, RTA_OIF, &device, 4);
      attribute(message, RTA_GATEWAY, &gateway, 4);
    }
    batch_length += message->nlmsg_len;
    if (batch_length + message_bytes_max > batch_bytes || route == count - 1) flush(message);
  }
}

/* Prefixes of all tables; walking them takes the kernel about 10 ms for 500,000. */
static long prefixes(void) {
  char line[128];
  long sum = 0, count;
  FILE *statistics = fopen("/proc/net/fib_triestat", "r");
  if (!statistics) fail("/proc/net/fib_triestat");
  while (fgets(line, sizeof line, statistics))
    if (sscanf(line, " Prefixes: %ld", &count) == 1) sum += count;
  fclose(statistics);
  return sum;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "wait") == 0) {
    struct timespec now;
    while (prefixes() < atol(argv[2])) usleep(poll_us);
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%.3f\n", now.tv_sec * 1e3 + now.tv_nsec / 1e6);
    return 0;
  }
  struct in_addr gateway;
  if (argc != 5 || inet_pton(AF_INET, argv[4], &gateway) != 1) {
    fprintf(stderr, "install gateway|nexthop COUNT DEVICE GATEWAY, or install wait COUNT\n");
    return 2;
  }
  install(strcmp(argv[1], "nexthop") == 0, atoi(argv[2]), if_nametoindex(argv[3]), gateway);
  return 0;
}

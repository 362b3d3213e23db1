// A tunnel without a cipher, without a check and without a protocol: what TUN and UDP allow a program of one thread at most. TUN hands
// over super-packets behind virtio headers, UDP_SEGMENT carries each as a train of datagrams, UDP_GRO gives the train back whole.
// Measures the machine, carries nobody's data: a lost datagram spoils a super-packet, and nothing notices.
//
//   relay DEVICE LOCAL-PORT REMOTE-ADDRESS REMOTE-PORT     prints "up" once it relays; ends by a signal
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace {

constexpr int kUdpSegment = 103, kUdpGro = 104;
constexpr ssize_t kHeader = 10;      // virtio_net_hdr
constexpr uint16_t kSegment = 1430;  // fits a path of 1500
constexpr ssize_t kTrain = 45 * kSegment;
constexpr int kReads = 16;           // of one descriptor in a turn
constexpr int kBuffer = 4 << 20;

uint8_t buffer[70'000];

int Fail(const char* what) {
  perror(what);
  return 1;
}

int OpenTun(const char* name) {
  const int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  ifreq request = {};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0 || ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
    return -1;
  return tun;
}

int OpenUdp(uint16_t port, const char* remote, uint16_t remotePort) {
  const int udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const int on = 1;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (udp < 0 || setsockopt(udp, IPPROTO_UDP, kUdpGro, &on, sizeof on) != 0 ||
      setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &kBuffer, sizeof kBuffer) != 0 ||
      setsockopt(udp, SOL_SOCKET, SO_SNDBUF, &kBuffer, sizeof kBuffer) != 0 ||
      bind(udp, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return -1;
  address.sin_port = htons(remotePort);
  if (inet_aton(remote, &address.sin_addr) == 0) return -1;
  return connect(udp, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? udp : -1;
}

void SendTrain(int udp, uint8_t* bytes, ssize_t length) {
  iovec piece = {bytes, static_cast<size_t>(length)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof kSegment)] = {};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (length > kSegment) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = kUdpSegment;
    c->cmsg_len = CMSG_LEN(sizeof kSegment);
    memcpy(CMSG_DATA(c), &kSegment, sizeof kSegment);
  }
  sendmsg(udp, &message, MSG_DONTWAIT);
}

ssize_t LengthOf(const uint8_t* packet) {
  return packet[0] >> 4 == 4 ? packet[2] << 8 | packet[3] : 40 + (packet[4] << 8 | packet[5]);
}

void FromTun(int tun, int udp) {
  for (int i = 0; i < kReads; i++) {
    const ssize_t length = read(tun, buffer, sizeof buffer);
    if (length <= 0) return;
    for (ssize_t at = 0; at < length; at += kTrain) SendTrain(udp, buffer + at, length - at < kTrain ? length - at : kTrain);
  }
}

void FromUdp(int udp, int tun) {
  for (int i = 0; i < kReads; i++) {
    ssize_t length = recv(udp, buffer, sizeof buffer, 0);
    if (length <= 0) return;
    // The longest super-packets come in two trains, the second a moment later.
    if (length == kTrain && LengthOf(buffer + kHeader) + kHeader > kTrain) {
      pollfd wait = {udp, POLLIN, 0};
      poll(&wait, 1, 5);
      const ssize_t rest = recv(udp, buffer + kTrain, sizeof buffer - kTrain, 0);
      if (rest > 0) length += rest;
    }
    if (length > kHeader && write(tun, buffer, static_cast<size_t>(length)) < 0) continue;
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return fprintf(stderr, "relay DEVICE LOCAL-PORT REMOTE-ADDRESS REMOTE-PORT\n"), 2;
  const int tun = OpenTun(words[1]);
  if (tun < 0) return Fail("TUN");
  const int udp = OpenUdp(static_cast<uint16_t>(atoi(words[2])), words[3], static_cast<uint16_t>(atoi(words[4])));
  if (udp < 0) return Fail("UDP");
  const int turn = epoll_create1(0);
  for (const int fd : {tun, udp}) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(turn, EPOLL_CTL_ADD, fd, &event) != 0) return Fail("epoll");
  }
  printf("up\n");
  fflush(stdout);
  for (;;) {
    epoll_event ready[2];
    const int n = epoll_wait(turn, ready, 2, -1);
    for (int i = 0; i < n; i++) {
      if (ready[i].data.fd == tun) {
        FromTun(tun, udp);
      } else {
        FromUdp(udp, tun);
      }
    }
  }
}

// Sends small UDP packets at a given rate as they would come from another machine: complete, each a frame of its own, straight to a
// device (AF_PACKET), so that the price of making them is not what is measured. No segmentation offload, nothing is joined.
//
//   sender DEVICE MAC|- SOURCE PORT DESTINATION PORT BYTES TRIAL RATE SECONDS     prints how many packets the kernel took
//
// Bursts of a millisecond; whoever is behind sends on at once. The payload begins with the trial's number in network order.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kBatch = 64;
constexpr int kBuffer = 4 << 20;
constexpr size_t kMost = 1'400;
/** A sender that was held up does not make up for more than this. */
constexpr double kMostLate = 0.005;

struct Packet {
  iphdr ip;
  udphdr udp;
  uint8_t payload[kMost];
} packet;

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

uint32_t Sum(const void* bytes, size_t length, uint32_t sum) {
  const auto* at = static_cast<const uint8_t*>(bytes);
  for (size_t i = 0; i < length; i++) sum += i % 2 == 0 ? at[i] << 8 : at[i];
  return sum;
}

uint16_t Fold(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~sum));
}

size_t Fill(char** words) {
  const auto bytes = static_cast<size_t>(std::min(atoi(words[6]), static_cast<int>(kMost)));
  const size_t datagram = sizeof packet.udp + bytes;
  packet.ip.version = 4;
  packet.ip.ihl = 5;
  // As the kernel's own: not to be cut, so that it needs no number.
  packet.ip.frag_off = htons(IP_DF);
  packet.ip.ttl = 64;
  packet.ip.protocol = IPPROTO_UDP;
  packet.ip.tot_len = htons(static_cast<uint16_t>(sizeof packet.ip + datagram));
  inet_aton(words[2], reinterpret_cast<in_addr*>(&packet.ip.saddr));
  inet_aton(words[4], reinterpret_cast<in_addr*>(&packet.ip.daddr));
  packet.ip.check = Fold(Sum(&packet.ip, sizeof packet.ip, 0));
  packet.udp.source = htons(static_cast<uint16_t>(atoi(words[3])));
  packet.udp.dest = htons(static_cast<uint16_t>(atoi(words[5])));
  packet.udp.len = htons(static_cast<uint16_t>(datagram));
  const uint32_t trial = htonl(static_cast<uint32_t>(strtoul(words[7], nullptr, 10)));
  memcpy(packet.payload, &trial, sizeof trial);
  const uint32_t addresses = Sum(&packet.ip.saddr, 8, IPPROTO_UDP + static_cast<uint32_t>(datagram));
  packet.udp.check = Fold(Sum(&packet.udp, datagram, addresses));
  return sizeof packet.ip + datagram;
}

bool Address(const char* device, const char* mac, sockaddr_ll* to) {
  to->sll_family = AF_PACKET;
  to->sll_protocol = htons(ETH_P_IP);
  to->sll_ifindex = static_cast<int>(if_nametoindex(device));
  uint8_t* const a = to->sll_addr;
  if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", a, a + 1, a + 2, a + 3, a + 4, a + 5) == 6) to->sll_halen = 6;
  return to->sll_ifindex != 0;
}

/** Packets that the kernel took of `count`; what its queue has no room for is lost, as on any wire. */
int Send(int fd, mmsghdr* messages, int count) {
  int taken = 0;
  for (int done = 0; done < count;) {
    const int n = sendmmsg(fd, messages, static_cast<unsigned>(count - done), MSG_DONTWAIT);
    taken += std::max(n, 0);
    done += std::max(n, 1);
  }
  return taken;
}

}  // namespace

int main(int count, char** words) {
  if (count != 11) return fprintf(stderr, "sender DEVICE MAC|- SOURCE PORT DESTINATION PORT BYTES TRIAL RATE SECONDS\n"), 2;
  words++;
  sockaddr_ll to = {};
  const int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBuffer, sizeof kBuffer) != 0) return perror("AF_PACKET"), 1;
  if (!Address(words[0], words[1], &to)) return perror(words[0]), 1;
  iovec piece = {&packet, Fill(words)};
  mmsghdr messages[kBatch] = {};
  for (mmsghdr& m : messages) {
    m.msg_hdr.msg_name = &to;
    m.msg_hdr.msg_namelen = sizeof to;
    m.msg_hdr.msg_iov = &piece;
    m.msg_hdr.msg_iovlen = 1;
  }
  const double rate = atof(words[8]);
  const double until = Now() + atof(words[9]);
  double from = Now();
  int64_t due = 0, taken = 0;
  for (double now = from; now < until; now = Now()) {
    const double late = now - from - static_cast<double>(due) / rate;
    if (late > kMostLate) from += late - kMostLate;
    const auto owed = static_cast<int64_t>((now - from) * rate);
    while (due < owed) {
      const int burst = static_cast<int>(std::min<int64_t>(kBatch, owed - due));
      taken += Send(fd, messages, burst);
      due += burst;
    }
    if (Now() - from < static_cast<double>(due + kBatch) / rate) usleep(1'000);
  }
  printf("%lld\n", static_cast<long long>(taken));
}

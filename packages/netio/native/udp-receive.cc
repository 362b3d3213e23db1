// Receiving with recvmmsg(2): many datagrams a system call, each with the path that it came on.
#include <sys/socket.h>

#include <algorithm>

#include "descriptors.h"
#include "functions.h"
#include "path-record.h"

namespace culvert {

namespace {

constexpr size_t kChunk = 64;

/** How often a call goes on after an error that some earlier datagram caused (ICMP unreachable and the like). */
constexpr int kSoftErrors = 16;

// Words of `report`. Counts are added to, `kErrno` is set.
enum Report { kTruncated = 0, kEmpty = 1, kErrno = 2, kReportWords = 3 };

/** Everything that one system call needs; filled anew for every call because the kernel writes lengths into it. */
struct Chunk {
  mmsghdr messages[kChunk];
  iovec pieces[kChunk];
  SocketAddress remotes[kChunk];
  alignas(cmsghdr) char controls[kChunk][kControlBytes];

  void Point(size_t count, uint8_t* at, size_t slotBytes) {
    for (size_t i = 0; i < count; i++) {
      pieces[i] = {at + i * slotBytes, slotBytes};
      msghdr& m = messages[i].msg_hdr;
      m = {};
      m.msg_name = &remotes[i];
      m.msg_namelen = sizeof remotes[i];
      m.msg_iov = &pieces[i];
      m.msg_iovlen = 1;
      m.msg_control = controls[i];
      m.msg_controllen = kControlBytes;
    }
  }
};

void PutRemote(const SocketAddress& remote, uint32_t* path) {
  if (remote.any.sa_family == AF_INET6) {
    memcpy(path + kRemote, &remote.v6.sin6_addr, 16);
    path[kPort] = ntohs(remote.v6.sin6_port);
    // Only a link-local peer is tied to its interface; any other may be answered by another way.
    const bool linkLocal = IN6_IS_ADDR_LINKLOCAL(&remote.v6.sin6_addr);
    path[kInterface] = 6u << 28 | (linkLocal ? remote.v6.sin6_scope_id & kInterfaceMask : 0);
  } else {
    memcpy(path + kRemote, &remote.v4.sin_addr, 4);
    path[kPort] = ntohs(remote.v4.sin_port);
    path[kInterface] = 4u << 28;
  }
}

void PutLocal(msghdr* message, uint32_t* path) {
  for (cmsghdr* c = CMSG_FIRSTHDR(message); c != nullptr; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo packet;
      memcpy(&packet, CMSG_DATA(c), sizeof packet);
      // The address to answer from: for a broadcast it is ours, not the one in the header.
      memcpy(path + kLocal, &packet.ipi_spec_dst, 4);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo packet;
      memcpy(&packet, CMSG_DATA(c), sizeof packet);
      if (!IN6_IS_ADDR_MULTICAST(&packet.ipi6_addr)) memcpy(path + kLocal, &packet.ipi6_addr, 16);
    }
  }
}

int ReceiveChunk(int fd, mmsghdr* messages, size_t count, Span<uint32_t> report) {
  for (int soft = 0; soft < kSoftErrors; soft++) {
    const int n = recvmmsg(fd, messages, count, MSG_DONTWAIT, nullptr);
    if (n >= 0) return n;
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) report.data[kErrno] = errno;
  }
  return 0;
}

}  // namespace

// receiveBatch(fd, arena: Uint8Array, offsets, lengths, paths: Uint32Array, count, used, slotBytes, report: Uint32Array)
//   : datagrams appended behind `count` and `used`. Each has `slotBytes` of the arena to itself, so offsets lie that far apart
// within one call. Cut and empty datagrams are dropped and counted.
napi_value ReceiveBatch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const Span<uint8_t> arena = args.Bytes(1, "arena");
  const Span<uint32_t> offsets = args.Words(2, "offsets");
  const Span<uint32_t> lengths = args.Words(3, "lengths");
  const Span<uint32_t> paths = args.Words(4, "paths");
  const size_t slots = std::min({offsets.size, lengths.size, paths.size / kPathWords});
  const size_t end = std::min<size_t>(arena.size, UINT32_MAX);
  const size_t first = args.Integer(5, "count", 0, slots);
  size_t at = args.Integer(6, "used", 0, end);
  const size_t slotBytes = args.Integer(7, "slotBytes", 1, UINT16_MAX + 1);
  const Span<uint32_t> report = args.Words(8, "report");
  if (args.ok() && report.size < kReportWords) args.WrongRange("report");
  if (!args.ok()) return nullptr;

  Chunk chunk;
  size_t next = first;
  for (;;) {
    const size_t wanted = std::min({kChunk, slots - next, (end - at) / slotBytes});
    if (wanted == 0) break;
    chunk.Point(wanted, arena.data + at, slotBytes);
    const size_t got = ReceiveChunk(fd, chunk.messages, wanted, report);
    for (size_t i = 0; i < got; i++, at += slotBytes) {
      msghdr& message = chunk.messages[i].msg_hdr;
      if (message.msg_flags & MSG_TRUNC) {
        report.data[kTruncated]++;
      } else if (chunk.messages[i].msg_len == 0) {
        report.data[kEmpty]++;
      } else {
        uint32_t* path = paths.data + next * kPathWords;
        memset(path, 0, kPathWords * sizeof(uint32_t));
        PutRemote(chunk.remotes[i], path);
        PutLocal(&message, path);
        offsets.data[next] = static_cast<uint32_t>(at);
        lengths.data[next++] = chunk.messages[i].msg_len;
      }
    }
    if (got < wanted) break;
  }
  return Number(env, next - first);
}

}  // namespace culvert

// Receiving with recvmmsg(2): many datagrams a system call, each with the path that it came on.
#include <netinet/udp.h>

#include <algorithm>

#include "descriptors.h"
#include "functions.h"
#include "receive.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace culvert {

namespace {

/** How often a call goes on after an error that some earlier datagram caused (ICMP unreachable and the like). */
constexpr int kSoftErrors = 16;

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

/** The longest IPv4 header. */
constexpr size_t kLongestHeader = 60;

/** Describes the datagram that the kernel put at `in->at`, behind its IP header if there is one. */
void AppendReceived(Inbox* in, size_t length, const uint32_t* path) {
  size_t header = 0;
  if (in->headers) {
    header = (Load(in->arena.data + in->at) & 0x0f) * size_t{4};
    // A datagram may be as long as its slot without the room for the longest header.
    if (length > header && length - header > in->slotBytes - kLongestHeader) {
      in->report.data[kTruncated]++;
      return;
    }
  }
  if (length <= header) {
    in->report.data[kEmpty]++;
  } else {
    in->Append(in->at + header, length - header, path);
  }
}

void ReceiveSingles(int fd, Inbox* in) {
  ReceiveChunk chunk;
  uint32_t path[kPathWords];
  for (;;) {
    const size_t wanted = std::min({kReceiveChunk, in->slots - in->next, (in->end - in->at) / in->slotBytes});
    if (wanted == 0) return;
    chunk.Point(wanted, in->arena.data + in->at, in->slotBytes);
    const size_t got = chunk.Receive(fd, wanted, in->report);
    for (size_t i = 0; i < got; i++, in->at += in->slotBytes) {
      if (chunk.messages[i].msg_hdr.msg_flags & MSG_TRUNC) {
        in->report.data[kTruncated]++;
      } else {
        chunk.ReadControl(i, path);
        AppendReceived(in, chunk.messages[i].msg_len, path);
      }
    }
    if (got < wanted) return;
  }
}

}  // namespace

void ReceiveChunk::Point(size_t count, uint8_t* into, size_t room) {
  for (size_t i = 0; i < count; i++) {
    pieces[i] = {into + i * room, room};
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

size_t ReceiveChunk::Receive(int fd, size_t count, Span<uint32_t> report) {
  for (int soft = 0; soft < kSoftErrors; soft++) {
    const int n = recvmmsg(fd, messages, count, MSG_DONTWAIT, nullptr);
    if (n >= 0) return n;
    if (errno == EAGAIN) return 0;
    if (errno != EINTR) report.data[kReceiveErrno] = errno;
  }
  return 0;
}

size_t ReceiveChunk::ReadControl(size_t i, uint32_t* path) {
  memset(path, 0, kPathWords * sizeof(uint32_t));
  PutRemote(remotes[i], path);
  int segment = 0;
  msghdr* message = &messages[i].msg_hdr;
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
    } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      memcpy(&segment, CMSG_DATA(c), sizeof segment);
    }
  }
  return segment > 0 ? segment : 0;
}

// receiveBatch(fd, count, used, slotBytes, headers: 0 | 1): datagrams appended behind `count` and `used`. It uses what was bound
//   for way 0: arena, spill: Uint8Array, offsets, lengths, paths, runs, report, spillState: Uint32Array.
// With an empty `spillState` the socket has UDP_GRO off: each datagram has `slotBytes` of the arena to itself, so offsets lie
// that far apart within one call. Else see receive-trains.cc. Datagrams longer than `slotBytes` and empty ones are dropped
// and counted. With `headers` (raw IPv4 sockets) each comes behind its IP header, for which a slot has room for 60 bytes.
napi_value ReceiveBatch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  const BoundArrays& bound = Descriptors::Of(env).Bound(fd, 0);
  Inbox in = {};
  in.arena = bound.bytes[0];
  in.offsets = bound.words[0];
  in.lengths = bound.words[1];
  in.paths = bound.words[2];
  in.runs = bound.words[3];
  in.report = bound.words[4];
  const Spill spill = {bound.bytes[1], bound.words[5]};
  in.slots = std::min({in.offsets.size, in.lengths.size, in.paths.size / kPathWords, in.runs.size});
  in.end = std::min<size_t>(in.arena.size, UINT32_MAX);
  in.next = args.Integer(1, "count", 0, in.slots);
  in.at = args.Integer(2, "used", 0, in.end);
  in.slotBytes = args.Integer(3, "slotBytes", 1, UINT16_MAX + 1 + kLongestHeader);
  in.headers = args.Integer(4, "headers", 0, 1) != 0;
  if (args.ok() && in.headers && in.slotBytes <= kLongestHeader) args.WrongRange("slotBytes");
  if (args.ok() && in.report.size < kReceiveReportWords) args.WrongRange("report");
  if (args.ok() && spill.state.size > 0 && !spill.IsSound()) args.WrongRange("spill");
  if (!args.ok()) return nullptr;

  const size_t first = in.next;
  if (spill.state.size > 0) {
    ReceiveTrains(fd, &in, spill);
  } else {
    ReceiveSingles(fd, &in);
  }
  return Number(env, in.next - first);
}

}  // namespace culvert

// Sending with sendmmsg(2): many datagrams a system call, each to its own remote and from its own local address.
#include <sys/socket.h>

#include <algorithm>

#include "descriptors.h"
#include "functions.h"
#include "path-record.h"

namespace culvert {

namespace {

constexpr size_t kChunk = 64;

// Words of `report`. Counts are added to, `kErrno` is set.
enum Report { kSent = 0, kErrors = 1, kFull = 2, kErrno = 3, kReportWords = 4 };

struct Chunk {
  mmsghdr messages[kChunk];
  iovec pieces[kChunk];
  SocketAddress remotes[kChunk];
  alignas(cmsghdr) char controls[kChunk][kControlBytes];
};

/** Writes one control message and sets the message's control length to it. */
template <typename T>
void PutControl(msghdr* message, int level, int type, const T& value) {
  message->msg_controllen = CMSG_SPACE(sizeof value);
  cmsghdr* c = CMSG_FIRSTHDR(message);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof value);
  memcpy(CMSG_DATA(c), &value, sizeof value);
}

void AddressIpv4(msghdr* message, SocketAddress* remote, const PathRecord& path) {
  remote->v4 = {};
  remote->v4.sin_family = AF_INET;
  remote->v4.sin_port = htons(static_cast<uint16_t>(path.words[kPort]));
  memcpy(&remote->v4.sin_addr, path.words + kRemote, 4);
  message->msg_namelen = sizeof remote->v4;
  if (!path.namesLocal() && path.interface() == 0) return;
  in_pktinfo packet = {};
  packet.ipi_ifindex = static_cast<int>(path.interface());
  memcpy(&packet.ipi_spec_dst, path.words + kLocal, 4);
  PutControl(message, IPPROTO_IP, IP_PKTINFO, packet);
}

void AddressIpv6(msghdr* message, SocketAddress* remote, const PathRecord& path) {
  remote->v6 = {};
  remote->v6.sin6_family = AF_INET6;
  remote->v6.sin6_port = htons(static_cast<uint16_t>(path.words[kPort]));
  remote->v6.sin6_scope_id = path.interface();
  memcpy(&remote->v6.sin6_addr, path.words + kRemote, 16);
  message->msg_namelen = sizeof remote->v6;
  if (!path.namesLocal() && path.interface() == 0) return;
  in6_pktinfo packet = {};
  packet.ipi6_ifindex = path.interface();
  memcpy(&packet.ipi6_addr, path.words + kLocal, 16);
  PutControl(message, IPPROTO_IPV6, IPV6_PKTINFO, packet);
}

void Point(Chunk* chunk, size_t slot, int version, uint8_t* bytes, size_t length, const uint32_t* words) {
  chunk->pieces[slot] = {bytes, length};
  msghdr& m = chunk->messages[slot].msg_hdr;
  m = {};
  m.msg_iov = &chunk->pieces[slot];
  m.msg_iovlen = 1;
  m.msg_name = &chunk->remotes[slot];
  m.msg_control = chunk->controls[slot];
  const PathRecord path(words);
  if (version == 6) {
    AddressIpv6(&m, &chunk->remotes[slot], path);
  } else {
    AddressIpv4(&m, &chunk->remotes[slot], path);
  }
  if (m.msg_controllen == 0) m.msg_control = nullptr;
}

/** Hands `count` messages to the kernel, passing over those that it refuses. Returns how many are done with; fewer: it is full. */
size_t Flush(int fd, Chunk* chunk, size_t count, Span<uint32_t> report) {
  size_t done = 0;
  while (done < count) {
    const int n = sendmmsg(fd, chunk->messages + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      done += n;
      report.data[kSent] += n;
    } else if (errno == EAGAIN) {
      report.data[kFull]++;
      break;
    } else if (errno != EINTR) {
      // No route, too large for the path, a firewall's refusal: this datagram is lost, the next may pass.
      report.data[kErrno] = errno;
      report.data[kErrors]++;
      done++;
    }
  }
  return done;
}

}  // namespace

// sendBatch(fd, version, arena: Uint8Array, offsets, lengths, paths: Uint32Array, from, count, report: Uint32Array)
//   : how many of the descriptors `from`..`count` are done with: sent, refused by the kernel, or of length 0.
napi_value SendBatch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const int version = static_cast<int>(args.Integer(1, "version", 4, 6));
  const Span<uint8_t> arena = args.Bytes(2, "arena");
  const Span<uint32_t> offsets = args.Words(3, "offsets");
  const Span<uint32_t> lengths = args.Words(4, "lengths");
  const Span<uint32_t> paths = args.Words(5, "paths");
  const size_t slots = std::min({offsets.size, lengths.size, paths.size / kPathWords});
  const size_t count = args.Integer(7, "count", 0, slots);
  const size_t from = args.Integer(6, "from", 0, count);
  const Span<uint32_t> report = args.Words(8, "report");
  if (args.ok() && report.size < kReportWords) args.WrongRange("report");
  if (!args.ok()) return nullptr;

  Chunk chunk;
  size_t indexes[kChunk];
  size_t next = from;
  while (next < count) {
    size_t filled = 0;
    for (; next < count && filled < kChunk; next++) {
      const size_t length = Load(&lengths.data[next]);
      const size_t at = Load(&offsets.data[next]);
      if (length == 0) continue;
      if (at > arena.size || arena.size - at < length) {
        args.WrongRange("a datagram");
        return nullptr;
      }
      indexes[filled] = next;
      Point(&chunk, filled++, version, arena.data + at, length, paths.data + next * kPathWords);
    }
    const size_t done = Flush(fd, &chunk, filled, report);
    if (done < filled) return Number(env, indexes[done] - from);
  }
  return Number(env, count - from);
}

// sendOne(fd, version, bytes: Uint8Array, path: Uint32Array, report: Uint32Array): 1 if the kernel took it, else 0.
napi_value SendOne(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const int version = static_cast<int>(args.Integer(1, "version", 4, 6));
  const Span<uint8_t> bytes = args.Bytes(2, "bytes");
  const Span<uint32_t> path = args.Words(3, "path");
  const Span<uint32_t> report = args.Words(4, "report");
  if (args.ok() && path.size < kPathWords) args.WrongRange("path");
  if (args.ok() && report.size < kReportWords) args.WrongRange("report");
  if (!args.ok()) return nullptr;
  Chunk chunk;
  Point(&chunk, 0, version, bytes.data, bytes.size, path.data);
  const uint32_t before = report.data[kSent];
  Flush(fd, &chunk, 1, report);
  return Number(env, report.data[kSent] - before);
}

}  // namespace culvert

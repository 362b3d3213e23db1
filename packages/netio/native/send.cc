// Sending with sendmmsg(2): many datagrams a system call, each to its own remote and from its own local address. Datagrams of
// one size on one path travel as one message with UDP_SEGMENT, which the kernel, or the network card, cuts again.
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>

#include "descriptors.h"
#include "functions.h"
#include "path-record.h"
#include "segmentation.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace culvert {

namespace {

constexpr size_t kMessages = 64;
constexpr size_t kPieces = 512;

/** UDP_MAX_SEGMENTS of the kernels before 6.9. */
constexpr size_t kTrainSegments = 64;

/** With all headers below the 64 KiB from which on the kernel itself cuts what it hands to a device. */
constexpr size_t kTrainBytes = 65'000;

// Words of `report`. Counts are added to, `kErrno` is set.
enum Report { kSent = 0, kErrors = 1, kFull = 2, kErrno = 3, kTrains = 4, kFallbacks = 5, kReportWords = 6 };

/** The caller's batch. Another thread may write to it, so `Take` loads a descriptor once and checks what it loaded. */
struct Outbox {
  Span<uint8_t> arena;
  Span<uint32_t> offsets;
  Span<uint32_t> lengths;
  Span<uint32_t> paths;
  size_t count;

  /** False: it lies outside of the arena. */
  bool Take(size_t i, iovec* piece) const {
    const size_t length = Load(&lengths.data[i]);
    const size_t at = Load(&offsets.data[i]);
    *piece = {arena.data + at, length};
    return length == 0 || (at <= arena.size && arena.size - at >= length);
  }
  const uint32_t* PathOf(size_t i) const { return paths.data + i * kPathWords; }
};

/** Writes one more control message behind those that the message has. */
template <typename T>
void PutControl(msghdr* message, int level, int type, const T& value) {
  auto* c = reinterpret_cast<cmsghdr*>(static_cast<char*>(message->msg_control) + message->msg_controllen);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof value);
  memcpy(CMSG_DATA(c), &value, sizeof value);
  message->msg_controllen += CMSG_SPACE(sizeof value);
}

void AddressIpv4(msghdr* message, SocketAddress* remote, const PathRecord& path) {
  message->msg_namelen = path.Fill(remote, 4, kRemote, path.port());
  if (!path.namesLocal() && path.interface() == 0) return;
  in_pktinfo packet = {};
  packet.ipi_ifindex = static_cast<int>(path.interface());
  memcpy(&packet.ipi_spec_dst, path.words + kLocal, 4);
  PutControl(message, IPPROTO_IP, IP_PKTINFO, packet);
}

void AddressIpv6(msghdr* message, SocketAddress* remote, const PathRecord& path) {
  message->msg_namelen = path.Fill(remote, 6, kRemote, path.port());
  if (!path.namesLocal() && path.interface() == 0) return;
  in6_pktinfo packet = {};
  packet.ipi6_ifindex = path.interface();
  memcpy(&packet.ipi6_addr, path.words + kLocal, 16);
  PutControl(message, IPPROTO_IPV6, IPV6_PKTINFO, packet);
}

/** One message: a single datagram, or a train. */
struct Train {
  PathRecord path;
  /** Bytes of each datagram but the last, which may have fewer. */
  size_t segment;
  size_t segments;
  /** The descriptors that it stands for: `first`..`end`, with those of length 0 in between. */
  size_t first;
  size_t end;
};

class Chunk {
 public:
  explicit Chunk(int version) : version_(version) {}

  size_t size() const { return size_; }
  const Train& train(size_t i) const { return trains_[i]; }
  mmsghdr* messages(size_t from) { return messages_ + from; }
  bool HasRoom() const { return size_ < kMessages && kPieces - pieces_ >= kTrainSegments; }
  void Clear() { size_ = pieces_ = 0; }

  /** Where, from a single datagram on, the next train is. */
  size_t EndOfSingles(size_t from) const {
    while (from < size_ && trains_[from].segments == 1) from++;
    return from;
  }

  void Add(const iovec& piece, const PathRecord& path, size_t index) {
    trains_[size_] = {path, piece.iov_len, 1, index, index + 1};
    pieceList_[pieces_] = piece;
    msghdr& m = messages_[size_].msg_hdr;
    m = {};
    m.msg_iov = &pieceList_[pieces_++];
    m.msg_iovlen = 1;
    m.msg_name = &remotes_[size_];
    m.msg_control = controls_[size_];
    if (version_ == 6) {
      AddressIpv6(&m, &remotes_[size_], path);
    } else {
      AddressIpv4(&m, &remotes_[size_], path);
    }
    size_++;
  }

  /** Adds to the message that was added last the datagrams behind it that may go with it. */
  void Lengthen(const Outbox& out) {
    Train& train = trains_[size_ - 1];
    msghdr& m = messages_[size_ - 1].msg_hdr;
    size_t bytes = train.segment;
    bool shorter = false;
    iovec piece;
    for (size_t i = train.end; i < out.count && train.segments < kTrainSegments && !shorter; i++) {
      // One outside of the arena is found when its turn comes to be the first of a message.
      if (!out.Take(i, &piece)) break;
      if (piece.iov_len == 0) continue;
      if (piece.iov_len > train.segment || bytes + piece.iov_len > kTrainBytes) break;
      if (!train.path.Equals(out.PathOf(i))) break;
      shorter = piece.iov_len < train.segment;
      bytes += piece.iov_len;
      Append(&m, piece);
      train.segments++;
      train.end = i + 1;
    }
    if (train.segments > 1) PutControl(&m, IPPROTO_UDP, UDP_SEGMENT, static_cast<uint16_t>(train.segment));
  }

  /** To be called once all are added. */
  void Finish() {
    for (size_t i = 0; i < size_; i++) {
      if (messages_[i].msg_hdr.msg_controllen == 0) messages_[i].msg_hdr.msg_control = nullptr;
    }
  }

 private:
  void Append(msghdr* m, const iovec& piece) {
    iovec& last = m->msg_iov[m->msg_iovlen - 1];
    if (static_cast<uint8_t*>(last.iov_base) + last.iov_len == piece.iov_base) {
      last.iov_len += piece.iov_len;
    } else {
      pieceList_[pieces_++] = piece;
      m->msg_iovlen++;
    }
  }

  const int version_;
  size_t size_ = 0;
  size_t pieces_ = 0;
  Train trains_[kMessages];
  mmsghdr messages_[kMessages];
  iovec pieceList_[kPieces];
  SocketAddress remotes_[kMessages];
  alignas(cmsghdr) char controls_[kMessages][kControlBytes];
};

/**
 * Has single datagrams cut that are longer than an IPv4 path takes, by a socket that sends all with DF (`prepareTrains`): meanwhile the kernel gives DF
 * to those that fit, and to no train, whose segments a router would cut without a word.
 */
class CutLonger {
 public:
  explicit CutLonger(int fd) : fd_(fd) {}
  CutLonger(const CutLonger&) = delete;
  CutLonger& operator=(const CutLonger&) = delete;
  ~CutLonger() { End(); }

  bool began() const { return began_; }

  /** False: the socket did not refuse for that, or has begun already. */
  bool Begin() {
    int mode = 0;
    socklen_t length = sizeof mode;
    if (began_ || getsockopt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, &mode, &length) != 0 || mode != IP_PMTUDISC_DO)
      return false;
    began_ = Set(IP_PMTUDISC_WANT);
    return began_;
  }

  void End() {
    if (began_) Set(IP_PMTUDISC_DO);
    began_ = false;
  }

 private:
  bool Set(int mode) { return setsockopt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof mode) == 0; }

  const int fd_;
  bool began_ = false;
};

enum class Outcome { kDone, kFull, kTrainRefused };

/** Whether the datagrams of a train may pass one by one though the kernel refused the train. */
bool MayPassSingly(int error) {
  switch (error) {
    case EMSGSIZE:  // a segment exceeds the path's MTU: trains are never fragmented, datagrams are
    case EINVAL:    // the same from older kernels
    case EIO:       // IPsec is in the way to this peer, or its device computes no checksums
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENOMEM:
    case ENOBUFS:
      return true;
    default:
      return false;
  }
}

void Learn(Segmentation* segmentation, const Train& train, int error) {
  if (error == EMSGSIZE || error == EINVAL) segmentation->Remember(train.path, train.segment);
  if (error == EIO) segmentation->Remember(train.path, 1);  // whatever their size; the paths of others may be well
  if (error == ENOPROTOOPT || error == EOPNOTSUPP) segmentation->SwitchOff(error);
}

/**
 * Hands the chunk's messages from `*done` on to the kernel, passing over the datagrams that it refuses, and sets `*done` to
 * the first message that it did not take.
 */
Outcome Flush(int fd, Chunk* chunk, size_t* done, Segmentation* segmentation, Span<uint32_t> report) {
  CutLonger cut(fd);
  while (*done < chunk->size()) {
    const size_t until = cut.began() ? chunk->EndOfSingles(*done) : chunk->size();
    const int n = sendmmsg(fd, chunk->messages(*done), until - *done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      for (const size_t end = *done + n; *done < end; ++*done) {
        const size_t segments = chunk->train(*done).segments;
        report.data[kSent] += segments;
        report.data[kTrains] += segments > 1;
      }
      if (*done == until) cut.End();
      continue;
    }
    const int error = errno;
    if (error == EINTR) continue;
    if (error == EAGAIN) {
      report.data[kFull]++;
      return Outcome::kFull;
    }
    const Train& train = chunk->train(*done);
    if (train.segments > 1 && MayPassSingly(error)) {
      report.data[kFallbacks]++;
      Learn(segmentation, train, error);
      return Outcome::kTrainRefused;
    }
    if (error == EMSGSIZE && cut.Begin()) continue;
    cut.End();
    // No route, too large for the path, a firewall's refusal: these datagrams are lost, the next may pass.
    report.data[kErrno] = error;
    report.data[kErrors] += train.segments;
    ++*done;
  }
  return Outcome::kDone;
}

}  // namespace

// sendBatch(fd, version, from, count): how many of the descriptors `from`..`count` are done with: sent, refused by the kernel, or of
//   length 0. It uses what was bound for way 1: arena: Uint8Array, offsets, lengths, paths, report, segmentation: Uint32Array; the
//   last as segmentation.h has it, or empty.
napi_value SendBatch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  const int version = static_cast<int>(args.Integer(1, "version", 4, 6));
  if (!args.ok()) return nullptr;
  const BoundArrays& bound = Descriptors::Of(env).Bound(fd, 1);
  Outbox out = {};
  out.arena = bound.bytes[0];
  out.offsets = bound.words[0];
  out.lengths = bound.words[1];
  out.paths = bound.words[2];
  out.count = args.Integer(3, "count", 0, std::min({out.offsets.size, out.lengths.size, out.paths.size / kPathWords}));
  const size_t from = args.Integer(2, "from", 0, out.count);
  const Span<uint32_t> report = bound.words[3];
  Segmentation segmentation(bound.words[4]);
  if (args.ok() && report.size < kReportWords) args.WrongRange("report");
  if (!args.ok()) return nullptr;

  Chunk chunk(version);
  size_t next = from;
  // A refused train is gone through again, one by one; up to here.
  size_t singlesUntil = from;
  while (next < out.count) {
    chunk.Clear();
    while (next < out.count && chunk.HasRoom()) {
      iovec piece;
      if (!out.Take(next, &piece)) {
        args.WrongRange("a datagram");
        return nullptr;
      }
      if (piece.iov_len == 0) {
        next++;
        continue;
      }
      const PathRecord path(out.PathOf(next));
      chunk.Add(piece, path, next);
      const bool trains = next >= singlesUntil && segmentation.on();
      if (trains && !segmentation.IsTooLarge(path, piece.iov_len)) chunk.Lengthen(out);
      next = chunk.train(chunk.size() - 1).end;
    }
    chunk.Finish();
    size_t done = 0;
    const Outcome outcome = Flush(fd, &chunk, &done, &segmentation, report);
    if (outcome == Outcome::kFull) return Number(env, chunk.train(done).first - from);
    if (outcome == Outcome::kTrainRefused) {
      next = chunk.train(done).first;
      singlesUntil = chunk.train(done).end;
    }
  }
  return Number(env, out.count - from);
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
  Chunk chunk(version);
  chunk.Add({bytes.data, bytes.size}, PathRecord(path.data), 0);
  chunk.Finish();
  Segmentation none({});
  size_t done = 0;
  const uint32_t before = report.data[kSent];
  Flush(fd, &chunk, &done, &none, report);
  return Number(env, report.data[kSent] - before);
}

}  // namespace culvert

// The packet path: one read(2) or write(2) a packet (TUN has no call for many), one call from JavaScript a batch.
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "descriptors.h"
#include "functions.h"

namespace culvert {

namespace {

/** struct virtio_net_hdr, in front of each packet of a device that has IFF_VNET_HDR. */
constexpr size_t kHeaderBytes = 10;

// The largest super-packet that TUN gives (64 KiB, a frame header and a virtio header), and more.
constexpr size_t kMostRoom = 68 * 1024;

// Words of `report`: what went wrong with packets that were passed over.
enum Report { kPassedOver = 0, kErrno = 1, kReportWords = 2 };

enum Way { kReading = 0, kWriting = 1 };

/** What is bound for one way of a descriptor. */
struct Packets {
  Span<uint8_t> arena;
  Span<uint32_t> offsets;
  Span<uint32_t> lengths;
  Span<uint32_t> report;

  static Packets Of(napi_env env, int fd, Way way) {
    const BoundArrays& bound = Descriptors::Of(env).Bound(fd, way);
    return {bound.bytes[0], bound.words[0], bound.words[1], bound.words[2]};
  }
};

ssize_t ReadPacket(int fd, uint8_t* into, size_t room) {
  for (;;) {
    const ssize_t n = read(fd, into, room);
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

ssize_t WritePacket(int fd, const uint8_t* from, size_t length) {
  for (;;) {
    const ssize_t n = write(fd, from, length);
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

/** The same behind a header of zeros: a single packet that is complete. */
ssize_t WriteComplete(int fd, uint8_t* from, size_t length) {
  uint8_t zeros[kHeaderBytes] = {};
  const iovec pieces[] = {{zeros, kHeaderBytes}, {from, length}};
  for (;;) {
    const ssize_t n = writev(fd, pieces, 2);
    if (n >= 0) return n;
    if (errno != EINTR) return -errno;
  }
}

// How the packets of a batch go to the device.
enum Headers {
  kNone = 0,   // there are none
  kArena = 1,  // they lie in the arena, right before each packet
  kZeros = 2   // the device wants them, the batch has none
};

bool IsFull(int error) { return error == EAGAIN || error == ENOBUFS; }

/** The descriptor has no interface any more, so no packet of the batch can pass. */
bool IsGone(int error) { return error == EBADFD || error == EBADF; }

}  // namespace

// Both calls use what `bind` was given for their way (reading 0, writing 1): arena: Uint8Array, offsets, lengths, report: Uint32Array.

// readBatch(fd, count, used, maxPacket, headers: 0 | 1, most): packets appended behind `count` and `used`, or -errno if there was an error before the first.
// With `headers` the device puts one before each packet; offset and length are the packet's own. Stops behind `most` packets, when
// none waits, when no slot is free, or when the arena has no room for a header and `maxPacket` + 1 bytes. A packet that fills its room was cut by
// the kernel: it is dropped and counted in report[0].
napi_value ReadBatch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  const auto [arena, offsets, lengths, report] = Packets::Of(env, fd, kReading);
  const size_t slots = std::min(offsets.size, lengths.size);
  const size_t first = args.Integer(1, "count", 0, slots);
  size_t at = args.Integer(2, "used", 0, std::min<size_t>(arena.size, UINT32_MAX));
  const size_t maxPacket = args.Integer(3, "maxPacket", 1, kMostRoom - 1);
  const size_t header = args.Integer(4, "headers", 0, 1) == 0 ? 0 : kHeaderBytes;
  const size_t stop = std::min<size_t>(slots, first + args.Integer(5, "most", 1, UINT32_MAX));
  if (args.ok() && report.size < kReportWords) args.WrongRange("report");
  if (!args.ok()) return nullptr;

  size_t next = first;
  const size_t end = std::min<size_t>(arena.size, UINT32_MAX);
  while (next < stop && end - at > header + maxPacket) {
    const size_t room = std::min(end - at, kMostRoom);
    const ssize_t n = ReadPacket(fd, arena.data + at, room);
    if (n == -EAGAIN) break;
    if (n < 0) {
      if (next == first) return Number(env, n);
      break;
    }
    const size_t length = static_cast<size_t>(n);
    if (length == room || length <= header) {
      report.data[kPassedOver]++;
      continue;
    }
    offsets.data[next] = static_cast<uint32_t>(at + header);
    lengths.data[next++] = static_cast<uint32_t>(length - header);
    at += length;
  }
  return Number(env, next - first);
}

// writeBatch(fd, count, headers: `Headers`): packets written, or -errno if the interface is gone. A packet that the kernel refuses is counted in report[0], its errno put into
// report[1].
napi_value WriteBatch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const int fd = OwnDescriptor(args, 0);
  if (!args.ok()) return nullptr;
  const auto [arena, offsets, lengths, report] = Packets::Of(env, fd, kWriting);
  const size_t count = args.Integer(1, "count", 0, std::min(offsets.size, lengths.size));
  const int64_t headers = args.Integer(2, "headers", kNone, kZeros);
  const size_t before = headers == kArena ? kHeaderBytes : 0;
  if (args.ok() && report.size < kReportWords) args.WrongRange("report");
  if (!args.ok()) return nullptr;

  uint32_t written = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t length = Load(&lengths.data[i]);
    const size_t at = Load(&offsets.data[i]);
    if (length == 0) continue;
    if (at < before || at > arena.size || arena.size - at < length) {
      args.WrongRange("a packet");
      return nullptr;
    }
    uint8_t* const packet = arena.data + at;
    const ssize_t n =
        headers == kZeros ? WriteComplete(fd, packet, length) : WritePacket(fd, packet - before, length + before);
    if (n >= 0) {
      written++;
    } else if (IsFull(-n)) {
      break;
    } else if (IsGone(-n)) {
      return Number(env, n);
    } else {
      report.data[kPassedOver]++;
      report.data[kErrno] = static_cast<uint32_t>(-n);
    }
  }
  return Number(env, written);
}

}  // namespace culvert

// What receiving one by one and receiving trains share: a batch that fills up, and the room that one system call needs.
#ifndef CULVERT_NETIO_RECEIVE_H_
#define CULVERT_NETIO_RECEIVE_H_

#include <sys/socket.h>

#include "arguments.h"
#include "path-record.h"

namespace culvert {

/** Messages of one recvmmsg(2). */
constexpr size_t kReceiveChunk = 64;

// Words of `report`. Counts are added to, `kReceiveErrno` and `kLeft` are set.
enum ReceiveReport {
  kTruncated = 0,
  kEmpty = 1,
  kReceiveErrno = 2,
  kTrainsReceived = 3,
  kLeft = 4,
  kReceiveReportWords = 5
};

/** The caller's batch: descriptors `next`..`slots` and arena bytes `at`..`end` are free. */
struct Inbox {
  Span<uint8_t> arena;
  Span<uint32_t> offsets;
  Span<uint32_t> lengths;
  Span<uint32_t> paths;
  Span<uint32_t> runs;
  Span<uint32_t> report;
  size_t slots;
  size_t end;
  size_t next;
  size_t at;
  /** Longer datagrams, with the IPv4 header where there is one, are dropped. */
  size_t slotBytes;
  /** Whether an IPv4 header comes before each, which is no part of it: raw sockets. */
  bool headers;

  bool HasRoom() const { return next < slots && end - at >= slotBytes; }

  /** Describes the datagram of `length` bytes at `offset`: a run of its own, until `JoinFrom` says more. */
  void Append(size_t offset, size_t length, const uint32_t* path) {
    memcpy(paths.data + next * kPathWords, path, kPathWords * sizeof(uint32_t));
    runs.data[next] = 1;
    offsets.data[next] = static_cast<uint32_t>(offset);
    lengths.data[next++] = static_cast<uint32_t>(length);
  }

  /** The descriptors from `first` on are of one train: each tells how many follow, itself included. */
  void JoinFrom(size_t first) {
    for (size_t i = first; i < next; i++) runs.data[i] = static_cast<uint32_t>(next - i);
  }
};

/** Everything that one system call needs; filled anew for every call because the kernel writes lengths into it. */
struct ReceiveChunk {
  mmsghdr messages[kReceiveChunk];
  iovec pieces[kReceiveChunk];
  SocketAddress remotes[kReceiveChunk];
  alignas(cmsghdr) char controls[kReceiveChunk][kControlBytes];

  /** Messages 0..`count` go to `into` and on, each with `room` bytes. */
  void Point(size_t count, uint8_t* into, size_t room);

  /** Messages received; fewer than `count` means that none waits any more. */
  size_t Receive(int fd, size_t count, Span<uint32_t> report);

  /** Writes the path on which message `i` came. Returns the bytes of a segment if it is a train, else 0. */
  size_t ReadControl(size_t i, uint32_t* path);
};

// Words of `spill`'s state.
enum SpillState { kSpillAt = 0, kSpillLeft = 1, kSpillSegment = 2, kSpillPath = 3, kSpillWords = 3 + kPathWords };

/** A train that found no room in its batch waits here; the next calls empty it first. */
struct Spill {
  Span<uint8_t> bytes;
  Span<uint32_t> state;

  bool IsSound() const;
};

/** receive-trains.cc: receives from a socket with UDP_GRO on. */
void ReceiveTrains(int fd, Inbox* in, const Spill& spill);

}  // namespace culvert

#endif  // CULVERT_NETIO_RECEIVE_H_

// Receiving with UDP_GRO: the kernel joins datagrams of one size and one peer to trains of up to 64 KiB, and says how long
// each datagram was. A batch gets descriptors of the datagrams where they lie.
#include <algorithm>

#include "receive.h"

namespace culvert {

namespace {

/** No train is longer: GRO and GSO both stay within the 16-bit length of an IP packet. */
constexpr size_t kTrainBytes = 65'536;

/** The kernel's UDP_MAX_SEGMENTS, which a sender on this machine reaches; from a network come at most 64 (UDP_GRO_CNT_MAX). */
constexpr size_t kTrainSegments = 128;

/** Describes the datagrams of one message that lies at `offset`. What finds no slot is lost, and counted. */
void Split(Inbox* in, size_t offset, size_t length, size_t segment, const uint32_t* path) {
  if (segment == 0 || segment >= length) {
    segment = length;
  } else {
    in->report.data[kTrainsReceived]++;
  }
  const size_t first = in->next;
  for (size_t done = 0; done < length; done += segment) {
    const size_t datagram = std::min(segment, length - done);
    if (datagram > in->slotBytes || in->next == in->slots) {
      in->report.data[kTruncated]++;
    } else {
      in->Append(offset + done, datagram, path);
    }
  }
  in->JoinFrom(first);
}

/** Receives straight into the arena, as long as slots and bytes are left for whole trains. False: no message waits any more. */
bool ReceiveInPlace(int fd, Inbox* in) {
  ReceiveChunk chunk;
  uint32_t path[kPathWords];
  for (;;) {
    const size_t bySlots = (in->slots - in->next) / kTrainSegments;
    const size_t wanted = std::min({kReceiveChunk, bySlots, (in->end - in->at) / kTrainBytes});
    if (wanted == 0) return true;
    const size_t start = in->at;
    chunk.Point(wanted, in->arena.data + start, kTrainBytes);
    const size_t got = chunk.Receive(fd, wanted, in->report);
    for (size_t i = 0; i < got; i++) {
      const size_t length = chunk.messages[i].msg_len;
      if (length == 0) {
        in->report.data[kEmpty]++;
        continue;
      }
      const size_t segment = chunk.ReadControl(i, path);
      size_t offset = start + i * kTrainBytes;
      if (length <= offset - in->at) {
        // Short ones move together, so that the batch holds more of them and they share the cache.
        memcpy(in->arena.data + in->at, in->arena.data + offset, length);
        offset = in->at;
      }
      Split(in, offset, length, segment, path);
      in->at = offset + length;
    }
    if (got < wanted) return false;
  }
}

/** Moves datagrams from the spill to the batch until the one is empty or the other full. */
void Drain(Inbox* in, const Spill& spill) {
  size_t at = Load(&spill.state.data[kSpillAt]);
  size_t left = Load(&spill.state.data[kSpillLeft]);
  const size_t segment = Load(&spill.state.data[kSpillSegment]);
  uint32_t path[kPathWords];
  for (size_t i = 0; i < kPathWords; i++) path[i] = Load(&spill.state.data[kSpillPath + i]);
  // Checked by `IsSound`; once more because another thread may write to shared memory.
  if (at > spill.bytes.size || left > spill.bytes.size - at || segment == 0) left = 0;
  const size_t first = in->next;
  while (left > 0 && in->HasRoom()) {
    const size_t datagram = std::min(segment, left);
    if (datagram > in->slotBytes) {
      in->report.data[kTruncated]++;
    } else {
      memcpy(in->arena.data + in->at, spill.bytes.data + at, datagram);
      in->Append(in->at, datagram, path);
      in->at += datagram;
    }
    at += datagram;
    left -= datagram;
  }
  in->JoinFrom(first);
  spill.state.data[kSpillAt] = static_cast<uint32_t>(at);
  spill.state.data[kSpillLeft] = static_cast<uint32_t>(left);
}

/** Receives one message into the spill. False: none waits. */
bool FillSpill(int fd, Inbox* in, const Spill& spill) {
  ReceiveChunk chunk;
  chunk.Point(1, spill.bytes.data, kTrainBytes);
  if (chunk.Receive(fd, 1, in->report) == 0) return false;
  uint32_t path[kPathWords];
  const size_t length = chunk.messages[0].msg_len;
  const size_t segment = chunk.ReadControl(0, path);
  if (length == 0) in->report.data[kEmpty]++;
  if (segment > 0 && segment < length) in->report.data[kTrainsReceived]++;
  spill.state.data[kSpillAt] = 0;
  spill.state.data[kSpillLeft] = static_cast<uint32_t>(length);
  spill.state.data[kSpillSegment] = static_cast<uint32_t>(segment > 0 ? segment : std::max<size_t>(length, 1));
  memcpy(spill.state.data + kSpillPath, path, sizeof path);
  return true;
}

}  // namespace

bool Spill::IsSound() const {
  if (state.size < kSpillWords || bytes.size < kTrainBytes) return false;
  const size_t at = Load(&state.data[kSpillAt]);
  const size_t left = Load(&state.data[kSpillLeft]);
  return left == 0 || (at <= bytes.size && left <= bytes.size - at && Load(&state.data[kSpillSegment]) > 0);
}

// First what an earlier call left; then straight into the arena. A batch too small for a whole train (128 slots, 64 KiB) is
// served by way of the spill, a system call and a copy a message; one that holds something already is handed over instead.
void ReceiveTrains(int fd, Inbox* in, const Spill& spill) {
  const size_t first = in->next;
  Drain(in, spill);
  if (spill.state.data[kSpillLeft] == 0 && ReceiveInPlace(fd, in) && in->next == first) {
    while (in->HasRoom() && FillSpill(fd, in, spill)) Drain(in, spill);
  }
  in->report.data[kLeft] = spill.state.data[kSpillLeft];
}

}  // namespace culvert

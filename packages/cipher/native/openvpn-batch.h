// OpenVPN's AEAD data format over whole batches.
#pragma once

#include "batch.h"
#include "openvpn-packet.h"
#include "segmenter.h"

namespace culvert {

// What a call returns instead of an index.
constexpr int32_t kOutOfBounds = -1;
constexpr int32_t kClosed = -2;
constexpr int32_t kCipherFailed = -3;

// A call's batches: packets [first, last) of src, and where dst stands.
struct Call {
  Batch src;
  Batch dst;
  size_t first = 0;
  size_t last = 0;
  Cursor cursor;
  Skipped skipped;

  bool IsValid() const {
    return first <= last && last <= src.Slots() && last <= INT32_MAX && cursor.count <= dst.Slots() &&
           cursor.used <= dst.arena.size && dst.arena.size <= UINT32_MAX;
  }
};

// What OpenTrain reports: the words of OpenReport in src/openvpn/aead.ts.
struct OpenReport {
  uint32_t accepted, failed, replayed, too_short, packets, bytes, joined, foreign;
};
constexpr size_t kReportWords = sizeof(OpenReport) / sizeof(uint32_t);

// Each returns the index of the first packet of src that was not consumed, or a negative number; the caller has checked
// that the call is valid and the key not closed.
int32_t Seal(OpenvpnKey* key, Call* call, uint32_t header, uint32_t packet_id);
int32_t SealTrains(OpenvpnKey* key, Call* call, uint32_t header, uint32_t packet_id);
int32_t Open(OpenvpnKey* key, Call* call);
// `replay` is the state of a ReplayWindow. `headroom` and `join` are the joiner's.
int32_t OpenTrain(OpenvpnKey* key, Call* call, Span<uint32_t> replay, size_t headroom, uint32_t join, OpenReport* report);

// The same cutting and joining without protection.
int32_t SegmentTrains(Call* call);
int32_t JoinTrains(Call* call, size_t headroom, uint32_t join);

}  // namespace culvert
